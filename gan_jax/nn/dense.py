"""The dense layer."""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.nn.broadcast import add_bias


class Dense(nn.Dense):
    """`nn.Dense`, with the same fields, parameters and values. In bf16, the gradient of its bias is
    summed in float32.

    Call: ``x [..., n] -> [..., features]``.
    """

    @nn.compact
    def __call__(self, inputs: jax.Array) -> jax.Array:
        shape = (inputs.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, shape, self.param_dtype)
        bias = None
        if self.use_bias:
            bias = self.param("bias", self.bias_init, (self.features,), self.param_dtype)
        x, kernel, bias = self.promote_dtype(inputs, kernel, bias, dtype=self.dtype)
        return add_bias(jnp.dot(x, kernel, precision=self.precision), bias)
