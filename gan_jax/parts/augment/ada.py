"""Adaptive discriminator augmentation (Karras et al. 2020, "Training generative adversarial
networks with limited data", appendix B): eighteen transformations, each with the same probability.

The paper counts a rotation before and one after the anisotropic scaling as one. A transformation is
given by an amount for each image, of which 0 changes nothing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.config import Feedback
from gan_jax.devices import batch_axis
from gan_jax.errors import ConfigError
from gan_jax.parts.augment.plain import along_sides
from gan_jax.parts.augment.warping import warped
from gan_jax.types import Array

Amounts = Mapping[str, Array]
GREY = np.ones(3) / np.sqrt(3)
"""The direction of the grey axis in the space of colours."""
POWER = np.array([10, 1, 1, 1]) / 13
"""Of natural images in the four bands, the lowest first, as the authors expect it."""


def feedback(images: int) -> Feedback:
    """The strength of the paper: by 1 within 500,000 real images it rises while D gives a positive
    score to more than 80 % of them, and falls otherwise. It moves every four steps.

    Args:
      images: real examples that D sees in a step.
    """
    return Feedback("d/sign_real", target=0.6, rate=4 * images / 500_000, every=4)


class Rule(NamedTuple):
    """How one transformation is drawn.

    Attributes:
      group: the option whose number multiplies its probability.
      of: the amounts of images that have it, from numbers that are uniform on (-1, 1).
      numbers: that make the amount of one image.
      chance: of an image to have it, from the probability.
    """

    group: str
    of: Callable[[Array], Array]
    numbers: int = 1
    chance: Callable[[Array], Array] = lambda p: p


def _whole(n: int) -> Callable[[Array], Array]:
    """0 to n - 1, all equally likely."""
    return lambda u: jnp.minimum(jnp.floor(n / 2 * (u + 1)), n - 1)


def _uniform(bound: float) -> Callable[[Array], Array]:
    return lambda u: bound * u


def _normal(deviation: float) -> Callable[[Array], Array]:
    return lambda u: deviation * np.sqrt(2) * jax.lax.erf_inv(u)


def _either(p: Array) -> Array:
    """Two transformations of this chance, of which an image has one or both with probability p."""
    return 1 - jnp.sqrt(jnp.maximum(1 - p, 0))


RULES = {
    "flip": Rule("blit", _whole(2)),
    "quarter_turns": Rule("blit", _whole(4)),
    "shift": Rule("blit", _uniform(0.125), numbers=2),
    "log_scale": Rule("geometry", _normal(0.2)),
    "turn_before": Rule("geometry", _uniform(np.pi), chance=_either),
    "log_stretch": Rule("geometry", _normal(0.2)),
    "turn_after": Rule("geometry", _uniform(np.pi), chance=_either),
    "fraction": Rule("geometry", _normal(0.125), numbers=2),
    "brightness": Rule("colour", _normal(0.2)),
    "log_contrast": Rule("colour", _normal(0.5)),
    "luma_flip": Rule("colour", _whole(2)),
    "hue": Rule("colour", _uniform(np.pi)),
    "log_saturation": Rule("colour", _normal(1.0)),
    "log_band_0": Rule("bands", _normal(1.0)),
    "log_band_1": Rule("bands", _normal(1.0)),
    "log_band_2": Rule("bands", _normal(1.0)),
    "log_band_3": Rule("bands", _normal(1.0)),
    "noise": Rule("noise", lambda u: jnp.abs(_normal(0.1)(u))),
    "cutout": Rule("cutout", lambda u: jnp.full_like(u, 0.5)),
}
"""In the order in which they act. ``log_...`` is the logarithm to base 2 of a factor; ``shift`` and
``fraction`` are shares of the width and the height, ``cutout`` of both; angles are in radians.
"""


def ada(
    key: Array,
    x: Array,
    strength: Array,
    *,
    blit: float = 1.0,
    geometry: float = 1.0,
    colour: float = 1.0,
    bands: float = 0.0,
    noise: float = 0.0,
    cutout: float = 0.0,
) -> Array:
    """Images ``[b, h, w, c]`` in [-1, 1], transformed at random.

    An image has each transformation of a group with the probability ``strength`` times the group's
    number, 1 at most; 0 leaves the group out. By default these are the authors' choice, ``bgc``.

    Args:
      key: determines the transformations; each image draws its own.
      x: the images, of one channel or three.
      strength: the paper's p.
      blit: mirroring, quarter turns, moves by whole pixels.
      geometry: scaling, rotation, stretching, moves. With ``blit`` it is one map of the plane.
      colour: brightness, contrast, inverted lightness, hue, saturation; of a single channel the
        first three.
      bands: amplification of four bands of frequencies.
      noise: Gaussian noise. cutout: a square of half of each side becomes 0, grey.

    Raises:
      ConfigError: for another number of channels.
    """
    multipliers = dict(
        blit=blit, geometry=geometry, colour=colour, bands=bands, noise=noise, cutout=cutout
    )
    rules_key, noise_key, place_key = jax.random.split(key, 3)
    amounts = drawn(rules_key, len(x), strength, multipliers)
    if blit or geometry:
        x = warped(x, inverse_map(amounts, *x.shape[1:3]))
    if colour:
        x = recoloured(x, amounts)
    if bands:
        x = amplified(x, amounts)
    if noise:
        normal = batch_axis.draw(jax.random.normal, noise_key, x.shape)
        x = x + amounts["noise"][:, None, None, None] * normal
    if cutout:
        x = cut(x, amounts, batch_axis.draw(jax.random.uniform, place_key, (len(x), 2)))
    return x


def drawn(key: Array, b: int, p: Array, multipliers: Mapping[str, float]) -> Amounts:
    """Random amounts of all transformations, 0 for images that do not have them: ``[b]``, or ``[b,
    2]`` for the two that go along both sides.
    """
    count = sum(1 + rule.numbers for rule in RULES.values())
    inside = np.nextafter(np.float32(-1), np.float32(0))
    uniform = batch_axis.draw(jax.random.uniform, key, (b, count), minval=inside, maxval=1.0)
    found, place = {}, 0
    for name, rule in RULES.items():
        coin, own = uniform[:, place], uniform[:, place + 1 : place + 1 + rule.numbers]
        applies = (coin + 1) / 2 < rule.chance(multipliers[rule.group] * p)
        amounts = jnp.where(applies[:, None], rule.of(own), 0)
        found[name] = amounts if rule.numbers > 1 else amounts[:, 0]
        place += 1 + rule.numbers
    return found


def inverse_map(amounts: Amounts, h: int, w: int) -> Array:
    """``[b, 3, 3]``: where in the old image a place of the new one comes from, as `warped` takes
    it.
    """
    sides = jnp.array([[w, h]], jnp.float32)
    scale, stretch = (jnp.exp2(-amounts[name]) for name in ("log_scale", "log_stretch"))
    factors = [
        _scaling(1 - 2 * amounts["flip"], jnp.ones_like(scale)),
        _rotation(jnp.pi / 2 * amounts["quarter_turns"]),
        _move(jnp.round(amounts["shift"] * sides)),
        _scaling(scale, scale),
        _rotation(amounts["turn_before"]),
        _scaling(stretch, 1 / stretch),
        _rotation(amounts["turn_after"]),
        _move(amounts["fraction"] * sides),
    ]
    return functools.reduce(_times, factors)


def recoloured(x: Array, amounts: Amounts) -> Array:
    """Images under one affine map of the colours each.

    Raises:
      ConfigError: for another number of channels than 1 and 3.
    """
    channels = x.shape[-1]
    if channels not in (1, 3):
        raise ConfigError(
            f"ada.colour must be 0 for images with {channels} channels; it changes 1 or 3."
        )
    grey = jnp.asarray(np.outer(GREY, GREY), jnp.float32)[None]
    coloured = jnp.eye(3)[None] - grey
    each = lambda numbers: numbers[:, None, None]
    matrix = grey * each(1 - 2 * amounts["luma_flip"]) + coloured
    matrix = _times(_hue(amounts["hue"]), matrix)
    matrix = _times(grey + coloured * each(jnp.exp2(amounts["log_saturation"])), matrix)
    matrix = matrix * each(jnp.exp2(amounts["log_contrast"]))
    shift = jnp.sum(matrix, axis=2) * amounts["brightness"][:, None]
    if channels == 1:  # its colours are those of the grey axis
        matrix, shift = (a.mean(1, keepdims=True) for a in (matrix.sum(2, keepdims=True), shift))
    return _of_colours(matrix, x) + shift[:, None, None, :]


def amplified(x: Array, amounts: Amounts) -> Array:
    """Images whose bands of frequencies are amplified, each so that the expected power is kept."""
    gains = jnp.ones((len(x), 4))
    for i in range(4):
        own = jnp.ones((len(x), 4)).at[:, i].set(jnp.exp2(amounts[f"log_band_{i}"]))
        power = jnp.sum(jnp.asarray(POWER, jnp.float32)[None, :] * jnp.square(own), axis=1)
        gains = gains * own / jnp.sqrt(power)[:, None]
    matrix = lambda side: jnp.einsum(
        "bi,ijk->bjk", gains, jnp.asarray(_filters(side), x.dtype), precision="highest"
    )
    return along_sides(x, *(matrix(side) for side in x.shape[1:3]))


def cut(x: Array, amounts: Amounts, middle: Array) -> Array:
    """Images with 0 in a rectangle; ``middle`` ``[b, 2]``, in [0, 1], of its width and height."""
    right, down = (
        jnp.abs((jnp.arange(n) + 0.5)[None, :] / n - middle[:, i, None])
        < amounts["cutout"][:, None] / 2
        for i, n in ((0, x.shape[2]), (1, x.shape[1]))
    )
    return jnp.where(down[:, :, None, None] & right[:, None, :, None], 0, x)


@functools.cache
def bank() -> np.ndarray:
    """``[4, 43]``: filters of four bands, the lowest first, that add up to the identity.

    Each splits what the one above left, at half the frequency, by the autocorrelation of the
    wavelet sym2, ``low``, and what it misses, ``high``.
    """
    low = np.array([-1, 0, 9, 16, 9, 0, -1]) / 32
    high = np.array([1, 0, -9, 16, -9, 0, 1]) / 32
    rest, found = np.ones(1), []
    for level in range(3):
        found.append(np.convolve(rest, _spread(high, 2**level)))
        rest = np.convolve(rest, _spread(low, 2**level))
    length = len(rest)
    centred = [np.pad(band, (length - len(band)) // 2) for band in found]
    return np.stack([rest, *reversed(centred)])


def _spread(taps: np.ndarray, step: int) -> np.ndarray:
    """The taps with ``step - 1`` zeros between any two."""
    wide = np.zeros((len(taps) - 1) * step + 1)
    wide[::step] = taps
    return wide


@functools.cache
def _filters(side: int) -> np.ndarray:
    """``[4, side, side]``: the filters of `bank` for a line of pixels that continues as its
    reflection.
    """
    half = bank().shape[1] // 2
    line = np.pad(np.eye(side), ((half, half), (0, 0)), mode="reflect")
    filtered = [[np.convolve(column, taps, "valid") for column in line.T] for taps in bank()]
    return np.swapaxes(np.array(filtered), 1, 2)


def _times(a: Array, b: Array) -> Array:
    return jnp.matmul(a, b, precision=jax.lax.Precision.HIGHEST)


def _of_colours(matrix: Array, x: Array) -> Array:
    return jnp.einsum("bij,bhwj->bhwi", matrix, x, precision=jax.lax.Precision.HIGHEST)


def _scaling(x: Array, y: Array) -> Array:
    zero, one = jnp.zeros_like(x), jnp.ones_like(x)
    return _matrix([[x, zero, zero], [zero, y, zero], [zero, zero, one]])


def _rotation(angle: Array) -> Array:
    cos, sin, zero, one = jnp.cos(angle), jnp.sin(angle), 0 * angle, jnp.ones_like(angle)
    return _matrix([[cos, -sin, zero], [sin, cos, zero], [zero, zero, one]])


def _move(by: Array) -> Array:
    """The inverse of a move by ``[b, 2]`` pixels."""
    zero, one = jnp.zeros(len(by)), jnp.ones(len(by))
    return _matrix([[one, zero, -by[:, 0]], [zero, one, -by[:, 1]], [zero, zero, one]])


def _hue(angle: Array) -> Array:
    """``[b, 3, 3]``: rotations around the grey axis (Rodrigues' formula)."""
    grey = np.outer(GREY, GREY)
    x, y, z = GREY
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    parts = [jnp.asarray(a, jnp.float32)[None] for a in (grey, np.eye(3) - grey, cross)]
    cos, sin = (f(angle)[:, None, None] for f in (jnp.cos, jnp.sin))
    return parts[0] + cos * parts[1] + sin * parts[2]


def _matrix(rows: list[list[Array]]) -> Array:
    return jnp.stack([jnp.stack(row, axis=-1) for row in rows], axis=-2)
