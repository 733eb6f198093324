"""Images of any size and mode brought to one shape."""

import io

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from gan_jax.config import Framing
from gan_jax.data.description import Description
from gan_jax.data.framing import Frame, decode, frame_of
from gan_jax.errors import ConfigError

RNG = np.random.default_rng(0)


def about(shape, fit="crop"):
    return Description("photos", "1", shape, 0, (), {"train": 1}, fit)


VARYING, MNIST = about((None, None, 3)), about((28, 28, 1), "pad")


def gradient(h, w):
    """Columns 0 .. w - 1 in red, rows in green: shows what part of an image is left."""
    rows, columns = np.mgrid[:h, :w].astype(np.uint8)
    return Image.fromarray(np.stack([columns, rows, 0 * rows], axis=-1))


def test_crop_takes_the_middle_square():
    image = Frame((20, 20, 3), "crop").image(gradient(20, 60))
    np.testing.assert_array_equal(image[..., 0], np.tile(np.arange(20, 40), (20, 1)))
    half = Frame((10, 10, 3), "crop").image(gradient(20, 60))
    assert abs(half[5, :, 0].astype(int) - np.arange(20.5, 40, 2)).max() <= 1


def test_stretch_keeps_all():
    image = Frame((20, 20, 3), "stretch").image(gradient(20, 60))
    assert image[10, 0, 0] <= 2 and image[10, -1, 0] >= 57


def test_pad_shrinks_what_is_too_large_and_enlarges_nothing():
    frame = Frame((20, 20, 3), "pad", "#102030")
    image = frame.image(gradient(20, 40))
    assert (image[:5] == [16, 32, 48]).all() and (image[15:] == [16, 32, 48]).all()
    assert image[10, 19, 0] >= 36
    small = frame.image(gradient(4, 7))
    np.testing.assert_array_equal(small[8:12, 6:13], np.asarray(gradient(4, 7)))
    assert (Frame((20, 20, 1), "pad").image(gradient(4, 7))[0] == 0).all()


def test_arrays_are_framed_as_images_are():
    x = RNG.integers(0, 256, (3, 5, 7, 3), np.uint8)
    for fit in ("pad", "crop", "stretch"):
        for side in (4, 9):
            frame = Frame((side, side, 3), fit, "red" if fit == "pad" else None)
            single = np.stack([frame.image(Image.fromarray(own)) for own in x])
            np.testing.assert_array_equal(frame.examples(x), single)
    assert Frame((5, 7, 3)).examples(x) is x
    assert Frame((9, 9, 5), "pad").examples(RNG.integers(1, 9, (2, 5, 7, 5), np.uint8)).any()


@pytest.mark.parametrize(
    "background, expected", [(None, [255, 255, 255]), ("#0000ff", [0, 0, 255])]
)
@pytest.mark.parametrize("mode", ["RGBA", "P", "LA"])
def test_transparency_goes_on_the_background(mode, background, expected):
    rgba = np.zeros((4, 4, 4), np.uint8)
    rgba[:2] = 200, 200, 200, 255
    image = Image.fromarray(rgba)
    if mode == "P":
        image = image.convert("RGB").quantize(2)
        image.info["transparency"] = image.getpixel((0, 3))
    file = io.BytesIO()
    image.convert(mode).save(file, "PNG") if mode != "P" else image.save(
        file, "PNG", transparency=image.info["transparency"]
    )
    read = lambda name: file.getvalue()
    (pixels,), kept, broken = decode(Frame((4, 4, 3), None, background), ["a"], read)
    assert kept.all() and not broken
    assert (pixels[2:] == expected).all() and (abs(pixels[:2].astype(int) - 200) < 2).all()


def test_half_transparent_pixels_are_mixed():
    image = Image.new("RGBA", (2, 2), (0, 0, 0, 128))
    assert (abs(Frame((2, 2, 1)).image(image).astype(int) - 127) <= 1).all()


def test_transparency_can_be_kept():
    image = Image.new("RGBA", (8, 8), (10, 20, 30, 0))
    image.paste((10, 20, 30, 255), (0, 0, 4, 8))
    pixels = Frame((4, 4, 4), "crop").image(image)
    assert pixels[0, 0].tolist() == [10, 20, 30, 255] and pixels[0, 3, 3] == 0
    assert Frame((2, 2, 4)).image(Image.new("L", (2, 2), 7))[0, 0].tolist() == [7, 7, 7, 255]


def test_sixteen_bits_are_scaled():
    values = np.array([[0, 257, 32896, 65535]], np.uint16)
    for image in (Image.fromarray(values), Image.fromarray(values.astype(np.int32))):
        pixels = Frame((1, 4, 1)).image(image)
        assert pixels[0, :, 0].tolist() == [0, 1, 128, 255]
        assert (Frame((1, 4, 3)).image(image) == pixels).all()


def test_modes_without_transparency():
    red = Image.new("RGB", (2, 2), (255, 0, 0))
    assert (Frame((2, 2, 1)).image(red) == 76).all()  # ITU-R 601
    assert (Frame((2, 2, 3)).image(red.convert("CMYK")) == [255, 0, 0]).all()
    assert (Frame((2, 2, 1)).image(Image.new("1", (2, 2), 1)) == 255).all()


def test_a_camera_that_was_held_upright_is_heeded():
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    gradient(8, 4).save(file, "PNG", exif=exif)
    with Image.open(file) as image:
        assert Frame((4, 8, 3)).image(image).shape == (4, 8, 3)


@pytest.mark.parametrize(
    "data, framing, words",
    [
        (VARYING, Framing(), "size is required because the images of photos vary in size"),
        (VARYING, Framing(0), "size must be between 1 and 16384, not 0"),
        (VARYING, Framing(10**8), "size must be between 1 and 16384, not 100000000"),
        (VARYING, Framing(8, "cropp"), "fit 'cropp' is unknown; did you mean 'crop'"),
        (VARYING, Framing(fit="crop"), "fit crop has no effect without a size"),
        (VARYING, Framing(8, channels=2), "channels must be 1, 3 or 4, not 2"),
        (VARYING, Framing(8, background="whitte"), "background 'whitte' is not a colour"),
        (VARYING, Framing(8, background="#00000080"), "background '#00000080' is not a colour"),
        (VARYING, Framing(8, channels=4, background="red"), "transparency is kept"),
        (MNIST, Framing(8), "size 8 is smaller than the images, which are 28x28"),
        (MNIST, Framing(8, "crop", background="red"), "nothing is transparent or padded"),
        (about((8, 8, 5), "pad"), Framing(4, "pad"), "images with 5 channels can only be padded"),
        (about((8, 8, 5), "pad"), Framing(channels=3), "images with 5 channels can only be padded"),
        (about((2,)), Framing(8), "size 8 does not apply to vectors of 2 numbers"),
        (about((2,)), Framing(channels=1), "channels 1 does not apply to vectors"),
    ],
)
def test_what_makes_no_sense_is_refused(data, framing, words):
    with pytest.raises(ConfigError, match=words):
        frame_of(data, framing)


def test_frames_of_a_config():
    assert frame_of(VARYING, Framing(8)) == Frame((8, 8, 3), "crop")
    assert frame_of(MNIST, Framing(32)) == Frame((32, 32, 1), "pad")
    assert frame_of(MNIST, Framing(8, "pad", 3)) == Frame((8, 8, 3), "pad")
    assert frame_of(MNIST, Framing()) == Frame((28, 28, 1))
    assert frame_of(about((2,)), Framing()) == Frame((2,))
    assert frame_of(about((8, 8, 5), "pad"), Framing(9)) == Frame((9, 9, 5), "pad")


def test_what_lies_within_the_border():
    assert Frame((32, 32, 1), "pad").content((28, 20, 1)) == (28, 20, 1)
    assert Frame((16, 16, 3), "pad").content((28, 20, 1)) == (16, 16, 3)
    assert Frame((32, 32, 3), "crop").content((28, 20, 3)) == (32, 32, 3)
    assert Frame((32, 32, 3), "pad").content((None, None, 3)) == (32, 32, 3)


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_large_photos_are_decoded_small_and_look_the_same(fit, monkeypatch):
    file = io.BytesIO()
    gradient(240, 200).save(file, "JPEG", quality=95)
    drafts = []
    original = JpegImagePlugin.JpegImageFile.draft
    monkeypatch.setattr(
        JpegImagePlugin.JpegImageFile,
        "draft",
        lambda self, mode, size: drafts.append(original(self, mode, size)) or drafts[-1],
    )
    frame = Frame((12, 12, 3), fit)
    (image,), _, _ = decode(frame, ["a"], lambda name: file.getvalue())
    assert drafts[0] is not None  # at a fraction
    with Image.open(io.BytesIO(file.getvalue())) as whole:
        assert np.abs(image.astype(int) - frame.image(whole)).max() <= 3


def test_broken_files_are_named():
    whole, other = io.BytesIO(), io.BytesIO()
    gradient(4, 4).save(whole, "PNG")
    gradient(4, 6).save(other, "PNG")
    content = {
        "a": whole.getvalue(),
        "b": b"words",
        "c": whole.getvalue()[:-30],
        "d": b"",
        "e": other.getvalue(),
    }
    images, kept, broken = decode(Frame((4, 4, 3)), list(content), content.get)
    assert kept.tolist() == [True, False, False, False, False] and images.shape == (1, 4, 4, 3)
    assert [text[:3] for text in broken] == ["b (", "c (", "d (", "e ("]
    assert broken[0] == "b (not a readable image)"
    assert broken[3] == "e (6x4 pixels instead of 4x4)"
