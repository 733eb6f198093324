"""A first state that is not initialized randomly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from gan_jax.errors import ConfigError
from gan_jax.types import GanState


class Start(NamedTuple):
    """The start of a run.

    Attributes:
      make: ``make(first) -> state``: returns the first state, given the initialized one. It must
        have the structure, shapes and dtypes of ``first``; its step and key are replaced by those
        of ``first``.
      origin: the origin of the state, recorded in run.json; the run can only be resumed with the
        same origin.
    """

    make: Callable[[GanState], GanState]
    origin: dict[str, Any]

    def state(self, first: GanState) -> GanState:
        """The first state, placed like ``first`` and copied, so that the step may donate it.

        Raises:
          ConfigError: for a state that does not match ``first``.
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
            f"start: the first state and the config's GAN differ in these parts: "
            f"{names(ours.keys() ^ theirs.keys())}."
        )
    for path, leaf in theirs.items():
        text = lambda a: f"{jnp.asarray(a).dtype}{list(jnp.shape(a))}"
        if text(ours[path]) != text(leaf):
            raise ConfigError(
                f"start: {names([path])} must be {text(leaf)}, not {text(ours[path])}."
            )
