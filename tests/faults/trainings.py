"""A small training in a process of its own, and how two run folders are compared."""

import json
import logging
import pathlib
import shlex
import subprocess
import sys

import jax
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gan_jax import load
from tests.gans import arrays

ARGUMENTS = shlex.split(
    "ring8_mlp --generator.width 16 --discriminator.width 16 --batch-size 32 --diagnose-every 0 "
    "--sample-every 500 --log-every 30 --checkpoint-every 50 --keep 2"
)
"""Checkpoints and lines of metrics fall on different steps."""


def start(workdir, *arguments):
    """A process that trains; its output is to be read."""
    command = [
        sys.executable,
        "-m",
        "gan_jax",
        "train",
        *ARGUMENTS,
        "--workdir",
        str(workdir),
        *arguments,
    ]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)


def finish(workdir, *arguments):
    """Trains to the end; the output."""
    process = start(workdir, *arguments)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    return out, err


def lines(workdir):
    """Lines of metrics without what depends on the clock."""
    clock = ("seconds", "images_per_second")
    for text in (workdir / "metrics.jsonl").read_text().splitlines():
        yield {name: own for name, own in json.loads(text).items() if name not in clock}


def assert_equal(workdir: pathlib.Path, other: pathlib.Path) -> None:
    """The last states are bit-equal; metrics are equal line by line, but for the rounding of means,
    which depends on the length of calls; TensorBoard sees each step once and in order.
    """
    (_, a), (_, b) = load(workdir), load(other)
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(arrays(a), arrays(b), strict=True):
        assert np.asarray(x).tobytes() == np.asarray(y).tobytes()
    for ours, theirs in zip(lines(workdir), lines(other), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)
    said = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    logging.getLogger("tensorboard").addHandler(handler)
    events = EventAccumulator(str(workdir), size_guidance={"scalars": 0}).Reload()
    logging.getLogger("tensorboard").removeHandler(handler)
    assert [e.step for e in events.Scalars("g/loss")] == [line["step"] for line in lines(other)]
    assert not [text for text in said if "out of order" in text]
