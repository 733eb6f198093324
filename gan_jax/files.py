"""Files that are whole or not there: whatever interrupts a write, a reader finds the old or the
new.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from gan_jax.errors import ConfigError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path to write a file or a folder to; it takes the place of ``path`` when the block ends.

    Parents are made. Several processes may write one path at once: the last one wins, whole. When
    the block raises, ``path`` is left as it was and nothing else stays.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".unfinished-") as folder:
        unfinished = Path(folder, path.name)
        yield unfinished
        if unfinished.is_dir() and path.is_dir():
            shutil.rmtree(path)
        os.replace(unfinished, path)


def write(path: Path, text: str) -> None:
    """Writes a text file in UTF-8.

    Raises:
      ConfigError: if it cannot be written.
    """
    try:
        with replacing(path) as unfinished:
            unfinished.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"workdir: {Path(path).parent} cannot be written ({error.strerror})."
        ) from error
