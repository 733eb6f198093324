"""Distributions of latents, each with its form of truncation."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.devices import batch_axis
from gan_jax.errors import (
    ConfigError,
    at_least,
    fits_memory,
    has_option,
    one_of,
    true_or_false,
    whole,
)
from gan_jax.grammar import check_scalar
from gan_jax.nn.heads import CodesHead
from gan_jax.parts.regularizers.codes import (
    categorical_codes,
    continuous_codes,
    recovered_latents,
)
from gan_jax.types import Array, Prior, PyTree, Scalar, Term


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

    def hold(self, z: Array, origin: Array) -> Array:
        """Moved latents ``z [n, ..., size]`` with the categorical codes of ``origin [n, size]``."""
        codes = slice(self.size, self.size + sum(self.categorical))
        kept = jnp.expand_dims(origin, range(1, z.ndim - 1))
        return jnp.asarray(z).at[..., codes].set(kept[..., codes])


@dataclasses.dataclass(frozen=True)
class Nothing:
    """No latents, ``()``: the condition alone determines the sample."""

    def draw(self, key: Array, n: int, truncation: float | None = None) -> PyTree:
        return ()


@dataclasses.dataclass(frozen=True)
class Latents:
    """A prior by name, with what comes with it.

    ``head(head)`` changes the head of D; ``terms`` are added to the objectives of both players.
    """

    prior: Prior
    head: Callable[[nn.Module], nn.Module] = lambda head: head
    terms: tuple[Term, ...] = ()


def infogan(
    size: int,
    categories: int = 10,
    codes: int = 1,
    continuous: int = 0,
    learned_deviation: bool = False,
    weight: Scalar = 1.0,
    continuous_weight: Scalar = 0.1,
) -> Latents:
    """Noise and codes, which D predicts from the fakes (Chen et al. 2016).

    Args:
      size: length of the noise.
      categories: of each categorical code, all equally likely.
      codes: number of categorical codes.
      continuous: number of codes that are uniform on [-1, 1].
      learned_deviation: D predicts the standard deviations of the continuous codes too; otherwise
        they are 1.
      weight, continuous_weight: lambda of both kinds of codes (equation 6). The authors take 1, and
        less for continuous codes, whose log-density has another scale than the loss.

    Raises:
      ConfigError: without any code, or with less than two categories.
    """
    if not codes and not continuous:
        raise ConfigError("prior: infogan has neither codes nor continuous codes; use at least 1.")
    at_least("prior.categories", categories, 2)
    units = codes * categories + continuous
    fits_memory("prior.categories", f"{units:,} numbers of the codes", 4 * CodesHead.width * units)
    categorical = (categories,) * codes
    terms = [Term("categorical_codes", categorical_codes(), weight)] if codes else []
    terms += [Term("continuous_codes", continuous_codes(), continuous_weight)] * bool(continuous)
    return Latents(
        Codes(size, categorical, continuous),
        lambda head: CodesHead(head, categorical, continuous, learned_deviation),
        tuple(terms),
    )


def recovered(size: int, weight: Scalar = 2.5) -> Latents:
    """Uniform latents on [-1, 1], all of which D predicts from the fakes, so that G does not ignore
    them (Huang et al. 2017, equations 4 and 5).

    Args:
      size: number of latents.
      weight: of the mean squared error; the authors' is 10 for latents on [0, 1], which are half as
        far apart.
    """
    return Latents(
        Codes(0, (), size),
        lambda head: CodesHead(head, (), size),
        (Term("recovered_latents", recovered_latents(), weight),),
    )


PRIORS = {
    "normal": lambda size: Latents(Normal(size)),
    "uniform": lambda size: Latents(Uniform(size)),
    "infogan": infogan,
    "recovered": recovered,
    "none": lambda size: Latents(Nothing()),
}
"""``make(size, **options) -> Latents`` by name."""


def options_of(name: str) -> dict[str, bool | int | float]:
    """The options of an entry of `PRIORS`, with their defaults."""
    parameters = inspect.signature(PRIORS[name]).parameters.values()
    return {p.name: p.default for p in parameters if p.name != "size"}


def latents(name: str, size: int, options: Mapping[str, Any]) -> Latents:
    """A prior by its name.

    Args:
      name: an entry of `PRIORS`.
      size: length of the noise.
      options: arguments of the entry.

    Raises:
      ConfigError: for an unknown name or option, or an option that is not accepted.
    """
    known = options_of(one_of("prior.name", name, PRIORS))
    for key, value in options.items():
        has_option("prior", name, key, known)
        field, default = f"prior.{key}", known[key]
        if isinstance(default, bool):
            true_or_false(field, value)
        elif isinstance(default, int):
            whole(field, value, 0)
        else:
            check_scalar(field, value, "[0, inf)")
    return PRIORS[name](size, **options)
