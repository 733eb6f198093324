"""Convolutions against the stock operations: values, derivatives of three orders, and every place
they run in.
"""

import functools
import re

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import AxisType, PartitionSpec
from jax.test_util import check_grads

from gan_jax.errors import ConfigError
from gan_jax.nn import conv_cpu, conv_ops, winograd
from gan_jax.nn.conv import Conv, ConvPool, ConvTranspose, UpConv, conv, conv_transpose
from gan_jax.nn.window import Window

KEY = jax.random.key(0)


def normal(shape, seed=0, dtype=np.float32):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape).astype(dtype))


def close(a, b, relative=1e-5):
    """Every leaf within ``relative`` of its largest element."""
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert x.shape == y.shape and x.dtype == y.dtype
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        np.testing.assert_allclose(x, y, rtol=0, atol=relative * max(np.abs(y).max(), 1e-30))


# -- the modules


@pytest.mark.parametrize(
    "kernel, strides, padding",
    [
        ((4, 4), (2, 2), "SAME"),
        ((3, 3), (1, 1), "SAME"),
        ((1, 1), (1, 1), "VALID"),
        ((1, 1), (2, 2), "SAME"),
        ((3, 2), (2, 3), "VALID"),
        ((2, 5), 1, ((2, 1), (0, 3))),
        ((3, 3), 2, 1),
        ((5,), (2,), "SAME"),
        ((4,), 3, ((1, 2),)),
        (3, 1, "VALID"),
    ],
)
@pytest.mark.parametrize("ours, stock", [(Conv, nn.Conv), (ConvTranspose, nn.ConvTranspose)])
def test_weights_interchange_with_the_stock_modules(ours, stock, kernel, strides, padding):
    spatial = (9, 8)[: 1 if isinstance(kernel, int) else len(kernel)]
    x = normal((2, *spatial, 4))
    a, b = (module(6, kernel, strides=strides, padding=padding) for module in (ours, stock))
    variables = weights(a, x)
    close(variables, weights(b, x), 0)
    close(*jax.jit(lambda v, x: (a.apply(v, x), b.apply(v, x)))(variables, x))


def test_initial_weights_are_those_of_the_stock_modules():
    x = normal((2, 8, 8, 4))
    modules = [f(6, (3, 3)) for f in (Conv, ConvTranspose, UpConv, ConvPool, nn.Conv)]
    ours, transposed, up, pool, stock = jax.jit(
        lambda: [module.init(KEY, x) for module in modules]
    )()
    for variables in (ours, transposed, up, pool):
        close(variables, stock, 0)


def weights(module, x):
    """Numbers in the place of every parameter."""
    return jax.tree.map(lambda p: normal(p.shape, 5), jax.eval_shape(module.init, KEY, x))


def gradients(apply, variables, x):
    """The output, and the gradients of a function of it."""
    loss = lambda variables, x: jnp.sum(jnp.sin(apply(variables, x)))
    return apply(variables, x), jax.grad(loss, (0, 1))(variables, x)


def test_groups_as_stock():
    x = normal((2, 8, 8, 12))
    ours, stock = (f(6, (3, 3), feature_group_count=3, use_bias=False) for f in (Conv, nn.Conv))
    close(
        *jax.jit(lambda v, x: (gradients(ours.apply, v, x), gradients(stock.apply, v, x)))(
            weights(stock, x), x
        )
    )


def test_types():
    x = normal((2, 8, 8, 4))
    module = ConvTranspose(6, (4, 4), (2, 2), dtype=jnp.bfloat16)
    y, variables = jax.eval_shape(lambda: module.init_with_output(KEY, x))
    assert {p.dtype for p in jax.tree.leaves(variables)} == {jnp.float32.dtype}
    assert y.dtype == jnp.bfloat16


@pytest.mark.parametrize("kernel, spatial", [((3, 3), (6, 7)), ((5, 1), (6, 8)), ((3,), (8,))])
@pytest.mark.parametrize("fused", [UpConv, ConvPool])
def test_fused_resampling(fused, kernel, spatial):
    """Values and gradients of the two operations, with their parameters."""
    x, stock, module, two = (
        normal((2, *spatial, 4)),
        nn.Conv(6, kernel),
        fused(6, kernel),
        (2,) * len(kernel),
    )

    def separate(variables, x):
        if fused is ConvPool:
            return nn.avg_pool(stock.apply(variables, x), two, two)
        for axis in range(1, len(kernel) + 1):
            x = jnp.repeat(x, 2, axis)
        return stock.apply(variables, x)

    both = lambda v, x: (gradients(module.apply, v, x), gradients(separate, v, x))
    close(*jax.jit(both)(weights(stock, x), x))


def test_taps_are_summed_before_they_are_rounded():
    """The kernel of a fused convolution is that of float32, rounded once."""
    kernel = normal((3, 3, 1, 1), 7)
    wide = np.zeros((4, 4), np.float32)
    for i in (0, 1):
        for j in (0, 1):
            wide[i : i + 3, j : j + 3] += kernel[:, :, 0, 0]
    impulse = jnp.zeros((1, 6, 6, 1)).at[0, 2, 2, 0].set(1)
    y = UpConv(1, use_bias=False, dtype=jnp.bfloat16).apply({"params": {"kernel": kernel}}, impulse)
    np.testing.assert_array_equal(y[0, 3:7, 3:7, 0], wide[::-1, ::-1].astype(jnp.bfloat16))


@pytest.mark.parametrize(
    "module, shape, sentence",
    [
        (
            Conv(4, (3, 3, 3)),
            (1, 8, 8, 8, 2),
            "Conv.kernel_size: (3, 3, 3) is not one or two positive numbers.",
        ),
        (Conv(0, (3, 3)), (1, 8, 8, 2), "Conv.features: 0 is not a positive number."),
        (
            Conv(4, (3, 3)),
            (1, 8, 2),
            "Conv: an input of shape (1, 8, 2) does not have 4 dimensions.",
        ),
        (Conv(4, (3, 3), (2,)), (1, 8, 8, 2), "Conv.strides: (2,) is not 2 positive numbers."),
        (Conv(4, (3, 3), padding="CIRCULAR"), (1, 8, 8, 2), "Conv.padding: 'CIRCULAR' is none of"),
        (
            ConvTranspose(4, (3, 3), padding=(1, 2, 3)),
            (1, 8, 8, 2),
            "ConvTranspose.padding: (1, 2, 3) is none of",
        ),
        (
            Conv(4, (3, 3), feature_group_count=3),
            (1, 8, 8, 2),
            "Conv.feature_group_count: 3 does not divide 2 input",
        ),
        (
            Conv(4, (5, 5), padding="VALID"),
            (1, 4, 8, 2),
            "an input side of 4 padded by (0, 0) is below kernel_size 5.",
        ),
        (
            ConvTranspose(4, (3, 3), padding=-1),
            (1, 3, 8, 2),
            "an input side of 3 dilated by 1 and padded by (-1, -1) is below",
        ),
        (UpConv(4, (4, 4)), (1, 8, 8, 2), "UpConv.kernel_size: (4, 4) is not odd."),
        (
            ConvPool(4),
            (1, 1, 8, 2),
            "ConvPool: an input of shape (1, 1, 8, 2) has a side below the pooling window of 2.",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(module, shape, sentence):
    with pytest.raises(ConfigError) as error:
        jax.eval_shape(module.init, KEY, jnp.zeros(shape))
    assert sentence in str(error.value)


# -- the operations: a case for every way in which the CPU computes them

CASES = {  # spatial, kernel, strides, padding, ci, co
    "dcgan": ((8, 8), (4, 4), (2, 2), ((1, 1), (1, 1)), 9, 10),
    "to few channels": ((6, 5), (3, 3), (1, 1), ((1, 1), (0, 2)), 9, 3),
    "from few channels": ((6, 5), (3, 3), (1, 1), ((1, 1), (0, 2)), 1, 9),
    "few, strided": ((7, 6), (4, 3), (3, 2), ((2, 1), (1, 0)), 2, 3),
    "pointwise": ((5, 4), (1, 1), (1, 1), ((0, 0), (0, 0)), 9, 10),
    "gaps between windows": ((7, 8), (1, 2), (2, 3), ((0, 0), (1, 1)), 9, 9),
    "inputs left over": ((9, 10), (3, 3), (3, 4), ((0, 0), (0, 0)), 10, 9),
    "padding beyond the kernel": ((4, 4), (2, 3), (1, 2), ((3, 2), (4, 0)), 9, 9),
    "negative padding": ((9, 9), (3, 3), (2, 1), ((-1, 0), (-2, -1)), 9, 11),
    "three taps": ((7, 6), (3, 3), (1, 1), ((1, 1), (0, 2)), 9, 10),
    "three taps, little padding": ((6, 8), (3, 3), (1, 1), ((0, 0), (-1, 1)), 10, 9),
    "kernel beyond the sides": ((3, 2), (4, 4), (1, 1), ((2, 2), (1, 2)), 9, 10),
    "strided kernel beyond the sides": ((2, 2), (4, 4), (2, 2), ((1, 1), (1, 1)), 9, 10),
    "one dimension": ((9,), (4,), (2,), ((1, 1),), 9, 10),
}


def stock_conv(x, w, strides, padding, groups=1):
    order = ("NHWC", "HWIO", "NHWC") if x.ndim == 4 else ("NHC", "HIO", "NHC")
    return lax.conv_general_dilated(
        x, w, strides, padding, dimension_numbers=order, feature_group_count=groups
    )


PATHS = {"minimal": {"MANY": 9, "PLACES": 1}, "in parts": {"CACHE": 1}}
OTHER_SIZES = [
    "three taps, minimal",
    "three taps, little padding, minimal",
    "to few channels, in parts",
    "few, strided, in parts",
]


@pytest.fixture(params=[*CASES, *OTHER_SIZES])
def case(request, monkeypatch):
    """``(x, w, strides, padding)`` in float64; where "minimal", in a size from which minimal
    filtering is used; where "in parts", in one of which the cache holds a few examples alone.
    """
    name, _, path = request.param.rpartition(", ")
    for constant, value in PATHS.get(path, {}).items():
        monkeypatch.setattr(conv_cpu, constant, value)
    name = name if path in PATHS else request.param
    with jax.enable_x64(True):
        spatial, kernel, strides, padding, ci, co = CASES[name]
        yield (
            normal((2, *spatial, ci), 1, np.float64),
            normal((*kernel, ci, co), 2, np.float64),
            strides,
            padding,
        )


def third_derivatives(f, x, w):
    """Value, gradient, and its derivative along one direction and two, all in reverse mode."""
    z, u, v = (x, w), jax.tree.map(jnp.sin, (x, w)), jax.tree.map(jnp.cos, (x, w))
    dot = lambda a, b: sum(jnp.vdot(p, q) for p, q in zip(a, b, strict=True))
    first = jax.grad(lambda z: jnp.sum(f(*z) ** 3))
    second = jax.grad(lambda z: dot(first(z), u))
    third = jax.grad(lambda z: dot(second(z), v))
    return f(*z), first(z), second(z), third(z)


def test_three_derivatives_as_stock(case):
    x, w, strides, padding = case
    derivatives = lambda f: third_derivatives(lambda x, w: f(x, w, strides, padding), x, w)
    close(*jax.jit(lambda: (derivatives(conv), derivatives(stock_conv)))(), 1e-12)


def test_every_role_as_on_accelerators(case):
    """What runs on the CPU and what runs elsewhere, for each role, over several independent
    problems, in one group of channels and in two.
    """
    x, w, strides, padding = case
    window = Window(strides, padding, x.shape[1:-1], w.shape[:-2])
    x, w = jnp.stack([x, 2 * x]), jnp.stack([w, w + 1])

    def every(f, groups):
        f = functools.partial(f, window=window, groups=groups)
        own_x, own_w = (jnp.concatenate([a, a - 1][:groups], axis=-1) for a in (x, w))
        y = f(own_x, own_w, role="y")
        return y, f(own_w, y, role="x"), f(own_x, y, role="w")

    both = lambda f: [every(f, groups) for groups in (1, 2)]
    close(*jax.jit(lambda: (both(conv_ops._on_cpu), both(conv_ops._stock)))(), 1e-12)


@pytest.mark.parametrize(
    "padding", [((1, 1), (1, 1)), ((0, 1), (1, 0)), ((3, 0), (-1, 2)), ((0, 0), (0, 0))]
)
@pytest.mark.parametrize("sides", [(8, 8), (7, 6)])
def test_minimal_filtering(padding, sides):
    """In float32, at the rounding of float32."""
    x, w, g = normal((3, *sides, 9), 1), normal((3, 3, 9, 10), 2), normal((3, 12, 12, 10), 3)
    y, cotangent = jax.vjp(lambda w: stock_conv(x, w, (1, 1), padding), w)
    g = g[:, : y.shape[1], : y.shape[2]]
    close(winograd.convolve(x, w, padding), y, 2e-6)
    close(winograd.weights(x, g, padding), *cotangent(g), 2e-6)


def test_large_convolutions_are_computed_in_fewer_multiplications():
    x, w = (
        jax.ShapeDtypeStruct((16, 16, 16, 128), jnp.float32),
        jax.ShapeDtypeStruct((3, 3, 128, 128), jnp.float32),
    )
    loss = lambda f: jax.grad(
        lambda x, w: jnp.sum(jnp.sin(f(x, w, (1, 1), ((1, 1), (1, 1))))), (0, 1)
    )
    ours, stock = (
        jax.jit(loss(f)).lower(x, w).compile().cost_analysis()["flops"] for f in (conv, stock_conv)
    )
    assert ours < 0.55 * stock


def test_maps_smaller_than_the_kernel_keep_their_role():
    """XLA 0.10 exchanges map and kernel otherwise, for which it has no fast kernel on the CPU."""
    shapes = [jax.ShapeDtypeStruct(s, jnp.float32) for s in ((16, 3, 3, 64), (4, 4, 64, 32))]
    run = jax.jit(lambda x, w: conv(x, w, (1, 1), ((2, 2), (2, 2))))
    assert "reversal" not in run.lower(*shapes).compile().as_text()


@pytest.mark.parametrize("name", ["dcgan", "to few channels"])
def test_finite_differences(name):
    """Forward and reverse mode."""
    with jax.enable_x64(True):
        _, kernel, strides, padding, ci, co = CASES[name]
        x, w = normal((1, 4, 4, ci), 1, np.float64), normal((*kernel, ci, co), 2, np.float64) / 10
        check_grads(jax.jit(lambda x, w: conv(x, w, strides, padding) ** 2), (x, w), order=1)
        up = jax.jit(lambda y, w: conv_transpose(y, w.swapaxes(2, 3), strides, padding) ** 2)
        check_grads(up, (conv(x, w, strides, padding), w), order=1)


# -- where they run: the gradient of an R1 penalty, which holds every role


def penalty_gradient(f):
    """``w, x -> w``: of the mean squared gradient of a critic with one hidden layer."""
    score = lambda w, x: jnp.sum(jnp.tanh(f(x, w, (2, 2), ((1, 1), (1, 1)))))
    return jax.grad(lambda w, x: jnp.mean(jax.grad(score, 1)(w, x) ** 2))


X, W = normal((8, 8, 8, 9), 3), normal((4, 4, 9, 12), 4) / 10


@pytest.fixture(scope="module")
def expected():
    return jax.jit(penalty_gradient(stock_conv))(W, X)


def in_scan(f):
    return lambda w, x: (
        lax.scan(lambda total, x: (total + f(w, x), None), jnp.zeros_like(w), jnp.stack([x, x]))[0]
        / 2
    )


def in_cond(f):
    return lambda w, x: lax.cond(jnp.sum(x) < jnp.inf, f, lambda w, x: jnp.zeros_like(w), w, x)


@pytest.mark.parametrize("where", [lambda f: f, in_scan, in_cond, jax.checkpoint])
def test_in_loops_and_branches(where, expected):
    close(jax.jit(where(penalty_gradient(conv)))(W, X), expected)


def convolution_orders(f, *args):
    return set(re.findall(r"dim_labels=(\w+->\w+)", jax.jit(f).lower(*args).compile().as_text()))


@pytest.mark.parametrize("where", [in_scan, in_cond])
def test_only_convolutions_with_a_fast_kernel_are_compiled(where):
    assert convolution_orders(where(penalty_gradient(conv)), W, X) == {"b01f_01io->b01f"}
    assert len(convolution_orders(where(penalty_gradient(stock_conv)), W, X)) > 1


def test_over_devices(expected):
    mean = lambda w, x: lax.pmean(penalty_gradient(conv)(w, x), "devices")
    close(
        jax.pmap(mean, axis_name="devices", in_axes=(None, 0))(W, X.reshape(4, 2, 8, 8, 9))[0],
        expected,
    )
    mesh = jax.make_mesh((4,), ("devices",), axis_types=(AxisType.Auto,))
    split, whole = PartitionSpec("devices"), PartitionSpec()
    sharded = jax.device_put(X, jax.sharding.NamedSharding(mesh, split))
    close(jax.jit(penalty_gradient(conv))(W, sharded), expected)
    # Under check_vma the gradient by what the devices share is the sum over them.
    mapped = jax.shard_map(
        penalty_gradient(conv), mesh=mesh, in_specs=(whole, split), out_specs=whole
    )
    close(jax.jit(mapped)(W, X), expected * 4)


@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0), (2, 1)])
def test_vmap(axes):
    """Over weights (a population), over inputs, over both; then differentiated once more."""
    many = lambda a, axis: a if axis is None else jnp.stack([a, a + 0.1, 2 * a], axis)
    w, x = many(W, axes[0]), many(X, axes[1])
    mapped = lambda f: jax.vmap(penalty_gradient(f), axes)
    close(jax.jit(mapped(conv))(w, x), jax.jit(mapped(stock_conv))(w, x), 3e-5)


def test_derivatives_of_vmap():
    """A population's loss, differentiated outside the vmap."""
    w, x = jnp.stack([W, W + 0.1]), jnp.stack([X, 2 * X])
    outputs = lambda f: lambda w, x: jax.vmap(lambda w, x: f(x, w, (2, 2), ((1, 1), (1, 1))))(w, x)
    ours, stock = (
        jax.jit(jax.grad(lambda w, x, f=f: jnp.sum(jnp.sin(outputs(f)(w, x))), (0, 1)))
        for f in (conv, stock_conv)
    )
    close(ours(w, x), stock(w, x))
    assert convolution_orders(ours, w, x) == {"b01f_01io->b01f"}


def test_half_precision_accumulates_in_float32(expected):
    w, x = W.astype(jnp.bfloat16), X.astype(jnp.bfloat16)
    exact = stock_conv(x.astype(jnp.float32), w.astype(jnp.float32), (2, 2), "SAME")
    close(conv(x, w, (2, 2), ((1, 1), (1, 1))), exact.astype(jnp.bfloat16), 2**-8)
    gradient = jax.jit(penalty_gradient(conv))(w, x)
    assert gradient.dtype == jnp.bfloat16
    close(gradient.astype(jnp.float32), expected, 0.05)


def test_operands_of_two_types_are_refused():
    with pytest.raises(TypeError, match="operands of one type, not float32 and bfloat16"):
        conv(X, W.astype(jnp.bfloat16), (2, 2), ((1, 1), (1, 1)))
