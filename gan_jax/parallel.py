"""One mesh over all devices: every device holds the whole state and its share of each batch."""

from __future__ import annotations

from collections.abc import Iterator

import jax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from gan_jax.config import ConfigError
from gan_jax.types import Batch


def mesh(batch_size: int) -> Mesh:
    """All devices along one axis, ``batch``.

    Raises:
      ConfigError: if they cannot share a batch evenly.
    """
    devices = jax.device_count()
    if batch_size % devices:
        raise ConfigError(
            f"batch_size: {batch_size} is not divisible by the {devices} devices; accepted: a multiple of {devices}."
        )
    return jax.make_mesh((devices,), ("batch",), axis_types=(AxisType.Auto,))


def replicated(mesh: Mesh) -> NamedSharding:
    """Placement of what every device holds whole: the state."""
    return NamedSharding(mesh, PartitionSpec())


def split(mesh: Mesh) -> NamedSharding:
    """Placement of a batch ``[d_steps, b, ...]``, divided along ``b``."""
    return NamedSharding(mesh, PartitionSpec(None, "batch"))


def prefetch(batches: Iterator[Batch], mesh: Mesh) -> Iterator[Batch]:
    """Batches on the devices, always one ahead: the next one travels while the devices compute."""
    placement = split(mesh)
    ahead = jax.device_put(next(batches), placement)
    for batch in batches:
        current, ahead = ahead, jax.device_put(batch, placement)
        yield current
