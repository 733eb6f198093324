"""Sets of TFDS whose file names hold what TFDS leaves out: the official split, and who speaks.

A task of such a set is a data set of its own, with the same examples and splits and other labels:
``spoken_digit/speaker``.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from gan_jax.data.cache import Chunk
from gan_jax.data.framing import Form
from gan_jax.data.slices import Part
from gan_jax.data.source import Load, Source, open_source
from gan_jax.errors import one_of


@dataclasses.dataclass(frozen=True)
class FileNames:
    """What the file names of a set hold.

    Attributes:
      feature: the feature of an example that is its file name.
      form: matches every file name; its groups are what the names hold.
      test: whether a file belongs to the test split, by its match.
      tasks: the groups that can be labels.
    """

    feature: str
    form: re.Pattern
    test: Callable[[re.Match], bool]
    tasks: tuple[str, ...]


FILE_NAMES: dict[str, FileNames] = {
    # The test split is that of the author: recordings 0 to 4 of each digit and speaker
    # (README of github.com/Jakobovski/free-spoken-digit-dataset, section "Usage").
    "spoken_digit": FileNames(
        "audio/filename",
        re.compile(r"(?P<digit>\d)_(?P<speaker>[a-z]+)_(?P<number>\d+)\.wav"),
        test=lambda match: int(match["number"]) < 5,
        tasks=("speaker",),
    )
}
"""By the name of the set."""


@dataclasses.dataclass(frozen=True)
class Recordings(Source):
    """One of `FILE_NAMES`. ``task``: whose labels it has; None: those of TFDS.

    ``rows``: for each split, the positions of its examples among all of TFDS's; ``labels``: ``[n]``
    of all of those.
    """

    task: str | None
    rows: Mapping[str, np.ndarray]
    labels: np.ndarray

    infos = None

    def ready(self, load: Load) -> Recordings:
        return _with_names(super().ready(load), self.task)

    def parts(self, parts: Sequence[Part], frame: Form) -> Callable[[int, int], Chunk]:
        rows = np.concatenate([self.rows[p.split][p.start : p.end] for p in parts])
        examples = self.examples(_all(self))

        def read(start: int, end: int) -> Chunk:
            own = rows[start:end]
            with self.reading():
                x = [found[self.example_key] for found in examples.__getitems__(own.tolist())]
                return Chunk(self.framed(x, start, frame), self.labels[own])

        return read


def open_recordings(name: str, root: Path) -> Source:
    """As `gan_jax.data.source.open_source`, with the splits and tasks of `FILE_NAMES`."""
    set_name, _, task = name.partition("/")
    if set_name not in FILE_NAMES:
        return open_source(name, root)
    if task:
        one_of(f"dataset {set_name}", task, FILE_NAMES[set_name].tasks)
    return _with_names(open_source(set_name, root), task or None)


def _with_names(source: Source, task: str | None) -> Recordings:
    """The source with the splits and labels that the names of its files give."""
    names, about = FILE_NAMES[source.name], source.description
    fields = {f.name: getattr(source, f.name) for f in dataclasses.fields(Source)}
    if task is not None:
        about = dataclasses.replace(about, name=f"{source.name}/{task}")
    if not source.prepared:
        fields["description"] = about
        return Recordings(**fields, task=task, rows={}, labels=np.zeros(0, np.int32))
    found, labels = _read(source, names)
    test = np.array([names.test(match) for match in found])
    rows = {"train": np.flatnonzero(~test), "test": np.flatnonzero(test)}
    if task is not None:
        classes, labels = np.unique([match[task] for match in found], return_inverse=True)
        classes = tuple(map(str, classes))
        about = dataclasses.replace(about, num_classes=len(classes), class_names=classes)
    splits = {split: len(own) for split, own in rows.items()}
    fields["description"] = dataclasses.replace(about, splits=splits)
    return Recordings(**fields, task=task, rows=rows, labels=labels.astype(np.int32))


def _read(source: Source, names: FileNames) -> tuple[list[re.Match], np.ndarray]:
    """The matches of all file names, and the labels of TFDS."""
    parts = _all(source)
    with source.reading():
        examples = source.examples(parts).__getitems__(range(sum(p.end for p in parts)))
        texts = [example[names.feature].decode() for example in examples]
        found = [match for text in texts if (match := names.form.fullmatch(text))]
        if len(found) != len(texts):
            raise ValueError(f"file names must match {names.form.pattern}")
        return found, np.array([example[source.label_key] for example in examples], np.int32)


def _all(source: Source) -> list[Part]:
    """All of TFDS's examples."""
    infos = source.builder.info.splits
    return [Part(name, 0, info.num_examples) for name, info in infos.items()]
