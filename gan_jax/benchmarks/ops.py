"""Compares the convolutions of `gan_jax.nn.conv` with the stock operations: time of the value and
of both gradients.

Each pair is measured alternately, in the entry computation of XLA, inside a branch and inside a
loop; finally the gradient of a discriminator's loss without and with R1. `python -m
gan_jax.benchmarks.ops` prints the table.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from gan_jax.nn.conv import Conv, ConvPool, ConvTranspose, UpConv

Array = jax.Array


@dataclasses.dataclass(frozen=True)
class Case:
    """Two implementations of one operation: modules with one kernel, applied to ``x`` of ``shape``.

    ``flops``: additions and multiplications of the stock operation for the value; each gradient
    needs the same number.
    """

    name: str
    ours: nn.Module
    stock: nn.Module
    shape: tuple[int, ...]
    flops: int


class _Up(nn.Module):
    """Nearest-neighbour up-sampling, then a stock convolution."""

    conv: nn.Module

    def __call__(self, x: Array) -> Array:
        b, h, w, c = x.shape
        x = jnp.broadcast_to(x[:, :, None, :, None], (b, h, 2, w, 2, c)).reshape(b, 2 * h, 2 * w, c)
        return self.conv(x)


class _Pool(nn.Module):
    """A stock convolution, then the mean over windows of two."""

    conv: nn.Module

    def __call__(self, x: Array) -> Array:
        return nn.avg_pool(self.conv(x), (2, 2), (2, 2))


class _Population(nn.Module):
    """One convolution with separate weights per member, the leading axis of ``x``."""

    conv: Callable[..., nn.Module]
    features: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        mapped = nn.vmap(self.conv, variable_axes={"params": 0}, split_rngs={"params": True})
        return mapped(self.features, (4, 4), (2, 2), use_bias=False)(x)


def conv_case(batch: int, side: int, ci: int, co: int, k: int, s: int, groups: int = 1) -> Case:
    fields = dict(kernel_size=(k, k), strides=(s, s), use_bias=False, feature_group_count=groups)
    name = f"conv k{k} s{s}, {ci} -> {co}, {side}x{side}" + (
        f", {groups} groups" if groups > 1 else ""
    )
    flops = 2 * batch * (side // s * k) ** 2 * ci // groups * co
    return Case(name, Conv(co, **fields), nn.Conv(co, **fields), (batch, side, side, ci), flops)


def transposed_case(batch: int, side: int, ci: int, co: int) -> Case:
    fields = dict(kernel_size=(4, 4), strides=(2, 2), use_bias=False)
    name = f"transposed conv k4 s2, {ci} -> {co}, {side}x{side}"
    flops = 2 * batch * (side * 4) ** 2 * ci * co
    return Case(
        name,
        ConvTranspose(co, **fields),
        nn.ConvTranspose(co, **fields),
        (batch, side, side, ci),
        flops,
    )


def up_case(batch: int, side: int, channels: int) -> Case:
    stock = _Up(nn.Conv(channels, (3, 3), use_bias=False))
    name = f"up-sampling, conv k3, {channels}, {side} -> {2 * side}"
    flops = 2 * batch * (2 * side * 3 * channels) ** 2
    return Case(name, UpConv(channels, use_bias=False), stock, (batch, side, side, channels), flops)


def pool_case(batch: int, side: int, channels: int) -> Case:
    stock = _Pool(nn.Conv(channels, (3, 3), use_bias=False))
    name = f"conv k3, average pooling, {channels}, {side} -> {side // 2}"
    flops = 2 * batch * (side * 3 * channels) ** 2
    return Case(
        name, ConvPool(channels, use_bias=False), stock, (batch, side, side, channels), flops
    )


def population_case(members: int, batch: int, side: int, ci: int, co: int) -> Case:
    name = f"{members} x conv k4 s2, {ci} -> {co}, {side}x{side} (vmap)"
    ours, stock = (_Population(conv, co) for conv in (Conv, nn.Conv))
    return Case(
        name,
        ours,
        stock,
        (members, batch, side, side, ci),
        2 * members * batch * (side // 2 * 4) ** 2 * ci * co,
    )


CASES = (
    conv_case(64, 16, 64, 128, 4, 2),
    conv_case(64, 8, 128, 256, 4, 2),
    conv_case(16, 16, 256, 256, 3, 1),
    conv_case(64, 32, 1, 64, 4, 2),
    conv_case(16, 32, 256, 3, 3, 1),
    conv_case(16, 32, 128, 128, 1, 1),
    conv_case(16, 16, 128, 128, 3, 1, groups=8),
    transposed_case(64, 8, 256, 128),
    transposed_case(64, 16, 64, 1),
    up_case(16, 8, 256),
    up_case(16, 16, 256),
    pool_case(16, 32, 128),
    pool_case(16, 16, 128),
    population_case(4, 16, 16, 64, 128),
)


def _zeros(f: Callable, *args: Any) -> Any:
    return jax.tree.map(lambda o: jnp.zeros(o.shape, o.dtype), jax.eval_shape(f, *args))


def _in_cond(f: Callable) -> Callable:
    """``f`` inside a branch whose condition the compiler does not know."""
    return lambda variables, *args: lax.cond(
        jnp.sum(args[0].ravel()[0]) < jnp.inf, f, lambda *args: _zeros(f, *args), variables, *args
    )


def _in_scan(f: Callable) -> Callable:
    """``f`` in a loop of two steps with different arguments, so that nothing is hoisted."""

    def run(*args):
        both = jax.tree.map(lambda a: jnp.stack([a, a]), args)
        return lax.scan(lambda _, args: (f(*args), None), _zeros(f, *args), both)[0]

    return run


PLACES = {"plain": (lambda f: f, 1), "cond": (_in_cond, 1), "scan": (_in_scan, 2)}
"""Where an operation is placed, and the number of times it runs there."""


def _value_and_gradients(module: nn.Module, variables: Any) -> Callable:
    """``kernel, x, y -> value, (kernel gradient, input gradient)`` for the cotangent ``y``."""

    def run(kernel, x, y):
        value, pull = jax.vjp(
            lambda k, x: module.apply(jax.tree.map(lambda _: k, variables), x), kernel, x
        )
        return value, pull(y)

    return run


def _pair(case: Case, dtype: Any) -> tuple[list[Callable], tuple[Array, ...]]:
    """The stock function, ours, and their arguments."""
    key = jax.random.key(0)
    x = jax.random.normal(key, case.shape, dtype)
    y, variables = jax.eval_shape(lambda: case.ours.init_with_output(key, x))
    kernel = jax.random.normal(key, jax.tree.leaves(variables)[0].shape, dtype)
    stock = jax.eval_shape(lambda: case.stock.init(key, x))
    functions = [
        _value_and_gradients(case.stock, stock),
        _value_and_gradients(case.ours, variables),
    ]
    return functions, (kernel, x, jax.random.normal(key, y.shape, dtype))


class _Critic(nn.Module):
    """The discriminator of DCGAN for 32x32x1 without its normalization."""

    conv: Callable[..., nn.Module]
    width: int

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for i in range(3):
            x = nn.leaky_relu(self.conv(self.width * 2**i, (4, 4), (2, 2))(x), 0.2)
        return nn.Dense(1)(x.reshape(len(x), -1))[:, 0]


def _losses(
    width: int, batch: int, r1: float, dtype: Any
) -> tuple[list[Callable], tuple[Any, Array]]:
    """The gradient of a loss at real images with ``r1`` times R1 (Mescheder et al. 2018), as
    `_pair`.
    """

    def loss(critic: nn.Module, variables: Any, x: Array) -> Array:
        value = jnp.mean(jax.nn.softplus(-critic.apply(variables, x)))
        if r1:
            slopes = jax.grad(lambda x: jnp.sum(critic.apply(variables, x)))(x)
            value += r1 / 2 * jnp.sum(jnp.square(slopes)) / len(x)
        return value

    x = jax.random.normal(jax.random.key(0), (batch, 32, 32, 1), dtype)
    critics = [_Critic(conv, width) for conv in (nn.Conv, Conv)]
    return [jax.grad(partial(loss, critic)) for critic in critics], (
        critics[0].init(jax.random.key(0), x),
        x,
    )


def _time(
    functions: Sequence[Callable], args: Sequence[Any], steps: int, rounds: int, clock: Callable
) -> list[float]:
    """Median seconds per step of each function. Calls alternate; each measurement takes at least
    20 ms, and all after the first at most 2 s per function.
    """
    compiled = [jax.jit(f).lower(*args).compile() for f in functions]

    def run(f: Callable, calls: int) -> float:
        began = clock()
        for _ in range(calls):
            out = f(*args)
        jax.block_until_ready(out)
        return (clock() - began) / calls

    calls, seconds = [], [[] for _ in functions]
    for f in compiled:
        first = run(f, 1)
        calls.append(math.ceil(0.02 / max(first if first > 0.5 else run(f, 1), 1e-5)))
    for _ in range(rounds):
        for f, n, own in zip(compiled, calls, seconds, strict=True):
            if sum(own) * n < 2:
                own.append(run(f, n))
    return [statistics.median(own) / steps for own in seconds]


def compare_ops(
    cases: Sequence[Case] = CASES,
    places: Sequence[str] = tuple(PLACES),
    width: int | None = 32,
    batch: int = 64,
    dtype: Any = jnp.float32,
    rounds: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> list[dict[str, Any]]:
    """Measures every case, and a discriminator of ``width`` (unless None) at ``batch`` images of
    32x32x1, in every place.

    Returns:
      One row each: ``name``, ``place`` (of `PLACES`), ``stock_ms`` and ``ours_ms`` (median of
      ``rounds``, for the value and both gradients, or the gradient of the loss), ``speedup``; for
      cases also ``stock_gflops`` and ``ours_gflops``, billions of additions and multiplications per
      second, counting those of the stock operation.
    """
    rows = []

    def measure(
        name: str, functions: Sequence[Callable], args: Sequence[Any], flops: int = 0
    ) -> None:
        for place in places:
            within, steps = PLACES[place]
            stock, ours = _time([within(f) for f in functions], args, steps, rounds, clock)
            row = dict(
                name=name,
                place=place,
                stock_ms=1e3 * stock,
                ours_ms=1e3 * ours,
                speedup=stock / ours,
            )
            if flops:
                row |= dict(stock_gflops=flops / stock / 1e9, ours_gflops=flops / ours / 1e9)
            rows.append(row)

    for case in cases:
        measure(case.name, *_pair(case, dtype), 3 * case.flops)
    if width is not None:
        for name, r1 in (("loss", 0.0), ("loss + R1", 1.0)):
            measure(f"discriminator, width {width}: {name}", *_losses(width, batch, r1, dtype))
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as text, milliseconds and GFLOP/s."""
    lines = [
        f"{'':48}{'place':>7}{'stock ms':>10}{'ours ms':>9}{'speedup':>9}"
        f"{'stock GF/s':>12}{'ours GF/s':>11}"
    ]
    for row in rows:
        rates = "".join(
            f"{row[key]:{n}.0f}"
            for key, n in (("stock_gflops", 12), ("ours_gflops", 11))
            if key in row
        )
        lines.append(
            f"{row['name']:48}{row['place']:>7}{row['stock_ms']:10.2f}{row['ours_ms']:9.2f}{row['speedup']:9.1f}{rates}"
        )
    return "\n".join(lines)


def main() -> None:
    """Prints the comparison on the default device."""
    device = jax.devices()[0]
    print(
        f"jax {jax.__version__}, {device.device_kind} x {jax.local_device_count()}; "
        "forward and both gradients, float32"
    )
    print(table(compare_ops()))


if __name__ == "__main__":
    main()
