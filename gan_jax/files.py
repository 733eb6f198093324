"""Files that are whole or not there: whatever interrupts a write, a reader finds the old or the
new; and the folder of those that are kept between runs.
"""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import platformdirs

from gan_jax.errors import ConfigError


def cache_folder() -> Path:
    """``$GAN_JAX_CACHE``, or the user's cache folder of this library."""
    chosen = os.environ.get("GAN_JAX_CACHE")
    return (
        Path(chosen).expanduser()
        if chosen
        else platformdirs.user_cache_path("gan_jax", appauthor=False)
    )


class DiskFull(Exception):
    """A folder that cannot be written any more: its disk or the user's share of it is full, or it
    has become read-only. What was written before is whole.
    """


@contextlib.contextmanager
def noticing_full_disk(folder: Path) -> Iterator[None]:
    """Around work that writes to a folder.

    Raises:
      DiskFull: for what the operating system says of a full disk, whatever it was raised as.
    """
    try:
        yield
    except Exception as error:
        reason = _full(error)
        if reason is None:
            raise
        raise DiskFull(f"{folder} cannot be written any more ({reason})") from error


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def _full(error: BaseException | None) -> str | None:
    """What the system says of a full disk, if this error or one that it comes from does. Those of
    tensorstore have it in their text.
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
    """A path to write a file or a folder to; it takes the place of ``path`` when the block ends.

    Parents are made. Several processes may write one path at once: the last one wins, whole. When
    the block raises, ``path`` is left as it was and nothing else stays.

    Args:
      path: of the file or the folder.
      keep: whether a folder that lies at ``path`` by then stays, and the new one is dropped: for
        folders that others read, of which one is as good as another.
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
            except OSError as error:  # a folder takes the place of an empty one only
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
            f"workdir: {Path(path).parent} cannot be written ({error.strerror})."
        ) from error


def check_folder(field: str, path: Path) -> None:
    """Refuses a path at which no folder can be made or written. Leaves nothing behind.

    Raises:
      ConfigError: naming the field and the path.
    """
    accepted = "accepted: a folder that can be written, or a new name."
    try:
        absolute = Path(path).absolute()
        nearest = next(parent for parent in (absolute, *absolute.parents) if parent.exists())
        if not nearest.is_dir():
            raise ConfigError(f"{field}: {nearest} is a file; {accepted}")
        with tempfile.TemporaryDirectory(dir=nearest, prefix=".unfinished-"):
            pass
    except OSError as error:
        raise ConfigError(
            f"{field}: {path} cannot be written ({error.strerror}); {accepted}"
        ) from error


def check_file(field: str, path: Path) -> None:
    """Refuses a path at which no file can be made or appended to. Leaves nothing behind.

    Raises:
      ConfigError: naming the field and the path.
    """
    accepted = "accepted: a file in a folder that exists."
    path = Path(path)
    if path.is_dir():
        raise ConfigError(f"{field}: {path} is a folder; {accepted}")
    if not path.parent.is_dir():
        raise ConfigError(f"{field}: the folder {path.parent} does not exist; {accepted}")
    if path.exists() and not os.access(path, os.W_OK):
        raise ConfigError(f"{field}: {path} cannot be written; {accepted}")
    if not path.exists():
        check_folder(field, path.parent)
