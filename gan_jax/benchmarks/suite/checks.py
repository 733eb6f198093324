"""Compares what the default device computes with what the CPU does, and with what has to be equal.

Each check returns ``error``, the largest relative difference that it found, the ``limit`` below
which it has to stay, and ``passed``. In fp32, products have full precision: an accelerator rounds
the factors of its default products to fewer bits, which would hide a wrong kernel.
"""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from gan_jax import checkpoint
from gan_jax.benchmarks import ops
from gan_jax.benchmarks.nets import NETS
from gan_jax.benchmarks.steps import compiled_steps
from gan_jax.build import PRECISIONS
from gan_jax.data import Resident, batch_at, from_arrays
from gan_jax.engine import population as populations
from gan_jax.engine.gan import Gan, init_state
from gan_jax.engine.train_step import train_step, train_steps
from gan_jax.errors import ConfigError
from gan_jax.nn.spectral import SIGMAS, SpectralNorm
from gan_jax.types import GanState, PyTree

CONVOLUTIONS = {
    "conv": ops.conv_case(2, 8, 16, 24, 3, 1),
    "large conv": ops.conv_case(16, 16, 128, 128, 3, 1),
    "strided conv": ops.conv_case(2, 8, 16, 24, 4, 2),
    "grouped conv": ops.conv_case(2, 8, 16, 24, 3, 1, groups=4),
    "transposed conv": ops.transposed_case(2, 8, 24, 16),
    "up conv": ops.up_case(2, 8, 16),
    "conv pool": ops.pool_case(2, 8, 16),
}
"""Small ones of each kind, and one that is large enough for Winograd convolution on a CPU."""
CONV_LIMITS = {"fp32": 1e-4, "bf16": 3e-2}
STEP_LIMIT = 1e-2
"""Of the relative error of an update in fp32. Gradients of whole networks amplify rounding."""
ROUNDINGS = 3.0
"""Of the error of an update in bf16, relative to that of fp32 whose layers round to bf16."""
EXACT = 0.0
BATCH, STEPS, MEMBERS = 8, 3, 3
_SPECTRUM = (3.0, 1.0, 0.5, 0.25)


def convolution(kind: str, precision: str) -> dict[str, Any]:
    """The value of a convolution, both gradients of a loss, and the gradients of their norm, beside
    those of flax's operation on the CPU in float64: ``orders``, the error of each.
    """
    case, dtype = CONVOLUTIONS[kind], PRECISIONS[precision]
    rng = np.random.default_rng(0)
    ours, stock = (_variables(module, case.shape) for module in (case.ours, case.stock))
    kernel = jax.tree.leaves(ours)[0].shape
    x = np.asarray(jnp.asarray(rng.standard_normal(case.shape), dtype), np.float64)
    w = rng.standard_normal(kernel) / np.sqrt(np.prod(kernel[:-1]))
    w = np.asarray(jnp.asarray(w, dtype), np.float64)
    with _full_precision(precision):
        found = jax.jit(_orders(case.ours, ours))(jnp.asarray(w, dtype), jnp.asarray(x, dtype))
    with jax.enable_x64(True), jax.default_device(jax.devices("cpu")[0]):
        expected = jax.device_get(
            jax.jit(_orders(case.stock, stock))(jnp.asarray(w), jnp.asarray(x))
        )
    orders = [_error(a, b) for a, b in zip(jax.device_get(found), expected, strict=True)]
    return _verdict(max(orders), CONV_LIMITS[precision]) | {"orders": orders}


def _variables(module: nn.Module, shape: tuple[int, ...]) -> PyTree:
    return jax.eval_shape(lambda: module.init(jax.random.key(0), jnp.zeros(shape)))


def _orders(module: nn.Module, variables: PyTree) -> Callable:
    """``(kernel, x) -> value, gradients of a loss, gradients of their squared norm``."""

    def loss(w, x):
        y = module.apply(jax.tree.map(lambda _: w, variables), x)
        return jnp.sum(jnp.square(y.astype(jnp.promote_types(y.dtype, jnp.float32)))), y

    def norm(w, x):
        slopes = jax.grad(lambda *args: loss(*args)[0], (0, 1))(w, x)
        wide = [s.astype(jnp.promote_types(s.dtype, jnp.float32)) for s in slopes]
        return sum(jnp.sum(jnp.square(s)) for s in wide), slopes

    def run(w, x):
        second, first = jax.grad(norm, (0, 1), has_aux=True)(w, x)
        return loss(w, x)[1], first, second

    return run


def spectral_norm() -> dict[str, Any]:
    """The largest singular value of a matrix whose singular values are known, and the matrix
    divided by it.
    """
    rng, n = np.random.default_rng(0), len(_SPECTRUM)
    left, right = (np.linalg.qr(rng.standard_normal((m, n)))[0] for m in (24, 16))
    w = (left * _SPECTRUM) @ right.T
    layer = SpectralNorm(nn.Dense(16, use_bias=False))
    variables = layer.init(jax.random.key(0), jnp.eye(24))
    variables["params"] = jax.tree.map(lambda a: jnp.asarray(w, a.dtype), variables["params"])
    with _full_precision("fp32"):
        for _ in range(20):
            y, new = layer.apply(variables, jnp.eye(24), mutable=["spectral", SIGMAS])
            variables = variables | {"spectral": new["spectral"]}
    (sigma,) = jax.tree.leaves(new[SIGMAS])
    error = max(_error(sigma, np.float64(_SPECTRUM[0])), _error(y, w / _SPECTRUM[0]))
    return _verdict(error, CONV_LIMITS["fp32"])


def step(net: str) -> dict[str, Any]:
    """A step in the compiled loop in each precision, beside the step alone on the CPU in fp32:
    ``found`` has a result for each, whose error is that of the players' changes of weights,
    relative to their norm. That of bf16 is limited by what the same network in fp32 makes of
    rounded weights, activations and gradients.
    """
    reference, cpu = _with_sgd(NETS[net](jnp.float32)), jax.devices("cpu")[0]
    with jax.default_device(cpu), _full_precision("fp32"):
        data = _data(reference)
        batch = jax.jit(batch_at)(data, jnp.int32(0))
        state = init_state(reference, jax.random.key(0), batch)
        key = state.key
        state, data = jax.device_get((state.replace(key=None), data))
        moved = lambda gan, state: train_step(gan, _put(state, key, cpu), batch)[0]
        expected = _change(moved(reference, state), state)
        rounded = _rounded(state)
        with nn.intercept_methods(_round_outputs):  # another optimizer, hence another compilation
            after = moved(_with_sgd(NETS[net](jnp.float32)), rounded)
        amplified = _errors(_change(after, rounded), expected)
    device = jax.devices()[0]
    found = []
    for precision in PRECISIONS:
        own = _with_sgd(NETS[net](PRECISIONS[precision]))
        with _full_precision(precision):
            after = train_steps(own, _put(state, key, device), jax.device_put(data, device), 1)[0]
        errors = _errors(_change(after, state), expected)
        limits = [STEP_LIMIT if precision == "fp32" else ROUNDINGS * noise for noise in amplified]
        error, limit = max(zip(errors, limits, strict=True), key=lambda pair: pair[0] / pair[1])
        found.append(_verdict(error, limit) | {"name": precision})
    return {"found": found, "passed": all(own["passed"] for own in found)}


def resume() -> dict[str, Any]:
    """A state that was saved and restored, which must be equal bit for bit, and the states after
    more steps from both.
    """
    gan, state, data = _game("mlp28")
    state, _ = train_steps(gan, state, data, STEPS)
    kept = _numbers(state)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        with checkpoint.Writer(path, keep=1) as writer:
            writer.save(STEPS, state)
        like = lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=a.sharding)
        restored = checkpoint.restore(path, STEPS, jax.tree.map(like, state))
    equal = all(np.array_equal(a, b) for a, b in zip(_numbers(restored), kept, strict=True))
    ends = [_numbers(train_steps(gan, own, data, STEPS)[0]) for own in (state, restored)]
    same = all(np.array_equal(a, b) for a, b in zip(*ends, strict=True))
    return _verdict(_error(*ends[::-1]), EXACT) | {"passed": equal and same, "restored": equal}


def population() -> dict[str, Any]:
    """The members of a population beside the same GANs trained alone."""
    gan, _, data = _game("mlp28")
    keys = jax.random.split(jax.random.key(0), MEMBERS)
    states = populations.init_population([gan] * MEMBERS, keys)
    with _full_precision("fp32"):
        members = [jax.tree.map(jnp.copy, populations.member(states, i)) for i in range(MEMBERS)]
        alone = [train_steps(gan, own, data, STEPS)[0] for own in members]
        together, _ = populations.train_population(gan, states, data, STEPS)
    errors = [
        _error(_weights(populations.member(together, i)), jax.device_get(_weights(own)))
        for i, own in enumerate(alone)
    ]
    return _verdict(max(errors), STEP_LIMIT)


def donation() -> dict[str, Any]:
    """Whether a step reuses the memory of its state, and refuses a state that was given away; the
    error is the share of the state's bytes that is not reused.
    """
    gan = NETS["mlp28"](jnp.float32)
    program = compiled_steps(gan, BATCH)
    size = sum(a.nbytes for a in jax.tree.leaves(program.state.replace(key=None)))
    reused = program.compiled.memory_analysis().alias_size_in_bytes
    gone = program.state
    train_step(gan, gone, program.minibatch)
    try:
        train_step(gan, gone, program.minibatch)
        refused = False
    except ConfigError:
        refused = True
    found = _verdict(max(0.0, 1 - reused / size), 0.01)
    return found | {"passed": found["passed"] and refused, "refused": refused}


def _verdict(error: float, limit: float) -> dict[str, Any]:
    return {"error": error, "limit": limit, "passed": bool(error <= limit)}


def _with_sgd(gan: Gan) -> Gan:
    """Trained by SGD: Adam would turn rounding of small gradients into full steps."""
    sgd = lambda player: dataclasses.replace(player, optimizer=optax.sgd(0.01))
    return dataclasses.replace(
        gan, generator=sgd(gan.generator), discriminator=sgd(gan.discriminator)
    )


def _data(gan: Gan) -> Resident:
    rng, kind = np.random.default_rng(0), gan.modality
    most = np.iinfo(kind.stored).max
    x = rng.integers(0, most, (4 * BATCH, *kind.stored_shape), kind.stored, endpoint=True)
    return from_arrays(x, np.zeros(len(x), np.int32), 0, batch_size=BATCH)


def _game(net: str) -> tuple[Gan, GanState, Resident]:
    gan = _with_sgd(NETS[net](jnp.float32))
    data = _data(gan)
    return gan, init_state(gan, jax.random.key(0), jax.jit(batch_at)(data, jnp.int32(0))), data


def _put(state: GanState, key: jax.Array, device: jax.Device) -> GanState:
    """A copy on a device, as the step overwrites it."""
    return jax.device_put(state, device).replace(key=jax.device_put(key, device).copy())


def _weights(state: GanState) -> PyTree:
    return [player.params for player in state.players]


def _change(after: GanState, before: GanState) -> list[np.ndarray]:
    """The change of each player's weights, as a vector."""
    flat = lambda tree: np.concatenate([np.ravel(a) for a in jax.tree.leaves(tree)])
    pairs = zip(jax.device_get(_weights(after)), jax.device_get(_weights(before)), strict=True)
    return [flat(a).astype(np.float64) - flat(b) for a, b in pairs]


def _errors(found: list[np.ndarray], expected: list[np.ndarray]) -> list[float]:
    """Of each player's vector, relative to its norm."""
    norm = np.linalg.norm
    return [float(norm(a - b) / norm(b)) for a, b in zip(found, expected, strict=True)]


def _nearest(a: Any) -> Any:
    """The numbers that bf16 can express."""
    return a.astype(jnp.bfloat16).astype(a.dtype)


@jax.custom_vjp
def _rounding(a: jax.Array) -> jax.Array:
    """`_nearest`, of the value and of its cotangent."""
    return _nearest(a)


_rounding.defvjp(lambda a: (_nearest(a), None), lambda _, cotangent: (_rounding(cotangent),))


def _round_outputs(method: Callable, args: tuple, kwargs: dict, context: Any) -> Any:
    """For `flax.linen.intercept_methods`: rounds what the layers of a network return."""
    outputs = method(*args, **kwargs)
    if not context.module.path:
        return outputs
    floating = lambda a: getattr(a, "dtype", None) == jnp.float32
    return jax.tree.map(lambda a: _rounding(a) if floating(a) else a, outputs)


def _rounded(state: GanState) -> GanState:
    """With weights that bf16 can express."""
    of = lambda player: player.replace(params=jax.tree.map(_nearest, player.params))
    return state.replace(generator=of(state.generator), discriminator=of(state.discriminator))


def _numbers(state: GanState) -> list[np.ndarray]:
    data = state.replace(key=jax.random.key_data(state.key))
    return [np.asarray(a) for a in jax.tree.leaves(jax.device_get(data))]


def _error(found: PyTree, expected: PyTree) -> float:
    """The largest difference of all leaves, each relative to its largest number."""
    pairs = zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True)
    errors = [0.0]
    for a, b in pairs:
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        errors.append(float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-30)))
    return max(errors) if np.isfinite(errors).all() else float("inf")


@contextlib.contextmanager
def _full_precision(precision: str) -> Iterator[None]:
    """Products of float32 are not rounded; those of bf16 are as they always are."""
    with jax.default_matmul_precision("highest" if precision == "fp32" else "default"):
        yield
