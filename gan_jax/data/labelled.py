"""Which examples have a label, where only few shall."""

from __future__ import annotations

import numpy as np

from gan_jax.config import Config
from gan_jax.data.dataset import Dataset
from gan_jax.data.order import shuffled
from gan_jax.errors import ConfigError


def labelled(dataset: Dataset, config: Config) -> np.ndarray | None:
    """Indices ``[config.labels]`` int32 of the examples whose labels are known, class after class;
    None where all are.

    They depend on ``config.label_seed`` and the split alone; fewer of the same seed are among the
    more of each class.

    Raises:
      ConfigError: for a class with too few examples.
    """
    if not config.labels:
        return None
    classes = dataset.description.num_classes
    each, chosen = config.labels // classes, []
    for c in range(classes):
        found = np.flatnonzero(dataset.labels == c)
        if len(found) < each:
            raise ConfigError(
                f"labels: {config.labels} take {each} of each class, and {config.split!r} has {len(found)} of class {c}."
            )
        chosen.append(found[shuffled(np.arange(each), len(found), config.label_seed, c)])
    return np.concatenate(chosen).astype(np.int32)
