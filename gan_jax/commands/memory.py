"""A lower bound of the memory that a training needs, checked before anything is allocated."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gan_jax.errors import fits_memory

if TYPE_CHECKING:
    from gan_jax.engine.gan import Gan


def check(gan: Gan, examples: int, members: int, field: str = "batch_size") -> None:
    """Refuses batches and states beyond this machine's memory.

    Args:
      gan: one of the members.
      examples: the number of examples per step.
      members: the number of GANs trained in parallel.
      field: the option that sets the number of examples.

    Raises:
      ConfigError: naming the option whose value is too large.
    """
    import functools

    import jax

    from gan_jax.engine.gan import init_state

    source = gan.source
    fits_memory(field, f"{examples:,} examples per step", 4 * examples * math.prod(source.shape))
    batch = source.abstract_batch((1, 1))
    state = jax.eval_shape(functools.partial(init_state, gan), jax.random.key(0), batch)
    size = sum(math.prod(a.shape) * a.dtype.itemsize for a in jax.tree.leaves(state))
    fits_memory("seeds", f"the states of {members:,} GANs", members * size)
