"""The evaluation, against generators whose scores are known."""

import dataclasses
import json

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.spatial.distance
import scipy.stats
from gans import random_batch, small_mlp, state_of

import gan_jax
from gan_jax import ConfigError, metrics, pictures, recipe
from gan_jax.data import Description, load
from gan_jax.evaluation import evaluator, learning, real
from gan_jax.evaluation.evaluator import evaluate
from gan_jax.evaluation.files import save, table
from gan_jax.evaluation.result import Evaluation
from gan_jax.latents import arc
from gan_jax.models import mlp
from gan_jax.nn.heads import SemiSupervisedHead
from gan_jax.recognizers import RecognizerConfig, feature_networks, library, recognizer

QUICK = RecognizerConfig(features=16, steps=300, batch_size=64)
DIGITS = recipe("digits_dcgan")


class Oracle(nn.Module):
    """Draws real training digits of the class asked for, moved on by ``wrong`` classes."""

    wrong: int = 0

    def __call__(self, latents, y, *, train):
        data = load("digits", "train")
        # By class, as many as the rarest has; the normal latent's rank chooses one uniformly.
        bank = np.stack([data.examples[data.labels == label][:120] for label in range(10)])
        chosen = jnp.int32(120 * jax.scipy.stats.norm.cdf(latents[:, 0]))
        return jnp.asarray(bank)[(y + self.wrong) % 10, chosen] / 127.5 - 1


class Grey(nn.Module):
    """Draws one grey, the same everywhere."""

    def __call__(self, latents, y, *, train):
        return jnp.zeros((len(y), 8, 8, 1)) + 0.1


def judged(generator, num_classes=10, config=DIGITS, **options):
    gan = small_mlp({"network": generator}, num_classes=num_classes)
    return evaluate(gan, state_of(gan, 7), config, recognizer_config=QUICK, **options)


def test_a_d_that_classifies_is_tested_on_images_it_has_not_seen():
    """One that sees a 3 in everything."""
    gan = small_mlp(d={"network": mlp.Discriminator(SemiSupervisedHead(10), width=4)})
    state = gan_jax.init_state(gan, jax.random.key(0), random_batch())
    params = jax.tree.map(jnp.zeros_like, state.discriminator.params)
    params["head"]["Dense_0"]["bias"] = jax.nn.one_hot(3, 10)
    state = state.replace(discriminator=state.discriminator.replace(params=params))
    found = evaluate(gan, state, DIGITS, recognizer_config=QUICK, num_samples=100)
    assert found.scores["test_error"] == pytest.approx(np.mean(load("digits", "test").labels != 3))
    assert "test error of D" in table(found)
    seen = dataclasses.replace(DIGITS, split="train+test")
    assert (
        "test_error"
        not in evaluate(gan, state, seen, recognizer_config=QUICK, num_samples=100).scores
    )


def test_choices_can_be_made_on_a_part_that_the_gan_has_not_seen(monkeypatch):
    """A D that sees a 3 in everything, and samples that are those of one class."""
    monkeypatch.setattr(real, "MIN_TEST_IMAGES", 300)
    own = dataclasses.replace(DIGITS, split="train[:900]")
    gan = small_mlp({"network": Grey()}, d={"network": mlp.Discriminator(SemiSupervisedHead(10))})
    state = gan_jax.init_state(gan, jax.random.key(0), random_batch())
    params = jax.tree.map(jnp.zeros_like, state.discriminator.params)
    params["head"]["Dense_0"]["bias"] = jax.nn.one_hot(3, 10)
    state = state.replace(discriminator=state.discriminator.replace(params=params))
    scored = lambda **options: evaluate(
        gan, state, own, recognizer_config=QUICK, num_samples=100, metrics=None, **options
    )
    found = scored(held_out="train[900:]")
    held_out = load("digits", "train[900:]").labels
    assert found.scores["test_error"] == pytest.approx(np.mean(held_out != 3))
    part = {"split": "train[900:]", "images": len(held_out), "classes": 10}
    assert found.provenance["samples"] == {"images": 100, "reference": part}
    learned = {"split": "train[:900]", "images": len(held_out), "classes": 10}
    assert found.provenance["real"] == part | {"images": 100, "reference": learned}
    assert found.provenance["settings"]["held_out"] == "train[900:]"
    assert "held_out" not in scored().provenance["settings"]  # as before there was this setting


@pytest.mark.parametrize("held_out", ["train", "train[800:]", "train[90%: stratified]"])
def test_examples_that_the_gan_may_have_seen_are_refused(held_out):
    own = dataclasses.replace(DIGITS, split="train[:900]")
    with pytest.raises(ConfigError, match="may have examples of 'train\\[:900\\]', on which") as e:
        judged(Grey(), config=own, held_out=held_out)
    assert "\n" not in str(e.value)


@pytest.fixture(scope="module")
def perfect():
    return judged(Oracle())


# What the scores say


def test_real_images_score_as_real_images(perfect):
    accuracy = perfect.provenance["feature_network"]["test_accuracy"]
    assert accuracy > 0.9
    assert perfect.real["label_agreement"] == accuracy
    learned = load("digits", "train")
    expected = (
        recognizer("digits", None, QUICK).features(learned.examples)[1].argmax(1) == learned.labels
    ).mean()
    assert abs(perfect.scores["label_agreement"] - expected) < 0.02
    assert perfect.scores["frechet_distance"] < perfect.real["frechet_distance"]
    assert set(perfect.scores["class_shares"]) == set(map(str, range(10)))
    np.testing.assert_allclose(list(perfect.scores["class_shares"].values()), 0.1, atol=0.02)
    np.testing.assert_allclose(sum(perfect.scores["class_shares"].values()), 1)
    assert perfect.left_out == {}


def test_wrong_labels_show_in_the_label_scores_alone(perfect):
    wrong = judged(Oracle(wrong=1))
    assert wrong.scores["label_agreement"] < 0.1
    assert max(wrong.scores["label_agreement_by_class"].values()) < 0.2
    assert wrong.scores["frechet_distance"] < 2 * perfect.scores["frechet_distance"]


def test_a_collapsed_generator_scores_badly(perfect):
    collapsed = judged(Grey())
    assert collapsed.scores["frechet_distance"] > 10 * perfect.real["frechet_distance"]
    assert max(collapsed.scores["class_shares"].values()) == 1
    np.testing.assert_allclose(collapsed.scores["label_agreement"], 0.1)


def test_classes_are_drawn_in_equal_shares_and_large_splits_are_the_reference(monkeypatch):
    monkeypatch.setattr(real, "MIN_TEST_IMAGES", 300)
    found = judged(Oracle(), num_samples=130).provenance
    test = {"split": "test", "images": 355, "classes": 10}
    assert found["samples"] == {"images": 130, "reference": test}
    train = {"split": "train", "images": 355, "classes": 10}
    assert found["real"] == test | {"images": 130, "reference": train}


def test_a_classifier_of_samples_is_tested_on_real_images(monkeypatch):
    monkeypatch.setattr(learning, "recipe", lambda dataset: QUICK)
    found = judged(Oracle(wrong=1), metrics="cas400")
    value, low, high = found.protocols["cas400"]["classification_accuracy_score"]
    assert 0 <= low <= value <= high < 0.2 and high - low < 0.1  # it learned the wrong labels
    assert "accuracy, trained on samples" in table(found)
    assert [(p.name, p.count) for p in metrics.parse("cas,cas10k")] == [
        ("cas", 60_000), ("cas10k", 10_000),
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="cas cannot be computed because the images have"):
        judged(Grey(), num_classes=0, metrics="cas")
    seen = dataclasses.replace(DIGITS, split="train+test")
    with pytest.raises(ConfigError, match="unseen by the GAN"):
        judged(Grey(), metrics="cas", config=seen)


def test_unconditional_gan_has_no_labels_to_agree_with():
    found = judged(Oracle(), num_classes=0, num_samples=100)
    assert set(found.scores) == {"frechet_distance", "class_shares"}
    assert found.scores["class_shares"]["0"] > 0.9  # it is told label 0 throughout
    assert found.left_out["label_agreement"] == "the images have no labels"
    assert table(found).count("recognized as their label, because the images have no labels.") == 1


def test_unlabelled_data_are_compared_by_what_turns_teach(monkeypatch):
    unlabelled = Description("digits", "1.0.0", (8, 8, 1), 0, (), {"train": 1442, "test": 355})
    monkeypatch.setattr(evaluator, "describe", lambda name: unlabelled)

    def without_labels(*arguments):
        data = load(*arguments)
        return dataclasses.replace(data, labels=np.full_like(data.labels, -1))

    monkeypatch.setattr(library, "load", without_labels)
    found = judged(Oracle(), num_classes=0, num_samples=100)
    assert set(found.scores) == set(found.real) == {"frechet_distance"}
    assert found.left_out["class_shares"] == "the feature network recognizes no classes"
    network = found.provenance["feature_network"]
    assert (network["task"], network["features"]) == ("turns", QUICK.features)
    assert network["test_accuracy"] > 0.4  # of four turns, after a few steps
    assert "on the turns of 355 examples of test." in table(found)


class Looks:
    """A feature network with Inception's numbers of features and classes: random projections of the
    pixels.
    """

    key, about = "looks", {"network": "projections", "key": "looks"}

    def features(self, images):
        pixels = np.asarray(images, np.float32).reshape(len(images), -1) / 255
        rng = np.random.default_rng(0)
        project = lambda k: pixels @ rng.normal(size=(64, k)).astype(np.float32)
        return project(2048), project(1008)


def test_inception_takes_the_place_of_the_recognizer(monkeypatch, tmp_path):
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path))
    monkeypatch.setattr(feature_networks, "load_inception", Looks)
    found = judged(Oracle(), features="inception", metrics="kid200,is500")
    assert found.scores == {} and "2049 are needed" in found.left_out["frechet_distance"]
    assert found.left_out["label_agreement"] == "the feature network recognizes other classes"
    assert (
        found.provenance["samples"]["images"] == 500
        and found.provenance["settings"]["network"] == "looks"
    )
    value, low, high = found.protocols["kid200"]["kernel_distance"]
    assert low < 0 < high and low < value < high  # of one distribution
    score, low, high = found.protocols["is500"]["inception_score"]
    assert 1 < low < score < high < 1008
    assert "kernel distance, kid200" in table(found) and "2048 of projections." in table(found)


def test_truncated_latents_are_within(monkeypatch):
    """A generator that is right where its latents are within bounds, and draws another class where
    they are not.
    """

    class Bounded(Oracle):
        def __call__(self, latents, y, *, train):
            beyond = jnp.abs(latents).max(axis=1) > 0.5
            return super().__call__(latents, y + beyond, train=train)

    assert (
        judged(Bounded(), num_samples=200).scores["label_agreement"] < 0.2
    )  # all four of N(0, 1) seldom are
    assert judged(Bounded(), num_samples=200, truncation=0.5).scores["label_agreement"] > 0.9


# Pictures


def tiles(grid, columns, side=8):
    """The images of a grid of 8x8 digits, ``[rows, columns, 8, 8]``."""
    factor, step = 48 // side, 48 + pictures.GAP
    rows = (grid.shape[0] + pictures.GAP) // step
    cut = lambda i, j: grid[i * step : i * step + 48 : factor, j * step : j * step + 48 : factor, 0]
    return np.array([[cut(i, j) for j in range(columns)] for i in range(rows)])


def test_sample_grid_has_a_row_a_class(perfect):
    network = recognizer("digits", None, QUICK)
    found = tiles(perfect.pictures["samples"], 10)
    classes = network.features(found.reshape(-1, 8, 8, 1))[1].argmax(1).reshape(10, 10)
    assert found.shape == (10, 10, 8, 8)
    assert (classes == np.arange(10)[:, None]).mean() > 0.7  # of a recognizer that is right on 95 %


def test_neighbours_of_a_copy_are_the_copy(perfect):
    found = tiles(perfect.pictures["neighbours"][-498:], 15)
    samples, by_features, by_pixels = found[:, 0], found[:, 2:8], found[:, 9:]
    np.testing.assert_array_equal(by_features[:, 0], samples)
    np.testing.assert_array_equal(by_pixels[:, 0], samples)
    assert (found[:, [1, 8]] == pictures.GAP_GREY).all()
    real = load("digits", "train").examples.reshape(-1, 64).astype(float)
    distances = scipy.spatial.distance.cdist(samples.reshape(10, 64).astype(float), real)
    shown = np.linalg.norm(by_pixels.astype(float) - samples[:, None], axis=(2, 3))
    np.testing.assert_allclose(shown, np.sort(distances, axis=1)[:, :6])


def test_interpolation_has_a_row_a_class(perfect):
    network = recognizer("digits", None, QUICK)
    found = tiles(perfect.pictures["interpolation"], 10)
    classes = network.features(found.reshape(-1, 8, 8, 1))[1].argmax(1).reshape(10, 10)
    assert (classes == np.arange(10)[:, None]).mean() > 0.7  # of a recognizer that is right on 95 %
    assert all(len(np.unique(row.reshape(10, -1), axis=0)) > 1 for row in found)


def test_arc_goes_from_end_to_end_through_normal_vectors():
    a, b = jax.random.normal(jax.random.key(0), (2, 5, 2000))
    path = np.asarray(arc(a, b, jnp.linspace(0, 1, 7)))
    np.testing.assert_allclose(path[:, 0], a, atol=1e-6)
    np.testing.assert_allclose(path[:, -1], b, atol=1e-6)
    np.testing.assert_allclose(path[:, 3], (a + b) / np.sqrt(2), atol=1e-6)
    assert all(scipy.stats.kstest(path[:, i].ravel(), "norm").pvalue > 0.01 for i in range(7))


# Files


def test_files_appear_whole_or_not_at_all(tmp_path, monkeypatch):
    evaluation = Evaluation(
        7, {"class_shares": {"0": None}}, {}, {}, {}, {"samples": np.zeros((4, 4, 1), np.uint8)}
    )
    files = save(evaluation, tmp_path / "eval")
    assert [file.name for file in files] == [
        "step_000007.json",
        "step_000007_samples.png",
        "scores.csv",
    ]
    assert sorted(files) == sorted((tmp_path / "eval").iterdir())
    values = json.loads(files[0].read_text())
    assert (values["step"], values["pictures"]) == (7, {"samples": "step_000007_samples.png"})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pictures, "save", full)
    with pytest.raises(ConfigError, match="No space left"):
        save(dataclasses.replace(evaluation, step=8), tmp_path / "eval")
    assert sorted(files) == sorted((tmp_path / "eval").iterdir())
