"""The real-vs-real baseline: samples stand beside it at equal numbers of images only."""

import dataclasses
import json

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gans import small_mlp, state_of

from gan_jax import Population, recipe
from gan_jax.data import load
from gan_jax.evaluation import real
from gan_jax.evaluation.evaluator import evaluate
from gan_jax.evaluation.files import save, table
from gan_jax.evaluation.members import aggregate
from gan_jax.evaluation.result import Evaluation
from gan_jax.metrics import Sample
from gan_jax.report.curves import score_charts
from gan_jax.report.scores import compared, score_rows

DIGITS = recipe("digits_dcgan")


class Copies(nn.Module):
    """Draws real training digits, each with the same chance."""

    def __call__(self, latents, y, *, train):
        bank = load("digits", "train").examples
        chosen = jnp.int32(len(bank) * jax.scipy.stats.norm.cdf(latents[:, 0]))
        return jnp.asarray(bank)[jnp.minimum(chosen, len(bank) - 1)] / 127.5 - 1


class Means:
    """A feature network that needs no training: the means of 2x2 pixels."""

    key, about = "means", {"network": "means of 2x2 pixels"}

    def features(self, images):
        blocks = np.asarray(images, np.float32).reshape(len(images), 4, 2, 4, 2) / 255
        return blocks.mean((2, 4)).reshape(len(images), 16), None


@pytest.fixture(scope="module")
def judged():
    """Evaluates `Copies` with any number of samples."""
    gan = small_mlp({"network": Copies()}, num_classes=0)
    state = state_of(gan, 7)
    return lambda n: evaluate(gan, state, DIGITS, num_samples=n, feature_network=Means())


@pytest.fixture(scope="module")
def many(judged):
    return judged(2_000)


def test_a_score_of_many_samples_stands_beside_no_baseline_of_few_images(many, judged):
    """2,000 copies of training images are nearer to the training images than 355 of them are; the
    baseline of 355 held-out images stands beside the latter.
    """
    assert many.provenance["samples"]["images"] == 2_000
    assert many.provenance["real"] == {
        "split": "test",
        "images": 355,
        "classes": 10,
        "reference": {"split": "train", "images": 1_442, "classes": 10},
    }
    of_355 = judged(355)
    assert set(many.matched) == {"frechet_distance"} and of_355.matched == {}
    assert of_355.real == many.real
    assert many.matched["frechet_distance"] > 2 * many.scores["frechet_distance"]
    assert of_355.scores["frechet_distance"] == pytest.approx(
        many.matched["frechet_distance"], rel=0.2
    )
    low, high = many.matched_intervals["frechet_distance"]
    assert low < many.matched["frechet_distance"] < high

    first, second, *_ = score_rows(dataclasses.asdict(many))
    assert first.real is None and first.sample[0] == f"{many.scores['frechet_distance']:.4g}"
    assert (second.images, second.title) == (355, "Fréchet distance (n = 355)")
    assert second.sample[0] == f"{many.matched['frechet_distance']:.4g}"
    assert second.real[0] == f"{many.real['frechet_distance']:.4g}"
    (only,) = score_rows(dataclasses.asdict(of_355))
    assert only.images is None and only.real[0] == second.real[0]


def test_the_table_in_a_terminal_shows_both_rows(many):
    _, drawn, equal, *_ = table(many).splitlines()
    assert drawn.startswith("Fréchet distance  ")
    assert equal.startswith("Fréchet distance (n = 355)")
    real_text = f"{many.real['frechet_distance']:.4g}"
    assert real_text not in drawn and real_text in equal
    assert "355 samples with 355 real examples" in table(many)


def test_the_baseline_is_thinned_to_the_number_of_samples(judged, many):
    few = judged(130)
    assert few.provenance["real"]["images"] == 130 and few.matched == {}
    assert few.real["frechet_distance"] > 1.5 * many.real["frechet_distance"]


def test_thinning_keeps_the_shares_of_the_classes():
    labels = np.repeat([2, 0, 1], [10, 20, 30])
    sample = Sample(np.arange(60, dtype=np.float32)[:, None], labels=labels)
    found = real.thinned(sample, 12)
    assert np.bincount(found.labels).tolist() == [4, 6, 2]
    np.testing.assert_array_equal(labels[found.features[:, 0].astype(int)], found.labels)
    assert real.thinned(sample, 60) is sample
    unlabelled = real.thinned(sample._replace(labels=None), 12)
    assert len(np.unique(unlabelled.features)) == 12


def test_the_references_are_thinned_to_equal_numbers(judged, monkeypatch):
    """Where the training images are fewer than the images that samples are compared with."""
    monkeypatch.setattr(real, "MIN_TEST_IMAGES", 300)
    monkeypatch.setattr(real, "train_and_test", lambda sizes: ("train[:200]", "test"))
    found = judged(200)
    samples, baseline = (found.provenance[whose]["reference"] for whose in ("samples", "real"))
    assert (samples["split"], samples["images"]) == ("test", 355)
    assert (baseline["split"], baseline["images"]) == ("train[:200]", 200)
    assert found.matched["frechet_distance"] > found.scores["frechet_distance"]


def test_an_evaluation_of_another_version_shows_no_baseline_beside_other_numbers(many, tmp_path):
    """As an earlier version wrote it: without the samples' scores at equal numbers."""
    path, *_ = save(many, tmp_path)
    values = json.loads(path.read_text())
    for key in ("matched", "matched_intervals"):
        del values[key]
    (row,) = score_rows(values)
    assert row.real is None
    later = values | {"step": values["step"] + 1}
    (chart,) = score_charts([values, later])
    assert [curve.name for curve in chart.curves] == ["samples"]
    del values["provenance"]
    assert score_rows(values)[0].real is None


def test_curves_compare_equal_numbers(many):
    values = dataclasses.asdict(many)
    (chart,) = score_charts([values, values | {"step": values["step"] + 1}])
    names = [curve.name for curve in chart.curves]
    assert names == ["samples", "355 real examples", "355 samples"]


def test_the_accuracy_of_the_features_is_of_its_own_test_images(many):
    """Not of the test images that are left in the baseline."""
    values = dataclasses.asdict(many)
    network = {"test_accuracy": 0.9859, "test_images": 10_000, "test_split": "test"}
    values["provenance"]["feature_network"] |= network
    assert "test accuracy 98.59% on 10,000 examples of test." in dict(compared(values))["features"]


def test_members_fail_by_the_modes_of_as_many_samples_as_real_examples():
    passed = Evaluation(1, {"modes_covered": 9.0}, {"modes_covered": 8.0}, {}, {}, {})
    poor = dataclasses.replace(passed, matched={"modes_covered": 7.0})
    (found,) = aggregate(Population(2), {0: poor, 1: passed}, {})
    assert list(found.failed) == [0]
