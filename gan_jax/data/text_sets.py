"""Sets of TFDS whose examples are texts: all of them are read when such a set is opened, as the
number of different tokens determines the shape of an example.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

from gan_jax.data.cache import Chunk
from gan_jax.data.framing import Form
from gan_jax.data.recordings import open_recordings
from gan_jax.data.slices import Part
from gan_jax.data.source import Load, Source
from gan_jax.data.texts import TextFrame, counted, lines
from gan_jax.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class TextSet(Source):
    """A set with text features. If it has only one, each line of its texts is an example.

    ``texts``: for each split and text feature, the texts; ``labels``: for each split.
    """

    texts: Mapping[str, Mapping[str, list[str]]]
    labels: Mapping[str, np.ndarray]

    infos = None

    def ready(self, load: Load) -> TextSet:
        """Itself: it was prepared when it was opened."""
        return self

    def parts(self, parts: Sequence[Part], frame: Form) -> Callable[[int, int], Chunk]:
        assert isinstance(frame, TextFrame), "of a data set of texts"
        chosen = [self.texts[p.split][frame.field][p.start : p.end] for p in parts]
        texts = [text for own in chosen for text in own]
        labels = np.concatenate([self.labels[p.split][p.start : p.end] for p in parts])
        return lambda start, end: Chunk(frame.examples(texts[start:end]), labels[start:end])


def open_set(name: str, root: Path) -> Source:
    """As `gan_jax.data.recordings.open_recordings`; texts are prepared and read.

    Raises:
      ConfigError: also for texts that cannot be prepared here, or a split without any.
    """
    source = open_recordings(name, root)
    if source.description.shape != ():
        return source
    source = source.ready(_no_set)
    found = {split: _read(source, split) for split in source.infos}
    texts, labels = ({split: own[i] for split, own in found.items()} for i in range(2))
    if empty := [split for split, own in labels.items() if not len(own)]:
        raise ConfigError(f"dataset {name!r} has no text in {', '.join(empty)}.")
    features = next(iter(texts.values()))
    supervised = source.example_key in (source.builder.info.supervised_keys or ())
    about = dataclasses.replace(
        source.description,
        splits={split: len(own) for split, own in labels.items()},
        texts={
            feature: counted({split: own[feature] for split, own in texts.items()})
            for feature in features
        },
        field=source.example_key if supervised or len(features) == 1 else "",
    )
    fields = {f.name: getattr(source, f.name) for f in dataclasses.fields(Source)}
    fields["description"] = about
    return TextSet(**fields, texts=texts, labels=labels)


def _read(source: Source, split: str) -> tuple[dict[str, list[str]], np.ndarray]:
    """The texts of a split by feature, and their labels, -1 without a label."""
    n = source.builder.info.splits[split].num_examples
    features = source.builder.info.features
    names = [name for name, own in features.items() if isinstance(own, tfds.features.Text)]
    with source.reading():
        found = source.examples([Part(split, 0, n)]).__getitems__(range(n))
        texts = {name: [example[name].decode() for example in found] for name in names}
        labels = [example[source.label_key] if source.label_key else -1 for example in found]
    if len(names) == 1:
        each = [lines(text) for text in texts[names[0]]]
        labels = np.repeat(labels, [len(own) for own in each])
        texts = {names[0]: [line for own in each for line in own]}
    return texts, np.array(labels, np.int32)


def _no_set(name: str, split: str) -> None:
    raise AssertionError("no set of texts is made from another set")
