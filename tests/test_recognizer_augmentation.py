"""Classic augmentation of what recognizers learn from."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.recognizers import augment
from gan_jax.recognizers.augment import cut_out, mirrored, noisy, shifted, warped


def test_shifts_are_whole_and_all_occur():
    rng = np.random.default_rng(0)
    image = rng.uniform(-1, 1, (4, 5, 2)).astype(np.float32)
    moved = np.asarray(shifted(jax.random.key(0), jnp.asarray(np.stack([image] * 200)), 1))
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)), constant_values=-1)
    accepted = [padded[i : i + 4, j : j + 5] for i in range(3) for j in range(3)]
    found = [[np.array_equal(one, other) for other in accepted].index(True) for one in moved]
    assert set(found) == set(range(9))
    np.testing.assert_array_equal(
        shifted(jax.random.key(0), jnp.asarray(image[None]), 0), image[None]
    )


def test_mirrors_are_those_of_half_the_images():
    x = jax.random.normal(jax.random.key(0), (400, 2, 3, 1))
    seen = np.asarray(mirrored(jax.random.key(1), x, 0.5))
    flipped = [np.array_equal(one, image[:, ::-1]) for one, image in zip(seen, x, strict=True)]
    same = [np.array_equal(one, image) for one, image in zip(seen, x, strict=True)]
    assert np.array_equal(flipped, ~np.array(same)) and 150 < sum(flipped) < 250
    np.testing.assert_array_equal(mirrored(jax.random.key(1), x, 0.0), x)


def test_turns_and_stretches_are_those_of_the_plane():
    """A ramp along one axis, turned and stretched, is a ramp again: its slope has the length 1 /
    factor and the direction of the turn.
    """
    _, j = np.mgrid[:9, :9] - 4.0
    ramp = jnp.asarray(np.repeat(j[None, ..., None] / 8, 50, 0), jnp.float32)
    middle = (slice(None), slice(3, 6), slice(3, 6), 0)
    turned = np.asarray(warped(jax.random.key(0), ramp, 30.0, 0.0))[middle] * 8
    di, dj = (np.gradient(turned, axis=axis)[:, 1, 1] for axis in (1, 2))
    np.testing.assert_allclose(np.hypot(di, dj), 1, atol=1e-4)
    angles = np.rad2deg(np.arctan2(di, dj))
    assert -30 <= angles.min() < -20 and 20 < angles.max() <= 30
    stretched = np.asarray(warped(jax.random.key(0), ramp, 0.0, 0.2))[middle] * 8
    np.testing.assert_allclose(np.gradient(stretched, axis=1), 0, atol=1e-4)
    factors = 1 / np.gradient(stretched, axis=2)[:, 1, 1]
    assert 0.8 <= factors.min() < 0.87 and 1.13 < factors.max() <= 1.2
    np.testing.assert_array_equal(warped(jax.random.key(0), ramp, 0.0, 0.0), ramp)


def test_squares_are_cut_out_anywhere():
    """Each square has the mean colour, and its middle is any pixel: what lies outside is lost."""
    x = jax.random.uniform(jax.random.key(0), (2000, 6, 8, 3), minval=-1)
    seen, mean = np.asarray(cut_out(jax.random.key(1), x, 0.5)), np.asarray(x.mean((0, 1, 2)))
    cut = (seen == mean).all(axis=-1)
    np.testing.assert_array_equal(seen[~cut], np.asarray(x)[~cut])
    rows, columns = cut.any(axis=2), cut.any(axis=1)
    np.testing.assert_array_equal(cut, rows[:, :, None] & columns[:, None, :])
    for lines, n, side in ((rows, 6, 3), (columns, 8, 4)):
        corners = np.arange(n) - side // 2
        accepted = [(c <= np.arange(n)) & (np.arange(n) < c + side) for c in corners]
        found = [[np.array_equal(one, other) for other in accepted].index(True) for one in lines]
        assert np.bincount(found).min() > 0.7 * len(x) / n  # each as often as the others
    np.testing.assert_array_equal(cut_out(jax.random.key(1), x, 0.0), x)


def test_noise_is_uniform_with_an_amplitude_for_each_image():
    x = jnp.zeros((300, 16, 16, 1))
    noise = np.asarray(noisy(jax.random.key(0), x, 0.5))
    amplitudes = np.abs(noise).max(axis=(1, 2, 3))
    assert 0 < amplitudes.min() < 0.05 and 0.45 < amplitudes.max() <= 0.5
    assert abs(amplitudes.mean() - 0.25) < 0.03  # each uniform in [0, 0.5]
    spread = noise.std(axis=(1, 2, 3)) / amplitudes
    np.testing.assert_allclose(spread, 1 / np.sqrt(3), rtol=0.2)  # of a uniform variable in [-1, 1]
    assert abs((noise / amplitudes[:, None, None, None]).mean()) < 0.01
    np.testing.assert_array_equal(noisy(jax.random.key(0), x + 0.3, 0.0), x + 0.3)
    assert np.abs(noisy(jax.random.key(0), x + 0.9, 0.5)).max() == 1


@pytest.mark.parametrize("shape, turns", [((4, 4, 1), 4), ((4, 6, 3), 2)])
def test_turns_are_those_that_are_told(shape, turns):
    x = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (64, *shape)), jnp.float32)
    seen, told = augment.randomly_turned(jax.random.key(0), x)
    assert sorted(np.unique(told)) == list(range(turns)) == list(range(augment.turns_of(shape)))
    for image, turned, turn in zip(np.asarray(x), np.asarray(seen), told, strict=True):
        np.testing.assert_array_equal(turned, np.rot90(image, int(turn) * 4 // turns))
    both = augment.turned(x, 1), augment.turned(np.asarray(x), 1)
    assert isinstance(both[1], np.ndarray)
    np.testing.assert_array_equal(*both)
