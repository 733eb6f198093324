"""A single GAN in the training loop."""

from __future__ import annotations

import contextlib
import functools
import math
import pathlib

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.build import abstract_batch, trace
from gan_jax.devices import parallel
from gan_jax.engine.gan import init_state
from gan_jax.engine.trained import generate
from gan_jax.runs.run import Run
from gan_jax.training import diagnosing
from gan_jax.training.divergence import NotFinite
from gan_jax.training.stepping import Steps, stepper
from gan_jax.training.trainee import first_key
from gan_jax.types import Array, GanState


class Single:
    """The `gan_jax.training.trainee.Trainee` of a run of one GAN: all devices share each batch."""

    size, failed = 1, ()

    def __init__(self, run: Run, fsdp: bool = False):
        self._config, self.gan = run.config, run.gan
        self._mesh = parallel.mesh(self._config.batch_size, self._config.micro_batches)
        self._placement = parallel.Placement(self._mesh, fsdp)
        self.everywhere = parallel.replicated(self._mesh)
        trace(self.gan, self._config, self.everywhere)
        self.shardings = self._placement.of(run.abstract_state())

    def init(self, returns: int = 0) -> GanState:
        batch = abstract_batch(self._config, self.gan.source)
        init = functools.partial(init_state, self.gan, batch=batch)
        return jax.jit(init, out_shardings=self.shardings)(first_key(self._config, returns))

    def steps(self, start: int) -> Steps:
        return stepper(self.gan, self._config, self._mesh, start, self._placement)

    def diagnosis(self, steps: Steps) -> diagnosing.Diagnosis | None:
        return diagnosing.diagnosis(self.gan, self._config, self._mesh, steps)

    def compile(self, state: GanState, latents: Array, labels: Array) -> None:
        generate.lower(self.gan, state, latents, labels).compile()
        _finite.lower(state).compile()

    def recording(
        self, workdir: pathlib.Path, step: int
    ) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def check(self, metrics: dict[str, np.ndarray], first: int, last: int) -> None:
        """Raises NotFinite for a mean that is not finite."""
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise NotFinite(f"{name} became {value} between steps {first} and {last}", last)

    def check_state(self, state: GanState, step: int) -> None:
        """Raises NotFinite for a state with a value that is not finite."""
        paths = [
            jax.tree_util.keystr(path, simple=True, separator=".")
            for path, _ in jax.tree.leaves_with_path(state)
        ]
        for path, finite in zip(paths, jax.device_get(_finite(state)), strict=True):
            if not finite:
                raise NotFinite(f"{path} became infinite or NaN by step {step}", step)

    def summary(self, step: int, metrics: dict[str, np.ndarray]) -> dict[str, float]:
        return {name: float(value) for name, value in metrics.items()}

    def images(self, state: GanState, latents: Array, labels: Array) -> dict[str, np.ndarray]:
        """The samples of the only picture, which has an empty name."""
        like = jax.tree.leaves((latents, labels))[0]
        samples = jax.device_put(generate(self.gan, state, latents, labels), like.sharding)
        return {"": jax.device_get(samples)}


@jax.jit
def _finite(state: GanState) -> list[Array]:
    """Whether each leaf is finite; keys and integers always are."""
    leaves = jax.tree.leaves(state)
    return [
        jnp.all(jnp.isfinite(a)) if jnp.issubdtype(a.dtype, jnp.inexact) else jnp.array(True)
        for a in leaves
    ]
