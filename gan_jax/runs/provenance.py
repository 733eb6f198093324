"""The provenance of a result: time, command, versions, devices and revision."""

from __future__ import annotations

import datetime
import importlib.metadata
import pathlib
import platform
import re
import subprocess
import sys
from typing import Any

import jax

from gan_jax import command_line

_PACKAGES = (
    "jax",
    "jaxlib",
    "flax",
    "optax",
    "orbax-checkpoint",
    "tensorflow-datasets",
    "numpy",
    "gan_jax",
)


def provenance() -> dict[str, Any]:
    """The provenance of a result: time, command, versions, devices, processor with the number of
    usable cores, and the git revision of this package.
    """
    devices = jax.devices()
    return {
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "python": platform.python_version(),
        **{package: _version(package) for package in _PACKAGES},
        "platform": platform.platform(),
        "device": devices[0].device_kind,
        "devices": len(devices),
        "processor": _processor(),
        "cores": command_line.cores(),
        "processes": jax.process_count(),
        **_revision(),
    }


def _processor() -> str | None:
    """The model of this machine's processor; None if the system does not tell."""
    try:
        about = pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:  # not Linux
        about = ""
    found = re.search(r"^model name\s*: (.+)$", about, re.MULTILINE)
    return found[1] if found else platform.processor() or None


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _revision() -> dict[str, Any]:
    """The git revision of this package and whether files differ from it; None if the package is not
    part of a git checkout.
    """

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(pathlib.Path(__file__).parent), *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", pathlib.Path(__file__).name)
        return {
            "git_revision": git("rev-parse", "HEAD"),
            "git_dirty": bool(git("status", "--porcelain")),
        }
    except (OSError, subprocess.SubprocessError):
        return {"git_revision": None, "git_dirty": None}
