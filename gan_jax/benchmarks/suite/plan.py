"""The tasks of the suite and of the growth curves. Needs no JAX."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

from gan_jax.benchmarks.suite.peer import PEERS
from gan_jax.recipes import RECIPES

NETS = (
    "mlp28",
    "dcgan32",
    "sngan32",
    "stylegan2_32",
    "r3gan32",
    "biggan32",
    "specgan64",
    "wavegan4k",
)
"""In this order; the names are those of `gan_jax.benchmarks.nets.NETS`."""
SEEDS = 16
"""GANs that are trained at once."""
CONVOLUTIONS = ("conv", "strided conv", "grouped conv", "transposed conv", "up conv", "conv pool")
"""Kinds in `gan_jax.benchmarks.suite.checks.CONVOLUTIONS`, except the large one."""


class Task(NamedTuple):
    """A check or a measurement.

    ``part``: a key of `gan_jax.benchmarks.suite.page.PARTS`; ``function``: a key of
    `gan_jax.benchmarks.suite.measurements.FUNCTIONS`, called with ``options``, which are
    JSON-serializable. ``members``: the number of CPU cores that become devices, at most.
    ``rest``: the function also gets ``seconds``, its share of the time that is left.
    """

    part: str
    name: str
    function: str
    options: dict[str, Any]
    members: int = 1
    rest: bool = False


class Size(NamedTuple):
    """How much the suite measures on a kind of machine.

    Attributes:
      points: networks, batches and precisions, the most important first.
      alone: the number of points that are also measured with one step per call.
      runs: timed runs of each point.
      seeds: networks, batches and steps per call of populations.
      loops: recipes, and the steps between their samples and checkpoints.
      samples: the number of samples that a trained recipe is scored by; None: that of ``eval.py``.
      peer_modes, peer_seconds: modes of the PyTorch step, and the seconds that each is timed.
    """

    points: tuple[tuple[str, int, str], ...]
    alone: int
    runs: int
    seeds: tuple[tuple[str, int, int], ...]
    loops: tuple[tuple[str, int], ...]
    samples: int | None
    peer_modes: str
    peer_seconds: float


_PRECISIONS = ("bf16", "fp32")
_GPU = Size(
    tuple((n, b, p) for b, p, n in itertools.product((1024, 64, 256), _PRECISIONS, NETS)),
    alone=48,
    runs=5,
    seeds=(("mlp28", 64, 16), ("dcgan32", 64, 16)),
    loops=(("mnist_dcgan", 1_000), ("mnist_mlp", 5_000)),
    samples=25_600,
    peer_modes="eager,compile,cudagraph",
    peer_seconds=2.0,
)
_CPU = Size(
    (
        ("mlp28", 64, "fp32"),
        ("dcgan32", 64, "fp32"),
        *((net, 16, "fp32") for net in NETS[2:]),
        ("mlp28", 1024, "fp32"),
        ("mlp28", 64, "bf16"),
        ("dcgan32", 64, "bf16"),
    ),
    alone=8,
    runs=3,
    seeds=(("mlp28", 64, 16), ("dcgan32", 16, 1)),
    loops=(("mnist_mlp", 2_000), ("mnist_dcgan", 100)),
    samples=None,
    peer_modes="eager,compile",
    peer_seconds=5.0,
)
SIZES = {"gpu": _GPU, "cpu": _CPU}
"""The accepted values of ``--suite``."""
TRAINED = ("stacked_dcgan", "fashion_dcgan")
"""Recipes that are trained for as long as time is left."""
_SMALL = ("mlp28", "dcgan32", "wavegan4k")  # networks whose calls make 16 steps on a CPU, not 4


def suite(kind: str) -> list[Task]:
    """All tasks, in the order in which they are made. ``kind``: a key of `SIZES`."""
    size = SIZES[kind]
    steps = lambda net: 16 if kind == "gpu" or net in _SMALL else 4
    beside = []  # PyTorch's step right after ours, in case the speed of the machine drifts
    for own in size.points:
        beside.append(_point(size, own, steps(own[0])))
        if own[0] in PEERS:
            beside.append(_peer(size, own))
    return [
        *_checks(),
        *(_seeds(*own, size.runs) for own in size.seeds),
        *beside,
        *(_point(size, own, 1) for own in size.points[: size.alone]),
        *(
            Task("loop", f"loop of {name}", "loop", {"recipe_name": name, "period": period})
            for name, period in size.loops
        ),
        *(
            Task(
                "training",
                name,
                "training",
                {"recipe_name": name, "samples": size.samples},
                1,
                True,
            )
            for name in TRAINED
        ),
    ]


def _checks() -> list[Task]:
    made = [
        Task(
            "checks", f"{kind}, {precision}", "convolution", {"kind": kind, "precision": precision}
        )
        for kind, precision in itertools.product(CONVOLUTIONS, ("fp32", "bf16"))
    ]
    made += [Task("checks", f"step of {net}", "step", {"net": net}) for net in NETS]
    large = {"kind": "large conv", "precision": "fp32"}
    made.append(Task("checks", "large conv, fp32", "convolution", large))
    others = {
        "spectral norm": "spectral_norm",
        "resumed training": "resume",
        "population": "population",
        "donated memory": "donation",
    }
    return made + [Task("checks", name, function, {}) for name, function in others.items()]


def _point(size: Size, own: tuple[str, int, str], steps: int) -> Task:
    options = {"net": own[0], "batch": own[1], "precision": own[2], "steps_per_call": steps}
    name = f"{own[0]}, batch {own[1]}, {own[2]}, {steps} a call"
    return Task("steps", name, "speed", options | {"runs": size.runs})


def _peer(size: Size, own: tuple[str, int, str]) -> Task:
    net, batch, precision = own
    options = {"net": net, "batch": batch, "precision": precision}
    options |= {"modes": size.peer_modes, "seconds": size.peer_seconds}
    return Task("peers", f"PyTorch's {net}, batch {batch}, {precision}", "peer", options)


def _seeds(net: str, batch: int, steps: int, runs: int) -> Task:
    options = {"net": net, "batch": batch, "precision": "fp32", "steps_per_call": steps}
    options |= {"seeds": [1, SEEDS], "runs": runs}
    return Task("populations", f"{SEEDS} seeds of {net}", "population_speed", options, SEEDS)


def growth(kind: str) -> list[Task]:
    """The tasks of the growth curves: each part varies one number. ``kind``: as for `suite`."""
    most, runs = (1024 if kind == "gpu" else 256), SIZES[kind].runs
    sides = (8, 16, 32, 64, 128)
    return [
        *_curve("batch", (16, 64, 256, 1024), runs, net="mlp28"),
        *_curve("batch", [b for b in (16, 64, 256, 1024) if b <= most], runs, net="dcgan32"),
        *_curve("width", (8, 16, 32, 64, 128), runs, batch=16),
        *_curve("side", sides, runs, batch=16),
        *_curve("seeds", (1, 2, 4, 8, 16), runs, net="mlp28", members=SEEDS),
        *_curve("examples", (1_000, 10_000, 100_000, 1_000_000), runs, net="mlp28"),
        *(
            Task("evaluation", f"{score} of {n:,} samples", "evaluation", {"score": score, "n": n})
            for score in ("fid", "kid")
            for n in (1_000, 2_000, 5_000, 10_000, 20_000, 50_000)
        ),
        *(
            Task("compilation", f"compilation of {name}", "compilation", {"recipe_name": name})
            for name in RECIPES
        ),
    ]


def _curve(
    varied: str, values: Sequence[int], runs: int, members: int = 1, **fixed: Any
) -> list[Task]:
    """One task for each value of a keyword of `gan_jax.benchmarks.suite.measurements.grown`."""
    of = fixed.get("net", "dcgan")
    return [
        Task(varied, f"{of}, {varied} {n:,}", "grown", {varied: n, "runs": runs, **fixed}, members)
        for n in values
    ]
