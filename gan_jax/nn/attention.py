"""Self-attention over the positions of a feature map (Zhang et al. 2019, "Self-attention generative
adversarial networks"), as in the authors' code and BigGAN's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.nn.conv import Conv
from gan_jax.nn.spectral import spectral_norm


class SelfAttention(nn.Module):
    """``x + gamma o(a)``, where ``a`` is, at each position, the mean of the values of all others by
    a softmax of its products with their keys. ``gamma`` is one number that starts at 0.

    Call: ``x [b, h, w, c]``, of the same shape. Keys and values are those of the largest features
    in windows of two. Products are not scaled, no layer has a bias, and the softmax is float32 at
    least.

    Attributes:
      spectral: normalize the four kernels.
    """

    spectral: bool = True
    kernel_init: Callable = nn.initializers.orthogonal()
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        b, h, w, c = x.shape

        def projected(name: str, x: jax.Array, features: int) -> jax.Array:
            layer = Conv(
                max(features, 1), (1, 1), use_bias=False, kernel_init=self.kernel_init,
                dtype=self.dtype, name=name,
            )  # fmt: skip
            return spectral_norm(self.spectral)(layer)(x)

        flat = lambda x: x.reshape(b, -1, x.shape[-1])
        queries = flat(projected("theta", x, c // 8))
        keys = flat(_largest(projected("phi", x, c // 8)))
        values = flat(_largest(projected("g", x, c // 2)))
        exact = jnp.promote_types(self.dtype, jnp.float32)
        products = jnp.einsum("bqf,bkf->bqk", queries, keys, preferred_element_type=exact)
        shares = nn.softmax(products).astype(values.dtype)
        found = jnp.einsum("bqk,bkf->bqf", shares, values).reshape(b, h, w, -1)
        gamma = self.param("gamma", nn.initializers.zeros, ())
        return (x + gamma * projected("o", found, c)).astype(self.dtype)


def _largest(x: jax.Array) -> jax.Array:
    """The maxima of windows of two by two; an odd side loses its last line. Written with reshapes,
    which have derivatives of any order.
    """
    b, h, w, c = x.shape
    rows, columns = min(2, h), min(2, w)
    x = x[:, : h // rows * rows, : w // columns * columns]
    return x.reshape(b, h // rows, rows, w // columns, columns, c).max((2, 4))
