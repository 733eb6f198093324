"""Trains a recipe for some seconds, from where the last time ended, and scores it."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

from gan_jax.errors import ConfigError
from gan_jax.recipes import recipe

SCORED = 0.3
"""The share of the time that is kept for the classifier and the scores."""


def train(recipe_name: str, workdir: str, samples: int | None, seconds: float) -> dict[str, Any]:
    """Trains in a run folder and evaluates the last state.

    Args:
      recipe_name: a recipe.
      workdir: its run folder; a training in it is resumed.
      samples: the number of samples to score; None: that of ``eval.py``.
      seconds: the time for everything; training ends early enough for the scores.

    Returns:
      ``recipe``, ``step``, ``steps``, ``train_s`` (seconds of training, of all starts), ``samples``
      and ``scores`` by name. ``unfinished``: whether steps are left.

    Raises:
      ConfigError: if the data are not at hand, or if no step was made in time.
    """
    # These need Pillow, tqdm and tensorboardX, and the data TFDS or a filled cache.
    from gan_jax.evaluation.evaluator import evaluate
    from gan_jax.runs.restore import load
    from gan_jax.training import loop

    config = recipe(recipe_name)
    try:
        with _stopped_after((1 - SCORED) * seconds):
            outcome = loop.train(config, pathlib.Path(workdir))
    except KeyboardInterrupt:
        raise ConfigError(f"{recipe_name} made no step in {seconds:.0f} s.") from None
    gan, state = load(workdir)
    result = evaluate(gan, state, config, num_samples=samples)
    return {
        "recipe": recipe_name,
        "step": outcome.step,
        "steps": config.steps,
        "train_s": round(outcome.seconds, 1),
        "samples": samples,
        "scores": result.scores,
        "unfinished": outcome.step < config.steps,
    }


@contextlib.contextmanager
def _stopped_after(seconds: float) -> Iterator[None]:
    """Sends SIGTERM to this process after some seconds, upon which the training loop saves and
    returns; before its first step, it raises KeyboardInterrupt.
    """

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGTERM, interrupt)
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGTERM))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        signal.signal(signal.SIGTERM, former)
