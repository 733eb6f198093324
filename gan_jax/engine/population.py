"""Trains many GANs in one compiled program; the members of this population differ in scalars,
weights and order of the data.

>>> gans = gan_jax.build_members(gan_jax.Population(seeds=16).members(config))
>>> states = gan_jax.init_population(gans, jax.random.split(jax.random.key(0), 16))
>>> states, metrics = gan_jax.train_population(gans[0], states, gan_jax.resident(config), 1_000)

The state of a population is a `GanState` whose leaves have a leading axis of members, except the
shared ``step``, so that work that is due only at some steps remains a branch. Members do not
interact: one that diverges does not affect the others.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from gan_jax.data import Resident
from gan_jax.data.order import words
from gan_jax.engine import scalars
from gan_jax.engine.gan import Gan, averages, examples, first_state, frozen_variables
from gan_jax.engine.train_step import train_steps
from gan_jax.engine.trained import generate
from gan_jax.errors import ConfigError
from gan_jax.types import Array, Batch, GanState, Metrics, Pair, PyTree

AXIS = "members"


def init_population(
    gans: Sequence[Gan],
    keys: Array,
    batch: Batch | None = None,
    frozen: Mapping[str, PyTree] | None = None,
) -> GanState:
    """The members' states before the first step.

    Args:
      gans: one for each member; they may differ only in scalars.
      keys: ``[K]`` random keys; each member starts like `init_state` with its key.
      batch, frozen: as for `init_state`, shared by all members; by default labelled examples of the
        GANs' modality, and the variables that are given with the frozen networks.

    Raises:
      ConfigError: for GANs that differ in more than scalars, or a wrong number of keys.
    """
    if len(gans) != len(keys) or not all(alike(gan, gans[0]) for gan in gans):
        raise ConfigError(
            f"members need one key each and may differ only in scalars; got {len(gans)} GANs and "
            f"{len(keys)} keys."
        )
    if batch is None:
        batch = gans[0].source.abstract_batch((1, 2))
    numbers = jax.tree.map(lambda *a: jnp.stack(a), *map(scalars.encode, gans))
    like, average = examples(batch), averages(gans[0])
    return _init_population(
        gans[0], keys, numbers, frozen_variables(gans[0], frozen), like, average
    )


def alike(a: Gan, b: Gan) -> bool:
    """Whether both can be members: equal, with the same scalars set, and an EMA of the same
    players.
    """
    structure = lambda gan: (jax.tree.structure(scalars.encode(gan)), averages(gan))
    return a == b and structure(a) == structure(b)


def train_population(
    gan: Gan,
    states: GanState,
    data: Resident,
    n: int,
    mesh: Mesh | None = None,
    layout: str | None = None,
) -> tuple[GanState, Metrics]:
    """``n`` steps of every member in one compiled program; another ``n`` does not recompile.

    Args:
      gan: static; the GAN of any member, as all are equal.
      states: from `init_population`; donated.
      data: with ``seed [2]`` all members see the same batches, with ``seed [K, 2]`` (`with_seeds`)
        each member has a different order.
      n: number of steps, at least 1.
      mesh: devices among which the members are divided, as `members_mesh` makes it; None: the
        states' device.
      layout: a key of `LAYOUTS`: how a device trains its members; by default the faster one.

    Returns:
      The result of `train_steps` for each member: states, and the means of the metrics over the
      steps, each ``[K]`` float32. The order of additions may differ: states agree up to rounding,
      about 1e-5 after a few steps.
    """
    return _train_population(gan, states, data, n, mesh, layout or _fastest(mesh))


def compile_population(
    gan: Gan, states: GanState, data: Resident, mesh: Mesh | None = None, layout: str | None = None
) -> jax.stages.Compiled:
    """The program that `train_population` compiles on its first call, as a function of ``states,
    data, n``.
    """
    return _train_population.lower(gan, states, data, 1, mesh, layout or _fastest(mesh)).compile()


def member(states: GanState, i: int) -> GanState:
    """The state of one member, as `train_step` takes it."""
    return jax.tree.map(lambda a: a[i], states.replace(step=None)).replace(step=states.step)


def with_seeds(data: Resident, seeds: Sequence[int]) -> Resident:
    """A copy of the data in which each member has the order of its seed."""
    like = data.seed.sharding
    return dataclasses.replace(
        data, seed=jax.device_put(np.stack([words(seed) for seed in seeds]), like)
    )


def members_mesh(members: int) -> Mesh:
    """The largest number of devices that divides the members evenly, along one axis."""
    devices = jax.devices()
    count = max(d for d in range(1, min(members, len(devices)) + 1) if members % d == 0)
    return Mesh(np.array(devices[:count]), (AXIS,), axis_types=(AxisType.Auto,))


def shardings(states: GanState, mesh: Mesh) -> GanState:
    """The sharding of each leaf of a population's state, which may be abstract."""
    return jax.tree.map(lambda spec: NamedSharding(mesh, spec), _specs(states))


@functools.partial(jax.jit, static_argnames="gan")
def generate_members(gan: Gan, states: GanState, latents: Array, labels: Array) -> Array:
    """The result of `generate` for each member, from equal inputs: ``[K, n, *shape]``."""
    return jax.lax.map(
        lambda s: generate(gan, s.replace(step=states.step), latents, labels),
        states.replace(step=None),
    )


@jax.jit
def finite_members(states: GanState) -> Array:
    """Whether all numbers of a member's state are finite: ``[K]`` bool."""
    own = [
        a
        for a in jax.tree.leaves(states.replace(step=None))
        if jnp.issubdtype(a.dtype, jnp.inexact)
    ]
    return functools.reduce(jnp.logical_and, (jnp.isfinite(a).all(range(1, a.ndim)) for a in own))


@functools.partial(jax.jit, static_argnames=("gan", "average"))
def _init_population(
    gan: Gan, keys: Array, numbers: PyTree, frozen: PyTree, like: Batch, average: Pair
) -> GanState:
    def one(inputs):
        return first_state(gan, *inputs, frozen, like, average).replace(step=None)

    return jax.lax.map(one, (keys, numbers)).replace(step=jnp.zeros((), jnp.int32))


@functools.partial(jax.jit, static_argnames=("gan", "mesh", "layout"), donate_argnames="states")
def _train_population(
    gan: Gan, states: GanState, data: Resident, n: int, mesh: Mesh | None, layout: str
) -> tuple[GanState, Metrics]:
    def train(states: GanState, data: Resident, n: Array) -> tuple[GanState, Metrics]:
        def one(own: GanState, seed: Array) -> tuple[GanState, Metrics]:
            state = own.replace(step=states.step)
            state, metrics = train_steps(gan, state, dataclasses.replace(data, seed=seed), n)
            return state.replace(step=None), metrics

        seeds = (
            data.seed if data.seed.ndim == 2 else jnp.broadcast_to(data.seed, (len(states.key), 2))
        )
        own, metrics = LAYOUTS[layout](one, states.replace(step=None), seeds)
        return own.replace(step=states.step + n), metrics

    if mesh is None or mesh.size == 1:
        return train(states, data, n)
    whole = jax.tree.map(lambda _: PartitionSpec(), data)
    split = dataclasses.replace(
        whole, seed=PartitionSpec(AXIS) if data.seed.ndim == 2 else PartitionSpec()
    )
    specs = _specs(states)
    divided = jax.shard_map(
        train, mesh=mesh,
        in_specs=(specs, split, PartitionSpec()), out_specs=(specs, PartitionSpec(AXIS)),
        check_vma=False,  # it would require the constants that start a loop to vary too
    )  # fmt: skip
    return divided(states, data, n)


def _specs(states: GanState) -> GanState:
    return jax.tree.map(lambda _: PartitionSpec(AXIS), states).replace(step=PartitionSpec())


def _side_by_side(one: Callable, states: GanState, seeds: Array) -> tuple[GanState, Metrics]:
    return jax.vmap(one)(states, seeds)


def _in_turn(one: Callable, states: GanState, seeds: Array) -> tuple[GanState, Metrics]:
    return jax.lax.map(lambda inputs: one(*inputs), (states, seeds))


LAYOUTS = {"vmap": _side_by_side, "map": _in_turn}
"""How one device trains its members: all in each operation, or one after another through all steps
of the call.
"""


def _fastest(mesh: Mesh | None) -> str:
    """As measured (docs/stability.md): accelerators prefer large operations, a CPU core prefers a
    member that fits its cache.
    """
    platform = jax.default_backend() if mesh is None else mesh.devices.flat[0].platform
    return "map" if platform == "cpu" else "vmap"
