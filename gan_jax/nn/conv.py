"""Convolutions: flax modules whose parameters interchange with those of `nn.Conv` and
`nn.ConvTranspose`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.errors import ConfigError
from gan_jax.nn.broadcast import add_bias
from gan_jax.nn.conv_ops import conv, conv_transpose
from gan_jax.nn.window import Pads

Array = jax.Array
Padding = str | int | Sequence[int | tuple[int, int]]


class Conv(nn.Module):
    """Convolution over one or two spatial dimensions; fields, parameters and values are those of
    `nn.Conv`.

    Call: ``x [b, *spatial, ci] -> [b, *spatial / strides, features]``.

    Attributes:
      features: output channels.
      kernel_size: taps along each spatial dimension; its length is the number of spatial dimensions
        (an int: one).
      strides: step of the window, an int or one for each dimension.
      padding: "SAME", "VALID", an int, or an int or a pair (before, after) for each dimension.
      feature_group_count: groups into which input and output channels are split.
      dtype: type of the arithmetic; None takes the common type of input and parameters.

    Raises:
      ConfigError: for a field or an input that does not fit.
    """

    features: int
    kernel_size: int | Sequence[int]
    strides: int | Sequence[int] = 1
    padding: Padding = "SAME"
    use_bias: bool = True
    feature_group_count: int = 1
    dtype: Any = None
    param_dtype: Any = jnp.float32
    kernel_init: Callable = nn.initializers.lecun_normal()
    bias_init: Callable = nn.initializers.zeros_init()

    @nn.compact
    def __call__(self, x: Array) -> Array:
        kernel, strides, groups = _taps(self, x), _strides(self), self.feature_group_count
        if groups < 1 or x.shape[-1] % groups or self.features % groups:
            raise ConfigError(
                f"Conv.feature_group_count: {groups} does not divide {x.shape[-1]} input and "
                f"{self.features} output "
                "channels."
            )
        pads = _same(x.shape[1:-1], kernel, strides) if self.padding == "SAME" else _pads(self)
        for side, k, (lo, hi) in zip(x.shape[1:-1], kernel, pads, strict=True):
            if side + lo + hi < k:
                raise ConfigError(
                    f"Conv: an input side of {side} padded by ({lo}, {hi}) is below "
                    f"kernel_size {k}."
                )
        x, w, b = _parameters(self, x, (*kernel, x.shape[-1] // groups, self.features))
        return add_bias(conv(x, w, strides, pads, groups), b)


class ConvTranspose(nn.Module):
    """Transposed convolution; fields, parameters and values are those of `nn.ConvTranspose`.

    Call: ``x [b, *spatial, ci] -> [b, *spatial * strides, features]`` with padding "SAME". The
    attributes are those of `Conv`; a padding given in numbers is that of the dilated input, as in
    `nn.ConvTranspose`. PyTorch's ``ConvTranspose2d(kernel_size=4, stride=2, padding=1)`` is
    ``ConvTranspose(features, (4, 4), (2, 2), "SAME")``.

    Raises:
      ConfigError: for a field or an input that does not fit.
    """

    features: int
    kernel_size: int | Sequence[int]
    strides: int | Sequence[int] = 1
    padding: Padding = "SAME"
    use_bias: bool = True
    dtype: Any = None
    param_dtype: Any = jnp.float32
    kernel_init: Callable = nn.initializers.lecun_normal()
    bias_init: Callable = nn.initializers.zeros_init()

    @nn.compact
    def __call__(self, x: Array) -> Array:
        kernel, strides = _taps(self, x), _strides(self)
        if isinstance(self.padding, str):
            pads = _transposed(kernel, strides, _pads(self) if self.padding != "SAME" else None)
        else:
            pads = _pads(self)
        for side, k, s, (lo, hi) in zip(x.shape[1:-1], kernel, strides, pads, strict=True):
            if (side - 1) * s + 1 + lo + hi < k:
                raise ConfigError(
                    f"ConvTranspose: an input side of {side} dilated by {s} and padded by "
                    f"({lo}, {hi}) is below "
                    f"kernel_size {k}."
                )
        x, w, b = _parameters(self, x, (*kernel, x.shape[-1], self.features))
        return add_bias(conv_transpose(x, w, strides, pads), b)


class UpConv(nn.Module):
    """Nearest-neighbour up-sampling by two, then an odd convolution with padding "SAME", as one
    transposed convolution.

    Call: ``x [b, *spatial, ci] -> [b, *2 spatial, features]``. Same parameters and values as the
    two operations, in 2.25 times fewer multiplications for a 3x3 kernel: each output parity sees a
    2x2 kernel of summed taps.

    Raises:
      ConfigError: for a field or an input that does not fit.
    """

    features: int
    kernel_size: int | Sequence[int] = (3, 3)
    use_bias: bool = True
    dtype: Any = None
    param_dtype: Any = jnp.float32
    kernel_init: Callable = nn.initializers.lecun_normal()
    bias_init: Callable = nn.initializers.zeros_init()

    @nn.compact
    def __call__(self, x: Array) -> Array:
        kernel = _odd(self, x)
        strides = (2,) * len(kernel)
        x, w, b = _parameters(self, x, (*kernel, x.shape[-1], self.features), _widen)
        pads = tuple(((k + 1) // 2, (k + 1) // 2) for k in kernel)
        return add_bias(conv_transpose(x, w, strides, pads), b)


class ConvPool(nn.Module):
    """An odd convolution with padding "SAME", then the mean over windows of two, as one convolution
    of stride two.

    Call: ``x [b, *spatial, ci] -> [b, *spatial // 2, features]``. Same parameters and values as the
    two operations, in 2.25 times fewer multiplications for a 3x3 kernel: the mean of a window is a
    4x4 kernel of summed taps.

    Raises:
      ConfigError: for a field or an input that does not fit.
    """

    features: int
    kernel_size: int | Sequence[int] = (3, 3)
    use_bias: bool = True
    dtype: Any = None
    param_dtype: Any = jnp.float32
    kernel_init: Callable = nn.initializers.lecun_normal()
    bias_init: Callable = nn.initializers.zeros_init()

    @nn.compact
    def __call__(self, x: Array) -> Array:
        kernel = _odd(self, x)
        if min(x.shape[1:-1]) < 2:
            raise ConfigError(
                f"ConvPool: an input of shape {x.shape} has a side below the pooling window of 2."
            )
        strides = (2,) * len(kernel)
        mean = lambda w: _widen(w) * 0.5 ** len(kernel)
        x, w, b = _parameters(self, x, (*kernel, x.shape[-1], self.features), mean)
        pads = tuple((k // 2, k // 2) for k in kernel)
        return add_bias(conv(x, w, strides, pads), b)


def _widen(w: Array) -> Array:
    """The kernel convolved with two ones along each spatial dimension: ``[k, ..., ci, co] -> [k +
    1, ..., ci, co]``.
    """
    for axis in range(w.ndim - 2):
        pad = lambda *sides, axis=axis, w=w: jnp.pad(
            w, [sides if i == axis else (0, 0) for i in range(w.ndim)]
        )
        w = pad(1, 0) + pad(0, 1)
    return w


def _parameters(
    module: nn.Module,
    x: Array,
    shape: tuple[int, ...],
    change: Callable[[Array], Array] = lambda w: w,
) -> tuple[Array, Array, Array | None]:
    """Input, changed kernel and bias in the type of the arithmetic."""
    kernel = module.param("kernel", module.kernel_init, shape, module.param_dtype)
    bias = (
        module.param("bias", module.bias_init, (module.features,), module.param_dtype)
        if module.use_bias
        else None
    )
    return nn.dtypes.promote_dtype(x, change(kernel), bias, dtype=module.dtype)


def _taps(module: nn.Module, x: Array) -> tuple[int, ...]:
    size = module.kernel_size
    kernel = (size,) if isinstance(size, int) else tuple(size)
    name = type(module).__name__
    if len(kernel) not in (1, 2) or min(kernel) < 1:
        raise ConfigError(f"{name}.kernel_size: {size!r} is not one or two positive numbers.")
    if module.features < 1:
        raise ConfigError(f"{name}.features: {module.features!r} is not a positive number.")
    if x.ndim != len(kernel) + 2:
        raise ConfigError(
            f"{name}: an input of shape {x.shape} does not have {len(kernel) + 2} dimensions."
        )
    return kernel


def _odd(module: nn.Module, x: Array) -> tuple[int, ...]:
    kernel = _taps(module, x)
    if any(k % 2 == 0 for k in kernel):
        raise ConfigError(
            f"{type(module).__name__}.kernel_size: {module.kernel_size!r} is not odd."
        )
    return kernel


def _strides(module: nn.Module) -> tuple[int, ...]:
    dims = 1 if isinstance(module.kernel_size, int) else len(module.kernel_size)
    strides = (module.strides,) * dims if isinstance(module.strides, int) else tuple(module.strides)
    if len(strides) != dims or min(strides) < 1:
        raise ConfigError(
            f"{type(module).__name__}.strides: {module.strides!r} is not {dims} positive numbers."
        )
    return strides


def _pads(module: nn.Module) -> Pads:
    """Explicit padding; "VALID" is none."""
    padding, dims = (
        module.padding,
        1 if isinstance(module.kernel_size, int) else len(module.kernel_size),
    )
    wanted = f'is none of "SAME", "VALID", a number, or {dims} numbers or pairs of numbers'
    if padding == "VALID":
        padding = 0
    if isinstance(padding, str):
        raise ConfigError(f"{type(module).__name__}.padding: {padding!r} {wanted}.")
    each = (padding,) * dims if isinstance(padding, int) else tuple(padding)
    pads = tuple((p, p) if isinstance(p, int) else tuple(p) for p in each)
    if len(pads) != dims or any(len(p) != 2 for p in pads):
        raise ConfigError(f"{type(module).__name__}.padding: {padding!r} {wanted}.")
    return pads


def _same(sides: Sequence[int], kernel: Sequence[int], strides: Sequence[int]) -> Pads:
    """The padding with which a convolution has ``ceil(side / stride)`` outputs."""
    totals = [
        max((math.ceil(n / s) - 1) * s + k - n, 0)
        for n, k, s in zip(sides, kernel, strides, strict=True)
    ]
    return tuple((t // 2, t - t // 2) for t in totals)


def _transposed(kernel: Sequence[int], strides: Sequence[int], valid: Pads | None) -> Pads:
    """The padding of the dilated input by which `lax.conv_transpose` inverts "VALID", or "SAME"
    where None is given.
    """
    pads = []
    for k, s in zip(kernel, strides, strict=True):
        if valid is not None:
            pads.append((k - 1, k - 1 + max(s - k, 0)))
        else:
            lo = k - 1 if s > k - 1 else math.ceil((k + s - 2) / 2)
            pads.append((lo, k + s - 2 - lo))
    return tuple(pads)
