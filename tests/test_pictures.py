"""Grids of images, and what an example is."""

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from gan_jax import modality, pictures
from gan_jax.errors import ConfigError
from gan_jax.evaluation import pictures as evaluated
from gan_jax.runs import logs


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_every_pixel_of_a_grid(tmp_path, channels):
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 16, channels), np.uint8)
    pictures.save(tmp_path / "a" / "grid.png", pictures.grid(images, columns=2))
    with Image.open(tmp_path / "a" / "grid.png") as picture:
        pixels = np.asarray(picture).reshape(3 * 50 - 2, 2 * 98 - 2, channels)
    for i, image in enumerate(images):  # 8 x 16 becomes 48 x 96, then a gap of 2
        top, left = 50 * (i // 2), 98 * (i % 2)
        np.testing.assert_array_equal(
            pixels[top : top + 48, left : left + 96], np.kron(image, np.ones((6, 6, 1), np.uint8))
        )
    assert np.all(pixels[100:, 96:, :3] == pictures.GAP_GREY)
    assert channels < 4 or np.all(pixels[100:, 96:, 3] == 255)


def test_other_channels_are_panels():
    images = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 5), np.uint8)
    pixels = pictures.grid(images, columns=2)
    assert pixels.shape == (64 * 2 + 2, 5 * 64 * 2 + 2, 1)
    np.testing.assert_array_equal(pixels[:64, 3 * 64 : 4 * 64, 0], images[0, ..., 3])
    np.testing.assert_array_equal(pixels[66:, :64, 0], images[2, ..., 0])


def test_floats_are_rounded_and_clipped():
    np.testing.assert_array_equal(
        pictures.to_uint8(np.array([-3, -1, 0.001, 1, 3.0])), [0, 0, 128, 255, 255]
    )
    every = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(pictures.to_uint8(every.astype(np.float32) / 127.5 - 1), every)


@pytest.mark.parametrize("shape", [(4, 8, 8), (4, 8, 8, 0), (0, 8, 8, 1)])
def test_what_is_no_grid(shape):
    with pytest.raises(ValueError, match="images must be non-empty"):
        pictures.grid(np.zeros(shape), 2)


def test_large_images_keep_their_size():
    assert pictures.grid(np.zeros((4, 64, 64, 3)), 4).shape == (64, 4 * 66 - 2, 3)


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_any_number_of_channels_is_drawn_and_logged(tmp_path, channels):
    x = np.random.default_rng(0).uniform(-1, 1, (100, 8, 8, channels)).astype(np.float32)
    pixels = modality.of_shape(x.shape[1:]).picture(x)
    pictures.save(tmp_path / "samples.png", pixels)
    with Image.open(tmp_path / "samples.png") as picture:
        assert picture.mode == ("RGBA" if channels == 4 else "L")
    record = logs.Record(tmp_path / "metrics.jsonl", 0, {})
    record.picture(1, pixels)
    record.close()


# What an example is


def test_numbers_for_networks_are_those_that_are_stored():
    images, vectors = modality.of_shape((8, 4, 1)), modality.of_shape((2,))
    pixels, points = np.arange(256, dtype=np.uint8).reshape(8, 8, 4, 1), np.eye(2, dtype=np.float32)
    seen = images.to_network(jnp.asarray(pixels))
    assert seen.dtype == np.float32 and (seen.min(), seen.max()) == (-1, 1)
    np.testing.assert_array_equal(images.to_stored(seen), pixels)
    np.testing.assert_array_equal(vectors.to_stored(vectors.to_network(points)), points)
    with pytest.raises(ConfigError, match=r"x must be uint8, .* not int32"):
        images.to_network(jnp.zeros((1, 8, 4, 1), jnp.int32))


def test_modalities_by_shape():
    assert modality.of_shape((8, 4, 1)) == modality.Images((8, 4, 1))
    assert modality.of_feature((None, None, 3), np.uint8) is modality.Images
    assert modality.of_feature((7,), np.float32) is modality.Vectors
    assert modality.of_feature((7,), np.uint8) is modality.of_feature((), np.float32) is None
    with pytest.raises(ConfigError, match=r"shape of an example must be .*, not \(8, 4\)"):
        modality.of_shape((8, 4))


def test_names_stand_above_their_columns():
    grid = pictures.grid(np.zeros((20, 48, 48, 3), np.uint8), columns=10)
    headed = pictures.headed(grid, 10, {0: "first", 5: "sixth"})
    names, below = headed[: -len(grid)], headed[-len(grid) :]
    np.testing.assert_array_equal(below, grid)
    written = np.flatnonzero((names > 200).any(axis=(0, 2)))  # columns of pixels
    assert written[0] < 5 and 250 <= written[written > 150][0] < 255
    assert not ((written > 50) & (written < 250)).any()


def test_samples_in_a_grid():
    """A row per class, evenly spaced classes if there are many, or the first samples."""
    grid = evaluated._chosen(2_000, 10)
    np.testing.assert_array_equal(grid, np.arange(10)[:, None] + 10 * np.arange(10))
    assert evaluated._chosen(12, 10).tolist() == [[i] for i in range(10)]
    many = evaluated._chosen(2_000, 191)
    np.testing.assert_array_equal(many, 10 * np.arange(20)[:, None] + 191 * np.arange(10))
    spread = evaluated._chosen(2_000, 1_440)
    assert spread.shape == (10, 10) and (spread.min(), spread.max()) == (0, 1_439)
    assert set(np.diff(spread.ravel())) == {14, 15}
    assert evaluated._chosen(6, 1_440).tolist() == [[0, 1, 2, 3, 4, 5]]
    np.testing.assert_array_equal(evaluated._chosen(25, 0), np.arange(20).reshape(2, 10))
    assert evaluated._chosen(7, 0).tolist() == [[0, 1, 2, 3, 4, 5, 6]]
