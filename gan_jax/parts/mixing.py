"""Fakes among the examples that D sees as real."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from gan_jax.devices import batch_axis
from gan_jax.errors import has_option, one_of
from gan_jax.grammar import check_scalar
from gan_jax.parts.augment.ada import feedback
from gan_jax.types import Array, Batch, Fake, Mixing


def pseudo_real(key: Array, real: Batch, fake: Fake, strength: Array) -> Batch:
    """Each real example is replaced, with the probability ``strength``, by a fake with its
    condition (Jiang et al. 2021, "Deceive D: adaptive pseudo augmentation for GAN training with
    limited data", section 3.2).

    The fake is that of the position before, so that no loss that pairs real examples and fakes by
    position compares one with itself.
    """
    before = lambda a: batch_axis.own(jnp.roll(batch_axis.whole(a), 1, axis=0))
    b = len(jax.tree.leaves(real.x)[0])
    chosen = batch_axis.draw(jax.random.uniform, key, (b,)) < strength
    pick = lambda pseudo, a: jnp.where(chosen.reshape(b, *(1,) * (a.ndim - 1)), before(pseudo), a)
    return jax.tree.map(pick, Batch(fake.x, fake.y), real)


MIXINGS: dict[str, Callable[[Array, Batch, Fake, Array], Batch] | None] = {
    "none": None,
    "apa": pseudo_real,
}
"""``apply(key, real, fake, strength) -> real`` by name; None: no change."""


def mixing(name: str, images: int, options: Mapping[str, Any]) -> Mixing | None:
    """A mixing by its name.

    Args:
      name: an entry of `MIXINGS`.
      images: real examples that D sees in a step.
      options: ``strength``, the probability of a real example to be replaced. By default it follows
        the sign of D's scores of what it sees as real, by the rule of ADA, as in the paper.

    Raises:
      ConfigError: for an unknown name or option, or a probability outside of [0, 1].
    """
    apply = MIXINGS[one_of("mixing.name", name, MIXINGS)]
    for key in options:
        has_option("mixing", name, key, ["strength"] if apply else [])
    if apply is None:
        return None
    strength = options.get("strength", feedback(images))
    check_scalar("mixing.strength", strength, "[0, 1]")
    return Mixing(name, apply, strength)
