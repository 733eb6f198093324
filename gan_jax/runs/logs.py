"""What a run tells while it goes on: lines of metrics, TensorBoard events, a progress bar."""

from __future__ import annotations

import json
import math
import os
import pathlib
import sys
from typing import Any

import numpy as np
import tensorboardX
import tqdm


class Record:
    """The record of a run: ``metrics.jsonl``, a line a log, and the same for TensorBoard, with
    pictures.

    What was logged beyond the step that a run is resumed from is dropped, so no step appears twice.
    """

    def __init__(self, path: pathlib.Path, step: int):
        self.path = path
        again = path.exists()
        self._lines = Lines(path, step)
        self._events = tensorboardX.SummaryWriter(
            str(path.parent), purge_step=step + 1 if again else None
        )

    def write(
        self, step: int, seconds: float, images_per_second: float, metrics: dict[str, float]
    ) -> None:
        """Adds a line: the step, wall seconds since the run began, training speed, and the metrics."""
        line = {
            "step": step,
            "seconds": round(seconds, 3),
            "images_per_second": round(images_per_second, 1),
            **metrics,
        }
        self._lines.write(line)
        for name, value in line.items():
            if name != "step":
                self._events.add_scalar(name, value, step)

    def picture(self, step: int, pixels: np.ndarray, name: str = "samples") -> None:
        """Adds ``[H, W, c]`` uint8 pixels to the TensorBoard events."""
        self._events.add_image(name, pixels, step, dataformats="HWC")

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


class Silence:
    """A `Record` and a `Progress` of all processes but the first: they tell nothing."""

    def write(self, *_) -> None:
        pass

    picture = advance = report = warn = close = write


def seconds(path: pathlib.Path, step: int) -> float:
    """Wall seconds that a run had taken at the last line up to a step; 0 where there is none."""
    told = lines(path, step)
    return told[-1]["seconds"] if told else 0.0


def lines(path: pathlib.Path, step: float = math.inf) -> list[dict[str, Any]]:
    """The lines up to a step, and all events of the run, which have the key ``event``.

    A torn last line, cut off by a kill, is left out.
    """
    kept = []
    for text in path.read_text().splitlines() if path.exists() else []:
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if line["step"] <= step or "event" in line:
            kept.append(line)
    return kept


def rewrite(path: pathlib.Path, step: float, *more: dict[str, Any]) -> None:
    """Keeps `lines` alone, and adds some, so that the file is the old or the new one at any moment."""
    unfinished = path.with_name(path.name + ".tmp")
    unfinished.write_text(
        "".join(json.dumps(line, allow_nan=False) + "\n" for line in [*lines(path, step), *more])
    )
    os.replace(unfinished, path)


class Progress:
    """Step, speed, losses and time left: a bar on a terminal, a line a log elsewhere."""

    def __init__(self, step: int, steps: int):
        self._steps = steps
        terminal = sys.stdout.isatty() and sys.stderr.isatty()
        self._bar = (
            tqdm.tqdm(total=steps, initial=step, unit=" steps", dynamic_ncols=True)
            if terminal
            else None
        )

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
            f"step {step:,} of {self._steps:,}  {images_per_second:,.0f} images/s  {told}  {left} left",
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
