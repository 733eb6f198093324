"""A folder or .zip file of images or sounds: assigns its files to splits and classes.

Layouts are ``CLASS/FILE``, ``SPLIT/CLASS/FILE`` (TFDS's ImageFolder), ``SPLIT/FILE`` and ``FILE``.
Pillow decodes images and libsndfile sounds; TFDS's ImageFolder would need TensorFlow.
"""

from __future__ import annotations

import dataclasses
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from gan_jax.data import cache
from gan_jax.data.cache import Chunk
from gan_jax.data.description import Description
from gan_jax.data.file_kinds import KINDS, SUFFIXES, Kind
from gan_jax.data.framing import Form, decode
from gan_jax.data.slices import Part
from gan_jax.errors import ConfigError

PREPARED = "dataset_info.json"
"""A file in every folder that TFDS wrote."""
SPLITS = ("train", "test", "validation", "val", "valid")
"""Folders with these names are splits, if there are no others."""
QUIET = {"delay": 2, "leave": False, "disable": None}
"""Progress bars appear only if something takes long, and only on a terminal."""
_DEPTH = 3  # maximum number of parts of a path: SPLIT/CLASS/FILE


class Entry(NamedTuple):
    """A file: its path within the folder, with slashes; its size in bytes; and a stamp that
    changes with its content: the modification time or, within a .zip, the checksum.
    """

    path: str
    size: int
    stamp: int


@dataclasses.dataclass(frozen=True)
class Folder:
    """A folder or a .zip of files.

    ``splits``: for each name, the paths and labels of its files, -1 without a label. ``digest``:
    changes with any of the files.
    """

    path: Path
    description: Description
    splits: dict[str, list[tuple[str, int]]]
    digest: str
    versioned, infos = False, None

    def ready(self, _: Callable) -> Folder:
        """Itself: nothing has to be prepared."""
        return self

    def parts(self, parts: Sequence[Part], frame: Form) -> Callable[[int, int], Chunk]:
        """As `gan_jax.data.dataset.Source`."""
        chosen = [file for p in parts for file in self.splits[p.split][p.start : p.end]]
        content = _content(self.path)

        def read(start: int, end: int) -> Chunk:
            names, labels = zip(*chosen[start:end], strict=True)
            examples, kept, broken = decode(frame, names, content)
            return Chunk(examples, np.array(labels, np.int32)[kept], broken)

        return read


def is_folder(name: str) -> bool:
    """Whether a name is the path of a .zip, or of a folder with images or sounds: it begins like a
    path, or contains a slash, and the folder exists.
    """
    path = Path(os.path.expanduser(name))
    if path.suffix.lower() == ".zip":
        return True
    like_a_path = name.startswith(("/", ".", "~")) or "/" in name
    own = like_a_path and os.path.isdir(path) and not os.path.isfile(path / PREPARED)
    return own and any(True for _ in _walk(path))


def open_folder(name: str) -> Folder:
    """The images or sounds of a folder or .zip; their headers are read once.

    Raises:
      ConfigError: if it does not exist, has both images and sounds, or its files have no known
        layout.
    """
    path = Path(os.path.abspath(os.path.expanduser(name)))
    if not os.path.exists(path):
        raise ConfigError(f"dataset {path} does not exist.")
    entries = _entries(path)
    kind = _kind(path, entries)
    splits, class_names = layout(path, [entry.path for entry in entries], kind)
    names = [entry[:2] for entry in entries]
    digest = cache.digest(os.fspath(path), entries)
    question = cache.digest("headers", digest)
    found = cache.recall(question, path.parent)
    if found is None:
        found = _headers(path, entries, kind)
        cache.remember(question, found, path.parent, path)
    about = Description(
        name=path.stem,
        version=cache.digest("folder", names),
        shape=tuple(found["shape"]),
        num_classes=len(class_names),
        class_names=class_names,
        splits={name: len(files) for name, files in splits.items()},
        fit="crop",
        rate=found.get("rate", 0),  # earlier caches do not have it
    )
    return Folder(path, about, splits, digest)


def layout(
    path: Path, files: Sequence[str], kind: Kind
) -> tuple[dict[str, list[tuple[str, int]]], tuple[str, ...]]:
    """The files of each split, by their paths within ``path``, with their labels; and the names of
    the classes.

    A single outer folder that is not named like a split is ignored, and so is a single class.

    Raises:
      ConfigError: for files at different depths, or too deep.
    """
    parts = [PurePosixPath(file).parts for file in files]
    if len({p[0] for p in parts}) == 1 and len(parts[0]) > 1 and parts[0][0] not in SPLITS:
        parts = [p[1:] for p in parts]
    depths = dict(zip(map(len, parts), files, strict=True))
    if len(depths) != 1 or max(depths) > _DEPTH:
        raise ConfigError(
            f"dataset {path} has {' and '.join(depths.values())}; its {kind.name} "
            f"({', '.join(kind.suffixes)}) must all be in CLASS/, in SPLIT/CLASS/, in SPLIT/, or "
            "directly in it."
        )
    in_splits = _DEPTH in depths or (2 in depths and {p[0] for p in parts} <= set(SPLITS))
    split_of = lambda p: p[0] if in_splits else "train"
    class_of = lambda p: p[-2] if len(p) == 2 + in_splits else ""
    classes = sorted({class_of(p) for p in parts})
    label = {name: i if len(classes) > 1 else -1 for i, name in enumerate(classes)}
    splits: dict[str, list[tuple[str, int]]] = {}
    for file, p in zip(files, parts, strict=True):
        splits.setdefault(split_of(p), []).append((file, label[class_of(p)]))
    return splits, tuple(classes) if len(classes) > 1 else ()


def _walk(path: Path, depth: int = _DEPTH) -> Iterator[os.DirEntry]:
    """Files of all `KINDS` below a folder, in the order of their names, without hidden ones."""
    for entry in _visible(path):
        if entry.is_dir():
            yield from _walk(entry.path, depth - 1) if depth else ()
        elif entry.name.lower().endswith(SUFFIXES):
            yield entry


def _visible(path: Path) -> list[os.DirEntry]:
    try:
        with os.scandir(path) as found:
            return sorted((e for e in found if not _hidden(e.name)), key=lambda e: e.name)
    except OSError as error:
        raise ConfigError(f"dataset {path} cannot be read ({error.strerror}).") from error


def _stat(file: os.DirEntry) -> os.stat_result:
    """The status of a file, or of a dangling link, which counts as a broken file."""
    try:
        return file.stat()
    except OSError:
        return file.stat(follow_symlinks=False)


def _hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX"))


def _entries(path: Path) -> list[Entry]:
    """The files of all `KINDS` in a folder or .zip, in the order of their paths."""
    if path.is_dir():
        relative = lambda file: PurePosixPath(Path(file.path).relative_to(path)).as_posix()
        stats = ((relative(file), _stat(file)) for file in _walk(path))
        return [Entry(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
    try:
        with zipfile.ZipFile(path) as archive:
            infos = sorted(archive.infolist(), key=lambda info: info.filename)
    except (OSError, zipfile.BadZipFile) as error:
        raise ConfigError(f"dataset {path} is not a readable .zip file ({error}).") from error
    return [
        Entry(info.filename, info.file_size, info.CRC)
        for info in infos
        if info.filename.lower().endswith(SUFFIXES)
        and not any(map(_hidden, PurePosixPath(info.filename).parts))
    ]


def _content(path: Path) -> Callable[[str], bytes]:
    """A thread-safe function that reads a file by its path within a folder or .zip."""
    return zipfile.ZipFile(path).read if path.is_file() else lambda name: (path / name).read_bytes()


def _kind(path: Path, entries: Sequence[Entry]) -> Kind:
    """The kind of all files.

    Raises:
      ConfigError: if there are none, or several kinds.
    """
    names = [entry.path.lower() for entry in entries]
    found = [kind for kind in KINDS if any(name.endswith(kind.suffixes) for name in names)]
    if len(found) != 1:
        has = "both images and sounds" if found else "neither images nor sounds"
        raise ConfigError(
            f"dataset {path} has {has}; it must contain files of one kind "
            f"({' or '.join(', '.join(kind.suffixes) for kind in KINDS)})."
        )
    return found[0]


def _headers(path: Path, entries: Sequence[Entry], kind: Kind) -> dict[str, Any]:
    """What all headers together say. Files that cannot be read are skipped.

    Raises:
      ConfigError: if no file can be read.
    """
    content = _content(path)

    def header(entry: Entry) -> tuple | None:
        try:
            return kind.header(content(entry.path))
        except Exception:  # decoders raise anything; the file is reported when it is decoded
            return None

    from tqdm import tqdm

    with (
        ThreadPoolExecutor() as pool,
        tqdm(total=len(entries), desc=f"reading {path.name}", unit=" files", **QUIET) as bar,
    ):
        found = set()
        for result in pool.map(header, entries):
            found |= {result} - {None}
            bar.update()
    if not found:
        raise ConfigError(
            f"dataset {path} has {len(entries)} files, none of which is a valid {kind.one}."
        )
    return kind.together(found)
