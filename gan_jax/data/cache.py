"""Decoded examples on disk: written once and atomically, then memory-mapped; and an index that
answers without TFDS.

``examples/NAME/VERSION/...`` holds the arrays of one split at one size, and while they are decoded
their parts, from which an interrupted decoding goes on; ``index/`` remembers what a question was
answered, as long as the code and the prepared files behind the answer are the same.
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

FORMAT = 2  # of this cache; a change of it makes every older entry unknown
BROKEN = "broken.json"
_PART = 1 << 26  # bytes decoded at once, at most


class Chunk(NamedTuple):
    """Examples ``[m, ...]`` and labels ``[m]`` int32, in order, and what could not be decoded:
    name and reason.
    """

    examples: np.ndarray
    labels: np.ndarray
    broken: tuple[str, ...] = ()


def digest(*values: object) -> str:
    """Sixteen hexadecimal digits that stand for plain values."""
    return hashlib.sha256(json.dumps([FORMAT, *values]).encode()).hexdigest()[:16]


def fingerprint(folder: Path) -> str | None:
    """Digest of the names, sizes and times of the files in a folder, None where there is no such
    folder.
    """
    try:
        with os.scandir(folder) as found:
            return digest(sorted((f.name, f.stat().st_size, f.stat().st_mtime_ns) for f in found))
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


def broken(folder: Path) -> list[str]:
    """What could not be decoded when a folder was written: names and reasons."""
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
    """Writes a folder of examples that take long to decode; interrupted, it goes on where it
    stopped.

    Args:
      folder: as for `write`; the parts lie beside it until all are there.
      shape: ``[n, ...]``, with the number of examples if none is broken.
      dtype: of the examples.
      decoded: gives the examples from a position to another one.
      told: called with the number of examples that are done since the last call.

    Raises:
      ConfigError: if the cache cannot be written, has too little space, or no example is left.
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
                raise ConfigError(f"dataset: no example can be decoded; the first is {skipped[0]}.")
            write(folder, (n, *shape[1:]), dtype, map(part, range(0, shape[0], step)), skipped)
            shutil.rmtree(parts, ignore_errors=True)
        except OSError:  # another process may have been faster, and have removed the parts
            if read(folder) is None:
                raise


def write(
    folder: Path,
    shape: tuple[int, ...],
    dtype: np.dtype,
    chunks: Iterable[Chunk],
    broken: Iterable[str] = (),
) -> None:
    """Writes examples of ``shape``, ``[n, ...]``, and labels ``[n]``, given in order in chunks, so
    that all appear at once.

    Of two processes that write the same folder both succeed, and one result stays.

    Args:
      folder: of the examples.
      shape, dtype: of all of them.
      chunks: of examples and labels, together as many as ``shape`` says.
      broken: what `broken` shall return.

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
            os.fsync(file.fileno())  # a machine that dies after the renaming leaves no blank ones
        np.save(new / "labels.npy", np.concatenate(labels).astype(np.int32))
        if broken:
            (new / BROKEN).write_text(json.dumps([*broken]))


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


def _read_part(path: Path) -> Chunk | None:
    """What `decode` stored; None where it is absent or damaged."""
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
            f"GAN_JAX_CACHE: {needed / 1e9:,.1f} GB are needed while these examples are decoded, "
            f"and {cache_folder()} has {free / 1e9:,.1f} GB free; accepted: a folder with more "
            "space, or smaller images."
        )
