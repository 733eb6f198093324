"""The output of a run in progress: lines of metrics, TensorBoard events, a progress bar."""

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
    """The record of a run: ``metrics.jsonl`` with one line per log, and the same for TensorBoard,
    with pictures.

    Logs after the step from which a run is resumed are dropped, so that no step appears twice.
    ``hparams``: hyperparameters by name, for TensorBoard's table of runs.
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
        """Adds a line: the step, wall seconds since the start of the run, speed, and metrics."""
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

    def sound(self, step: int, wav: bytes, name: str) -> None:
        """Adds a WAV file to the TensorBoard events."""
        self._events.sound(name, wav, step)

    def text(self, step: int, text: str, name: str) -> None:
        """Adds a text to the TensorBoard events."""
        self._events.text(name, text, step)

    def flush(self) -> None:
        """Brings all events to the disk; lines are there already."""
        self._events.flush()

    def close(self) -> None:
        self._lines.close()
        self._events.close()


class Lines:
    """A file with one JSON object per line, each with its ``step``; lines after the step from which
    a run is resumed are dropped.
    """

    def __init__(self, path: pathlib.Path, step: int):
        rewrite(path, step)
        self._file = path.open("a", buffering=1)

    def write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, allow_nan=False) + "\n")

    def close(self) -> None:
        self._file.close()


class Journal:
    """The `Record` and the `Progress` of a run. A silent journal, used by all processes but the
    first, writes and shows nothing.
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
        """Counts steps that were made."""
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
        """Writes and shows a line of metrics; ``seconds`` count from the start of the run."""
        if self._record:
            self._record.write(step, seconds, images_per_second, metrics)
        if self._progress:
            self._progress.report(step, images_per_second, steps_per_second, metrics)

    def picture(
        self, path: pathlib.Path, step: int, paint: Callable[[], np.ndarray], name: str
    ) -> None:
        """Writes the pixels that ``paint`` returns, ``[H, W, c]`` uint8, to a PNG file and to the
        TensorBoard events.
        """
        if self._record:
            pixels = paint()
            pictures.save(path, pixels)
            self._record.picture(step, pixels, name)

    def sounds(
        self, path: pathlib.Path, step: int, record: Callable[[], Mapping[str, bytes]], name: str
    ) -> None:
        """Writes the WAV files that ``record`` returns by name, next to the picture ``path`` and to
        the TensorBoard events.
        """
        for own, wav in record().items() if self._record else ():
            path.with_name(f"{path.stem}_{own}.wav").write_bytes(wav)
            self._record.sound(step, wav, f"{name}/{own}")

    def text(self, path: pathlib.Path, step: int, write: Callable[[], str], name: str) -> None:
        """Writes the text that ``write`` returns, if it is not empty, next to the picture ``path``
        and to the TensorBoard events.
        """
        if self._record and (text := write()):
            path.with_suffix(".txt").write_text(text, encoding="utf-8")
            self._record.text(step, text, name)

    def warn(self, text: str) -> None:
        """Shows a permanent line."""
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
    """The type of progress bar for a notebook or a terminal; None for a pipe or a file."""
    if "ipykernel" in sys.modules:  # a widget in a notebook, if ipywidgets is installed
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", tqdm.TqdmWarning)
            from tqdm.auto import tqdm as in_notebook
        return in_notebook
    return tqdm.tqdm if sys.stdout.isatty() and sys.stderr.isatty() else None


class Clock:
    """Wall seconds of a run: ``before`` in earlier starts, plus the time since this was made."""

    def __init__(self, before: float = 0.0):
        self.before, self._began = before, time.perf_counter()

    def seconds(self) -> float:
        return self.before + time.perf_counter() - self._began


def seconds(path: pathlib.Path, step: int) -> float:
    """Wall seconds of a run at its last line up to a step; 0 if there is no line."""
    found = [line["seconds"] for line in lines(path, step) if "seconds" in line]
    return found[-1] if found else 0.0


def lines(path: pathlib.Path, step: float = math.inf) -> list[dict[str, Any]]:
    """The lines up to a step, and all events of the run, which have the key ``event``; empty if the
    file does not exist.

    A last line that was truncated by a kill is left out.

    Raises:
      ConfigError: for a file that cannot be read, and for a damaged line.
    """
    try:
        *whole, last = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}); {_INSTEAD}") from error
    kept = []
    for number, text in enumerate(whole, 1):
        try:
            line = _line(text)
        except ValueError as error:
            raise ConfigError(f"{path}: line {number} is damaged: {error}; {_INSTEAD}") from error
        kept.append(line)
    with contextlib.suppress(ValueError):
        kept.append(_line(last))
    return [line for line in kept if line["step"] <= step or "event" in line]


_INSTEAD = "restore the original file or remove it; train.py --overwrite starts over."


def _line(text: bytes) -> dict[str, Any]:
    """Reads a line.

    Raises:
      ValueError: for a damaged line, with a short reason.
    """
    try:
        line = json.loads(text, parse_constant=_refused)
    except (ValueError, RecursionError) as error:
        raise ValueError("it is not JSON") from error
    if not isinstance(line, dict):
        raise ValueError("it is not a JSON object")
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
    """Atomically replaces a file by its `lines` up to a step and some more lines."""
    kept = [*lines(path, step), *more]
    files.write(path, "".join(json.dumps(line, allow_nan=False) + "\n" for line in kept))


class Progress:
    """Step, speed, losses and time left: a bar on a terminal or in a notebook, elsewhere one line
    per log.
    """

    def __init__(self, step: int, steps: int):
        self._steps, kind = steps, _bar()
        self._bar = kind and kind(total=steps, initial=step, unit=" steps", dynamic_ncols=True)

    def advance(self, steps: int) -> None:
        """Counts steps that were made."""
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
        shown = "  ".join(f"{name} {value}" for name, value in losses.items())
        print(
            f"step {step:,} of {self._steps:,}  {images_per_second:,.0f} images/s  "
            f"{shown}  {left} left",
            flush=True,
        )

    def warn(self, text: str) -> None:
        """Shows a permanent line."""
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
