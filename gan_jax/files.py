"""Atomic writes: if a write is interrupted, readers find the old content. Also the cache folder,
whose files outlive a run.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from gan_jax.errors import ConfigError


def cache_folder() -> Path:
    """``$GAN_JAX_CACHE``, or the user's cache folder of this library."""
    if chosen := os.environ.get("GAN_JAX_CACHE"):
        return Path(chosen).expanduser()
    import platformdirs  # benchmark.py --suite runs where only jax and flax are installed

    return platformdirs.user_cache_path("gan_jax", appauthor=False)


class DiskFull(Exception):
    """A folder has become unwritable: the disk or the user's quota is full, or the disk is now
    read-only. Earlier files are intact.
    """


@contextlib.contextmanager
def noticing_full_disk(folder: Path) -> Iterator[None]:
    """Wraps work that writes to a folder.

    Raises:
      DiskFull: if the operating system reports a full disk, in whichever exception.
    """
    try:
        yield
    except Exception as error:
        reason = _full(error)
        if reason is None:
            raise
        raise DiskFull(f"{folder} can no longer be written ({reason})") from error


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def _full(error: BaseException | None) -> str | None:
    """The system's message about a full disk if this error or one of its causes is such an error,
    else None. Errors of tensorstore contain the message in their text.
    """
    while error is not None:
        for number in _FULL:
            reason = os.strerror(number)
            if (isinstance(error, OSError) and error.errno == number) or reason in str(error):
                return reason
        error = error.__cause__ or error.__context__
    return None


@contextlib.contextmanager
def replacing(path: Path, keep: Callable[[Path], bool] = lambda there: False) -> Iterator[Path]:
    """Yields a path to write a file or a folder to; it replaces ``path`` when the block ends.

    Parent folders are created. If several processes write to one path at once, the last one wins
    and the result is complete. If the block raises, ``path`` is unchanged and nothing is left
    behind.

    Args:
      path: the path of the file or folder.
      keep: decides whether a folder that exists at ``path`` by then stays and the new one is
        dropped, for folders that others read and whose copies are equivalent.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".unfinished-") as folder:
        unfinished = Path(folder, path.name)
        yield unfinished
        while True:
            try:
                os.replace(unfinished, path)
                break
            except OSError as error:  # a folder can only replace an empty one
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
            if keep(path):
                break
            with contextlib.suppress(FileNotFoundError):  # another process has moved it
                os.replace(path, tempfile.mkdtemp(dir=folder))


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
            f"workdir: cannot write to {Path(path).parent} ({error.strerror})."
        ) from error


def check_folder(field: str, path: Path) -> None:
    """Refuses a path at which no folder can be created or written. Leaves nothing behind.

    Raises:
      ConfigError: naming the field and the path.
    """
    use = "use a writable folder or a new name."
    try:
        absolute = Path(path).absolute()
        nearest = next(parent for parent in (absolute, *absolute.parents) if parent.exists())
        if not nearest.is_dir():
            raise ConfigError(f"{field}: {nearest} is a file; {use}")
        with tempfile.TemporaryDirectory(dir=nearest, prefix=".unfinished-"):
            pass
    except OSError as error:
        raise ConfigError(f"{field}: {path} cannot be written ({error.strerror}); {use}") from error


def check_file(field: str, path: Path) -> None:
    """Refuses a path at which no file can be created or appended to. Leaves nothing behind.

    Raises:
      ConfigError: naming the field and the path.
    """
    use = "give a writable file in an existing folder."
    path = Path(path)
    if path.is_dir():
        raise ConfigError(f"{field}: {path} is a folder; {use}")
    if not path.parent.is_dir():
        raise ConfigError(f"{field}: the folder {path.parent} does not exist; {use}")
    if path.exists() and not os.access(path, os.W_OK):
        raise ConfigError(f"{field}: {path} cannot be written; {use}")
    if not path.exists():
        check_folder(field, path.parent)
