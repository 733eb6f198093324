"""What lazy penalties and several updates of D cost inside the compiled loop, beside what their
parts cost outside.
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
    """A step of the compiled loop for all combinations, beside the sum of its parts.

    The parts are compiled each by itself, in no loop and no branch: an update of D, without (``D``)
    and with R1 (``D + R1``), and one of G (``G``: a step less an update of D). A step of ``d``
    updates of D, of which every ``e``-th has R1, should take ``d D + d / e (D + R1 - D) + G``. All
    are timed in turn, round after round, so that a machine that slows down slows all of them down.

    Args:
      net, batch, precision: as for `gan_jax.benchmarks.steps.measure`.
      every: how many updates of D share one R1; 0 for none at all.
      d_steps: updates of D for one of G.
      rounds: timed rounds, of which medians are taken.

    Returns:
      For each combination what a line of JSON holds: versions and device; the arguments;
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

    # So many steps a call that each call has its share of penalties.
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
    """A combination beside its parts, from each round's seconds of a step without penalty, of an
    update of D without and with R1, and of the combination.
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
    """D's half of a step, compiled: what does not reach D's new state, the compiler drops."""
    return jax.jit(lambda state: train_step(gan, state, batch)[0].discriminator)


def predicted(step: float, d: float, d_r1: float, every: int, d_steps: int) -> float:
    """Seconds of a step, from those of one without penalty and of D's updates without and with
    R1.
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
    """A function that makes so many calls and returns the seconds of one ``of``-th."""

    def once() -> float:
        nonlocal state
        began = time.perf_counter()
        for _ in range(calls):
            state, rest = call(state)
        jax.block_until_ready((state, rest))
        return (time.perf_counter() - began) / of

    return once
