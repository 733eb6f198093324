"""What a run tells while it goes on: lines of metrics, TensorBoard events, a progress bar."""

from __future__ import annotations

import contextlib
import json
import math
import pathlib
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tqdm

from gan_jax import files, pictures
from gan_jax.errors import ConfigError
from gan_jax.runs.events import Events


class Record:
    """The record of a run: ``metrics.jsonl``, a line a log, and the same for TensorBoard, with
    pictures.

    What was logged beyond the step that a run is resumed from is dropped, so no step appears twice.
    ``hparams``: of the run by name, for TensorBoard's table of runs.
    """

    def __init__(self, path: pathlib.Path, step: int, hparams: Mapping[str, Any]):
        self.path = path
        self._lines = Lines(path, step)
        self._events = Events(path.parent, step)
        if not step:
            self._events.hparams(hparams, ("d/loss", "g/loss"))

    def write(
        self, step: int, seconds: float, images_per_second: float, metrics: dict[str, float]
    ) -> None:
        """Adds a line: the step, wall seconds since the run began, training speed, and metrics."""
        line = {
            "step": step,
            "seconds": round(seconds, 3),
            "images_per_second": round(images_per_second, 1),
            **metrics,
        }
        self._lines.write(line)
        self._events.scalars({name: own for name, own in line.items() if name != "step"}, step)

    def picture(self, step: int, pixels: np.ndarray, name: str = "samples") -> None:
        """Adds ``[H, W, c]`` uint8 pixels to the TensorBoard events."""
        self._events.image(name, pixels, step)

    def flush(self) -> None:
        """Brings all events to the disk; lines are there already."""
        self._events.flush()

    def close(self) -> None:
        self._lines.close()
        self._events.close()


class Lines:
    """A file of a JSON object a line, each with its ``step``; those beyond the step that a run is
    resumed from are dropped.
    """

    def __init__(self, path: pathlib.Path, step: int):
        rewrite(path, step)
        self._file = path.open("a", buffering=1)

    def write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, allow_nan=False) + "\n")

    def close(self) -> None:
        self._file.close()


class Journal:
    """The `Record` and the `Progress` of a run together. A silent one, as all processes but the
    first have it, writes and shows nothing.
    """

    def __init__(
        self,
        path: pathlib.Path,
        step: int,
        steps: int,
        hparams: Mapping[str, Any],
        silent: bool = False,
    ):
        self._record = None if silent else Record(path, step, hparams)
        self._progress = None if silent else Progress(step, steps)

    def advance(self, steps: int) -> None:
        """Some steps were made."""
        if self._progress:
            self._progress.advance(steps)

    def line(
        self,
        step: int,
        seconds: float,
        images_per_second: float,
        steps_per_second: float,
        metrics: dict[str, float],
    ) -> None:
        """Writes and shows a line of metrics; ``seconds`` are those since the run began."""
        if self._record:
            self._record.write(step, seconds, images_per_second, metrics)
        if self._progress:
            self._progress.report(step, images_per_second, steps_per_second, metrics)

    def picture(
        self, path: pathlib.Path, step: int, paint: Callable[[], np.ndarray], name: str
    ) -> None:
        """Writes what ``paint`` returns, ``[H, W, c]`` uint8 pixels, to a PNG file, and to the
        TensorBoard events by name.
        """
        if self._record:
            pixels = paint()
            pictures.save(path, pixels)
            self._record.picture(step, pixels, name)

    def warn(self, text: str) -> None:
        """Shows a line that stays."""
        if self._progress:
            self._progress.warn(text)

    def flush(self) -> None:
        """Brings what was written to the disk, before a checkpoint from which a run may resume."""
        if self._record:
            self._record.flush()

    def close(self) -> None:
        for part in (self._record, self._progress):
            if part:
                part.close()


def _bar() -> type[tqdm.tqdm] | None:
    """The progress bar that fits where this is shown; None for a pipe or a file."""
    if "ipykernel" in sys.modules:  # a notebook's own bar, where ipywidgets are installed
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", tqdm.TqdmWarning)
            from tqdm.auto import tqdm as in_notebook
        return in_notebook
    return tqdm.tqdm if sys.stdout.isatty() and sys.stderr.isatty() else None


class Clock:
    """Wall seconds that a run has taken: ``before`` in former starts, and since this object was
    made.
    """

    def __init__(self, before: float = 0.0):
        self.before, self._began = before, time.perf_counter()

    def seconds(self) -> float:
        return self.before + time.perf_counter() - self._began


def seconds(path: pathlib.Path, step: int) -> float:
    """Wall seconds that a run had taken at the last line up to a step; 0 where there is none."""
    told = [line["seconds"] for line in lines(path, step) if "seconds" in line]
    return told[-1] if told else 0.0


def lines(path: pathlib.Path, step: float = math.inf) -> list[dict[str, Any]]:
    """The lines up to a step, and all events of the run, which have the key ``event``; none where
    there is no such file.

    A torn last line, cut off by a kill, is left out.

    Raises:
      ConfigError: for a file that cannot be read, and for a line that no run writes.
    """
    try:
        *whole, last = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); {_ACCEPTED}") from error
    kept = []
    for number, text in enumerate(whole, 1):
        try:
            line = _line(text)
        except ValueError as error:
            raise ConfigError(f"{path}: line {number} is damaged: {error}; {_ACCEPTED}") from error
        kept.append(line)
    with contextlib.suppress(ValueError):
        kept.append(_line(last))
    return [line for line in kept if line["step"] <= step or "event" in line]


_ACCEPTED = "accepted: the file as it was written, or none; train.py --overwrite starts anew."


def _line(text: bytes) -> dict[str, Any]:
    """A line as it was written.

    Raises:
      ValueError: for another one; says in a few words what is wrong.
    """
    try:
        line = json.loads(text, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise ValueError("it is no JSON") from error
    if not isinstance(line, dict):
        raise ValueError("it is no object with fields")
    if type(line.get("step")) is not int:
        raise ValueError(f"its step is {line.get('step')!r}")
    if "event" in line:
        kinds = {"event": str, "seconds": (int, float)}
    elif "member" in line:
        kinds = {"member": int}
    else:
        number = (int, float) if "seconds" in line else (int, float, list)  # a list: all members'
        kinds = dict.fromkeys(line, number)
    for name, kind in kinds.items():
        if name in line and not isinstance(line[name], kind):
            raise ValueError(f"its {name} is {line[name]!r}")
    return line


def _refused(constant: str) -> None:
    raise ValueError(constant)


def rewrite(path: pathlib.Path, step: float, *more: dict[str, Any]) -> None:
    """Keeps `lines` alone, and adds some, so that the file is the old or the new one at any
    moment.
    """
    kept = [*lines(path, step), *more]
    files.write(path, "".join(json.dumps(line, allow_nan=False) + "\n" for line in kept))


class Progress:
    """Step, speed, losses and time left: a bar on a terminal and in a notebook, elsewhere a line
    for each log.
    """

    def __init__(self, step: int, steps: int):
        self._steps, kind = steps, _bar()
        self._bar = kind and kind(total=steps, initial=step, unit=" steps", dynamic_ncols=True)

    def advance(self, steps: int) -> None:
        """Some steps were made."""
        if self._bar is not None:
            self._bar.update(steps)

    def report(
        self,
        step: int,
        images_per_second: float,
        steps_per_second: float,
        metrics: dict[str, float],
    ) -> None:
        """Shows a log."""
        losses = {name: f"{value:.3f}" for name, value in metrics.items() if name.endswith("/loss")}
        if self._bar is not None:
            self._bar.set_postfix({"images/s": f"{images_per_second:,.0f}"} | losses)
            return
        left = duration((self._steps - step) / steps_per_second)
        told = "  ".join(f"{name} {value}" for name, value in losses.items())
        print(
            f"step {step:,} of {self._steps:,}  {images_per_second:,.0f} images/s  "
            f"{told}  {left} left",
            flush=True,
        )

    def warn(self, text: str) -> None:
        """Shows a line that stays."""
        tqdm.tqdm.write(text, file=sys.stderr)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def duration(seconds: float) -> str:
    """Seconds as ``[h:]mm:ss``, hours without leading zero."""
    minutes, seconds = divmod(round(seconds), 60)
    return (
        f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
        if minutes >= 60
        else f"{minutes}:{seconds:02}"
    )
