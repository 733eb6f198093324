"""pix2pix: sizes as published, a U-Net and patches as defined, and pairs that are learned."""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import players
import pytest

import gan_jax
from gan_jax.engine.gan import Gan, Player
from gan_jax.errors import ConfigError
from gan_jax.modality import Images
from gan_jax.models import pix2pix
from gan_jax.models.options import options_of
from gan_jax.nn.norms import PLAIN_NORMS, BiasOnly, InstanceNorm
from gan_jax.parts.losses import LOSSES
from gan_jax.parts.pairs.rules import downsample
from gan_jax.parts.priors import Nothing
from gan_jax.parts.regularizers import G_REGULARIZERS
from gan_jax.types import Batch, Fake, Term


def images(side, channels, b=2):
    return jax.ShapeDtypeStruct((b, side, side, channels), jnp.float32)


def traced(network, *inputs, key=0):
    """The output and the variables of a network, by their shapes."""
    init = functools.partial(network.init_with_output, jax.random.key(key), train=False)
    return jax.eval_shape(init, *inputs)


def size(variables):
    return sum(a.size for a in jax.tree.leaves(variables["params"]))


def test_the_u_net_has_the_size_of_the_authors_code():
    """54.414 M: convolutions of 4x4 without biases but for the last, and two numbers per channel
    that is normalized.
    """
    made, variables = traced(pix2pix.Generator((256, 256, 3)), (), images(256, 3))
    assert (made.shape, made.dtype) == ((2, 256, 256, 3), jnp.float32)
    down = [3, 64, 128, 256, 512, 512, 512, 512, 512]
    up = [(512, 512), *[(1024, 512)] * 3, (1024, 256), (512, 128), (256, 64), (128, 3)]
    convolutions = sum(16 * i * o for i, o in [*itertools.pairwise(down), *up])
    normalized = sum(down[2:-1]) + sum(o for _, o in up[:-1])
    assert size(variables) == convolutions + 3 + 2 * normalized == 54_413_955


def test_the_discriminator_of_70x70_has_the_size_of_the_authors_code():
    seen, variables = traced(pix2pix.Discriminator(), images(256, 3), images(256, 3))
    assert seen.score.shape == (2, 30, 30)
    assert size(variables) == 2_768_705


@pytest.mark.parametrize("norm", PLAIN_NORMS)
@pytest.mark.parametrize("side, base", [(8, 1), (28, 1), (28, 7), (32, 4), (64, 1)])
def test_it_takes_images_of_many_sides(side, base, norm):
    """Also of other channels than the condition, with latents, in low precision."""
    fields = {"width": 2, "norm": PLAIN_NORMS[norm], "dtype": jnp.bfloat16}
    generator = pix2pix.Generator((side, side, 3), base=base, **fields)
    z = jax.ShapeDtypeStruct((2, 5), jnp.float32)
    made, variables = traced(generator, z, images(side, 1))
    assert (made.shape, made.dtype) == ((2, side, side, 3), jnp.float32)
    assert all(a.dtype == jnp.float32 for a in jax.tree.leaves(variables))
    layers = 1 if side == 8 else 3
    discriminator = pix2pix.Discriminator(layers=layers, **fields)
    seen, _ = traced(discriminator, made, images(side, 1))
    rest = (side >> layers) - 2
    assert (seen.score.shape, seen.score.dtype) == ((2, rest, rest), jnp.float32)


def test_a_score_sees_70x70_pixels():
    patches = pix2pix.Patches(2, 3, BiasOnly)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(1, 128, 128, 1)), jnp.float32)
    variables = jax.jit(functools.partial(patches.init, train=True))(jax.random.key(1), x)
    variables = jax.tree.map(jnp.ones_like, variables)
    slope = jax.jit(jax.grad(lambda x: patches.apply(variables, x, train=True)[0, 7, 7]))(x)
    rows, columns = np.nonzero(np.asarray(slope)[0, ..., 0])
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (70, 70)


def convolved(x, w, strides=2):
    """A convolution of 4x4 with padding 1, by its definition."""
    x = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    n = (x.shape[1] - 4) // strides + 1
    at = lambda i, j: x[:, strides * i : strides * i + 4, strides * j : strides * j + 4]
    out = [[np.einsum("bijc,ijco->bo", at(i, j), w) for j in range(n)] for i in range(n)]
    return np.moveaxis(np.array(out), 2, 0)


def spread(x, w):
    """The transposed convolution of stride 2, by its definition: each input adds the kernel, which
    flax stores mirrored, to the output.
    """
    b, h, _, _ = x.shape
    out = np.zeros((b, 2 * h + 2, 2 * h + 2, w.shape[-1]))
    for i in range(h):
        for j in range(h):
            own = np.einsum("bc,ijco->bijo", x[:, i, j], w[::-1, ::-1])
            out[:, 2 * i : 2 * i + 4, 2 * j : 2 * j + 4] += own
    return out[:, 1:-1, 1:-1]


def test_the_u_net_is_the_one_that_is_drawn():
    """Three levels, in numpy: which maps are joined, what is normalized, where latents enter."""
    rng = np.random.default_rng(0)
    network = pix2pix.Generator((8, 8, 2), width=2, widest=3, base=1, dropout=0.0, norm=BiasOnly)
    z, y = rng.normal(size=(2, 3)), rng.uniform(-1, 1, (2, 8, 8, 1))
    z, y = jnp.asarray(z, jnp.float32), jnp.asarray(y, jnp.float32)
    _, shapes = traced(network, z, y)
    params = jax.tree.map(lambda a: rng.normal(size=a.shape), shapes["params"])
    made = jax.jit(functools.partial(network.apply, train=True))({"params": params}, z, y)
    kernel = lambda name: params[name]["kernel"]
    bias = lambda i: params[f"BiasOnly_{i}"]["bias"]
    relu, leaky = lambda a: np.maximum(a, 0), lambda a: np.where(a > 0, a, 0.2 * a)
    first = convolved(np.asarray(y), kernel("Conv_0"))
    second = convolved(leaky(first), kernel("Conv_1")) + bias(0)
    third = relu(convolved(leaky(second), kernel("Conv_2")))
    third = np.concatenate([third, np.asarray(z)[:, None, None]], axis=-1)
    up = spread(third, kernel("ConvTranspose_0")) + bias(1)
    up = spread(relu(np.concatenate([second, up], -1)), kernel("ConvTranspose_1")) + bias(2)
    up = spread(relu(np.concatenate([first, up], -1)), kernel("ConvTranspose_2"))
    expected = np.tanh(up + params["ConvTranspose_2"]["bias"])
    np.testing.assert_allclose(made, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("side, dropout, expected", [(64, 0.5, 3), (8, 0.5, 2), (64, 0.0, 0)])
def test_dropout_is_in_the_first_three_layers_of_the_decoder(side, dropout, expected):
    """None behind the last layer: of 6 and 3 levels, one less can have it."""
    network = pix2pix.Generator((side, side, 1), width=2, dropout=dropout)
    _, variables = traced(network, (), images(side, 1))
    draw = functools.partial(network.apply, train=True, mutable=["batch_stats"])
    noise = {"noise": jax.random.key(0)}
    trace = jax.make_jaxpr(lambda v, y: draw(v, (), y, rngs=noise))(variables, images(side, 1))
    assert str(trace).count("random_bits") == expected


def test_instance_norm_is_that_of_each_map():
    x = np.random.default_rng(0).normal(2, 3, (3, 5, 4, 2)).astype(np.float32)
    seen = InstanceNorm().apply({}, x, train=True)
    centred = x - x.mean((1, 2), keepdims=True)
    expected = centred / np.sqrt(x.var((1, 2), keepdims=True) + 1e-5)
    np.testing.assert_allclose(seen, expected, atol=1e-5)


# A GAN of objects that learns pairs: images from their low resolution.
SHAPE = (8, 8, 1)
SMOOTH = np.random.default_rng(0).integers(0, 256, (1, 8, 4, 4, 1))
X = np.repeat(np.repeat(SMOOTH, 2, axis=2), 2, axis=3).astype(np.uint8)
L1 = (Term("l1", G_REGULARIZERS["l1"](), 100.0),)
BATCH = Batch(X, np.zeros((1, 8), np.int32))


def pairs(batch, frozen, key):
    return Batch(batch.x, downsample(batch.x, 2))


def translating(**changes):
    """A GAN of the smallest networks."""
    adam = optax.adam(5e-3, b1=0.5)
    fields = {
        "generator": Player(pix2pix.Generator(SHAPE, width=8, base=2), adam, L1),
        "discriminator": Player(pix2pix.Discriminator(width=4, layers=1), adam),
        "loss": LOSSES["nonsaturating"],
        "prior": Nothing(),
        "modality": Images(SHAPE),
        "prepare": pairs,
    }
    return Gan(**(fields | changes))


@functools.cache
def trained(n=60):
    gan = translating()
    state, history = gan_jax.init_state(gan, jax.random.key(0), BATCH), []
    for _ in range(n):
        state, metrics = gan_jax.train_step(gan, state, BATCH)
        history.append(metrics)
    return gan, state, {name: [float(m[name]) for m in history] for name in history[0]}


def test_the_pairs_are_learned():
    _, _, history = trained()
    assert history["g/l1"][0] > 0.4 and history["g/l1"][-1] < 0.1
    assert np.isfinite(list(history.values())).all()


def test_sampling_has_noise_only_if_it_is_given():
    gan, state, _ = trained()
    y = downsample(X[0].astype(np.float32) / 127.5 - 1, 2)
    draw = jax.jit(functools.partial(gan.generator.network.apply, train=False))
    variables = state.generator.variables()
    plain = draw(variables, (), y)
    noisy = [draw(variables, (), y, rngs={"noise": jax.random.key(i)}) for i in (0, 0, 1)]
    np.testing.assert_array_equal(noisy[0], noisy[1])
    assert np.abs(noisy[0] - plain).max() > 1e-3 < np.abs(noisy[0] - noisy[2]).max()


def compared(x, real, **fields):
    """What terms of G see, with the conditions of the real examples."""
    y = jnp.zeros(len(real), jnp.int32)
    fields = {"fake": Fake(jnp.asarray(x), y), "real": Batch(jnp.asarray(real), y)} | fields
    return players.context(**fields)


def test_l1_and_l2_are_means_per_example():
    x, real = np.random.default_rng(0).uniform(-1, 1, (2, 3, 4, 5, 2)).astype(np.float32)
    for name, power in (("l1", 1), ("l2", 2)):
        value, _ = G_REGULARIZERS[name]().apply((), compared(x, real))
        np.testing.assert_allclose(value, np.mean(np.abs(x - real) ** power, (1, 2, 3)), rtol=1e-6)


def test_l1_is_refused_where_places_have_different_conditions():
    context = compared(np.zeros((2, 3)), np.zeros((2, 3)))
    other = dataclasses.replace(context, fake=Fake(context.fake.x, jnp.ones(2, jnp.int32)))
    with pytest.raises(ConfigError, match=r"l1 compares .* requires fake_labels batch, and no mix"):
        G_REGULARIZERS["l1"]().apply((), other)


REFUSED = {
    "labels": (
        lambda: traced(pix2pix.Generator(SHAPE), (), jax.ShapeDtypeStruct((2,), jnp.int32)),
        "conditions must be images of 8x8, floats [b, 8, 8, channels], not int32[2].",
    ),
    "other sides": (
        lambda: traced(pix2pix.Discriminator(layers=1), images(8, 1), images(4, 1)),
        "conditions must be images of 8x8, floats [b, 8, 8, channels], not float32[2, 4, 4, 1].",
    ),
    "a pair": (
        lambda: traced(pix2pix.Generator(SHAPE), (), {"a": images(8, 1)}),
        "conditions must be images of 8x8, floats [b, 8, 8, channels], not a dict.",
    ),
    "too many layers": (
        lambda: traced(pix2pix.Discriminator(), images(8, 1), images(8, 1)),
        "layers of the discriminator must leave sides of at least 3; 3 leave 1 of images of 8x8.",
    ),
    "odd sides": (
        lambda: traced(pix2pix.Generator((9, 9, 1)), (), images(9, 1)),
        "base 1 is too large: images of 9x9 cannot be halved to sides of at least 1; use a smaller "
        "base, or pad the images to another size.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_it_cannot_translate_is_refused(name):
    trace, message = REFUSED[name]
    with pytest.raises(ConfigError) as error:
        trace()
    assert str(error.value) == message


def test_every_option_has_a_help_text_and_a_default():
    for player in (pix2pix.Generator, pix2pix.Discriminator):
        assert all(o.help.endswith(".") and o.default_text for o in options_of(player).values())
