"""A data set by its name: what it is, and its examples as one memory-mapped array."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import importlib.util
import os
from pathlib import Path

import numpy as np
from tqdm import tqdm

from gan_jax.data import cache
from gan_jax.data.description import Description, example_dtype, padded_shape
from gan_jax.data.embedded import DATASETS
from gan_jax.data.order import shuffled


@dataclasses.dataclass(frozen=True)
class Dataset:
    """One split.

    ``examples``: memory-mapped, ``[n, h, w, c]`` uint8 in [0, 255] or ``[n, d]`` float32;
    ``labels``: ``[n]`` int32, -1 if none.
    """

    examples: np.memmap
    labels: np.ndarray
    description: Description


def describe(name: str) -> Description:
    """What TFDS knows of the data set ``name``, without loading an example.

    Raises:
      ConfigError: for an unknown name (with the nearest one), or a set that is neither one of
        images of one size nor of vectors.
    """
    root, question = _root(name), _question("describe", name)
    if (answer := cache.recall(question, root)) is not None:
        return _description(answer)
    from gan_jax.data import source  # imports TFDS, which takes a second

    opened = source.open_source(name, root)
    if opened.prepared and opened.versioned:
        cache.remember(question, dataclasses.asdict(opened.description), root, opened.folder)
    return opened.description


def load(name: str, split: str, size: int | None = None) -> Dataset:
    """Examples and labels of a split, decoded on first use and memory-mapped from then on.

    Args:
      name: a TFDS name (``mnist``, ``emnist/letters``), one of `DATASETS`, or the path of a folder
        that TFDS wrote.
      split: in TFDS's slicing language (``train``, ``train[:90%]``, ``train+test``).
      size: pads with 0 to ``[n, size, size, c]``, the image in the middle; None leaves the size,
        and is the only choice for vectors.

    Raises:
      ConfigError: for an unknown name or split, a size below the images' or for vectors, or a set
        that cannot be prepared here.
    """
    root, question = _root(name), _question("load", name, split, size)
    if (answer := cache.recall(question, root)) is not None:
        arrays = cache.read(cache.cache_folder() / answer["folder"])
        if arrays is not None:
            return Dataset(*arrays, _description(answer["description"]))
    from gan_jax.data import source  # imports TFDS, which takes a second

    opened = source.open_source(name, root)
    shape = padded_shape(opened.description.shape, size)
    opened = source.prepare(opened, root, load)
    part, n = source.resolve(opened, split)
    about = opened.description
    folder = Path(
        "examples",
        about.name,
        about.version,
        cache.digest(part, shape, cache.fingerprint(opened.folder)),
    )
    arrays = cache.read(cache.cache_folder() / folder)
    if arrays is None:
        chunks = source.read(opened, split)
        with tqdm(
            total=n,
            desc=f"decoding {name} {split}",
            unit=" examples",
            delay=2,
            leave=False,
            disable=None,
        ) as bar:
            padded = (_progress(bar, _pad(examples, shape), labels) for examples, labels in chunks)
            cache.write(cache.cache_folder() / folder, (n, *shape), example_dtype(shape), padded)
        arrays = cache.read(cache.cache_folder() / folder)
    if opened.versioned:
        answer = {"folder": folder.as_posix(), "description": dataclasses.asdict(about)}
        cache.remember(question, answer, root, opened.folder)
    return Dataset(*arrays, about)


def some(examples: np.ndarray, count: int) -> np.ndarray:
    """At most ``count`` of the examples, spread over all as if at random, always the same ones."""
    n = len(examples)
    return examples[shuffled(np.arange(min(count, n)), n, seed=0, epoch=0)]


def _root(name: str) -> Path:
    """Where prepared sets lie: ours in the cache, as TFDS's folder may be read-only."""
    if name in DATASETS:
        return cache.cache_folder() / "tfds"
    return Path(os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets").expanduser()


def _question(*words: object) -> str:
    """Names an index entry: what is asked, and the code that would answer."""
    code = importlib.metadata.version("tensorflow-datasets")
    if words[1] in DATASETS:
        module = DATASETS[words[1]].partition(":")[0]
        code = Path(importlib.util.find_spec(module).origin).read_text()
    return cache.digest(*words, code)


def _description(values: dict) -> Description:
    lists = {name: tuple(values[name]) for name in ("shape", "class_names")}
    return Description(**{**values, **lists})


def _pad(examples: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    before = [(to - side) // 2 for side, to in zip(examples.shape[1:], shape, strict=True)]
    after = [to - side - b for side, to, b in zip(examples.shape[1:], shape, before, strict=True)]
    return np.pad(examples, [(0, 0), *zip(before, after, strict=True)])


def _progress(bar: tqdm, examples: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    bar.update(len(examples))
    return examples, labels
