"""Breaks down the time of a profiled call by the part of the networks."""

from __future__ import annotations

import collections
import gzip
import json
import pathlib
import re
from collections.abc import Iterable

CONV_KINDS = {
    "conv": "convolution",
    "conv_transpose": "transposed convolution",
    "conv_weights": "weight gradient",
}
"""The scopes of `gan_jax.nn.conv_ops`. The input gradient of a convolution is a transposed
convolution, and vice versa.
"""
_CONTAINERS = ("while", "conditional", "call")  # the operations inside have separate events
_INSTRUCTION = re.compile(r"^\s*(?:ROOT )?%?([\w.-]+) = .*? ([\w-]+)\(.*", re.MULTILINE)


def milliseconds(folder: pathlib.Path, hlo: str, steps: int) -> dict[str, float]:
    """Wall milliseconds per step by kind of operation, largest first; they add up to the busy time
    of the step.

    The time of concurrent operations is divided evenly among them. A fusion of operations counts as
    the kind of its result.

    Args:
      folder: contains one trace of `jax.profiler.trace`.
      hlo: the compiled program as text.
      steps: number of traced steps.
    """
    kinds = {
        name: _kind(opcode, re.search(r'op_name="([^"]*)"', line))
        for name, opcode, line in ((m[1], m[2], m[0]) for m in _INSTRUCTION.finditer(hlo))
    }
    (trace,) = pathlib.Path(folder).glob("plugins/profile/*/*.trace.json.gz")
    events = [
        e
        for e in json.loads(gzip.decompress(trace.read_bytes()))["traceEvents"]
        if e.get("ph") == "X"
    ]
    operations = [
        (kinds.get(name, "rest"), e["ts"], e["ts"] + e["dur"])
        for e in events
        if (name := e.get("args", {}).get("hlo_op")) and kinds.get(name) != "container"
    ]
    times = _divided(operations)
    return {kind: round(us / steps / 1e3, 4) for kind, us in times.most_common()}


def _kind(opcode: str, op_name: re.Match | None) -> str:
    if opcode in _CONTAINERS:
        return "container"
    path = op_name[1].split("/") if op_name else [""]
    product = path[-1] in ("conv_general_dilated", "dot_general")
    for scope, kind in CONV_KINDS.items():
        if scope in path:
            return kind if product else f"{kind}: layout"
    for part in ("BatchNorm", "SpectralNorm"):
        if any(part in name for name in path):
            return part
    if not any("Generator" in name or "Discriminator" in name for name in path):
        return "optimizers, losses, data"
    return "dense layer" if product else "activations, sums"


def _divided(operations: Iterable[tuple[str, float, float]]) -> collections.Counter[str]:
    """Time by kind, from (kind, begin, end)."""
    bounds = sorted(
        ((t, d, kind) for kind, *ends in operations for t, d in zip(ends, (1, -1), strict=True))
    )
    active, times, last = collections.Counter(), collections.Counter(), 0.0
    for t, d, kind in bounds:
        total = active.total()
        for name, count in active.items() if total else ():
            times[name] += (t - last) * count / total
        active[kind] += d
        last = t
    return times
