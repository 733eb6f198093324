"""The draws of a config's minibatches, and the choice of the labelled examples if only a few have
labels.
"""

from __future__ import annotations

import numpy as np

from gan_jax.config import Config
from gan_jax.data.dataset import Dataset, load
from gan_jax.data.description import check_flip
from gan_jax.data.framing import frame_of
from gan_jax.data.order import shuffled
from gan_jax.data.streams import Join, SideBySide, Stream, concatenated
from gan_jax.errors import ConfigError, at_least
from gan_jax.modality import DOMAINS


def labelled(dataset: Dataset, config: Config) -> np.ndarray | None:
    """Indices ``[config.labels]`` int32 of the labelled examples, ordered by class; None if all are
    labelled. With ``config.labels`` 0 and a ``config.labelled_batch``, those whose labels are
    known, in the order of the data set.

    They depend only on ``config.label_seed`` and the split. With the same seed, a smaller selection
    is a subset of a larger one.

    Raises:
      ConfigError: for a class with too few examples, or if no example lacks a label.
    """
    if not config.labels:
        return _known(dataset, config) if config.labelled_batch else None
    classes = dataset.description.num_classes
    each, chosen = config.labels // classes, []
    for c in range(classes):
        found = np.flatnonzero(dataset.labels == c)
        if len(found) < each:
            raise ConfigError(
                f"labels {config.labels} needs {each} examples per class, but {config.split!r} has "
                f"only {len(found)} of class {c}."
            )
        chosen.append(found[shuffled(np.arange(each), len(found), config.label_seed, c)])
    return np.concatenate(chosen).astype(np.int32)


def _known(dataset: Dataset, config: Config) -> np.ndarray:
    known = np.flatnonzero(dataset.labels >= 0).astype(np.int32)
    if len(known) in (0, len(dataset.labels)):
        raise ConfigError(
            f"labelled_batch {config.labelled_batch} with labels 0 needs a dataset in which some "
            f"examples have labels and others have none, but {len(known):,} of "
            f"{len(dataset.labels):,} have one; set labels to a multiple of the classes."
        )
    return known


def training_streams(config: Config) -> tuple[tuple[Stream, ...], Join]:
    """The training set of a config, in memory or memory-mapped, as the draws of each minibatch, and
    what combines them.

    If only a few examples are labelled, ``config.labelled_batch`` of them come first in every
    minibatch, with their own order and epochs. The others are drawn from the whole set and have the
    label -1.

    Raises:
      ConfigError: as `load`, and for a field that does not fit the data set.
    """
    at_least("batch_size", config.batch_size, 1)
    dataset = load(config.dataset, config.split, config.framing)
    check_flip(frame_of(dataset.description, config.framing).modality, config.flip)
    x, y, few = np.asarray(dataset.examples), dataset.labels, labelled(dataset, config)
    if config.unpaired is not None:
        other = load(config.unpaired, config.split, config.framing)
        sets = (dataset, other)
        streams = tuple(
            Stream(
                np.asarray(own.examples), own.labels, config.batch_size, flip=config.flip, salt=i
            )
            for i, own in enumerate(sets)
        )
        return streams, SideBySide(DOMAINS)
    if config.paired is not None:
        own = load(config.paired, config.split, config.framing)
        _check_number(config, len(x), len(own.examples))
        x = dict(zip(DOMAINS, (x, np.asarray(own.examples)), strict=True))
    if few is None:
        return (Stream(x, y, config.batch_size, flip=config.flip),), concatenated
    rest = config.batch_size - config.labelled_batch
    streams = (
        Stream(x, y, config.labelled_batch, few, flip=config.flip),
        Stream(x, y, rest, flip=config.flip, labelled=False),
    )
    return streams, concatenated


def _check_number(config: Config, n: int, paired: int) -> None:
    if n != paired:
        raise ConfigError(
            f"paired {config.paired!r} has {paired:,} images in {config.split!r}, but "
            f"{config.dataset!r} has {n:,}; each image needs one."
        )
