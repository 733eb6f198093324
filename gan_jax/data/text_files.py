"""Text files with one text a line: the lines of one file, or of the files of a folder, which are
splits or classes.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from gan_jax.data import cache
from gan_jax.data.cache import Chunk
from gan_jax.data.description import Description
from gan_jax.data.file_kinds import TEXTS
from gan_jax.data.folders import PREPARED, layout
from gan_jax.data.framing import Form
from gan_jax.data.slices import Part
from gan_jax.data.texts import LINE, TextFrame, counted, lines
from gan_jax.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Lines:
    """A text file, or a folder of them, with one text a line.

    ``lines``: for each split, its texts and their labels, -1 without a label.
    """

    path: Path
    description: Description
    digest: str
    lines: dict[str, list[tuple[str, int]]]
    versioned, infos = False, None

    def ready(self, _: Callable) -> Lines:
        """Itself: nothing has to be prepared."""
        return self

    def parts(self, parts: Sequence[Part], frame: Form) -> Callable[[int, int], Chunk]:
        """As `gan_jax.data.dataset.Source`."""
        assert isinstance(frame, TextFrame), "of a data set of texts"
        own = [line for p in parts for line in self.lines[p.split][p.start : p.end]]

        def read(start: int, end: int) -> Chunk:
            texts, labels = zip(*own[start:end], strict=True)
            return Chunk(frame.examples(texts), np.array(labels, np.int32))

        return read


def is_text(name: str) -> bool:
    """Whether a name is the path of a text file, or of a folder with some and no images or sounds
    (see `gan_jax.data.folders.is_folder`, which is asked first).
    """
    path = Path(os.path.expanduser(name))
    if path.suffix.lower() in TEXTS.suffixes:
        return True
    like_a_path = name.startswith(("/", ".", "~")) or "/" in name
    own = like_a_path and os.path.isdir(path) and not os.path.isfile(path / PREPARED)
    return own and bool(_files(path))


def open_text(name: str) -> Lines:
    """The lines of a text file (the split train), or of the files of a folder: ``SPLIT.txt``,
    ``CLASS.txt`` or ``SPLIT/CLASS.txt``. Blank lines are skipped.

    Raises:
      ConfigError: for a file that does not exist, has no text, or is not in UTF-8.
    """
    path = Path(os.path.abspath(os.path.expanduser(name)))
    if not path.exists():
        raise ConfigError(f"dataset {path} does not exist.")
    if path.is_file():
        files, splits, classes = [path], {"train": [("", -1)]}, ()
        file = lambda _: path
    else:
        files = _files(path)
        names = [f.relative_to(path).with_suffix("").as_posix() for f in files]
        splits, classes = layout(path, [f"{own}/{TEXTS.name}" for own in names], TEXTS)
        file = lambda inner: path / PurePosixPath(inner).parent.with_suffix(".txt")
    lines = {
        split: [(line, y) for inner, y in own for line in _lines(file(inner))]
        for split, own in splits.items()
    }
    texts = {split: [line for line, _ in own] for split, own in lines.items()}
    digest = cache.digest(
        os.fspath(path), [(os.fspath(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    )
    about = Description(
        name=path.stem,
        version=digest,
        shape=(),
        num_classes=len(classes),
        class_names=classes,
        splits={split: len(own) for split, own in lines.items()},
        texts={LINE: counted(texts)},
        field=LINE,
    )
    return Lines(path, about, digest, lines)


def _files(path: Path) -> list[Path]:
    """The text files of a folder and of its folders, without hidden ones."""
    found = (f for f in path.glob("**/*") if f.suffix.lower() in TEXTS.suffixes and f.is_file())
    hidden = lambda f: any(part.startswith(".") for part in f.relative_to(path).parts)
    return sorted(f for f in found if not hidden(f))


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"dataset {path} is not text in UTF-8 (byte {error.start:,}); convert it."
        ) from error
    if not (found := lines(text)):
        raise ConfigError(f"dataset {path} has no text; it must have one text a line.")
    return found
