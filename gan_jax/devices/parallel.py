"""Where arrays lie: one mesh over all devices of all processes, which share each batch and hold the
state whole or a share of it.
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
"""Numbers in an array below which dividing it costs more than it saves."""


def mesh(batch_size: int, micro_batches: int = 1) -> Mesh:
    """All devices along one axis, ``batch``.

    Raises:
      ConfigError: if they cannot share a batch, or each part of it, evenly.
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
    """Placement of what every device holds whole."""
    return NamedSharding(mesh, PartitionSpec())


def split(mesh: Mesh) -> NamedSharding:
    """Placement of a batch ``[d_steps, b, ...]``, divided along ``b``."""
    return NamedSharding(mesh, PartitionSpec(None, "batch"))


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where a state lies: whole on every device, or, if ``fsdp``, with weights divided among them.

    Fully sharded data parallelism (Rajbhandari et al. 2020, "ZeRO: memory optimizations toward
    training trillion parameter models", stage 3): parameters, optimizer states and moving average
    are divided along the largest axis that the devices divide; small arrays and statistics stay
    whole. What communication this takes is the compiler's to find.
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
        """The same state, inside of a compiled function, held to its placement."""
        return jax.lax.with_sharding_constraint(state, self.of(state))

    def _share(self, leaf) -> NamedSharding:
        devices = self.mesh.size
        axes = [axis for axis, length in enumerate(leaf.shape) if length % devices == 0]
        if leaf.size < SMALLEST_SHARE or not axes:
            return replicated(self.mesh)
        axis = max(axes, key=lambda axis: leaf.shape[axis])
        return NamedSharding(self.mesh, PartitionSpec(*[None] * axis, "batch"))


def own_rows(mesh: Mesh, batch_size: int) -> np.ndarray:
    """Which examples of each minibatch lie on this process's devices, in ascending order."""
    shares = split(mesh).addressable_devices_indices_map((1, batch_size)).values()
    return np.unique(np.concatenate([np.arange(batch_size)[rows] for _, rows in shares]))


def put(tree: PyTree, sharding: NamedSharding) -> PyTree:
    """Global arrays from numpy arrays: of all rows, where every device holds all, else of this
    process's `own_rows`.
    """
    return jax.tree.map(lambda a: jax.make_array_from_process_local_data(sharding, a), tree)


def prefetch(batches: Iterator[Batch], mesh: Mesh) -> Iterator[Batch]:
    """Batches on the devices, always one ahead: the next one travels while the devices compute."""
    ahead = put(next(batches), split(mesh))
    for batch in batches:
        current, ahead = ahead, put(batch, split(mesh))
        yield current
