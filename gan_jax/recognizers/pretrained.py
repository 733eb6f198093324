"""Recognizers that are part of a GAN: the classifier of a projected discriminator."""

from __future__ import annotations

import dataclasses

from gan_jax.config import Framing
from gan_jax.data import describe, frame_of
from gan_jax.errors import ConfigError, one_of
from gan_jax.modality import Images
from gan_jax.recognizers.architectures import RECOGNIZERS
from gan_jax.recognizers.library import recognizer
from gan_jax.recognizers.networks import Recognizer
from gan_jax.recognizers.recipes import SMALL_CNN, TASKS, UNLABELLED, RecognizerConfig


def pretrained(dataset: str, framing: Framing, own: str, network: str, task: str) -> Recognizer:
    """The classifier whose feature maps the discriminator of a run sees: from the cache, or trained
    once. The same object each time, so that equal configs give equal GANs.

    Args:
      dataset, framing: those of the run.
      own: the data set that the classifier learned, at the shape of the run's examples; empty: that
        of the run.
      network: an entry of `RECOGNIZERS`.
      task: an entry of `TASKS`.

    Raises:
      ConfigError: for an unknown name, the feature extractor with which the run is evaluated, or a
        data set that does not have examples of the run's shape.
    """
    config = dataclasses.replace(
        SMALL_CNN,
        network=one_of("discriminator.network", network, RECOGNIZERS),
        task=one_of("discriminator.task", task, TASKS),
    )
    judge = SMALL_CNN if describe(dataset).num_classes else UNLABELLED
    if own in ("", dataset) and config == judge:
        raise ConfigError(
            f"discriminator.network {network!r} with the task {task!r} of {dataset!r} is also the "
            "feature extractor of the run's evaluation, whose scores would then flatter the GAN; "
            "use another network, task or recognizer."
        )
    for name in (dataset, own or dataset):
        if not isinstance(describe(name).modality, Images):
            raise ConfigError(
                f"discriminator.recognizer {name!r} contains {describe(name).modality.name}, but "
                "the classifier of a GAN sees images."
            )
    if own in ("", dataset):
        return _kept(dataset, framing, config)
    h, _, c = shape = frame_of(describe(dataset), framing).shape
    other = dataclasses.replace(framing, size=h, channels=c, fit=framing.fit or "pad")
    found = frame_of(describe(own), other).shape
    if found != shape:
        raise ConfigError(
            f"discriminator.recognizer {own!r} has examples of the shape {list(found)} and cannot "
            f"see those of {dataset!r}, {list(shape)}."
        )
    return _kept(own, other, config)


_FOUND: dict[str, Recognizer] = {}


def _kept(dataset: str, framing: Framing, config: RecognizerConfig) -> Recognizer:
    found = recognizer(dataset, framing, config)
    return _FOUND.setdefault(found.key, found)
