"""The checks and measurements by name, as `gan_jax.benchmarks.suite.workers` calls them."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import os
import pathlib
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.experimental.compilation_cache import compilation_cache

from gan_jax.benchmarks import nets, steps
from gan_jax.benchmarks.suite import checks, training
from gan_jax.build import abstract_batch, build
from gan_jax.data.arrays import dataset
from gan_jax.engine.gan import init_state
from gan_jax.engine.train_step import train_step
from gan_jax.models import dcgan
from gan_jax.nn.heads import UnconditionalHead
from gan_jax.recipes import recipe
from gan_jax.runs.provenance import provenance

_MADE = 4_096  # images of a made-up data set
_FEATURES = 64


def environment() -> dict[str, Any]:
    """What the results were measured on: `provenance`, and the ``backend``, such as gpu."""
    return provenance() | {"backend": jax.default_backend()}


def population_speed(seeds: Sequence[int], **options: Any) -> dict[str, Any]:
    """The times of populations of several sizes: ``ms``, per step and seed, for each of ``seeds``;
    ``ratio``, that of the last to that of the first.
    """
    found = [steps.measure(**options, seeds=n) for n in seeds]
    times = [own["ms_median"] for own in found]
    own = {key: options[key] for key in ("net", "batch", "precision", "steps_per_call")}
    return own | {"seeds": list(seeds), "ms": times, "ratio": round(times[-1] / times[0], 3)}


def loop(recipe_name: str, period: int) -> dict[str, Any]:
    """`measure_loop` of a recipe on made-up images; ``period``: the steps between checkpoints, and
    between samples.
    """
    from gan_jax.benchmarks.loop import measure_loop  # needs Pillow, tqdm and tensorboardX

    config = recipe(recipe_name)
    side = config.size or 28
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (_MADE, side, side, 1), np.uint8, endpoint=True)
    with _own_cache():
        made = dataset(images, np.arange(_MADE) % 10, name="made")
        config = dataclasses.replace(
            config, dataset=made, sample_every=period, checkpoint_every=period
        )
        found = measure_loop(config, rounds=2, streamed=False)
    return found | {"recipe": recipe_name, "period": period}


def grown(
    net: str | None = None,
    batch: int = 64,
    width: int = 32,
    side: int = 32,
    seeds: int = 1,
    examples: int = steps.EXAMPLES,
    runs: int = 5,
) -> dict[str, Any]:
    """The speed of a step in the compiled loop, 4 steps a call, in fp32. Without ``net``: of a
    DCGAN for images ``[side, side, 3]`` whose layer next to the image has ``width`` channels.
    """
    gan = nets.NETS[net](jnp.float32) if net else _dcgan(width, side)
    found = steps.measure_gan(gan, batch, "fp32", 4, seeds, runs, examples=examples)
    return found | {"net": net or "dcgan", "width": width, "side": side, "examples": examples}


def evaluation(score: str, n: int) -> dict[str, Any]:
    """The seconds of a score of ``n`` samples beside ``n`` real images with 64 features, without
    compilation.
    """
    from gan_jax.metrics import METRICS, Inputs
    from gan_jax.studies.metric_times import sample, timed

    inputs = Inputs(*(sample(seed, n, _FEATURES) for seed in range(4)))
    timed(METRICS[score], inputs)
    return {"score": score, "samples": n, "seconds": round(timed(METRICS[score], inputs), 4)}


def compilation(recipe_name: str) -> dict[str, Any]:
    """The seconds to trace and compile the step of a recipe, without and with the result of the
    first compilation in the cache on disk.
    """
    config = recipe(recipe_name)
    gan = build(config)
    batch = abstract_batch(config, gan.source)
    state = jax.eval_shape(lambda: init_state(gan, jax.random.key(0), batch))
    seconds = []
    former = jax.config.jax_compilation_cache_dir
    with tempfile.TemporaryDirectory() as folder:
        _cache_in(folder)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        try:
            for _ in range(2):
                jax.clear_caches()
                began = time.perf_counter()
                train_step.lower(gan, state, batch).compile()
                seconds.append(round(time.perf_counter() - began, 2))
        finally:
            _cache_in(former)
    return {"recipe": recipe_name, "first_s": seconds[0], "second_s": seconds[1]}


def _cache_in(folder: str | None) -> None:
    """Keeps compiled programs in another folder than before."""
    jax.config.update("jax_compilation_cache_dir", folder)
    compilation_cache.reset_cache()  # the folder is otherwise read once in a process


FUNCTIONS = {
    "environment": environment,
    "convolution": checks.convolution,
    "spectral_norm": checks.spectral_norm,
    "step": checks.step,
    "resume": checks.resume,
    "population": checks.population,
    "donation": checks.donation,
    "speed": steps.measure,
    "population_speed": population_speed,
    "loop": loop,
    "training": training.train,
    "grown": grown,
    "evaluation": evaluation,
    "compilation": compilation,
}


def call(function: str, options: dict[str, Any]) -> dict[str, Any]:
    """The values of a task."""
    jax.clear_caches()  # programs and constants of earlier tasks would stay on the device
    gc.collect()
    return FUNCTIONS[function](**options)


def _dcgan(width: int, side: int) -> Any:
    shape, base = (side, side, 3), 4
    networks = (
        dcgan.Generator(shape, width=width, base=base),
        dcgan.Discriminator(UnconditionalHead(), width=width, base=base),
    )
    return nets.gan_of(shape, networks, "nonsaturating", optax.adam(2e-4, b1=0.5, b2=0.999), 128)


@contextlib.contextmanager
def _own_cache() -> Iterator[pathlib.Path]:
    """A cache that is removed afterwards, for made-up data."""
    former = os.environ.get("GAN_JAX_CACHE")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["GAN_JAX_CACHE"] = folder
        try:
            yield pathlib.Path(folder)
        finally:
            os.environ.pop("GAN_JAX_CACHE")
            if former is not None:
                os.environ["GAN_JAX_CACHE"] = former
