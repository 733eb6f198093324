"""Decoded examples on disk: written once and atomically, then memory-mapped; and an index that
answers without TFDS.

``examples/NAME/VERSION/...`` holds the arrays of one split at one size; ``index/`` remembers what a
question was answered, as long as the code and the prepared files behind the answer are the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from gan_jax import files
from gan_jax.errors import ConfigError
from gan_jax.files import cache_folder

FORMAT = 2  # of this cache; a change of it makes every older entry unknown


def digest(*values: object) -> str:
    """Sixteen hexadecimal digits that stand for plain values."""
    return hashlib.sha256(json.dumps([FORMAT, *values]).encode()).hexdigest()[:16]


def fingerprint(folder: Path) -> str | None:
    """Digest of the names, sizes and times of the files in a folder, None where there is no such
    folder.
    """
    try:
        return digest(
            sorted((f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in os.scandir(folder))
        )
    except OSError:
        return None


def recall(question: str, root: Path) -> dict | None:
    """The answer that `remember` stored, unless the files behind it, below ``root``, have changed
    since.

    Where those files are absent the answer holds: a name and a version stand for the same examples
    everywhere.
    """
    try:
        entry = json.loads((cache_folder() / "index" / f"{question}.json").read_text())
    except (OSError, ValueError):
        return None
    return (
        entry["answer"]
        if fingerprint(root / entry["source"]) in (None, entry["fingerprint"])
        else None
    )


def remember(question: str, answer: dict, root: Path, source: Path) -> None:
    """Stores an answer that was read from the prepared files in ``source``, a folder below
    ``root``.
    """
    entry = {
        "answer": answer,
        "source": os.path.relpath(source, root),
        "fingerprint": fingerprint(source),
    }
    path = cache_folder() / "index" / f"{question}.json"
    with writing(), files.replacing(path) as new:
        new.write_text(json.dumps(entry))


def read(folder: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """``(examples, labels)``, the examples memory-mapped and read-only; None where the folder is
    absent or damaged.
    """
    try:
        examples = np.load(folder / "examples.npy", mmap_mode="r")
        labels = np.load(folder / "labels.npy")
        whole = examples.offset + examples.nbytes == os.path.getsize(folder / "examples.npy")
    except (OSError, ValueError, EOFError):
        return None
    return (examples, labels) if whole and len(examples) == len(labels) else None


def write(
    folder: Path,
    shape: tuple[int, ...],
    dtype: np.dtype,
    chunks: Iterable[tuple[np.ndarray, np.ndarray]],
) -> None:
    """Writes examples of ``shape``, ``[n, ...]``, and labels ``[n]``, given in order in chunks, so
    that all appear at once.

    Of two processes that write the same folder both succeed, and one result stays.

    Raises:
      ConfigError: if the cache cannot be written.
    """
    labels: list[np.ndarray] = []
    with writing(), files.replacing(folder, keep=lambda there: read(there) is not None) as new:
        new.mkdir()
        with open(new / "examples.npy", "wb") as file:
            descr = np.lib.format.dtype_to_descr(np.dtype(dtype))
            np.lib.format.write_array_header_1_0(
                file, {"descr": descr, "fortran_order": False, "shape": shape}
            )
            for examples, some in chunks:
                file.write(examples.astype(dtype, copy=False).tobytes())
                labels.append(some)
            file.flush()
            os.fsync(file.fileno())  # a machine that dies after the renaming leaves no blank ones
        np.save(new / "labels.npy", np.concatenate(labels).astype(np.int32))


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """Around whatever writes to the cache.

    Raises:
      ConfigError: for an `OSError` of the block.
    """
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"GAN_JAX_CACHE: the cache {cache_folder()} cannot be written ({error})."
        ) from error
