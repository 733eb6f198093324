"""Which colour, size, place and ground images of `coloured_mnist` show, by rules instead of a
trained network, and their digits as MNIST has them, for a network that was trained on MNIST.

Images are ``[n, side, side, 3]`` uint8 of any side. ``gan-jax study captions`` prints how
often they are right for real images of the splits ``test`` and ``held_out``: for at least 1,999 of
2,000 of each.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from gan_jax.data.combinations import BOXES, COLOURS, GROUNDS, SIDE

FAINT = 40.0
"""A pixel shows a digit only if its distance from the ground in RGB is larger; that of the
nearest colour is 141.
"""
OUTLYING, CUT = 0.03, 0.01
"""Fraction of a digit, on each of its sides, that its box leaves out, so that stray pixels do not
widen it: the box that is judged, and the one by which a digit is cropped.
"""
DIGIT, FRAME = 20, 28
"""Longer side of a digit of MNIST, and side of its image."""


def attributes(images: np.ndarray) -> dict[str, np.ndarray]:
    """``colour``, ``size``, ``place`` and ``ground``: ``[n]`` indices of
    `gan_jax.data.combinations.VALUES`, -1 for what is not there in an image without a digit.

    The ground is the one nearest to the median of the border. The colour is the one whose mixture
    with the ground, as at the edge of a stroke, is nearest to the mean of the pixels that differ
    most from the ground. Size and place are those of the box around the digit.
    """
    ground = _ground(images)
    share = _share(images, ground)
    top, bottom, left, right = _boxes(share, OUTLYING)
    side = images.shape[1]
    shown = share.any((1, 2))
    small = np.maximum(bottom - top, right - left) < sum(BOXES) / 2 * side / SIDE
    far_down, far_right = (a + b > side for a, b in ((top, bottom), (left, right)))
    return {
        "colour": np.where(shown, _colour(images, share, ground), -1),
        "size": np.where(shown, small, -1),
        "place": np.where(shown, 2 * far_down + far_right, -1),
        "ground": ground,
    }


def digits(images: np.ndarray) -> np.ndarray:
    """The digits as in MNIST, ``[n, 28, 28, 1]`` uint8: white on black, resized with their
    proportions until the longer side of their box is 20, and with the centre of mass in the middle.
    An image without a digit is black.
    """
    share = _share(images, _ground(images))
    boxes = np.stack(_boxes(share, CUT), axis=-1).round().astype(int)
    framed = [_framed(own, *box) for own, box in zip(share, boxes, strict=True)]
    return np.stack(framed)[..., None]


def _ground(images: np.ndarray) -> np.ndarray:
    border = np.concatenate([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], 1)
    apart = np.median(border, axis=1)[:, None] - GROUNDS[None].astype(np.float64)
    return np.square(apart).sum(-1).argmin(1)


def _share(images: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """How much each pixel differs from the ground, ``[n, side, side]`` in [0, 1]: 1 where the image
    differs most.
    """
    apart = images.astype(np.float32) - GROUNDS[ground][:, None, None].astype(np.float32)
    distance = np.sqrt(np.square(apart).sum(-1))
    distance = np.where(distance > FAINT, distance, 0)
    return distance / np.maximum(distance.max((1, 2), keepdims=True), FAINT)


def _colour(images: np.ndarray, share: np.ndarray, ground: np.ndarray) -> np.ndarray:
    strong = (share > 0.5).astype(np.float32)
    total = np.einsum("nhwc,nhw->nc", images.astype(np.float32), strong)
    back = GROUNDS[ground].astype(np.float64)
    mean = total / np.maximum(strong.sum((1, 2)), 1)[:, None] - back
    pure = COLOURS[None].astype(np.float64) - back[:, None]
    mixed = np.einsum("nc,nkc->nk", mean, pure) / np.square(pure).sum(-1)  # by least squares
    left = mean[:, None] - np.clip(mixed, 0, 1)[..., None] * pure
    return np.square(left).sum(-1).argmin(1)


def _boxes(share: np.ndarray, outlying: float) -> tuple[np.ndarray, ...]:
    """Top, bottom, left and right edge of each digit, ``[n]``, in pixels; 0 without a digit."""
    return *_extent(share.sum(2), outlying), *_extent(share.sum(1), outlying)


def _extent(profile: np.ndarray, outlying: float) -> tuple[np.ndarray, np.ndarray]:
    """The first and the last position of each profile ``[n, side]``, less what is outlying."""
    total = profile.sum(1, keepdims=True)
    below = np.cumsum(profile, axis=1)
    first = (below > outlying * total).argmax(1)
    last = (below >= (1 - outlying) * total).argmax(1) + 1
    return np.where(total[:, 0] > 0, first, 0), np.where(total[:, 0] > 0, last, 0)


def _framed(share: np.ndarray, top: int, bottom: int, left: int, right: int) -> np.ndarray:
    whole = np.zeros((FRAME, FRAME), np.uint8)
    if bottom == top or right == left:
        return whole
    crop = Image.fromarray((share[top:bottom, left:right] * 255).astype(np.uint8))
    scale = DIGIT / max(crop.size)
    w, h = (max(1, round(side * scale)) for side in crop.size)
    large = np.asarray(crop.resize((w, h), Image.Resampling.BICUBIC))
    mass = large.sum(dtype=np.float64)
    rows, columns = (large.sum(axis, dtype=np.float64) for axis in (1, 0))
    centre = (rows @ (np.arange(h) + 0.5) / mass, columns @ (np.arange(w) + 0.5) / mass)
    y, x = (
        int(np.clip(round(FRAME / 2 - middle), 0, FRAME - n))
        for middle, n in zip(centre, (h, w), strict=True)
    )
    whole[y : y + h, x : x + w] = large
    return whole
