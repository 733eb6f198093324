"""The problems with known answers through training, pictures and evaluation."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gans import small_mlp, state_of
from PIL import Image

import gan_jax
from gan_jax import Config, ConfigError, Network, pictures
from gan_jax.data import TRUTHS, describe, load
from gan_jax.evaluation.evaluator import evaluate
from gan_jax.evaluation.files import save, table
from gan_jax.metrics.mixtures import equal_modes, modes_covered
from gan_jax.modality import POINTS, of_shape
from gan_jax.recognizers import RecognizerConfig, recognizer
from gan_jax.recognizers.feature_networks import choose
from gan_jax.recognizers.networks import StackedDigits, stacked_predictions
from gan_jax.runs import folder
from gan_jax.sampling import samples
from gan_jax.training import loop as training

TINY = Config(
    dataset="ring8",
    conditioning="projection",
    generator=Network("mlp", width=8),
    discriminator=Network("mlp", width=8),
    latents=4,
    batch_size=16,
    steps=4,
    log_every=2,
    sample_every=4,
    checkpoint_every=4,
)


class FromTruth(nn.Module):
    """Draws from the truth by normal latents: of the class asked for, moved on by ``wrong``
    classes.
    """

    name_of_set: str
    wrong: int = 0

    def __call__(self, latents, y, *, train):
        centres = jnp.asarray(TRUTHS[self.name_of_set].centres)
        sigma = TRUTHS[self.name_of_set].radius / 3
        return centres[(y + self.wrong) % len(centres)] + sigma * latents[:, : centres.shape[1]]


def judged(dataset, num_classes, **options):
    gan = small_mlp(
        {"network": FromTruth(dataset, **options)},
        num_classes=num_classes,
        modality=of_shape(describe(dataset).shape),
    )
    return evaluate(gan, state_of(gan, 7), Config(dataset=dataset), num_samples=2_000)


def test_run_of_points(tmp_path):
    training.train(TINY, tmp_path / "run")
    with Image.open(folder.picture(tmp_path / "run", 4)) as picture:
        assert picture.size == (480, 480)
    gan, state = gan_jax.load(tmp_path / "run")
    assert gan_jax.sample(gan, state, jax.random.key(0), n=8).shape == (8, 2)
    evaluation = evaluate(gan, state, TINY, num_samples=100)
    files = [file.name for file in save(evaluation, tmp_path)]
    pictures = [
        f"step_000004_{name}.png"
        for name in ("samples", "worst_by_discriminator", "best_by_discriminator")
    ]
    assert files == ["step_000004.json", *pictures, "scores.csv"]


def test_pictures_of_points_have_labels_in_turn():
    latents, labels = samples.fixed_inputs(gan_jax.build(TINY), TINY)
    assert latents.shape == (POINTS, 4) and set(np.bincount(labels)) == {250}
    _, none = samples.fixed_inputs(
        gan_jax.build(dataclasses.replace(TINY, conditioning="none")), TINY
    )
    assert not none.any()


@pytest.mark.parametrize("name", ["ring8", "grid25"])
def test_the_truth_is_judged_as_the_truth(name):
    k = len(TRUTHS[name].weights)
    found = judged(name, k)
    for scores in (found.scores, found.real):
        assert scores["modes_covered"] == k and scores["label_agreement"] == 1
        assert scores["high_quality_share"] == pytest.approx(1 - np.exp(-4.5), abs=0.01)
        assert (
            scores["mode_divergence"] == pytest.approx(0, abs=1e-6)
            and scores["frechet_distance"] < 1e-2
        )
    assert found.scores["class_shares"] == pytest.approx(dict.fromkeys(map(str, range(k)), 1 / k))
    assert found.left_out == {} and "samples" in found.pictures
    assert "modes covered" in table(found) and "2 of the points themselves." in table(found)
    assert judged(name, k, wrong=1).scores["label_agreement"] == 0


def test_an_unconditional_gan_of_one_mode():
    found = judged("ring8", 0)  # it is told label 0 throughout
    assert found.scores["modes_covered"] == 1 and found.real["modes_covered"] == 8
    assert found.scores["mode_divergence"] == pytest.approx(np.log(8))


def test_dirac_is_judged():
    found = judged("dirac", 1)
    assert found.scores["high_quality_share"] == pytest.approx(0.997, abs=0.003)
    assert found.real["high_quality_share"] == 1 and found.scores["modes_covered"] == 1


def test_recognizers_refuse_vectors():
    with pytest.raises(ConfigError, match="ring8 contains vectors, but classifiers need images"):
        recognizer("ring8")


def test_image_sets_have_no_modes_to_count():
    assert choose("digits", describe("digits"), None, RecognizerConfig()).modes is None


# StackedMNIST


class Seer:
    """A recognizer of digits that are told by their brightness, 25 levels each."""

    key, about = "seer", {}

    def features(self, images):
        digits = images[:, 0, 0, 0] // 25
        return np.zeros((len(images), 4), np.float32), np.eye(10, dtype=np.float32)[digits]


def test_stacked_digits_are_recognized_channel_by_channel():
    labels = np.random.default_rng(0).integers(1000, size=300)
    digits = np.stack([labels // 100, labels // 10 % 10, labels % 10], axis=1)
    images = np.broadcast_to((25 * digits + 7).astype(np.uint8)[:, None, None], (300, 4, 4, 3))
    features, logits = StackedDigits(Seer()).features(images)
    assert features.shape == (300, 30) and logits is None
    np.testing.assert_array_equal(stacked_predictions(features), labels)
    modes = equal_modes(stacked_predictions(features), 1000)
    assert int(modes_covered(modes)) == len(np.unique(labels))


def test_modes_of_few_stacked_images_are_not_counted():
    choice = choose("stacked_mnist", describe("stacked_mnist"), None, RecognizerConfig())
    assert choice.count == 30 and choice.modes(np.zeros((9_999, 30))) is None
    assert choice.modes(np.zeros((10_000, 30))).weights.shape == (1000,)


# Pictures


def test_points_outside_the_frame_are_told_and_the_frame_is_that_of_the_real_ones():
    real = load("ring8", "train").examples[:500]
    one, two = (pictures.points(real * scale, real) for scale in (1, 1e-3))
    assert one.shape == (480, 480, 3) and one.dtype == np.uint8
    blue = lambda picture: (picture[..., 2].astype(int) - picture[..., 0] > 40).nonzero()
    assert np.ptp(blue(one)[0]) > 250 and np.ptp(blue(two)[0]) < 30
    lost = pictures.points(np.full((5, 2), np.nan), real)
    assert len(blue(lost)[0]) == 0 and (lost[:30] != one[:30]).any()  # the title


def test_histogram_of_numbers():
    picture = pictures.points(np.linspace(-0.5, 0.5, 100)[:, None], np.zeros((100, 1)))
    assert picture.shape == (480, 480, 3) and len(np.unique(picture.reshape(-1, 3), axis=0)) > 3
