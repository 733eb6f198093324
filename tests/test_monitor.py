"""The rules over logged numbers, on logs made up here."""

import math

import pytest

from gan_jax.health.monitor import RULES, findings

HEALTHY = {"d_ranking": 0.9, "g_grad_norm": 1.0, "diversity": 0.8, "silent_share": 0.5}


def log(*diagnoses, every=2):
    """Lines 100, 200, ...; every second one has a diagnosis, as named."""
    lines = []
    for diagnosis in diagnoses:
        lines += [{"step": (len(lines) + 1 + i) * 100, "g/loss": 0.7} for i in range(every)]
        lines[-1] |= {f"diagnostics/{name}": value for name, value in (HEALTHY | diagnosis).items()}
    return lines


def spoken(lines):
    """The steps at which each rule speaks, as a run hears it."""
    heard = {name: [] for name in RULES}
    for n in range(1, len(lines) + 1):
        for name, rule in RULES.items():
            if rule(lines[:n]):
                heard[name].append(lines[n - 1]["step"])
    return {name: steps for name, steps in heard.items() if steps}


ILL = {
    "saturated": {"d_ranking": 1.0, "g_grad_norm": 1e-4},
    "collapsed": {"diversity": 0.05},
    "silent": {"silent_share": 0.6},
}


def test_a_healthy_run_is_quiet():
    assert spoken(log(*[{}] * 10)) == {}
    assert spoken([{"step": 100, "g/loss": 1.0}]) == {}


@pytest.mark.parametrize("rule", ILL)
def test_three_in_a_row_are_told_once(rule):
    ill = ILL[rule]
    assert spoken(log({}, ill, ill, {}, ill, ill)) == {}
    lines = log({}, {}, ill, ill, ill, ill, ill, {}, ill, ill, ill)
    assert spoken(lines) == {rule: [1000, 2200]}
    (finding,) = findings(lines[:10])
    assert finding.good == 400 and not finding.fatal and "at step 1000" in finding.text


def test_collapsed_from_the_beginning():
    (finding,) = findings(log(*[ILL["collapsed"]] * 3))
    assert finding.good == 0


def test_separating_all_is_no_saturation_while_g_still_gets_a_gradient():
    one = {"d_ranking": 1.0}
    assert spoken(log({}, one, one, one, one)) == {}
    vanished = {"g_grad_norm": 1e-6}
    assert spoken(log({}, vanished, vanished, vanished)) == {}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_fatal_at_once(value):
    lines = log({}, {"g_grad_norm": value})
    (finding,) = findings(lines)
    assert finding.fatal and finding.good == 300
    assert finding.text == f"diagnostics/g_grad_norm became {value} by step 400"


def test_events_between_the_lines_are_passed_over():
    event = {
        "step": 400,
        "event": "rollback",
        "from": 700,
        "reason": "d/loss became nan",
        "seconds": 1.0,
    }
    ill = ILL["collapsed"]
    lines = log({}, {}, ill, ill, ill)
    assert findings([*lines[:4], event, *lines[4:]])[0].good == 400
    assert findings([*lines, event]) == []
