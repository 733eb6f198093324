"""The real texts with which the samples of a GAN are compared."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gan_jax.config import Config
from gan_jax.data import describe, frame_of, load, some
from gan_jax.data.texts import TextFrame
from gan_jax.errors import ConfigError
from gan_jax.evaluation.real import Splits, splits_of
from gan_jax.metrics.grammars import LANGUAGES
from gan_jax.metrics.texts import RealTexts, as_keys
from gan_jax.vocabulary import Vocabulary, divided


class OfDataset(NamedTuple):
    """The real texts of a config's data set.

    ``texts``: tokens ``[n, length]`` int32 of texts that are not held out, in a fixed random order.
    ``splits``: the roles of the splits.
    """

    real: RealTexts
    texts: np.ndarray
    vocabulary: Vocabulary
    splits: Splits


def of_dataset(config: Config, held_out: str | None = None) -> OfDataset:
    """The real texts of a config's data set; ``held_out`` as for `splits_of`.

    Raises:
      ConfigError: for a data set of other examples, or as `splits_of`.
    """
    about = describe(config.dataset)
    frame = frame_of(about, config.framing)
    if not isinstance(frame, TextFrame):
        raise ConfigError(f"dataset {config.dataset!r} must have texts, not {frame.modality}.")
    splits = splits_of(config, about, held_out)
    learned, known, test = (
        load(config.dataset, split, config.framing)
        for split in (splits.learned, splits.train, splits.test)
    )
    labelled = about.num_classes > 0
    real = RealTexts(
        np.asarray(learned.examples),
        np.asarray(test.examples),
        len(frame.vocabulary),
        learned.labels if labelled else None,
        test.labels if labelled else None,
        _language(about.name, frame),
    )
    shuffled = some(np.asarray(known.examples), len(known.labels))
    return OfDataset(real, shuffled, frame.vocabulary, splits)


def _language(name: str, frame: TextFrame) -> frozenset[bytes] | None:
    """All texts of the language of a data set that its tokens can write, if it is known."""
    texts = LANGUAGES.get((name.partition("/")[0], frame.field))
    if texts is None:
        return None
    vocabulary, (length,) = frame.vocabulary, frame.shape
    known = set(vocabulary.tokens)
    tokens = ((text, divided(text, vocabulary.unit)) for text in texts())
    own = [text for text, parts in tokens if len(parts) <= length and known.issuperset(parts)]
    return frozenset(as_keys(vocabulary.numbers(own, length)))
