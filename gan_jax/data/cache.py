"""Decoded examples on disk, written once and atomically, then memory-mapped; and an index that
avoids importing TFDS.

``examples/NAME/VERSION/...`` contains the arrays of one split at one size and, during decoding, the
parts from which an interrupted decoding continues. ``index/`` caches answers about data sets until
the code or the prepared files change.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gan_jax import files
from gan_jax.errors import ConfigError
from gan_jax.files import cache_folder

FORMAT = 2  # changing it invalidates all entries
BROKEN = "broken.json"
_PART = 1 << 26  # maximum bytes decoded at once


class Chunk(NamedTuple):
    """Examples ``[m, ...]`` and labels ``[m]`` int32, in order; and name and reason of each file
    that could not be decoded.
    """

    examples: np.ndarray
    labels: np.ndarray
    broken: tuple[str, ...] = ()


def digest(*values: object) -> str:
    """A hash of plain values, 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps([FORMAT, *values]).encode()).hexdigest()[:16]


def fingerprint(folder: Path) -> str | None:
    """Digest of the names, sizes and times of the files in a folder; None if it does not exist."""
    try:
        with os.scandir(folder) as found:
            return digest(sorted((f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in found))
    except OSError:
        return None


def recall(question: str, root: Path) -> dict | None:
    """The answer that `remember` stored, unless its source files below ``root`` have changed.

    The answer remains valid if those files are absent: a name and a version determine the examples.
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
    """Stores an answer that was read from the prepared files in ``source``, below ``root``."""
    entry = {
        "answer": answer,
        "source": os.path.relpath(source, root),
        "fingerprint": fingerprint(source),
    }
    path = cache_folder() / "index" / f"{question}.json"
    with writing(), files.replacing(path) as new:
        new.write_text(json.dumps(entry))


def read(folder: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """``(examples, labels)``, with the examples memory-mapped and read-only; None if the folder is
    absent or damaged.
    """
    try:
        examples = np.load(folder / "examples.npy", mmap_mode="r")
        labels = np.load(folder / "labels.npy")
        whole = examples.offset + examples.nbytes == os.path.getsize(folder / "examples.npy")
    except (OSError, ValueError, EOFError):
        return None
    return (examples, labels) if whole and len(examples) == len(labels) else None


def broken(folder: Path) -> list[str]:
    """Names and reasons of the files that could not be decoded when a folder was written."""
    try:
        return json.loads((folder / BROKEN).read_text())
    except FileNotFoundError:
        return []


def decode(
    folder: Path,
    shape: tuple[int, ...],
    dtype: np.dtype,
    decoded: Callable[[int, int], Chunk],
    told: Callable[[int], object],
) -> None:
    """Writes a folder of examples that take long to decode; after an interruption, it continues
    where it stopped.

    Args:
      folder: as for `write`; the parts are stored next to it until all are complete.
      shape: ``[n, ...]``, where ``n`` includes broken examples.
      dtype: the dtype of the examples.
      decoded: returns the examples between two positions.
      told: called with the number of examples decoded since the last call.

    Raises:
      ConfigError: if the cache cannot be written or has too little space, or if all examples are
        broken.
    """
    size = math.prod(shape[1:]) * np.dtype(dtype).itemsize
    _check_space(folder, 2 * shape[0] * size)
    step = max(1, min(512, _PART // size))
    parts = folder.with_name(f"{folder.name}.parts")

    def part(start: int) -> Chunk:
        end, path = min(start + step, shape[0]), parts / f"{start}.npz"
        found = _read_part(path)
        if found is None:
            found = decoded(start, end)
            with files.replacing(path) as new, open(new, "wb") as file:
                np.savez(file, **found._asdict())
        return found

    with writing():
        try:
            skipped: list[str] = []
            for start in range(0, shape[0], step):
                skipped += part(start).broken
                told(min(step, shape[0] - start))
            n = shape[0] - len(skipped)
            if not n:
                raise ConfigError(f"dataset: all files are broken; the first is {skipped[0]}.")
            write(folder, (n, *shape[1:]), dtype, map(part, range(0, shape[0], step)), skipped)
            shutil.rmtree(parts, ignore_errors=True)
        except OSError:  # another process may have finished first and removed the parts
            if read(folder) is None:
                raise


def write(
    folder: Path,
    shape: tuple[int, ...],
    dtype: np.dtype,
    chunks: Iterable[Chunk],
    broken: Iterable[str] = (),
) -> None:
    """Writes examples of ``shape`` ``[n, ...]`` and labels ``[n]`` atomically from ordered chunks.

    Two processes that write the same folder both succeed; one of the results is kept.

    Args:
      folder: the folder of the examples.
      shape, dtype: the shape and dtype of all examples together.
      chunks: examples and labels, ``n`` in total.
      broken: what `broken` will return.

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
            for chunk in chunks:
                file.write(chunk.examples.astype(dtype, copy=False).tobytes())
                labels.append(chunk.labels)
            file.flush()
            os.fsync(file.fileno())  # no blank file if the machine dies after the renaming
        np.save(new / "labels.npy", np.concatenate(labels).astype(np.int32))
        if broken:
            (new / BROKEN).write_text(json.dumps([*broken]))


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """A context for writing to the cache.

    Raises:
      ConfigError: instead of an `OSError`.
    """
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"GAN_JAX_CACHE: the cache {cache_folder()} cannot be written ({error})."
        ) from error


def _read_part(path: Path) -> Chunk | None:
    """What `decode` stored; None if it is absent or damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return Chunk(arrays["examples"], arrays["labels"], tuple(arrays["broken"].tolist()))
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        return None


def _check_space(folder: Path, needed: int) -> None:
    nearest = next((p for p in folder.absolute().parents if p.is_dir()), Path("/"))
    free = shutil.disk_usage(nearest).free
    if needed > free:
        raise ConfigError(
            f"GAN_JAX_CACHE: decoding needs {needed / 1e9:,.1f} GB, but {cache_folder()} has only "
            f"{free / 1e9:,.1f} GB free; use a folder with more space, or smaller images."
        )
