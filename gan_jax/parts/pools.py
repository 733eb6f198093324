"""Memories of earlier fakes, which D sees among the current ones."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp

from gan_jax.errors import at_least
from gan_jax.types import Array, Fake, Memory, PyTree


@functools.cache
def image_pool(size: int = 50) -> Memory:
    """A pool of ``size`` earlier fakes (Shrivastava et al. 2017), by the rule of CycleGAN's code.

    Each fake enters the pool and is shown until the pool is full. Then, with probability 1/2, it
    takes a random place in the pool, and the fake of that place is shown instead. A batch is one
    fake after another. The leaves of a fake, such as the images of two domains, have pools of their
    own.

    Conditions stay those of the current fakes, so it is for discriminators that do not look at
    them. The memory is ``{"images": leaves [size, ...], "count": () int32}``.

    Raises:
      ConfigError: for a size below 1.
    """
    at_least("size of the image pool", size, 1)

    def init(x: PyTree) -> PyTree:
        empty = lambda a: jnp.zeros((size, *a.shape[1:]), a.dtype)
        return {"images": jax.tree.map(empty, x), "count": jnp.zeros((), jnp.int32)}

    def apply(memory: PyTree, fake: Fake, key: Array) -> tuple[Fake, PyTree]:
        leaves, structure = jax.tree.flatten(fake.x)
        b, pools = len(leaves[0]), jax.tree.leaves(memory["images"])
        shown, kept = [], []
        for own, now, pool in zip(jax.random.split(key, len(leaves)), leaves, pools, strict=True):
            shows, keeps = _exchanged(own, b, size, memory["count"])
            every = jnp.concatenate([pool, now.astype(pool.dtype)])
            shown.append(every[shows])
            kept.append(every[keeps])
        count = jnp.minimum(memory["count"] + b, size)
        memory = {"images": structure.unflatten(kept), "count": count}
        return fake._replace(x=structure.unflatten(shown)), memory

    return Memory(init, apply)


def _exchanged(key: Array, b: int, size: int, count: Array) -> tuple[Array, Array]:
    """Which of the images ``[size + b]``, those of a pool of which ``count`` are set and then ``b``
    new ones, are shown, ``[b]``, and which are in the pool afterwards, ``[size]``.
    """
    place_key, coin_key = jax.random.split(key)
    places = jax.random.randint(place_key, (b,), 0, size)
    coins = jax.random.bernoulli(coin_key, 0.5, (b,))

    def enter(pool: Array, new: tuple[Array, Array, Array]) -> tuple[Array, Array]:
        i, place, coin = new
        filling = count + i < size
        place = jnp.where(filling, count + i, place)
        shown = jnp.where(filling | ~coin, size + i, pool[place])
        return pool.at[place].set(jnp.where(filling | coin, size + i, pool[place])), shown

    kept, shown = jax.lax.scan(enter, jnp.arange(size), (jnp.arange(b), places, coins))
    return shown, kept
