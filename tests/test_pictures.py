"""Grids of images."""

import numpy as np
import pytest
from PIL import Image

from gan_jax import pictures


@pytest.mark.parametrize("channels", [1, 3])
def test_every_pixel_of_a_grid(tmp_path, channels):
    images = np.random.default_rng(0).integers(0, 256, (5, 8, 16, channels), np.uint8)
    pictures.save_grid(tmp_path / "a" / "grid.png", images, columns=2)
    with Image.open(tmp_path / "a" / "grid.png") as picture:
        pixels = np.asarray(picture).reshape(3 * 50 - 2, 2 * 98 - 2, channels)
    for i, image in enumerate(images):  # 8 x 16 becomes 48 x 96, then a gap of 2
        top, left = 50 * (i // 2), 98 * (i % 2)
        np.testing.assert_array_equal(
            pixels[top : top + 48, left : left + 96], np.kron(image, np.ones((6, 6, 1), np.uint8))
        )
    assert np.all(pixels[100:, 96:] == pictures.GAP_GREY)


def test_floats_are_rounded_and_clipped():
    np.testing.assert_array_equal(
        pictures.to_uint8(np.array([-3, -1, 0.001, 1, 3.0])), [0, 0, 128, 255, 255]
    )
    every = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(pictures.to_uint8(every.astype(np.float32) / 127.5 - 1), every)


@pytest.mark.parametrize("shape", [(4, 8, 8), (4, 8, 8, 2), (0, 8, 8, 1)])
def test_what_is_no_grid(shape):
    with pytest.raises(ValueError, match="no grid"):
        pictures.grid(np.zeros(shape), 2)


def test_large_images_keep_their_size():
    assert pictures.grid(np.zeros((4, 64, 64, 3)), 4).shape == (64, 4 * 66 - 2, 3)
