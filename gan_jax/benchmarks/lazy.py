"""The cost of lazy regularizers and several D steps per G step in the compiled loop, against the
cost of their parts outside of it.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax

from gan_jax.benchmarks import steps
from gan_jax.benchmarks.nets import NETS
from gan_jax.build import PRECISIONS
from gan_jax.engine.gan import Gan
from gan_jax.engine.train_step import train_step
from gan_jax.parts.regularizers import REGULARIZERS
from gan_jax.types import Batch, GanState, PyTree, Term


def measure_lazy(
    net: str,
    batch: int,
    precision: str,
    every: Sequence[int],
    d_steps: Sequence[int],
    rounds: int = 5,
) -> list[dict[str, Any]]:
    """Times a step of the compiled loop for all combinations and compares it with the sum of its
    parts.

    Each part is compiled separately, outside of loops and branches: a D step without R1 (``D``) and
    with R1 (``D + R1``), and a G step (``G``: a whole step minus a D step). A step of ``d`` D
    steps, of which every ``e``-th has R1, should take ``d D + d / e (D + R1 - D) + G``. The
    measurements alternate, so that a machine that slows down affects all of them.

    Args:
      net, batch, precision: as for `gan_jax.benchmarks.steps.measure`.
      every: R1 is applied every so many D steps; 0 for never.
      d_steps: D steps per G step.
      rounds: timed rounds, of which medians are taken.

    Returns:
      For each combination, the fields of a JSON line: versions and device; the arguments;
      ``ms_median`` of a step and ``ms_predicted``; ``ratio``, the median over the rounds of
      measured to predicted, with ``ratio_min`` and ``ratio_max``; and the parts ``ms_d``,
      ``ms_d_r1``, ``ms_g``.
    """
    gan = NETS[net](PRECISIONS[precision])

    def with_terms(*terms: Term) -> Gan:
        return dataclasses.replace(
            gan, discriminator=dataclasses.replace(gan.discriminator, terms=terms)
        )

    plain = with_terms()
    with_r1 = lambda every: with_terms(Term("r1", REGULARIZERS["r1"](), 1.0, every))

    # Enough steps per call that every call contains the same number of regularized ones.
    n = math.lcm(*(e for e in every if e), 1)
    parts = [_step(plain, batch, n), _d_update(plain, batch, n), _d_update(with_r1(1), batch, n)]
    combinations = list(itertools.product(every, d_steps))
    loops = [_loop(with_r1(e) if e else plain, batch, n, d) for e, d in combinations]
    for work in (*parts, *loops):
        work()
    seconds = [[work() for work in (*parts, *loops)] for _ in range(rounds)]
    about = {"net": net, "batch": batch, "precision": precision}
    return [
        {
            **steps.environment(),
            **about,
            "d_steps": d,
            "r1_every": e,
            "rounds": rounds,
            **_compared([(*row[: len(parts)], row[len(parts) + i]) for row in seconds], e, d),
        }
        for i, (e, d) in enumerate(combinations)
    ]


def _compared(
    seconds: list[tuple[float, float, float, float]], every: int, d_steps: int
) -> dict[str, float]:
    """Compares a combination with its parts, from the seconds per round of a step without a
    regularizer, of a D step without and with R1, and of the combination.
    """
    pairs = [(measured, predicted(*parts, every, d_steps)) for *parts, measured in seconds]
    ratios = [measured / expected for measured, expected in pairs]
    median = lambda values: round(statistics.median(values) * 1e3, 4)
    return {
        "ms_median": median(measured for measured, _ in pairs),
        "ms_predicted": median(expected for _, expected in pairs),
        "ratio": round(statistics.median(ratios), 3),
        "ratio_min": round(min(ratios), 3),
        "ratio_max": round(max(ratios), 3),
        "ms_d": median(d for _, d, *_ in seconds),
        "ms_d_r1": median(d_r1 for _, _, d_r1, _ in seconds),
        "ms_g": median(step - d for step, d, *_ in seconds),
    }


def d_update(gan: Gan, batch: Batch) -> Callable[[GanState], PyTree]:
    """The D step alone, compiled: the compiler removes whatever does not affect D's new state."""
    return jax.jit(lambda state: train_step(gan, state, batch)[0].discriminator)


def predicted(step: float, d: float, d_r1: float, every: int, d_steps: int) -> float:
    """Predicted seconds of a step, from those of a step without a regularizer and of D steps
    without and with R1.
    """
    return step - d + d_steps * (d + (d_r1 - d) / every if every else d)


def _step(gan: Gan, batch: int, n: int) -> Callable[[], float]:
    program = steps.compiled_steps(gan, batch)
    return _clock(program.call, program.state, n, n)


def _d_update(gan: Gan, batch: int, n: int) -> Callable[[], float]:
    program = steps.compiled_steps(gan, batch)
    update = d_update(gan, program.minibatch)
    return _clock(lambda state: (state, update(state)), program.state, n, n)


def _loop(gan: Gan, batch: int, n: int, d_steps: int) -> Callable[[], float]:
    program = steps.compiled_steps(gan, batch, n, d_steps=d_steps)
    return _clock(program.call, program.state, 1, n)


def _clock(call: steps.Call, state: GanState, calls: int, of: int) -> Callable[[], float]:
    """A function that makes ``calls`` calls and returns their seconds divided by ``of``."""

    def once() -> float:
        nonlocal state
        began = time.perf_counter()
        for _ in range(calls):
            state, rest = call(state)
        jax.block_until_ready((state, rest))
        return (time.perf_counter() - began) / of

    return once
