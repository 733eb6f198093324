"""Distributions of latents, each with its form of truncation."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp

from gan_jax.devices import batch_axis
from gan_jax.types import Array, PyTree


@dataclasses.dataclass(frozen=True)
class Normal:
    """``[n, size]`` from N(0, 1); with truncation, values outside of [-truncation, truncation] are
    redrawn (Brock et al. 2019, section 3.1).
    """

    size: int

    def draw(self, key: Array, n: int, truncation: float | None = None) -> Array:
        if truncation is None:
            return batch_axis.draw(jax.random.normal, key, (n, self.size))
        cut = lambda key, shape: jax.random.truncated_normal(key, -truncation, truncation, shape)
        return batch_axis.draw(cut, key, (n, self.size))


@dataclasses.dataclass(frozen=True)
class Uniform:
    """``[n, size]`` uniform on [-1, 1], or on [-truncation, truncation]."""

    size: int

    def draw(self, key: Array, n: int, truncation: float | None = None) -> Array:
        bound = 1.0 if truncation is None else truncation
        return bound * batch_axis.draw(jax.random.uniform, key, (n, self.size), minval=-1.0)


@dataclasses.dataclass(frozen=True)
class Codes:
    """`Normal` noise, then one-hot categorical codes, then uniform ones (InfoGAN, Chen et al.
    2016).

    ``[n, size + sum(categorical) + continuous]`` float32; truncation applies to the noise only.
    """

    size: int
    categorical: tuple[int, ...] = ()
    continuous: int = 0

    def draw(self, key: Array, n: int, truncation: float | None = None) -> Array:
        keys = jax.random.split(key, 2 + len(self.categorical))
        parts = [Normal(self.size).draw(keys[0], n, truncation)]
        for own, count in zip(keys[2:], self.categorical, strict=True):
            choice = batch_axis.draw(jax.random.randint, own, (n,), 0, count)
            parts.append(jax.nn.one_hot(choice, count))
        return jnp.concatenate([*parts, Uniform(self.continuous).draw(keys[1], n)], axis=1)


@dataclasses.dataclass(frozen=True)
class Nothing:
    """No latents, ``()``: the condition alone determines the sample."""

    def draw(self, key: Array, n: int, truncation: float | None = None) -> PyTree:
        return ()


PRIORS = {"normal": Normal, "uniform": Uniform}
"""``make(size) -> Prior`` by name."""
