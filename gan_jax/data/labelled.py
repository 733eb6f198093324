"""The draws that a config's minibatches are made of, and which examples have a label, where only
few do.
"""

from __future__ import annotations

import numpy as np

from gan_jax.config import Config
from gan_jax.data.dataset import Dataset, load
from gan_jax.data.description import check_flip
from gan_jax.data.order import shuffled
from gan_jax.data.streams import Stream
from gan_jax.errors import ConfigError, at_least


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
                f"labels: {config.labels} take {each} of each class, "
                f"and {config.split!r} has {len(found)} of class {c}."
            )
        chosen.append(found[shuffled(np.arange(each), len(found), config.label_seed, c)])
    return np.concatenate(chosen).astype(np.int32)


def training_streams(config: Config) -> tuple[Stream, ...]:
    """The training set of a config, in memory or memory-mapped, as the draws of each minibatch.

    Of few labelled examples, ``config.labelled_batch`` stand first in every minibatch, in an order
    of their own with epochs of their own; those that follow, in that of the whole set, have the
    label -1.

    Raises:
      ConfigError: as `load`, and for a field that does not fit the data set.
    """
    at_least("batch_size", config.batch_size, 1)
    dataset = load(config.dataset, config.split, config.framing)
    check_flip(dataset.examples.shape[1:], config.flip)
    x, y, few = np.asarray(dataset.examples), dataset.labels, labelled(dataset, config)
    if few is None:
        return (Stream(x, y, config.batch_size, flip=config.flip),)
    rest = config.batch_size - config.labelled_batch
    return (
        Stream(x, y, config.labelled_batch, few, flip=config.flip),
        Stream(x, y, rest, flip=config.flip, labelled=False),
    )
