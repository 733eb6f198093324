"""Loads a data set by name: its description, and its examples as one memory-mapped array."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from gan_jax.config import Framing
from gan_jax.data import arrays, cache, folders, text_files
from gan_jax.data.description import Description
from gan_jax.data.embedded import DATASETS
from gan_jax.data.framing import Form, as_framing, frame_of
from gan_jax.data.order import shuffled
from gan_jax.data.slices import Part, Stratum, accepted, resolve, stratum
from gan_jax.data.texts import TextFrame
from gan_jax.errors import ConfigError

_NAMED = 5  # broken files to name
_TOGETHER = 4096  # examples copied at once


@dataclasses.dataclass(frozen=True)
class Dataset:
    """One split.

    ``examples``: memory-mapped, ``[n, h, w, c]`` uint8 in [0, 255], ``[n, d]`` float32,
    ``[n, length, 1]`` int16, or ``[n, length]`` int32; ``labels``: ``[n]`` int32, -1 without a
    label.
    """

    examples: np.memmap
    labels: np.ndarray
    description: Description


class Source(Protocol):
    """Where the examples of a data set come from: TFDS, a folder of files, lines, or arrays.

    ``digest``: changes with the examples; ``versioned``: whether name and version determine them;
    ``infos``: TFDS's information about the splits, None for other sources.
    """

    description: Description
    digest: str | None
    versioned: bool
    infos: Mapping[str, Any] | None

    def ready(self, load: Callable) -> Source:
        """The source with its examples on disk; ``load`` reads the sets that it is made from."""

    def parts(self, parts: Sequence[Part], frame: Form) -> Callable[[int, int], cache.Chunk]:
        """A function that reads examples ``start`` to ``end`` of these parts in the given frame.

        It raises `ConfigError` if they cannot be read.
        """


def describe(name: str) -> Description:
    """The description of the data set ``name``; no example is loaded.

    Raises:
      ConfigError: for an unknown name (with the nearest one), or a set that contains neither
        images, vectors, sounds nor texts.
    """
    root, question = _root(name), _question("describe", name)
    if (answer := cache.recall(question, root)) is not None:
        return Description.of_json(answer)
    opened = _opened(name)
    if opened.versioned and opened.prepared:
        cache.remember(question, dataclasses.asdict(opened.description), root, opened.folder)
    return opened.description


def describe_labelled(name: str, *kinds: str) -> Description:
    """The description of a labelled data set, of examples of these kinds; by default images.

    Raises:
      ConfigError: for another data set.
    """
    about, kinds = describe(name), kinds or ("images",)
    if about.modality.name not in kinds or not about.num_classes:
        raise ConfigError(f"dataset {name} must contain labelled {' or '.join(kinds)}.")
    return about


def load(name: str, split: str, framing: Framing | int | None = None) -> Dataset:
    """Examples and labels of a split, decoded on first use and memory-mapped from then on.

    Args:
      name: a TFDS name (``mnist``, ``emnist/letters``, ``spoken_digit/speaker``), one of
        `DATASETS`, what `gan_jax.dataset` returned, or the path of a folder or a .zip of images or
        sounds, of a .txt file or a folder of them, or of a folder that TFDS wrote.
      split: in TFDS's slicing language (``train``, ``train[:90%]``, ``train+test``), or a part of
        each class (``train[:90% stratified]``).
      framing: size and format of the images, length and rate of the sounds, or tokens of the
        texts, as `Config.framing`; a number is a size only.

    Raises:
      ConfigError: for an unknown name or split, a framing that does not apply to the examples, or a
        set that cannot be prepared here.
    """
    framing = as_framing(framing)
    root, question = _root(name), _question("load", name, split, dataclasses.astuple(framing))
    if (answer := cache.recall(question, root)) is not None:
        found = cache.read(cache.cache_folder() / answer["folder"])
        if found is not None:
            return Dataset(*found, Description.of_json(answer["description"]))
    opened = _opened(name)
    frame = frame_of(opened.description, framing)  # refused before anything is prepared
    opened = opened.ready(load)
    about = opened.description
    if isinstance(opened, arrays.Arrays) and split in about.splits and frame.keeps(about):
        return Dataset(*opened.split(split), about)
    if (part := stratum(split)) is not None:
        folder = _stratified(opened, part, load(name, part.split, framing), frame)
    else:
        folder = _decoded(opened, name, split, frame, framing.strict)
    if opened.versioned:
        answer = {"folder": folder.as_posix(), "description": dataclasses.asdict(about)}
        cache.remember(question, answer, root, opened.folder)
    return Dataset(*cache.read(cache.cache_folder() / folder), about)


def _opened(name: str) -> Source:
    if arrays.is_arrays(name):
        return arrays.open_arrays(name)
    if folders.is_folder(name):
        return folders.open_folder(name)
    if text_files.is_text(name):
        return text_files.open_text(name)
    from gan_jax.data import text_sets  # imports TFDS, which takes a second

    return text_sets.open_set(name, _root(name))


def _decoded(opened: Source, name: str, split: str, frame: Form, strict: bool) -> Path:
    """The folder of a split's examples within the cache, written if it is not there."""
    parts = resolve(opened.description, split, opened.infos)
    folder = _folder(opened, parts, frame)
    whole = cache.cache_folder() / folder
    if cache.read(whole) is None:
        from tqdm import tqdm

        n = sum(part.end - part.start for part in parts)
        with tqdm(
            total=n, desc=f"decoding {name} {split}", unit=" examples", **folders.QUIET
        ) as bar:
            dtype = frame.modality.stored
            cache.decode(whole, (n, *frame.shape), dtype, opened.parts(parts, frame), bar.update)
    examples, labels = cache.read(whole)
    _report_broken(name, len(labels), tuple(cache.broken(whole)), strict)
    if isinstance(frame, TextFrame):
        _report_unknown(name, split, frame.vocabulary.unknown(examples), int((examples > 0).sum()))
    return folder


def _stratified(opened: Source, part: Stratum, whole: Dataset, frame: Form) -> Path:
    """As `_decoded`, for some examples of a decoded split."""
    places = part.places(whole.labels)
    if not len(places):
        raise ConfigError(
            f"split {part.low}% to {part.high}% of {len(whole.labels)} examples is empty; "
            f"{accepted(opened.description)}."
        )
    folder = _folder(opened, part, frame)
    if cache.read(cache.cache_folder() / folder) is None:
        chunks = (
            cache.Chunk(whole.examples[own], whole.labels[own])
            for own in np.array_split(places, -(-len(places) // _TOGETHER))
        )
        shape, dtype = (len(places), *frame.shape), whole.examples.dtype
        cache.write(cache.cache_folder() / folder, shape, dtype, chunks)
    return folder


def _folder(opened: Source, part: Sequence[Part] | Stratum, frame: Form) -> Path:
    """Where examples lie within the cache."""
    about = opened.description
    key = cache.digest(part, frame.shape, opened.digest, *frame.values)
    return Path("examples", about.name, about.version, key)


@functools.cache
def _report_broken(name: str, count: int, broken: tuple[str, ...], strict: bool) -> None:
    """Reports once which files are skipped.

    Raises:
      ConfigError: if ``strict`` and any file is broken.
    """
    if not broken:
        return
    named = ", ".join(broken[:_NAMED]) + (", ..." if len(broken) > _NAMED else "")
    text = (
        f"dataset: {len(broken):,} of {len(broken) + count:,} files of {name} are broken: {named}"
    )
    if strict:
        raise ConfigError(f"{text}; repair or remove them, or leave out --strict.")
    print(f"{text}; they are skipped.", file=sys.stderr, flush=True)


@functools.cache
def _report_unknown(name: str, split: str, unknown: int, count: int) -> None:
    """Reports once how many tokens are not in the vocabulary."""
    if unknown:
        text = f"dataset: {unknown:,} of {count:,} tokens of {name} {split} are unknown."
        print(text, file=sys.stderr, flush=True)


def some(examples: np.ndarray, count: int) -> np.ndarray:
    """At most ``count`` of the examples, a fixed pseudo-random selection."""
    n = len(examples)
    return examples[shuffled(np.arange(min(count, n)), n, seed=0, epoch=0)]


def _root(name: str) -> Path:
    """The folder of prepared sets: ours are in the cache, as TFDS's folder may be read-only."""
    if name in DATASETS:
        return cache.cache_folder() / "tfds"
    return Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def _question(*words: object) -> str:
    """The key of an index entry: the question and the version of the code that answers it."""
    if words[1] in DATASETS:
        module = DATASETS[words[1]].partition(":")[0]
        return cache.digest(*words, Path(importlib.util.find_spec(module).origin).read_text())
    try:
        code = importlib.metadata.version("tensorflow-datasets")
    except importlib.metadata.PackageNotFoundError:  # arrays and folders do not need it
        code = None
    return cache.digest(*words, code)
