"""`METRICS` and protocols: every entry computes, names its needs, and refuses too few."""

import functools

import numpy as np
import pytest

from gan_jax import ConfigError, metrics
from gan_jax.metrics import registry
from gan_jax.metrics.metric import NEEDS

F, K = 3, 4


def sample(seed, n):
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((n, F)).astype(np.float32)
    labels = (np.arange(n) % K).astype(np.int32)
    logits = (3 * np.eye(K)[labels] + rng.standard_normal((n, K))).astype(np.float32)
    modes = metrics.Modes(
        labels, rng.uniform(size=n) < 0.9, np.arange(1, K + 1, dtype=np.float32) / 10
    )
    return metrics.Sample(features, logits, labels, modes)


INPUTS = metrics.Inputs(
    sample(0, 1100), sample(1, 1300), sample(2, 400), sample(3, 300), learned=sample(4, 200)
)


@pytest.fixture(autouse=True)
def few_subsets(monkeypatch):
    """Three subsets for the block average: a hundred, as users get, take seconds."""
    few = functools.partial(registry.draw_subsets, subsets=3)
    monkeypatch.setattr(registry, "draw_subsets", few)


def inputs_of(metric):
    """Everything that a metric may need; without modes if it requires that none are known."""
    unknown = INPUTS._replace(images=INPUTS.images._replace(modes=None))
    return unknown if "unknown_modes" in metric.needs else INPUTS


def without(need, inputs=INPUTS):
    """The inputs less what a need asks for."""
    images, reference, *_ = inputs
    return {
        "labels": inputs._replace(images=images._replace(labels=None)),
        "logits": inputs._replace(images=images._replace(logits=None)),
        "modes": inputs._replace(images=images._replace(modes=None)),
        "unknown_modes": INPUTS,
        "reference_labels": inputs._replace(reference=reference._replace(labels=None)),
        "training": inputs._replace(training=None),
        "held_out": inputs._replace(held_out=None),
        "own_classes": inputs._replace(own_classes=False),
        "learned": inputs._replace(learned=None),
    }[need]


@pytest.mark.parametrize("name", metrics.METRICS)
def test_every_metric_gives_its_scores_with_intervals_that_hold_them(name):
    metric = metrics.METRICS[name]
    inputs = inputs_of(metric)
    assert metrics.obstacle(metric, inputs) is None
    scores = metric.measure(inputs)
    assert list(scores) == list(metric.scores)
    for key, score in scores.items():
        assert metrics.SCORES[key] is metric.scores[key]
        assert np.shape(score.value) == np.shape(score.low) == np.shape(score.high)
        assert np.shape(score.value) == ((K,) if metric.scores[key].by_class else ())
        known = ~np.isnan(score.low)
        assert known.all() or key in ("class_count", "modes_covered")
        assert np.all((score.low <= score.value) & (score.value <= score.high) | ~known)
        if metric.scores[key].share:
            assert np.all((score.low >= 0) & (score.high <= 1))
    again = metrics.measure(inputs, [name])
    assert all(np.array_equal(scores[key], again[key], equal_nan=True) for key in scores)


def test_scores_have_names_of_their_own():
    names = [name for metric in metrics.METRICS.values() for name in metric.scores]
    assert len(set(names)) == len(names) and set(names) <= set(metrics.SCORES)
    assert set(metrics.BASIC) <= set(metrics.METRICS)


@pytest.mark.parametrize("name", metrics.METRICS)
def test_every_metric_says_what_it_lacks(name):
    metric = metrics.METRICS[name]
    inputs = inputs_of(metric)
    for need in NEEDS:
        why = metrics.obstacle(metric, without(need, inputs))
        if need in metric.needs:
            assert why == NEEDS[need][1]
            assert metrics.measure(without(need, inputs), [name]) == {}
            assert metrics.left_out(without(need, inputs), [name]) == dict.fromkeys(
                metric.scores, why
            )
        else:
            assert why is None
            metric.measure(without(need, inputs))


@pytest.mark.parametrize("name", metrics.METRICS)
def test_every_metric_computes_from_its_fewest_images_and_refuses_fewer(name):
    metric = metrics.METRICS[name]
    least = metric.fewest(F, K)
    inputs = inputs_of(metric)
    few = lambda n: inputs._replace(images=inputs.images.at(slice(n)))
    metrics.Protocol(f"{name}{least}", name, least).measure(few(least))
    if least > 1:
        assert "too few" in metrics.obstacle(metric, few(least - 1))
        with pytest.raises(
            ConfigError, match=f"{name}{least - 1} has too few.*use {least} or more"
        ):
            metrics.Protocol(f"{name}{least - 1}", name, least - 1).check(F, K)
    metrics.Protocol(f"{name}{least}", name, least).check(F, K)


def test_too_few_real_images_are_an_obstacle():
    few = INPUTS._replace(reference=INPUTS.reference.at(slice(3)))
    assert metrics.obstacle(metrics.METRICS["fid"], few) == "3 images are too few, 4 are needed"
    few = INPUTS._replace(held_out=INPUTS.held_out.at(slice(99)))
    assert (
        metrics.obstacle(metrics.METRICS["memorization"], few)
        == "99 images are too few, 100 are needed"
    )
    lopsided = INPUTS.images.at(np.r_[0:40, 40:1100:4])
    why = metrics.obstacle(
        metrics.METRICS["class_fid"], INPUTS._replace(images=lopsided.at(slice(20, None)))
    )
    assert why is None or "of class" in why


def test_balanced_metrics_take_equal_numbers_and_all_others_the_whole_reference():
    found = metrics.measure(INPUTS, ["pr"])
    index = np.sort(np.random.default_rng(0).choice(1300, 1100, replace=False))
    expected = metrics.precision_recall(INPUTS.images.features, INPUTS.reference.features[index])
    assert (found["precision"], found["recall"]) == expected
    distance = metrics.frechet_estimate(INPUTS.images.features, INPUTS.reference.features)
    assert metrics.measure(INPUTS, ["fid"])["frechet_distance"] == distance


def test_modes_of_a_known_truth_are_those_of_its_own_functions():
    found, modes = metrics.measure(INPUTS, ["modes"]), INPUTS.images.modes
    np.testing.assert_allclose(
        found["mode_divergence"].value, metrics.mode_divergence(modes), rtol=1e-5
    )
    np.testing.assert_allclose(
        found["high_quality_share"].value, metrics.high_quality_share(modes), rtol=1e-6
    )
    assert found["modes_covered"].value == metrics.modes_covered(modes) == K


def test_protocols_are_a_metric_and_a_number():
    fid, pr, inf, c2st, blocks = metrics.parse("fid50k, pr200,fid_inf10k,c2st3k,kid_blocks1000")
    assert (fid.name, fid.metric, fid.count) == ("fid50k", "fid", 50_000)
    assert (pr.metric, pr.count) == ("pr", 200)
    assert (inf.metric, c2st.metric, c2st.count) == ("fid_inf", "c2st", 3000)
    assert (blocks.metric, blocks.count) == ("kid_blocks", 1000)


def test_a_protocol_given_twice_is_refused():
    with pytest.raises(ConfigError, match="fid50k is given twice"):
        metrics.parse("fid50k,pr200,fid50k")


def test_a_protocol_takes_its_number_of_images():
    (protocol,) = metrics.parse("fid200")
    expected = metrics.frechet_estimate(INPUTS.images.features[:200], INPUTS.reference.features)
    assert protocol.measure(INPUTS) == {"frechet_distance": expected}
    with pytest.raises(ConfigError, match="fid2k needs 2000 images, but there are only 1100"):
        metrics.parse("fid2k")[0].measure(INPUTS)
    with pytest.raises(
        ConfigError,
        match="memorization200 cannot be computed because no real examples are held out",
    ):
        metrics.parse("memorization200")[0].measure(without("held_out"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fdi50k", "metrics: 'fdi50k' is unknown; did you mean 'fid50k'? Use one of c2st, "),
        ("kid50k,preciision", "metrics: 'preciision' is unknown; use one of c2st, "),
        ("fid", "metrics: 'fid' lacks a number of images; use one of c2st, "),
        ("fid0k", "metrics: 'fid0k' lacks a number of images; use one of c2st, "),
        ("", "metrics: '' is unknown; use one of c2st, "),
        ("fid50k,", "metrics: '' is unknown; use one of c2st, "),
        ("fid5m", "metrics: 'fid5m' is unknown; did you mean"),
        ("50k", "metrics: '50k' is unknown; use one of c2st, "),
    ],
)
def test_unknown_protocols_are_refused_with_the_nearest(text, words):
    with pytest.raises(ConfigError) as refusal:
        metrics.parse(text)
    assert str(refusal.value).startswith(words)
    assert "as in fid50k." in str(refusal.value)
