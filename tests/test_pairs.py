"""The rules that make a condition from an image, against numpy and scipy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.ndimage

from gan_jax.errors import ConfigError
from gan_jax.parts.pairs.rules import downsample, edges, grey, masked

RNG = np.random.default_rng(0)
COLOURS = RNG.uniform(-1, 1, (3, 12, 8, 3)).astype(np.float32)
BYTES = RNG.integers(0, 256, (4, 10, 12))
GREYS = (BYTES / 127.5 - 1).astype(np.float32)[..., None]


def drawn(image, threshold):
    """The lines of a grey image of bytes ``[h, w]``: the definition, one pixel after another."""
    gradient = [scipy.ndimage.sobel(image, axis, mode="nearest") for axis in (0, 1)]
    size = np.hypot(*gradient)
    lines = np.full(image.shape, -1.0)
    for i, j in np.ndindex(image.shape):
        gy, gx = gradient[0][i, j], gradient[1][i, j]
        turn = round(np.arctan2(gy, gx) / (np.pi / 4)) % 4
        di, dj = [(0, 1), (1, 1), (1, 0), (1, -1)][turn]
        seen = lambda i, j: size[i, j] if 0 <= i < len(image) and 0 <= j < image.shape[1] else 0
        top = size[i, j] >= seen(i + di, j + dj) and size[i, j] > seen(i - di, j - dj)
        if top and size[i, j] / (4 * 255) > threshold:
            lines[i, j] = 1
    return lines


@pytest.mark.parametrize("threshold", [0.1, 0.5])
def test_edges_are_the_tops_of_the_gradient(threshold):
    smooth = scipy.ndimage.gaussian_filter(BYTES.astype(float), (0, 1, 1))
    images = np.concatenate([BYTES, np.round(smooth)])
    seen = jax.jit(edges, static_argnums=1)(images[..., None] / np.float32(127.5) - 1, threshold)
    assert seen.dtype == jnp.float32
    expected = np.stack([drawn(image, threshold) for image in images.astype(float)])
    np.testing.assert_array_equal(seen[..., 0], expected)
    assert 0.02 < np.mean(expected > 0) < 0.5


def test_the_outline_of_a_square_is_closed_and_one_pixel_wide():
    """Each step lies between two pixels of equal gradient, of which one is drawn."""
    x = np.full((1, 16, 16, 1), -1, np.float32)
    x[:, 4:12, 4:12] = 0.3
    line = np.asarray(edges(x))[0, ..., 0] > 0
    np.testing.assert_array_equal(line[8].nonzero()[0], [3, 11])
    np.testing.assert_array_equal(line[:, 8].nonzero()[0], [3, 11])
    _, pieces = scipy.ndimage.label(line, np.ones((3, 3)))
    _, regions = scipy.ndimage.label(~line)
    assert (pieces, regions) == (1, 2)
    assert not np.any(np.asarray(edges(np.zeros((1, 8, 8, 3)))) > 0)


def test_edges_of_colours_are_those_of_their_luminance():
    np.testing.assert_array_equal(edges(COLOURS), edges(grey(COLOURS)))


def test_grey_is_the_luminance_of_rec_601():
    np.testing.assert_allclose(
        grey(COLOURS)[..., 0], COLOURS @ np.array([0.299, 0.587, 0.114]), atol=1e-6
    )
    np.testing.assert_allclose(grey(np.ones((1, 2, 2, 3), np.float32)), 1, atol=1e-6)


@pytest.mark.parametrize("factor", [2, 4])
def test_downsampled_squares_have_their_mean(factor):
    seen = np.asarray(jax.jit(downsample, static_argnums=1)(COLOURS, factor))
    for i, j in np.ndindex(12 // factor, 8 // factor):
        rows, columns = (slice(k * factor, (k + 1) * factor) for k in (i, j))
        mean = COLOURS[:, rows, columns].mean((1, 2), keepdims=True)
        np.testing.assert_allclose(seen[:, rows, columns] - mean, 0, atol=1e-6)


def test_the_middle_is_masked():
    seen = np.asarray(masked(COLOURS, 0.25))
    hidden = np.zeros((12, 8), bool)
    hidden[3:9, 2:6] = True
    np.testing.assert_array_equal(seen[..., 3] == 1, np.broadcast_to(hidden, (3, 12, 8)))
    np.testing.assert_array_equal(seen[..., 3] == -1, np.broadcast_to(~hidden, (3, 12, 8)))
    np.testing.assert_array_equal(seen[:, hidden, :3], 0)
    np.testing.assert_array_equal(seen[:, ~hidden, :3], COLOURS[:, ~hidden])


def test_random_squares_are_whole_and_lie_everywhere_alike():
    """Of 8 - 4 + 1 = 5 first rows and columns each, by a chi-squared test of all 25 places."""
    n = 2000
    x = np.ones((n, 8, 8, 1), np.float32)
    hidden = np.asarray(jax.jit(masked, static_argnums=1)(x, 0.25, jax.random.key(0)))[..., 1] > 0
    rows, columns = hidden.any(2), hidden.any(1)
    np.testing.assert_array_equal(hidden, rows[:, :, None] & columns[:, None, :])
    np.testing.assert_array_equal(rows.sum(1), 4)
    np.testing.assert_array_equal(columns.sum(1), 4)
    places = rows.argmax(1) * 5 + columns.argmax(1)
    counts = np.bincount(places, minlength=25)
    assert len(counts) == 25
    assert np.sum((counts - n / 25) ** 2 / (n / 25)) < 51.2  # the 99.9 % point of 24 degrees


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (lambda: grey(GREYS), "pairs grey requires images of 3 channels, not 1."),
        (lambda: edges(COLOURS[..., :2]), "requires images of 1 or 3 channels, not 2."),
        (lambda: edges(GREYS, 1.5), "threshold must be in [0, 1], not 1.5."),
        (lambda: downsample(COLOURS, 3), "images of 12x8, which 3 does not."),
        (lambda: downsample(COLOURS, 1), "factor must be at least 2, not 1."),
        (lambda: masked(COLOURS, 1.0), "share must be in (0, 1), not 1.0."),
        (lambda: masked(COLOURS, 0.001), "hides 0x0 pixels of images of 12x8"),
        (lambda: masked(COLOURS, 0.999), "hides 12x8 pixels of images of 12x8"),
    ],
)
def test_what_no_rule_can_make_is_refused(rule, message):
    with pytest.raises(ConfigError) as error:
        rule()
    assert message in str(error.value)
