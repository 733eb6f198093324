"""The worst and the best samples: by a discriminator and logits whose ranking is known."""

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
import pytest
from gans import small_mlp, state_of

from gan_jax import pictures
from gan_jax.evaluation.extremes import extremes
from gan_jax.metrics import Sample
from gan_jax.metrics.labels import confidence
from gan_jax.modality import of_shape
from gan_jax.types import Critique

N = 50
LABELS = np.arange(N, dtype=np.int32) % 10


class Brightness(nn.Module):
    """Takes what is bright for real; what is brighter than ``most``, for no number."""

    most: float = 2.0

    def __call__(self, x, y, *, train):
        mean = x.reshape(len(x), -1).mean(1)
        return Critique(jnp.where(mean > self.most, jnp.nan, mean))


@pytest.fixture
def images():
    grey = np.random.default_rng(0).permutation(N).astype(np.uint8)
    return np.broadcast_to(grey[:, None, None, None], (N, 8, 8, 1))


def ends(examples, sample, most=2.0, **options):
    gan = small_mlp(
        d={"network": Brightness(most)}, num_classes=10, modality=of_shape(examples.shape[1:])
    )
    return extremes(gan, state_of(gan), examples, LABELS[: len(examples)], sample, **options)


def greys(picture):
    """The first pixel of each tile of a grid of 8x8 images, row by row."""
    step = 48 + pictures.GAP
    return picture[::step, ::step, 0].ravel()


def test_ends_by_discriminator(images):
    found = ends(images, Sample(np.zeros((N, 3))))
    assert (
        list(found.pictures)
        == list(found.values)
        == ["worst_by_discriminator", "best_by_discriminator"]
    )
    np.testing.assert_array_equal(greys(found.pictures["worst_by_discriminator"]), np.arange(20))
    np.testing.assert_array_equal(
        greys(found.pictures["best_by_discriminator"]), N - 1 - np.arange(20)
    )
    np.testing.assert_allclose(
        found.values["worst_by_discriminator"], np.arange(20) / 127.5 - 1, rtol=1e-6
    )


def test_no_number_has_no_rank(images):
    found = ends(images, Sample(np.zeros((N, 3))), most=29.5 / 127.5 - 1)
    np.testing.assert_array_equal(
        greys(found.pictures["best_by_discriminator"]), 29 - np.arange(20)
    )
    assert ends(images, Sample(np.zeros((N, 3))), most=-2.0).pictures == {}


def test_ends_by_recognizer(images):
    """The logit of the label asked for grows with the grey; a confident mistake is the worst."""
    logits = np.zeros((N, 10))
    logits[np.arange(N), LABELS] = images[:, 0, 0, 0] / 10
    mistaken = int(np.flatnonzero(images[:, 0, 0, 0] == 40)[0])
    logits[mistaken, (LABELS[mistaken] + 1) % 10] = 50
    found = ends(images, Sample(np.zeros((N, 3)), logits, LABELS))
    np.testing.assert_array_equal(greys(found.pictures["worst_by_recognizer"])[:4], [40, 0, 1, 2])
    np.testing.assert_array_equal(greys(found.pictures["best_by_recognizer"])[:3], [49, 48, 47])


def test_confidence_is_softmax_and_does_not_overflow():
    logits = np.log([[0.2, 0.5, 0.3], [0.9, 0.05, 0.05]]) + 2000
    np.testing.assert_allclose(confidence(logits, np.array([2, 1])), [0.3, 0.05])
    np.testing.assert_allclose(confidence(logits, None), [0.5, 0.9])


def test_points_are_drawn_over_the_real_ones():
    points = np.random.default_rng(0).normal(size=(N, 2)).astype(np.float32)
    found = ends(points, Sample(points, np.zeros((N, 3))), real=points)
    assert list(found.pictures) == ["worst_by_discriminator", "best_by_discriminator"]
    assert found.pictures["worst_by_discriminator"].shape == (480, 480, 3)
    np.testing.assert_allclose(
        found.values["worst_by_discriminator"], np.sort(points.mean(1))[:5], rtol=1e-6
    )
