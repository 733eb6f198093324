"""One GAN in the training loop; `gan_jax.training.members` is its counterpart for many."""

from __future__ import annotations

import contextlib
import functools
import math
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.build import abstract_batch, build
from gan_jax.config import Config
from gan_jax.devices import parallel
from gan_jax.engine.gan import init_state
from gan_jax.engine.train_step import generate
from gan_jax.runs import folder as run_folder
from gan_jax.training import diagnosing
from gan_jax.training.rollback import NotFinite
from gan_jax.training.stepping import Steps, stepper
from gan_jax.types import Array, GanState


class Single:
    """One GAN in the loop, all devices sharing each batch; `gan_jax.training.members.Members` is
    its counterpart for many.
    """

    size, failed = 1, ()

    def __init__(self, config: Config, fsdp: bool = False):
        self._config, self.gan = config, build(config)
        self._mesh = parallel.mesh(config.batch_size, config.micro_batches)
        self._placement, self.everywhere = (
            parallel.Placement(self._mesh, fsdp),
            parallel.replicated(self._mesh),
        )
        self.shardings = self._placement.of(run_folder.abstract_state(config))

    def init(self, returns: int = 0) -> GanState:
        """The first state; another one after so many returns to it."""
        key = jax.random.key(self._config.seed)
        init = functools.partial(
            init_state, self.gan, batch=abstract_batch(self._config, self.gan.shape)
        )
        return jax.jit(init, out_shardings=self.shardings)(
            jax.random.fold_in(key, returns) if returns else key
        )

    def steps(self, start: int) -> Steps:
        return stepper(self.gan, self._config, self._mesh, start, self._placement)

    def diagnosis(self, steps: Steps) -> diagnosing.Diagnosis | None:
        return diagnosing.diagnosis(self.gan, self._config, self._mesh, steps)

    def compile(self, state: GanState, latents: Array, labels: Array) -> None:
        """What else the loop calls, beside the steps."""
        generate.lower(self.gan, state, latents, labels).compile()
        _finite.lower(state).compile()

    def recording(self, workdir: pathlib.Path, step: int) -> contextlib.AbstractContextManager:
        """Around the loop, for what a population writes of its own."""
        return contextlib.nullcontext()

    def check(self, metrics: dict[str, np.ndarray], first: int, last: int) -> None:
        """Raises NotFinite for means over the steps from ``first`` to ``last`` that are not."""
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise NotFinite(f"{name} became {value} between steps {first} and {last}", last)

    def check_state(self, state: GanState, step: int) -> None:
        """Raises NotFinite for a state that is not to be saved."""
        paths = [
            jax.tree_util.keystr(path, simple=True, separator=".")
            for path, _ in jax.tree.leaves_with_path(state)
        ]
        for path, finite in zip(paths, jax.device_get(_finite(state)), strict=True):
            if not finite:
                raise NotFinite(f"{path} became infinite or no number by step {step}", step)

    def told(self, step: int, metrics: dict[str, np.ndarray]) -> dict[str, float]:
        """What a log says of the metrics' means."""
        return {name: float(value) for name, value in metrics.items()}

    def images(self, state: GanState, latents: Array, labels: Array) -> dict[str, Array]:
        """Samples to be shown, by a name for each picture, empty for the only one."""
        return {"": jax.device_put(generate(self.gan, state, latents, labels), latents.sharding)}


@jax.jit
def _finite(state: GanState) -> list[Array]:
    """Whether each leaf is finite; keys and whole numbers are."""
    leaves = jax.tree.leaves(state)
    return [
        jnp.all(jnp.isfinite(a)) if jnp.issubdtype(a.dtype, jnp.inexact) else jnp.array(True)
        for a in leaves
    ]
