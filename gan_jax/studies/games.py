"""Runs one method on one problem with many seeds, for `gan_jax.studies.convergence`."""

from __future__ import annotations

import dataclasses
import functools
from typing import NamedTuple

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np

from gan_jax.build import build, build_members
from gan_jax.config import Config, Network, Optimizer, Schedule
from gan_jax.data import resident
from gan_jax.data.truths import TRUTHS
from gan_jax.engine.gan import Gan, init_state
from gan_jax.engine.population import (
    generate_members,
    init_population,
    members_mesh,
    shardings,
    train_population,
    with_seeds,
)
from gan_jax.engine.train_step import train_step
from gan_jax.metrics.mixtures import mixture_scores
from gan_jax.studies import dirac as dirac_gan
from gan_jax.studies.methods import Method
from gan_jax.types import Array

DIRAC_STEPS, DIRAC_BATCH = 2_000, 512
CONVERGED = 0.05
"""A trajectory has converged if its distance to the equilibrium, relative to the start and averaged
over the last tenth, is below this.
"""
NETWORK = {"spectral", "minibatch_std"}
"""Changes of a method that concern the discriminator's network."""
SAMPLES = 2_500
"""Samples drawn from each GAN at the end: 100 per mode of the grid."""

DIRAC = Config(
    dataset="dirac",
    generator=Network("mlp"),
    discriminator=Network("mlp"),
    latents=1,
    batch_size=DIRAC_BATCH,
    g_optimizer=Optimizer("sgd", lr=0.2),
    d_optimizer=Optimizer("sgd", lr=0.2),
    ema=0.0,
)
"""The networks are replaced by a point and a slope."""
MIXTURE = Config(
    generator=Network("mlp", width=48, depth=3),
    discriminator=Network("mlp", width=48, depth=3),
    latents=2,
    batch_size=64,
    g_optimizer=Optimizer(b1=0.0, b2=0.99),
    d_optimizer=Optimizer(b1=0.0, b2=0.99),
    ema=10_000.0,
)
RATES = (3e-3, 1e-4)
"""Learning rates of both players on the mixtures, at the start and end of a cosine schedule."""


class Result(NamedTuple):
    """``success``: ``[K]`` bool per seed; ``score``: of all seeds; ``seen``: trajectories ``[K,
    steps, 2]`` or samples ``[K, n, 2]``.

    ``quality``: for mixtures, the mean fraction of high-quality samples.
    """

    success: np.ndarray
    score: float
    seen: np.ndarray
    quality: float | None = None


def dirac(method: Method, seeds: int) -> Result:
    """Runs the Dirac-GAN from ``seeds`` starting points at random angles, 0.5 to 1.5 from the
    equilibrium. The score is the median distance left.
    """
    gan, batch = dirac_game(method), dirac_gan.batch(DIRAC_BATCH, method.changes.get("d_steps", 1))
    rng = np.random.default_rng(0)
    radius, angle = rng.uniform(0.5, 1.5, seeds), rng.uniform(0, 2 * np.pi, seeds)
    starts = jnp.asarray(np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1), jnp.float32)

    @jax.jit
    @jax.vmap
    def trajectory(key: Array, start: Array) -> Array:
        state = dirac_gan.placed(init_state(gan, key, batch), *start)

        def step(state, _):
            state, _ = train_step(gan, state, batch)
            return state, dirac_gan.place(state)

        return jnp.concatenate([start[None], jax.lax.scan(step, state, None, DIRAC_STEPS)[1]])

    paths = np.asarray(trajectory(jax.vmap(jax.random.key)(jnp.arange(seeds)), starts))
    distance = np.linalg.norm(paths, axis=-1) / radius[:, None]
    left = np.nan_to_num(distance[:, -DIRAC_STEPS // 10 :].mean(1), nan=np.inf)
    return Result(left < CONVERGED, float(np.median(left)), paths)


def dirac_game(method: Method) -> Gan:
    """The method's Dirac-GAN."""
    return dirac_gan.players(build(method.config(DIRAC, method.dirac)))


def mixture(method: Method, problem: str, seeds: int, steps: int) -> Result:
    """Trains a small MLP GAN on a mixture. A seed succeeds if it covers every mode; the score is
    the mean number of modes covered.
    """
    own = dict(method.mixtures)
    network = {name: own.pop(name) for name in NETWORK & own.keys()}
    base = dataclasses.replace(
        MIXTURE,
        dataset=problem,
        steps=steps,
        discriminator=dataclasses.replace(MIXTURE.discriminator, **network),
    )
    rate = Schedule(*RATES, steps, "cosine")
    config = method.config(base, {"optimizer.lr": rate} | own)
    configs = [dataclasses.replace(config, seed=seed) for seed in range(seeds)]
    gans, mesh, truth = build_members(configs), members_mesh(seeds), TRUTHS[problem]
    states = init_population(gans, jax.vmap(jax.random.key)(jnp.arange(seeds)))
    states = jax.device_put(states, shardings(states, mesh))
    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    data = jax.device_put(with_seeds(resident(config), range(seeds)), everywhere)
    # Waits here, because a device that has finished must not wait for the others in a collective of
    # the next program: XLA aborts after 40 s.
    states, _ = jax.block_until_ready(train_population(gans[0], states, data, steps, mesh))
    latents = jax.random.normal(jax.random.key(seeds), (SAMPLES, config.latents))
    samples = generate_members(gans[0], states, latents, jnp.zeros(SAMPLES, jnp.int32))
    scores = jax.device_get(jax.vmap(functools.partial(mixture_scores, truth=truth))(samples))
    success = scores["modes_covered"] == len(truth.weights)
    return Result(
        success,
        float(scores["modes_covered"].mean()),
        np.asarray(samples),
        float(scores["high_quality_share"].mean()),
    )


def local_rate(method: Method, steps: int = 400) -> tuple[float, float]:
    """The factor by which a step shrinks the distance to the equilibrium of the Dirac-GAN:
    predicted and measured.

    The prediction is the spectral radius of the Jacobian of the step at the equilibrium (from
    `jax.jacfwd`). The measurement is the slope of the log distance over ``steps`` steps from a
    nearby start. For methods without random numbers that apply the same rule at every step.
    """
    gan, batch = dirac_game(method), dirac_gan.batch(1, method.changes.get("d_steps", 1))
    state = dirac_gan.placed(
        init_state(gan, jax.random.key(0), batch), jnp.zeros(()), jnp.zeros(())
    )
    moving = lambda state: [(p.params, p.opt_state) for p in state.players]
    origin, unravel = jax.flatten_util.ravel_pytree(moving(state))

    def step(vector: Array) -> Array:
        generator, discriminator = (
            player.replace(params=params, opt_state=opt_state)
            for player, (params, opt_state) in zip(state.players, unravel(vector), strict=True)
        )
        here = state.replace(generator=generator, discriminator=discriminator)
        return jax.flatten_util.ravel_pytree(moving(train_step(gan, here, batch)[0]))[0]

    eigenvalues = np.linalg.eigvals(np.asarray(jax.jit(jax.jacfwd(step))(origin)))
    aside = state.replace(generator=dirac_gan.placed(state, 1e-3, 1e-3).generator)
    start, _ = jax.flatten_util.ravel_pytree(moving(aside))
    vectors = jax.jit(lambda v: jax.lax.scan(lambda v, _: (step(v), v), v, None, steps)[1])(start)
    distances = np.linalg.norm(np.asarray(vectors), axis=1)
    slope = np.polyfit(np.arange(steps // 4, steps), np.log(distances[steps // 4 :]), 1)[0]
    return float(np.abs(eigenvalues).max()), float(np.exp(slope))
