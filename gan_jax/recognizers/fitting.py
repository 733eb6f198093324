"""Train a recognizer on arrays and count what it recognizes: what the library of recognizers and
the studies share.
"""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from gan_jax import checkpoint, pacing
from gan_jax.data import from_arrays
from gan_jax.modality import Modality
from gan_jax.recognizers.architectures import classifier
from gan_jax.recognizers.networks import Recognizer
from gan_jax.recognizers.recipes import RecognizerConfig
from gan_jax.recognizers.training import Classifier, ClassifierState, init_state, train_steps

CHECKPOINT_SECONDS = 60.0
"""Between two checkpoints."""

Told = Callable[[int, dict[str, float]], Any]


def fit(
    config: RecognizerConfig,
    images: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    modality: Modality | None = None,
    *,
    weights: tuple[float, ...] = (),
    told: Told | None = None,
    checkpoints: Path | None = None,
) -> Recognizer:
    """Trains a recognizer on examples of one's own: a function of its arguments alone.

    Sets of as many images and configs that differ in the seed alone share one compilation.

    Args:
      config: how it is made; its seed determines everything random.
      images, labels: ``[n, h, w, c]`` uint8, or sounds ``[n, length, 1]`` int16, and ``[n]``
        integers in [0, num_classes); ``n`` may be less than a batch.
      num_classes: of the labels.
      modality: the kind of the examples; None: images.
      weights: of the loss of each class, ``k`` numbers of mean 1; () for equal ones.
      told: called with the number of steps made since the last call and the means of their metrics.
      checkpoints: a folder for checkpoints, from which an interrupted training goes on, and that is
        removed in the end.

    Returns:
      The recognizer; its ``about`` tells ``resumed_from``, the step that this call began at.

    Raises:
      ConfigError: for an unknown architecture or a number out of range.
    """
    made = dataclasses.replace(classifier(config, num_classes, modality), weights=weights)
    state, step = _begin(made, config, images.shape[1:], checkpoints)
    about = {"resumed_from": step}
    data = from_arrays(images, labels, config.seed, batch_size=config.batch_size)
    saved = time.monotonic()
    for n in pacing.calls(step, config.steps):
        state, metrics = train_steps(made, state, data, n)
        metrics = {name: float(value) for name, value in jax.device_get(metrics).items()}
        step += n
        if told is not None:
            told(n, metrics)
        waited = time.monotonic() > saved + CHECKPOINT_SECONDS
        if checkpoints is not None and waited and step < config.steps:
            _save(checkpoints, step, state)
            saved = time.monotonic()
    variables = (
        state.average if config.average else {"params": state.network.params, **state.network.stats}
    )
    if checkpoints is not None:
        shutil.rmtree(checkpoints, ignore_errors=True)
    return Recognizer(made.network, jax.device_get(variables), "", about)


def accuracy(recognizer: Recognizer, images: np.ndarray, labels: np.ndarray) -> float:
    """Share of examples ``[n, ...]``, as stored or float32 in [-1, 1], whose most probable class is
    their label ``[n]``.
    """
    _, logits = recognizer.features(images)
    return float((logits.argmax(1) == labels).mean())


def _begin(
    made: Classifier, config: RecognizerConfig, shape: tuple[int, ...], checkpoints: Path | None
) -> tuple[ClassifierState, int]:
    """The first state, or the newest one that can be restored."""
    state = init_state(made, jax.random.key(config.seed), shape)
    for step in reversed(checkpoint.steps(checkpoints)) if checkpoints is not None else ():
        try:
            return checkpoint.restore(checkpoints, step, jax.eval_shape(lambda: state)), step
        except checkpoint.Damaged:
            continue
    return state, 0


def _save(folder: Path, step: int, state: ClassifierState) -> None:
    checkpoint.set_aside(folder, newest=step)
    with checkpoint.Writer(folder, keep=1) as writer:
        writer.save(step, state)
