"""Distributions of points with known modes: the embedded sets are drawn from them, and the metrics
compare samples with them.

Coordinates are scaled so that nearly all points lie in [-1, 1]; the proportions follow the
literature.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np

Draw = Callable[[np.random.Generator, int], tuple[np.ndarray, np.ndarray]]


@dataclasses.dataclass(frozen=True, eq=False)
class Truth:
    """A distribution on ``R^d`` as ``k`` modes, each around one or several of ``m`` centres.

    Attributes:
      centres: ``[m, d]`` float32.
      modes: ``[m]`` int32 in [0, k), the mode of each centre. In a mixture of Gaussians, each
        centre is a mode; elsewhere, modes are arcs of a curve or cells of an area.
      weights: ``[k]`` float32, the true probabilities of the modes.
      radius: a sample is of high quality if its nearest centre is at most this far away.
      draw: ``(rng, n)`` returns points ``[n, d]`` float32 and labels ``[n]`` int32: their modes, or
        -1 if the set is unlabelled.
      labelled: whether the labels are the modes.
      largest_coordinate: use the maximum norm, so that the region of a centre is a square;
        otherwise distances are Euclidean.
    """

    centres: np.ndarray
    modes: np.ndarray
    weights: np.ndarray
    radius: float
    draw: Draw
    labelled: bool = False
    largest_coordinate: bool = False


def gaussians(centres: np.ndarray, sigma: float, radius: float | None = None) -> Truth:
    """Equally likely isotropic Gaussians of standard deviation ``sigma``; by default, samples
    within three standard deviations are of high quality.

    Example ``i`` is drawn from mode ``i % k``, so that all modes have equal numbers.
    """
    centres = np.asarray(centres, np.float32)
    k = len(centres)

    def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        labels = np.arange(n, dtype=np.int32) % k
        return (centres[labels] + sigma * rng.standard_normal((n, centres.shape[1]))).astype(
            np.float32
        ), labels

    return Truth(
        centres,
        np.arange(k, dtype=np.int32),
        _equal(k),
        3 * sigma if radius is None else radius,
        draw,
        labelled=True,
    )


def _ring(k: int) -> np.ndarray:
    angles = 2 * np.pi * np.arange(k) / k
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _grid(side: int) -> np.ndarray:
    ticks = np.linspace(-1, 1, side)
    return np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=-1).reshape(-1, 2)


def _swiss_roll(arcs: int = 50, centres_an_arc: int = 20) -> Truth:
    """The spiral ``(t cos t, t sin t)``, ``t`` uniform on [3/2 pi, 9/2 pi], plus noise; the modes
    are equally likely arcs.
    """
    outermost = 4.5 * math.pi
    sigma = 0.25 / outermost

    def curve(u: np.ndarray) -> np.ndarray:
        t = 1.5 * math.pi * (1 + 2 * u)
        return np.stack([t * np.cos(t), t * np.sin(t)], axis=-1) / outermost

    def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        points = curve(rng.random(n)) + sigma * rng.standard_normal((n, 2))
        return points.astype(np.float32), np.full(n, -1, np.int32)

    m = arcs * centres_an_arc
    centres = curve((np.arange(m) + 0.5) / m).astype(np.float32)
    modes = np.arange(m, dtype=np.int32) // centres_an_arc
    return Truth(centres, modes, _equal(arcs), 3 * sigma, draw)


def _checkerboard(cells: int = 4) -> Truth:
    """Uniform on 8 of the 4x4 squares of [-1, 1]^2; the modes are the ``cells`` x ``cells`` parts
    of each square.
    """
    side = 0.5
    corners = np.array(
        [(side * i - 1, side * j - 1) for i in range(4) for j in range(4) if (i + j) % 2 == 0]
    )

    def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        points = corners[rng.integers(len(corners), size=n)] + side * rng.random((n, 2))
        return points.astype(np.float32), np.full(n, -1, np.int32)

    steps = side * (np.arange(cells) + 0.5) / cells
    within = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1).reshape(-1, 2)
    centres = (corners[:, None] + within).reshape(-1, 2).astype(np.float32)
    m = len(centres)
    radius = side / cells / 2
    return Truth(
        centres, np.arange(m, dtype=np.int32), _equal(m), radius, draw, largest_coordinate=True
    )


def _equal(k: int) -> np.ndarray:
    return np.full(k, 1 / k, np.float32)


TRUTHS: dict[str, Truth] = {
    # Mescheder et al. 2018, definition 2.1: all data at 0. A point mass has no width, so the radius
    # is a choice.
    "dirac": gaussians(np.zeros((1, 1)), sigma=0.0, radius=0.03),
    # Lin et al. 2018 (PacGAN), section 4.1: radius 1, variance 1e-4.
    "ring8": gaussians(_ring(8), sigma=0.01),
    # Lin et al. 2018, section 4.1: spacing 2, variance 0.0025; here scaled by 1/4.
    "grid25": gaussians(_grid(5), sigma=0.05 / 4),
    # scikit-learn's roll in the plane, with the noise 0.25 of Gulrajani et al. 2017, figure 1,
    # divided by 9/2 pi.
    "swiss_roll": _swiss_roll(),
    # As in Grathwohl et al. 2019 (FFJORD), figure 2, divided by 4.
    "checkerboard": _checkerboard(),
}
"""Truths by data set name. A change that moves points needs a new version of their builders
(`embedded/points.py`).
"""
