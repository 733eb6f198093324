"""Prepares a data set on first use: TFDS writes its examples as array_record files, after a quick
check that this can succeed.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import queue
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import requests
import tensorflow_datasets as tfds
from absl import logging as absl_logging
from tensorflow_datasets.core.utils import tqdm_utils

from gan_jax.errors import ConfigError

FORMAT = "array_record"
"""The only format that TFDS reads without TensorFlow and that keeps every example."""
BY_TENSORFLOW = "TFDS needs TensorFlow to prepare it once: `uv run --extra prepare ...`."
"""The end of a message where TensorFlow is missing."""
_PATIENCE = 3.0  # seconds for name resolution and the answer of a host


def prepare_embedded(
    open_builder: Callable[[], tfds.core.DatasetBuilder],
) -> tfds.core.DatasetBuilder:
    """Writes one of our data sets, without output. Two concurrent processes both succeed."""
    builder = open_builder()
    shown, tqdm_utils._active = tqdm_utils._active, False
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            builder.download_and_prepare(file_format=FORMAT)
    except Exception as error:
        # If it exists, another process was faster, and TFDS refused to overwrite its result.
        if not open_builder().is_prepared():
            raise ConfigError(
                f"dataset {builder.name!r} cannot be prepared in {builder.data_dir} "
                f"({reason(error)})."
            ) from error
    finally:
        tqdm_utils._active = shown
    return open_builder()


def download_and_prepare(name: str, builder: tfds.core.DatasetBuilder) -> None:
    """Lets TFDS download and write a data set.

    Raises:
      ConfigError: before anything is written, if TensorFlow or internet access is missing; or if
        TFDS fails.
    """
    absent = f"dataset {name!r} is not prepared in {builder.data_dir} (set by TFDS_DATA_DIR)"
    if type(builder).__module__.startswith("tensorflow_datasets.") and not importlib.util.find_spec(
        "tensorflow"
    ):
        raise ConfigError(f"{absent}; {BY_TENSORFLOW}")
    by_hand = Path(
        builder.data_dir_root, "downloads", "manual"
    )  # where TFDS looks for archives before it downloads
    urls = [
        url
        for url, info in (builder.url_infos or {}).items()
        if not (by_hand / (info.filename or url)).is_file()
    ]
    hosts = {urllib.parse.urlsplit(url).netloc: url for url in urls}
    if hosts and not _any_answers(hosts.values()):
        raise ConfigError(
            f"{absent} and cannot be downloaded: no answer from {', '.join(sorted(hosts))}."
        )
    config = tfds.download.DownloadConfig(try_download_gcs=False)
    try:
        builder.download_and_prepare(file_format=FORMAT, download_config=config)
    except Exception as error:  # TFDS and the network raise all kinds of exceptions
        raise ConfigError(
            f"dataset {name!r} could not be prepared by TFDS: {reason(error)}."
        ) from error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without TFDS's warnings of what is normal here: no OpenCV, no TensorFlow, a set not yet
    prepared.
    """
    before = absl_logging.get_verbosity()
    absl_logging.set_verbosity(absl_logging.ERROR)
    try:
        yield
    finally:
        absl_logging.set_verbosity(before)


def reason(error: BaseException) -> str:
    """The first line of an error message, without the preamble of TFDS."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return line.rpartition('}": ')[2].rstrip(".")


def _answer(url: str) -> bool:
    """Whether the host of ``url`` answers a request by the library that TFDS downloads with."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https"):
        return True
    try:
        requests.head(f"{parts.scheme}://{parts.netloc}/", timeout=_PATIENCE)
    except requests.RequestException:
        return False
    return True


def _any_answers(urls: Iterable[str]) -> bool:
    """Asks all hosts concurrently. Daemon threads, because a name look-up has no time limit and
    must not keep Python alive.
    """
    answers: queue.Queue[bool] = queue.Queue()
    threads = [
        threading.Thread(target=lambda u=url: answers.put(_answer(u)), daemon=True) for url in urls
    ]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + _PATIENCE
    with contextlib.suppress(queue.Empty):
        return any(answers.get(timeout=max(0, deadline - time.monotonic())) for _ in threads)
    return False
