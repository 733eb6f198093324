"""Runs the PyTorch steps of the same networks, in a Python that has PyTorch."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gan_jax.benchmarks.suite.workers import Failed, TimeUp
from gan_jax.errors import ConfigError

PEERS = ("dcgan32", "sngan32", "r3gan32", "stylegan2_32", "specgan64", "wavegan4k")
"""The networks that are compared. A script need not have them all."""
_UNKNOWN = 2  # the status with which argparse refuses a value


def check(peer: Sequence[str]) -> None:
    """Refuses what is not the path of a Python and of scripts.

    Raises:
      ConfigError: naming the path.
    """
    if len(peer) == 1:
        raise ConfigError(f"peer must be PYTHON SCRIPT [SCRIPT ...], not {peer[0]} alone.")
    for path in peer:
        if not Path(path).is_file():
            raise ConfigError(f"peer {path} is not a file; use the paths of a Python and a script.")


def measure(peer: Sequence[str], options: dict[str, Any], seconds: float) -> dict[str, Any]:
    """The fastest mode of the first script that has the network, and all of its lines.

    Args:
      peer: Python and scripts. A script takes ``--net``, ``--batch``, ``--modes``,
        ``--precision`` and ``--seconds`` and prints a line of JSON for each mode, with ``mode``,
        and ``ms_median`` and ``images_per_s`` unless the mode failed. It refuses a network that it
        does not have as argparse does, with status 2.
      options: the values of these.
      seconds: a limit for all modes.

    Raises:
      Failed: if no mode could be timed.
      TimeUp: if the script takes longer.
    """
    flags = [text for key, value in options.items() for text in (f"--{key}", str(value))]
    python, *scripts = peer
    for script in scripts:
        try:
            ended = subprocess.run(
                [python, script, *flags], capture_output=True, text=True, timeout=max(seconds, 1)
            )
        except subprocess.TimeoutExpired:
            raise TimeUp from None
        if ended.returncode != _UNKNOWN:
            return _fastest(script, ended)
    why = (ended.stderr.strip().splitlines() or [""])[-1]
    raise Failed(f"no script of --peer has {options['net']}; the last one said: {why}")


def _fastest(script: str, ended: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    lines = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
    timed = [line for line in lines if "ms_median" in line]
    if not timed:
        told = [str(line.get("error") or line.get("skipped")) for line in lines]
        told += ended.stderr.strip().splitlines()[-1:]
        raise Failed((told or [f"{script} printed nothing"])[0])
    return min(timed, key=lambda line: line["ms_median"]) | {"modes": lines}
