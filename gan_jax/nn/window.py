"""The window of a convolution: how its inputs, taps and outputs lie to each other."""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

Pads = tuple[tuple[int, int], ...]


class Window(NamedTuple):
    """The numbers of a convolution, a tuple for each: one element for every spatial dimension."""

    strides: tuple[int, ...]
    padding: Pads
    sides: tuple[int, ...]  # of x
    taps: tuple[int, ...]  # of w

    @property
    def outputs(self) -> tuple[int, ...]:
        """Sides of y."""
        return tuple((n + sum(p) - k) // s + 1 for s, p, n, k in zip(*self, strict=True))

    @property
    def unit_stride(self) -> bool:
        return set(self.strides) == {1}

    @property
    def pointwise(self) -> bool:
        return self.unit_stride and set(self.taps) == {1} and not any(map(any, self.padding))

    def mirrored(self) -> Window:
        """The window in which x and y exchange their roles, with `mirrored(w)`, at unit stride."""
        padding = tuple(
            (k - 1 - lo, k - 1 - hi) for k, (lo, hi) in zip(self.taps, self.padding, strict=True)
        )
        return Window(self.strides, padding, self.outputs, self.taps)


def mirrored(w: jax.Array) -> jax.Array:
    """``[*taps, ci, co] -> [*taps, co, ci]`` with the taps in opposite order."""
    return jnp.flip(w, range(w.ndim - 2)).swapaxes(-1, -2)
