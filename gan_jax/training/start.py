"""A first state that comes from elsewhere than the random numbers of an initialization."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gan_jax.errors import ConfigError
from gan_jax.types import GanState


class Start(NamedTuple):
    """Where a run begins.

    Attributes:
      make: ``make(first) -> state``: the state to begin with, from the initialized one. It has the
        structure, shapes and dtypes of ``first``; step and key of ``first`` take the place of its.
      origin: what the state is made from, as run.json keeps it; the run is resumed from the same
        origin only.
    """

    make: Callable[[GanState], GanState]
    origin: dict[str, Any]

    def state(self, first: GanState) -> GanState:
        """The state to begin with, placed as ``first`` and sharing no memory with anything, so that
        the step may donate it.

        Raises:
          ConfigError: for a state that does not fit.
        """
        made = self.make(first).replace(step=first.step, key=first.key)
        _check(made, first)
        shardings = jax.tree.map(lambda leaf: leaf.sharding, first)
        copy = jax.jit(lambda state: jax.tree.map(jnp.copy, state), out_shardings=shardings)
        return copy(jax.device_put(made, shardings))


def _check(made: GanState, first: GanState) -> None:
    ours, theirs = (dict(jax.tree.leaves_with_path(state)) for state in (made, first))
    names = lambda paths: ", ".join(
        sorted(jax.tree_util.keystr(path, simple=True, separator=".") for path in paths)
    )
    if ours.keys() != theirs.keys():
        raise ConfigError(
            f"start: the first state has other parts than the config's GAN: "
            f"{names(ours.keys() ^ theirs.keys())}; accepted: the same parts."
        )
    for path, leaf in theirs.items():
        text = lambda a: f"{jnp.asarray(a).dtype}{list(jnp.shape(a))}"
        if text(ours[path]) != text(leaf):
            raise ConfigError(
                f"start: {names([path])} is {text(ours[path])}; accepted: {text(leaf)}."
            )
