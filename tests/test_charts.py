"""Scores as text, and curves laid out as charts."""

import re

import numpy as np
import pytest

from gan_jax.report.charts import Series, chart
from gan_jax.report.curves import health, training_charts
from gan_jax.report.scores import interval, score_title, shown

# Texts


def test_scores_as_text():
    assert shown("precision", 0.8125) == shown("pr10k.precision", 0.8125) == "81.2%"
    assert shown("support_size", 1234.0) == "1,234" and shown("support_size", None) == "-"
    assert score_title("fid10k.frechet_distance") == "fid10k Fréchet distance"
    assert score_title("something_new") == "something new"
    assert interval("recall", [0.25, 0.5]) == "25.0% to 50.0%"
    assert interval("support_size", [1234.0, None]) == "1,234 to -"
    assert interval("support_size", [None, None]) == interval("support_size", None) == ""


# Curves


def numbers(path):
    return [tuple(map(float, pair.split(","))) for pair in re.split("[ML]", path.rstrip("Z"))[1:]]


def test_curves_lie_where_their_axes_say():
    made = chart(
        "height", [Series("a", [0, 5, 10], [1.0, 3.0, 2.0]), Series("b", [0, 10], [0.0, None])]
    )
    places, heights = (
        dict((text, x) for x, text in made.x_ticks),
        dict((text, y) for y, text in made.y_ticks),
    )
    (left, first), (middle, second), (right, third) = numbers(made.curves[0].path)
    assert (left, middle, right) == pytest.approx(
        (places["0"], (places["0"] + places["10"]) / 2, places["10"])
    )
    assert (first, second, third) == pytest.approx((heights["1"], heights["3"], heights["2"]))
    assert numbers(made.curves[1].path) == [(left, pytest.approx(heights["0"]))]
    assert heights["3"] < heights["0"]  # upwards


def test_intervals_surround_their_points():
    made = chart("h", [Series("a", [1, 2], [5.0, 6.0], [4.0, None], [7.0, None])])
    ((x, low, high),) = made.curves[0].bars
    assert (x, made.curves[0].dots[0][0]) == (made.curves[0].dots[0][0],) * 2
    assert high < made.curves[0].dots[0][1] < low
    assert made.curves[0].band == ""


def test_many_points_are_averaged():
    made = chart("h", [Series("a", range(10_000), range(10_000))])
    x, y = np.array(numbers(made.curves[0].path)).T
    assert 100 < len(x) < 500 and made.curves[0].dots == []
    np.testing.assert_allclose(
        y, np.interp(x, [made.left, made.right], [made.bottom, made.top]), atol=1
    )


@pytest.mark.parametrize("y", [[], [None, None], [float("nan"), float("inf")]])
def test_no_chart_without_numbers(y):
    assert chart("h", [Series("a", range(len(y)), y)]) is None


@pytest.mark.parametrize("y", [[2.0], [3.0, 3.0], [0.0, 0.0], [-5e-9, 1e9]])
def test_any_numbers_make_a_chart(y):
    made = chart("h", [Series("a", range(len(y)), y)])
    assert all(
        made.top - 1 <= height <= made.bottom + 1 for _, height in numbers(made.curves[0].path)
    )


@pytest.mark.parametrize("y", [[0.0, 0.0], [1.0, 1.0], [0.97, 0.5], [0.2, 0.001]])
def test_shares_lie_between_none_and_all(y):
    band = [value - 0.1 for value in y], [value + 0.1 for value in y]
    made = chart("h", [Series("a", [0, 1], y, *band)], share=True)
    ticks = [float(text.removesuffix("%")) for _, text in made.y_ticks]
    assert len(ticks) >= 2 and min(ticks) >= 0 and max(ticks) <= 100
    (curve,) = made.curves
    for _, height in numbers(curve.path) + numbers(curve.band):
        assert made.top - 1 <= height <= made.bottom + 1


def test_a_run_keeps_its_colour_in_every_chart():
    made = chart("h", [Series("a", [0], [None], colour=0), Series("b", [0], [1.0], colour=3)])
    assert [(curve.name, curve.colour) for curve in made.curves] == [("b", 3)]


def test_an_axis_may_begin_at_zero():
    series = [Series("a", [5, 10], [1.0, 2.0])]
    first = lambda made: numbers(made.curves[0].path)[0][0]
    left, later = first(chart("h", series)), first(chart("h", series, from_zero=True))
    made = chart("h", series)
    assert left == made.left and later == pytest.approx((made.left + made.right) / 2, abs=0.1)


def diagnosed(step, diversity=0.9, ranking=0.6, norm=1.0):
    numbers = {"diversity": diversity, "d_ranking": ranking, "g_grad_norm": norm}
    return {"step": step, "d/loss": 1.0} | {f"diagnostics/{k}": v for k, v in numbers.items()}


def test_losses_and_health_come_first():
    titles = [made.title for made in training_charts([diagnosed(1), diagnosed(2)], [])]
    assert titles[0] == "losses" and titles[1] == "accuracy of D"
    assert titles[2].startswith("diversity") and titles[3] == "gradient norms"


def test_health_says_what_the_rules_find():
    well = [diagnosed(step) for step in range(1, 9)]
    assert health(well) == [] and health([{"step": 1, "d/loss": 1.0}]) is None
    (text,) = health([*well[:3], *(diagnosed(step, diversity=0.01) for step in range(4, 9))])
    assert "diversity is below 0.1" in text and text.endswith("at step 6")
    assert health([{"step": 1, "event": "rollback", "reason": "x"}, *well]) == []


def test_numbers_that_follow_a_metric_have_a_chart():
    lines = [{"step": i, "feedback/augments/ada/strength": i / 10} for i in (1, 2)]
    (made,) = training_charts(lines, [])
    assert made.title == "numbers that follow a metric"
    assert [curve.name for curve in made.curves] == ["augments ada strength"]
