"""What the logged numbers of a run say of its health: rules, each a pure function of the lines of
``metrics.jsonl`` so far.

Each names the state it looks for, with a threshold and the reason for it. A rule speaks once for
each time that its state begins, at the line that makes it certain; as it knows nothing but the
lines, a resumed run hears what an uninterrupted one hears.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

from gan_jax.health.diagnostics import PREFIX

IN_A_ROW = 3
"""Diagnoses that must agree: one minibatch may lie."""
VANISHED = 1e-2
"""Share of the largest norm of G's gradient so far below which it counts as vanished. On healthy
runs of the recipes no diagnosis was below 0.04; where D had won the minimax game from the start,
and the largest was small itself, it lay between 0.0006 and 0.012.
"""
COLLAPSED = 0.1
"""Diversity, relative to that of real examples, below which samples count as one. Healthy runs were
above 0.3 from the second diagnosis on (an MLP can begin with 0.07), one that collapsed at 0.00
(``docs/stability.md``).
"""

Line = Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Finding:
    """What a rule found: a sentence without its full stop, the last step whose numbers did not yet
    say so, and whether all is lost.
    """

    text: str
    good: float
    fatal: bool = False


Rule = Callable[[Sequence[Line]], Finding | None]


def not_finite(lines: Sequence[Line]) -> Finding | None:
    """A number that is infinite or none: nothing after it means anything."""
    bad = [
        name
        for name, value in lines[-1].items()
        if isinstance(value, float) and not math.isfinite(value)
    ]
    if not bad:
        return None
    return Finding(
        f"{bad[0]} became {lines[-1][bad[0]]} by step {lines[-1]['step']}",
        _last(lines[:-1]),
        fatal=True,
    )


def saturated(lines: Sequence[Line]) -> Finding | None:
    """D tells all real examples from all fakes, and the gradient that G gets from it has vanished
    (Arjovsky & Bottou 2017, theorem 2.4).
    """
    norms = [line[PREFIX + "g_grad_norm"] for line in lines if PREFIX + "g_grad_norm" in line]
    largest = max(norms, default=0.0)

    def symptom(line: Line) -> bool:
        return line[PREFIX + "d_ranking"] == 1 and line[PREFIX + "g_grad_norm"] < VANISHED * largest

    text = f"D separates all examples, and G's gradient is below {VANISHED:g} of what it was"
    return _begun(lines, PREFIX + "d_ranking", symptom, text)


def collapsed(lines: Sequence[Line]) -> Finding | None:
    """The samples have become nearly one: mode collapse in its plainest form."""
    name = PREFIX + "diversity"
    text = f"the samples' diversity is below {COLLAPSED:g} of that of real examples"
    return _begun(lines, name, lambda line: line[name] < COLLAPSED, text)


RULES: dict[str, Rule] = {"not_finite": not_finite, "saturated": saturated, "collapsed": collapsed}
"""``rule(lines) -> Finding``, or None where the last of the lines (one or more, oldest first) gives
no cause to speak.
"""


def findings(lines: Sequence[Line]) -> list[Finding]:
    """What the rules find at the last of the lines."""
    return [finding for rule in RULES.values() if (finding := rule(lines)) is not None]


def _begun(
    lines: Sequence[Line], name: str, symptom: Callable[[Line], bool], text: str
) -> Finding | None:
    """A finding where the symptom has just been there `IN_A_ROW` times running, on the lines that
    have the number ``name``.
    """
    told = [line for line in lines if name in line]
    if not told or told[-1] is not lines[-1]:
        return None
    streak = next((i for i, line in enumerate(reversed(told)) if not symptom(line)), len(told))
    if streak != IN_A_ROW:
        return None
    return Finding(f"{text} at step {told[-1]['step']}", _last(told[:-IN_A_ROW]))


def _last(lines: Sequence[Line]) -> float:
    return lines[-1]["step"] if lines else 0
