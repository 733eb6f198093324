"""Alarms: rules that find problems in the metrics of a run, each a pure function of the lines of
``metrics.jsonl`` so far.

A rule raises one alarm each time that its condition begins, at the line that confirms it. As it
depends only on the lines, a resumed run raises the same alarms as an uninterrupted one.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

from gan_jax.health.diagnostics import PREFIX

IN_A_ROW = 3
"""Consecutive diagnostics that must agree, as a single minibatch may mislead."""
VANISHED = 1e-2
"""The gradient of G has vanished if its norm is below this fraction of its maximum so far. In
healthy runs of the recipes it was never below 0.04; where D had won the minimax game from the
start, and the maximum itself was small, it was between 0.0006 and 0.012.
"""
COLLAPSED = 0.1
"""Samples have collapsed if their diversity, relative to real examples, is below this. Healthy runs
were above 0.3 from the second diagnostics on (an MLP can start at 0.07), a collapsed one at 0.00
(``docs/stability.md``).
"""
MUTE = 0.5
"""The samples have gone silent if more than this share of them is, by
`gan_jax.health.loudness.SILENT`. Before the first updates, samples are often silent.
"""

Line = Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Finding:
    """An alarm: a sentence without its full stop, the last step before the problem, and whether
    training cannot continue.
    """

    text: str
    good: float
    fatal: bool = False


Rule = Callable[[Sequence[Line]], Finding | None]


def not_finite(lines: Sequence[Line]) -> Finding | None:
    """A metric is infinite or NaN; nothing after it is meaningful."""
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
    """D separates all real examples from all fakes, and the gradient of G has vanished (Arjovsky &
    Bottou 2017, theorem 2.4).
    """
    norms = [line[PREFIX + "g_grad_norm"] for line in lines if PREFIX + "g_grad_norm" in line]
    largest = max(norms, default=0.0)

    def symptom(line: Line) -> bool:
        return line[PREFIX + "d_ranking"] == 1 and line[PREFIX + "g_grad_norm"] < VANISHED * largest

    text = f"D separates all examples, and G's gradient is below {VANISHED:g} of its maximum"
    return _begun(lines, PREFIX + "d_ranking", symptom, text)


def collapsed(lines: Sequence[Line]) -> Finding | None:
    """The samples are nearly identical: the simplest form of mode collapse."""
    name = PREFIX + "diversity"
    text = f"the samples' diversity is below {COLLAPSED:g} of that of real examples"
    return _begun(lines, name, lambda line: line[name] < COLLAPSED, text)


def silent(lines: Sequence[Line]) -> Finding | None:
    """Most samples of a GAN of sounds are silent: G's output is near 0, whatever its latents."""
    name = PREFIX + "silent_share"
    text = f"more than {MUTE:.0%} of the samples are silent"
    return _begun(lines, name, lambda line: line[name] > MUTE, text)


RULES: dict[str, Rule] = {
    "not_finite": not_finite,
    "saturated": saturated,
    "collapsed": collapsed,
    "silent": silent,
}
"""``rule(lines) -> Finding``, or None if the last of the lines (one or more, oldest first) raises
no alarm.
"""


def findings(lines: Sequence[Line]) -> list[Finding]:
    """The alarms that the rules raise at the last of the lines."""
    return [finding for rule in RULES.values() if (finding := rule(lines)) is not None]


def _begun(
    lines: Sequence[Line], name: str, symptom: Callable[[Line], bool], text: str
) -> Finding | None:
    """A finding if the symptom has just occurred for the `IN_A_ROW`-th consecutive time, among the
    lines that contain ``name``.
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
