"""First use of a data set: TFDS writes its examples as array_record, after a quick look whether that can succeed."""

from __future__ import annotations

import concurrent.futures
import contextlib
import importlib.util
import io
import socket
import urllib.parse
import urllib.request
from collections.abc import Callable

import tensorflow_datasets as tfds
from tensorflow_datasets.core.utils import tqdm_utils

from gan_jax.config import ConfigError

_PATIENCE = 2.0  # seconds that a host may take to be found and to answer


def prepare_embedded(open_builder: Callable[[], tfds.core.DatasetBuilder]) -> tfds.core.DatasetBuilder:
    """Writes one of our own data sets, silently. Of two processes at it both succeed."""
    builder = open_builder()
    shown, tqdm_utils._active = tqdm_utils._active, False
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            builder.download_and_prepare(file_format="array_record")
    except Exception:  # the other process was faster: TFDS refuses to rename onto its result
        if not open_builder().is_prepared():
            raise
    finally:
        tqdm_utils._active = shown
    return open_builder()


def download_and_prepare(name: str, builder: tfds.core.DatasetBuilder) -> None:
    """Lets TFDS download and write a data set.

    Raises:
      ConfigError: before anything is written, where TensorFlow or the network is missing; or if TFDS fails.
    """
    if type(builder).__module__.startswith("tensorflow_datasets.") and not importlib.util.find_spec("tensorflow"):
        raise ConfigError(
            f"dataset: {name!r} is not in {builder.data_dir}, and to prepare it, once, TFDS needs TensorFlow: "
            f"`uv run --extra prepare ...`."
        )
    hosts = {_host(url) for url in builder.url_infos or {}}
    if hosts and not any(_answers(hosts)):
        raise ConfigError(
            f"dataset: {name!r} is not in {builder.data_dir}, and cannot be downloaded: "
            f"no answer from {', '.join(sorted(host for host, _ in hosts))}."
        )
    config = tfds.download.DownloadConfig(try_download_gcs=False)
    try:
        builder.download_and_prepare(file_format="array_record", download_config=config)
    except Exception as error:  # TFDS and the network raise of every kind
        message = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise ConfigError(f"dataset: TFDS could not prepare {name!r}: {message}.") from error


def _host(url: str) -> tuple[str, int]:
    """Host and port that a download of ``url`` begins with: those of the proxy, where one is set."""
    parts = urllib.parse.urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.hostname):
        parts = urllib.parse.urlsplit(proxy if "//" in proxy else f"//{proxy}")
    return parts.hostname, parts.port or {"http": 80, "ftp": 21}.get(parts.scheme, 443)


def _answers(hosts: set[tuple[str, int]]) -> list[bool]:
    """Whether each host lets itself be connected to; name look-up, which knows no time limit, happens in threads."""

    def connects(host: tuple[str, int]) -> bool:
        try:
            socket.create_connection(host, timeout=_PATIENCE).close()
        except OSError:
            return False
        return True

    pool = concurrent.futures.ThreadPoolExecutor(len(hosts))
    futures = [pool.submit(connects, host) for host in hosts]
    done, _ = concurrent.futures.wait(futures, timeout=_PATIENCE)
    pool.shutdown(wait=False)
    return [future in done and future.result() for future in futures]
