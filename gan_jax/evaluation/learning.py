"""Classifiers trained on samples alone, for the classification accuracy score."""

from __future__ import annotations

import numpy as np
from tqdm import tqdm

from gan_jax.config import Config
from gan_jax.data import describe, frame_of, load
from gan_jax.metrics import Sample
from gan_jax.modality import Images, Sounds
from gan_jax.recognizers import fit
from gan_jax.recognizers.recipes import recipe


def labels_of_test(config: Config, split: str) -> np.ndarray | None:
    """The labels ``[n]`` of a split of real examples on which a classifier can be tested; None if
    they are not known, or if there is no classifier of such examples.
    """
    about = describe(config.dataset)
    if not about.num_classes or not isinstance(about.modality, (Images, Sounds)):
        return None
    labels = load(config.dataset, split, config.framing).labels
    return labels if labels.min() >= 0 else None


def learned(config: Config, split: str, examples: np.ndarray, labels: np.ndarray) -> Sample:
    """Trains a classifier on samples, by the recipe of the dataset, and lets it look at a split.

    Args:
      config: names the dataset.
      split: of real examples with labels.
      examples, labels: the samples ``[m, ...]``, as stored, and their labels ``[m]``.

    Returns:
      The classifier's outputs for the examples of the split, with their labels.
    """
    about, test = describe(config.dataset), load(config.dataset, split, config.framing)
    modality, own = frame_of(about, config.framing).modality, recipe(config.dataset)
    title = "classifier of samples"
    with tqdm(total=own.steps, desc=title, unit=" steps", leave=False, disable=None) as bar:
        told = lambda steps, _: bar.update(steps)
        network = fit(own, examples, labels, about.num_classes, modality, told=told)
    return Sample(*network.features(np.asarray(test.examples)), test.labels)
