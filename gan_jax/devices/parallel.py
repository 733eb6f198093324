"""Placement of arrays: one mesh over all devices of all processes, which share each batch and store
the state whole or sharded.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from gan_jax.errors import ConfigError
from gan_jax.types import Batch, GanState, PlayerState, PyTree

SMALLEST_SHARE = 4096
"""Size of an array below which sharding costs more than it saves."""


def mesh(batch_size: int, micro_batches: int = 1) -> Mesh:
    """All devices along one axis, ``batch``.

    Raises:
      ConfigError: if the batch, or a micro-batch, is not divisible by the number of devices.
    """
    devices = jax.device_count()
    if batch_size % (devices * micro_batches):
        parts = f" times {micro_batches} micro_batches" if micro_batches > 1 else ""
        raise ConfigError(
            f"batch_size {batch_size} is not divisible by the {devices} devices{parts}; "
            f"use a multiple of {devices * micro_batches}."
        )
    return jax.make_mesh((devices,), ("batch",), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
    """Placement of arrays that are replicated on every device."""
    return NamedSharding(mesh, PartitionSpec())


def split(mesh: Mesh) -> NamedSharding:
    """Placement of a batch ``[d_steps, b, ...]``, divided along ``b``."""
    return NamedSharding(mesh, PartitionSpec(None, "batch"))


@dataclasses.dataclass(frozen=True)
class Placement:
    """Placement of a state: replicated on every device, or, if ``fsdp``, with sharded weights.

    Fully sharded data parallelism (Rajbhandari et al. 2020, "ZeRO: memory optimizations toward
    training trillion parameter models", stage 3): parameters, optimizer states and EMA are sharded
    along the largest axis that the number of devices divides; small arrays and statistics are
    replicated. The compiler inserts the communication.
    """

    mesh: Mesh
    fsdp: bool = False

    def of(self, state: GanState) -> GanState:
        """The sharding of each leaf of a state, which may be abstract."""
        whole = lambda tree: jax.tree.map(lambda _: replicated(self.mesh), tree)
        share = lambda tree: jax.tree.map(self._share, tree)
        if not self.fsdp:
            return whole(state)

        def player(own: PlayerState) -> PlayerState:
            average = own.average and whole(own.average) | {"params": share(own.average["params"])}
            shares = {name: share(getattr(own, name)) for name in ("params", "opt_state", "slow")}
            return whole(own).replace(average=average, **shares)

        players = {
            "generator": player(state.generator),
            "discriminator": player(state.discriminator),
        }
        return whole(state).replace(**players)

    def constrain(self, state: GanState) -> GanState:
        """Constrains a state to its placement, inside a compiled function."""
        return jax.lax.with_sharding_constraint(state, self.of(state))

    def _share(self, leaf) -> NamedSharding:
        devices = self.mesh.size
        axes = [axis for axis, length in enumerate(leaf.shape) if length % devices == 0]
        if leaf.size < SMALLEST_SHARE or not axes:
            return replicated(self.mesh)
        axis = max(axes, key=lambda axis: leaf.shape[axis])
        return NamedSharding(self.mesh, PartitionSpec(*[None] * axis, "batch"))


def own_rows(mesh: Mesh, batch_size: int) -> np.ndarray:
    """The examples of each minibatch on the devices of this process, in ascending order."""
    shares = split(mesh).addressable_devices_indices_map((1, batch_size)).values()
    return np.unique(np.concatenate([np.arange(batch_size)[rows] for _, rows in shares]))


def put(tree: PyTree, sharding: NamedSharding) -> PyTree:
    """Global arrays from numpy arrays: of all rows, if they are replicated, otherwise of this
    process's `own_rows`.
    """
    return jax.tree.map(lambda a: jax.make_array_from_process_local_data(sharding, a), tree)


def prefetch(batches: Iterator[Batch], mesh: Mesh) -> Iterator[Batch]:
    """Batches on the devices, one ahead: the next one is transferred while the devices compute."""
    ahead = put(next(batches), split(mesh))
    for batch in batches:
        current, ahead = ahead, put(batch, split(mesh))
        yield current
