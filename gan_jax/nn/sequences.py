"""Networks that read a sequence from left to right, position by position or all at once.

Each has ``begin(b) -> memory``, ``step(memory, x [b, e], position [b]) -> (memory, features [b,
f])``, and ``whole(x [b, n, e]) -> features [b, n, f]``, which gives the same features. Those of a
position depend on it and on earlier ones.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from gan_jax.nn.dense import Dense
from gan_jax.types import PyTree

MASKED = -1e9
"""The logit of what is impossible; finite, so that its gradient is 0, not NaN."""


def scanned(network: nn.Module, memory: PyTree, *inputs: jax.Array) -> tuple[PyTree, PyTree]:
    """``network.step`` at all positions in turn: the last memory, and its outputs ``[b, n, ...]``,
    for inputs ``[b, n, ...]``.
    """
    step = nn.scan(
        lambda network, memory, now: network.step(memory, *now),
        variable_broadcast="params", split_rngs={"params": False}, in_axes=1, out_axes=1,
    )  # fmt: skip
    b, n = inputs[0].shape[:2]
    positions = jnp.broadcast_to(jnp.arange(n)[None], (b, n))
    return step(network, memory, (*inputs, positions))


def position_signal(n: int, size: int) -> np.ndarray:
    """Sines and cosines of the positions, ``[n, size]`` float32, for an even size (Vaswani et al.
    2017, section 3.5).
    """
    angles = np.arange(n)[:, None] / 10_000 ** (np.arange(0, size, 2)[None] / size)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1).astype(np.float32)


class Lstm(nn.Module):
    """Layers of long short-term memory (Hochreiter & Schmidhuber 1997) of ``width`` units each."""

    width: int
    layers: int = 1
    dtype: Any = jnp.float32

    def setup(self) -> None:
        self.cells = [
            nn.OptimizedLSTMCell(self.width, dtype=self.dtype) for _ in range(self.layers)
        ]

    def begin(self, b: int) -> PyTree:
        nothing = jnp.zeros((b, self.width), self.dtype)
        return ((nothing, nothing),) * self.layers

    def step(self, memory: PyTree, x: jax.Array, position: jax.Array) -> tuple[PyTree, jax.Array]:
        after = []
        for cell, own in zip(self.cells, memory, strict=True):
            own, x = cell(own, x)
            after.append(own)
        return tuple(after), x

    def whole(self, x: jax.Array) -> jax.Array:
        return scanned(self, self.begin(len(x)), x)[1]


class RelationalMemory(nn.Module):
    """A memory of ``slots`` vectors, which look at each other and at the input by attention at each
    step, with a gate for each of their numbers (Santoro et al. 2018, "Relational recurrent neural
    networks", section 3). The features are the whole memory.

    The gates of forgetting begin open, by a bias of 1.
    """

    heads: int
    size: int
    slots: int = 1
    dtype: Any = jnp.float32

    def setup(self) -> None:
        dense = lambda features: Dense(features, dtype=self.dtype)
        width = self.heads * self.size
        self.read, self.gate_x, self.gate_memory = dense(width), dense(2 * width), dense(2 * width)
        self.project = dense(3 * width)
        self.hidden = [dense(width), dense(width)]
        self.norms = [nn.LayerNorm(dtype=self.dtype) for _ in range(2)]

    def begin(self, b: int) -> jax.Array:
        own = jnp.eye(self.slots, self.heads * self.size, dtype=self.dtype)
        return jnp.broadcast_to(own[None], (b, *own.shape))

    def step(
        self, memory: jax.Array, x: jax.Array, position: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        x = self.read(x)[:, None]
        proposed = self._attended(memory, jnp.concatenate([memory, x], axis=1))
        own, kept = jnp.split(self.gate_x(x) + self.gate_memory(jnp.tanh(memory)), 2, axis=-1)
        after = nn.sigmoid(own) * jnp.tanh(proposed) + nn.sigmoid(kept + 1) * memory
        return after, after.reshape(len(after), -1)

    def whole(self, x: jax.Array) -> jax.Array:
        return scanned(self, self.begin(len(x)), x)[1]

    def _attended(self, memory: jax.Array, seen: jax.Array) -> jax.Array:
        """The memory after attention to what is seen, and two dense layers, each with a residual
        connection and layer normalization.
        """
        split = lambda a: a.reshape(*a.shape[:-1], self.heads, -1)
        queries, keys, values = jnp.split(split(self.project(seen)), 3, axis=-1)
        found = attention(queries[:, : memory.shape[1]], keys, values)
        memory = self.norms[0](memory + found)
        h = memory
        for layer in self.hidden:
            h = nn.relu(layer(h))
        return self.norms[1](memory + h)


def attention(
    queries: jax.Array, keys: jax.Array, values: jax.Array, mask: jax.Array | None = None
) -> jax.Array:
    """``[b, q, heads * f]`` from ``[b, q, heads, f]`` and ``[b, k, heads, f]`` (Vaswani et al.
    2017, equation 1); queries see keys where the ``mask [q, k]`` is True.
    """
    products = jnp.einsum("bqhf,bkhf->bhqk", queries, keys) / np.sqrt(queries.shape[-1])
    if mask is not None:
        products = jnp.where(mask[None, None], products, MASKED)
    found = jnp.einsum("bhqk,bkhf->bqhf", nn.softmax(products), values)
    return found.reshape(*found.shape[:2], -1)


class Layer(nn.Module):
    """Causal attention, then a hidden layer of 4 times the width; each after layer normalization,
    with a residual connection.
    """

    width: int
    heads: int
    dtype: Any = jnp.float32

    def setup(self) -> None:
        dense = lambda features: Dense(features, dtype=self.dtype)
        self.norms = [nn.LayerNorm(dtype=self.dtype) for _ in range(2)]
        self.project, self.back = dense(3 * self.width), dense(self.width)
        self.up, self.down = dense(4 * self.width), dense(self.width)

    def whole(self, x: jax.Array) -> jax.Array:
        mask = jnp.tril(jnp.ones((x.shape[1],) * 2, bool))
        return self._after(x, attention(*self._projected(x), mask))

    def step(
        self, cache: jax.Array, x: jax.Array, position: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """As `whole`, at one position of ``x [b, 1, width]``; ``cache [2, b, n, heads, f]`` has the
        keys and values of earlier ones.
        """
        queries, *own = self._projected(x)
        cache = jax.lax.dynamic_update_slice_in_dim(cache, jnp.stack(own), position, axis=2)
        mask = (jnp.arange(cache.shape[2]) <= position)[None]
        return cache, self._after(x, attention(queries, *cache, mask))

    def _projected(self, x: jax.Array) -> list[jax.Array]:
        made = self.project(self.norms[0](x))
        return jnp.split(made.reshape(*made.shape[:2], self.heads, -1), 3, axis=-1)

    def _after(self, x: jax.Array, found: jax.Array) -> jax.Array:
        x = x + self.back(found)
        return x + self.down(nn.gelu(self.up(self.norms[1](x))))


class Causal(nn.Module):
    """A causal transformer with learned positions, for sequences of at most ``length``; its memory
    holds the keys and values of earlier positions.
    """

    length: int
    width: int
    layers: int
    heads: int
    dtype: Any = jnp.float32

    def setup(self) -> None:
        init = nn.initializers.normal(0.02)
        self.positions = self.param("positions", init, (self.length, self.width))
        self.read = Dense(self.width, dtype=self.dtype)
        self.body = [Layer(self.width, self.heads, self.dtype) for _ in range(self.layers)]
        self.norm = nn.LayerNorm(dtype=self.dtype)

    def begin(self, b: int) -> PyTree:
        shape = (2, b, self.length, self.heads, self.width // self.heads)
        return (jnp.zeros(shape, self.dtype),) * self.layers

    def step(self, memory: PyTree, x: jax.Array, position: jax.Array) -> tuple[PyTree, jax.Array]:
        position = position[0]  # of the first example: all are at the same
        x = (self.read(x) + self.positions[position][None])[:, None]
        after = []
        for layer, cache in zip(self.body, memory, strict=True):
            cache, x = layer.step(cache, x, position)
            after.append(cache)
        return tuple(after), self.norm(x)[:, 0]

    def whole(self, x: jax.Array) -> jax.Array:
        x = self.read(x) + self.positions[None, : x.shape[1]]
        for layer in self.body:
            x = layer.whole(x)
        return self.norm(x)
