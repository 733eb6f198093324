"""BigGAN and BigGAN-deep: values, statistics and gradients of the authors' modules; and the sizes
of published networks.
"""

import functools
import re
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import parity
import pytest
from flax.traverse_util import flatten_dict

from gan_jax.errors import ConfigError
from gan_jax.models import biggan, biggan_deep, sagan, sngan
from gan_jax.nn.heads import ProjectionHead
from gan_jax.nn.norms import ConditionalBatchNorm
from gan_jax.parts.losses import LOSSES
from gan_jax.types import Critique


class Head(nn.Module):
    """A projection whose kernel is turned, so that the power method starts on the side of the
    classes, as in the authors' code.
    """

    num_classes: int

    @nn.compact
    def __call__(self, features, y):
        each = nn.Dense(self.num_classes, use_bias=False, name="embed")(features)
        chosen = jnp.sum(each * jax.nn.one_hot(y, self.num_classes, dtype=each.dtype), axis=-1)
        return Critique(nn.Dense(1, name="linear")(features)[:, 0] + chosen)


REFERENCE, TOLERANCE = parity.reference("biggan"), parity.TOLERANCE["float32"]
NETWORKS = {
    "biggan_small": (
        biggan.Generator((32, 32, 3), 10, width=8, shared=12, attention=2),
        biggan.Discriminator(Head(10), width=8),
    ),
    "biggan_deep_small": (
        biggan_deep.Generator((32, 32, 3), 10, width=8, shared=12),
        biggan_deep.Discriminator(Head(10), width=8),
    ),
}


class Layer(NamedTuple):
    """A layer here, the spectral norm around it, and its name in the authors' code."""

    ours: str
    norm: str
    theirs: str


def block(at, theirs, convs, norms=0):
    """The convolutions of a block, and the gains and biases of its batch normalizations."""
    names = "conv1 conv2 conv_sc" if len(convs) < 4 else "conv1 conv2 conv3 conv4"
    for k, (ours, name) in enumerate(zip(convs, names.split(), strict=False)):
        yield Layer(f"{at}/{ours}", f"{at}/SpectralNorm_{k}", f"{theirs}/{name}")
    for j in range(norms):
        own = f"{at}/ConditionalBatchNorm_{j}"
        for k, name in enumerate(("gain", "bias")):
            yield Layer(f"{own}/{name}", f"{own}/SpectralNorm_{k}", f"{theirs}/bn{j + 1}/{name}")


def layers_of_biggan():
    yield Layer("dense", "SpectralNorm_0", "linear")
    for i in range(3):
        yield from block(f"UpBlock_{i}", f"blocks/{i}/0", ["UpConv_0", "Conv_0", "Conv_1"], 2)
    for k, name in enumerate(("theta", "phi", "g", "o")):
        at = "SelfAttention_0"
        yield Layer(f"{at}/{name}", f"{at}/SpectralNorm_{k}", f"blocks/1/1/{name}")
    yield Layer("to_image", "SpectralNorm_1", "output_layer/2")


def layers_of_biggan_critic():
    for i in range(4):
        convs = ["Conv_0", "ConvPool_0", "Conv_1"] if i < 2 else ["Conv_0", "Conv_1"]
        yield from block(f"DownBlock_{i}", f"blocks/{i}/0", convs)
    yield from layers_of_head("SpectralNorm_0")


def layers_of_deep():
    yield Layer("dense", "SpectralNorm_0", "linear")
    for i in range(6):
        up = ["Conv_0", "UpConv_0", "Conv_1", "Conv_2"]
        convs = up if i % 2 else [f"Conv_{k}" for k in range(4)]
        yield from block(f"NarrowUpBlock_{i}", f"blocks/{i}/0", convs, 4)
    yield Layer("to_image", "SpectralNorm_1", "output_layer/2")


def layers_of_deep_critic():
    yield Layer("Conv_0", "SpectralNorm_0", "input_conv")
    for i in range(6):
        at, convs = f"NarrowDownBlock_{i}", [f"Conv_{k}" for k in range(4)]
        yield from block(at, f"blocks/{i // 2}/{i % 2}", convs)
    yield from layers_of_head("SpectralNorm_1")


def layers_of_head(norm):
    for name in ("linear", "embed"):
        yield Layer(f"head/{name}", f"{norm}/u/{name}", name)


def names_of(layers):
    """By path of a parameter, a statistic or a direction the authors' name."""
    names = {"label/embedding": "shared/weight", "SelfAttention_0/gamma": "blocks/1/1/gamma"}
    norms = {"ConditionalBatchNorm_0": "output_layer/0"}
    for ours, norm, theirs in layers:
        names |= {f"{ours}/kernel": f"{theirs}/weight", f"{ours}/bias": f"{theirs}/bias"}
        names[f"{norm if '/u/' in norm else norm + '/u'}/kernel"] = f"{theirs}/u0"
        if ours.endswith("/gain"):
            norms[ours.removesuffix("/gain")] = theirs.removesuffix("/gain")
    for ours, theirs in norms.items():
        own = f"{ours}/BatchNorm_0"
        names |= {f"{own}/scale": f"{theirs}/gain", f"{own}/bias": f"{theirs}/bias"}
        names |= {f"{own}/mean": f"{theirs}/stored_mean", f"{own}/var": f"{theirs}/stored_var"}
    return names


NAMES = {
    "biggan_small": (names_of(layers_of_biggan()), names_of(layers_of_biggan_critic())),
    "biggan_deep_small": (names_of(layers_of_deep()), names_of(layers_of_deep_critic())),
}


def turned(name, a, back=False):
    """An array as the authors order it, or back: theirs of the first dense layer lead with the
    channels, and the kernel of the projection has a row for each class.
    """
    if name.endswith("embed/weight"):
        return a.T
    if "/g/linear/" in name and not name.endswith("mean"):
        order = (*a.shape[:-1], 4, 4, 32) if not back else (*a.shape[:-1], 32, 4, 4)
        axes = (-1, -3, -2) if not back else (-2, -1, -3)
        lead = tuple(range(a.ndim - 1))
        return (
            a.reshape(order)
            .transpose(*lead, *(axis + a.ndim + 2 for axis in axes))
            .reshape(a.shape)
        )
    return a


def made(name, shape):
    """The numbers of an array by the authors' name and shape there."""
    last = name.rsplit("/", 1)[1]
    if last == "weight" and not name.endswith(("shared/weight", "embed/weight")):
        return parity.kernel(name, shape)
    scale, shift = {
        "weight": (0.5, 0), "u0": (1, 0), "bias": (0.2, 0), "stored_mean": (0.3, 0),
        "stored_var": (0.4, 1), "gain": (0.3, 1), "gamma": (0.1, 0.7),
    }[last]  # fmt: skip
    return parity.number(name, shape, scale, shift)


def variables_of(family, player, module, *inputs):
    def value(path, shape):
        name = name_in(family, player, path.partition("/")[2])
        shape = shape[::-1] if name.endswith("embed/weight") else shape
        array = turned(name, made(name, shape).astype(np.float64), back=True)
        array = array / np.linalg.norm(array) if name.endswith("u0") else array
        return array.astype(np.float32)

    init = functools.partial(module.init, jax.random.key(0), *inputs, train=False)
    return parity.filled(dict(jax.eval_shape(init)), value)


def name_in(family, player, path):
    return f"{family}/{'gd'[player]}/{NAMES[family][player][path]}"


MOVING = ["batch_stats", "spectral"]


@functools.partial(jax.jit, static_argnames=("g", "d"))
def forward(g, d, g_variables, d_variables, z, x, y):
    """Values in evaluation and in training, where D sees the real examples first, and the
    statistics after it.
    """
    fake = g.apply(g_variables, z, y, train=False)
    score = lambda x: d.apply(d_variables, x, y, train=False).score
    out = {"fake_eval": fake, "score_real_eval": score(x), "score_fake_eval": score(fake)}
    out["fake_train"], g_stats = g.apply(g_variables, z, y, train=True, mutable=MOVING)
    real, between = d.apply(d_variables, x, y, train=True, mutable=MOVING)
    after = d_variables | between
    fake, d_stats = d.apply(after, out["fake_train"], y, train=True, mutable=MOVING)
    out |= {"score_real_train": real.score, "score_fake_train": fake.score}
    return out, (g_stats, d_stats)


@functools.partial(jax.jit, static_argnames=("g", "d"))
def gradients(g, d, g_variables, d_variables, z, x, y):
    """Of both players by hinge loss: G's at D's next round of the power method."""
    see = functools.partial(d.apply, train=True, mutable=MOVING)

    def objectives(g_params, d_params):
        fake, _ = g.apply(g_variables | {"params": g_params}, z, y, train=True, mutable=MOVING)
        own = d_variables | {"params": d_params}
        real_seen, between = see(own, x, y)
        fake_seen, after = see(own | between, jax.lax.stop_gradient(fake), y)
        again, _ = see(jax.lax.stop_gradient(own | after), fake, y)
        loss = LOSSES["hinge"].d(real_seen.score, fake_seen.score)
        return jnp.mean(loss) - jnp.mean(again.score)

    return jax.grad(objectives, (0, 1))(g_variables["params"], d_variables["params"])


B = 4


def positions(name):
    """Over which a batch normalization of G takes its means, in all images."""
    if "output_layer" in name:
        return B * 32**2
    _, _, i, _, norm = re.fullmatch(r"(\w+)/(\w)/blocks/(\d)/(\d)/bn(\d)/.*", name).groups()
    i, norm = int(i), int(norm)
    deep = "deep" in name
    doubled = norm > 2 and i % 2 == 1 if deep else norm == 2
    return B * (4 * 2 ** (i // 2 if deep else i) * (2 if doubled else 1)) ** 2


def inputs(family):
    """Both networks, their variables, latents, images and labels."""
    g, d = NETWORKS[family]
    z = parity.number(f"{family}/z", (B, 16), 1.7)
    x, y = parity.images(f"{family}/images", B, 32), parity.labels(B, 10)
    variables = [
        variables_of(family, player, module, a, y) for player, module, a in ((0, g, z), (1, d, x))
    ]
    return g, d, *variables, z, x, y


@pytest.mark.parametrize("family", NETWORKS)
def test_values_and_statistics_are_those_of_the_authors(family):
    stored = REFERENCE[family]
    out, after = forward(*inputs(family))
    for name, values in out.items():
        parity.assert_near(values, stored["outputs"][name], TOLERANCE, name)
    found = {
        name_in(family, player, path.partition("/")[2]): np.asarray(a)
        for player, stats in enumerate(after)
        for path, a in flatten_dict(stats, sep="/").items()
    }
    assert found.keys() == stored["after"].keys()
    for name, a in found.items():
        a = turned(name, a)
        if name.endswith("var"):  # theirs is the unbiased variance
            n, before = positions(name), 0.9 * made(name, a.shape).astype(np.float64)
            a = before + (a - before) * n / (n - 1)
        parity.assert_near(a, stored["after"][name], TOLERANCE, name)


def test_gradients_are_those_of_the_authors():
    """Of all parameters of BigGAN. In float64, which takes a minute, these and those of BigGAN-deep
    agree to 1e-10.
    """
    family = "biggan_small"
    for player, slope in enumerate(gradients(*inputs(family))):
        names = functools.partial(name_in, family, player)
        own = {names(path): a for path, a in flatten_dict(slope, sep="/").items()}
        wanted = {
            name: values
            for name, values in REFERENCE[family]["gradients"].items()
            if f"/{'gd'[player]}/" in name
        }
        for name in [name for name, (norm, _) in wanted.items() if norm < 1e-9]:
            wanted.pop(name)  # a bias before batch normalization
            assert np.linalg.norm(own.pop(name)) < 1e-5
        ordered = lambda path, a: (path, turned(path, a))
        parity.assert_gradients_near(own, ordered, wanted, 2 * TOLERANCE)


def count(module, *inputs):
    init = lambda *a: module.init(jax.random.key(0), *a, train=False)["params"]
    return sum(a.size for a in jax.tree.leaves(jax.eval_shape(init, *inputs)))


TABLES = {"shared": 0, "hierarchical": False}
SIZES = [
    (sngan, 10, 128, {"norm": ConditionalBatchNorm}, {}, 4_304_387, 1_055_105),
    (sagan, 10, 128, {}, {}, 4_386_308, 1_075_586),
    (biggan, 10, 128, TABLES, {}, 4_304_387, 4_207_361),
    (biggan, 10, 128, {}, {}, 4_373_251, 4_207_361),
    (biggan, 10, 80, {"width": 96, "attention": 2}, {"width": 96}, 9_416_196, 9_456_769),
    (biggan_deep, 10, 128, {"width": 128}, {"width": 128}, 7_435_267, 2_581_249),
    (biggan_deep, 10, 128, {}, {}, 3_079_299, 651_649),
    (biggan, 1000, 120, *[{"width": 96, "attention": 2}] * 2, 70_433_988, 87_982_370),
]
"""Of the authors' code at 32 pixels, and of ImageNet's at 128."""


@pytest.mark.parametrize("family, classes, latents, g_options, d_options, g_size, d_size", SIZES)
def test_parameter_counts_are_the_published_ones(
    family, classes, latents, g_options, d_options, g_size, d_size
):
    side = 128 if classes == 1000 else 32
    z, x, y = jnp.zeros((2, latents)), jnp.zeros((2, side, side, 3)), jnp.zeros(2, jnp.int32)
    g = family.Generator((side, side, 3), classes, **g_options)
    d = family.Discriminator(ProjectionHead(classes), **d_options)
    options = {"latents": latents} | {k: v for k, v in g_options.items() if k != "norm"}
    shown = ", ".join(f"{key} {value}" for key, value in options.items())
    name = f"{family.__name__.rpartition('.')[2]}, {side} pixels, {classes} classes, {shown}"
    found = count(g, z, y), count(d, x, y)
    parity.assert_counts(name, found, (g_size, d_size))


@pytest.mark.parametrize("attention, accepted", [(3, "0, 1, 2, 4 or 8"), (16, "0, 1, 2, 4 or 8")])
def test_attention_at_maps_that_are_not_there_is_refused(attention, accepted):
    g = biggan.Generator((32, 32, 3), width=2, attention=attention)
    words = rf"^attention {attention}: no feature map .* 1/{attention} .*; use {accepted}\."
    with pytest.raises(ConfigError, match=words):
        count(g, jnp.zeros((2, 16)), jnp.zeros(2, jnp.int32))


def test_latents_that_do_not_reach_every_block_are_refused():
    g = biggan.Generator((32, 32, 3), width=2)
    with pytest.raises(ConfigError, match=r"^latents must be at least 4 .* 3 blocks, not 3"):
        count(g, jnp.zeros((2, 3)), jnp.zeros(2, jnp.int32))


def test_latents_reach_every_block_and_labels_that_are_missing_none():
    """Of the label -1, gains are 1 and biases 0 but for the latents."""
    g = biggan.Generator((8, 8, 1), 3, width=2, base=4, shared=4)
    z, y = jax.random.normal(jax.random.key(0), (2, 5)), jnp.array([1, -1])
    variables = jax.jit(functools.partial(g.init, train=False))(jax.random.key(1), z, y)
    generate = jax.jit(functools.partial(g.apply, train=False))
    x = generate(variables, z, y)
    for i in range(5):
        moved = generate(variables, z + jnp.eye(5)[i : i + 1], y)
        assert np.abs(moved - x).max((1, 2, 3)).min() > 1e-4
    params = variables["params"]
    empty = {"embedding": jnp.zeros_like(params["label"]["embedding"])}
    other = generate(variables | {"params": params | {"label": empty}}, z, y)
    np.testing.assert_array_equal(other[1], x[1])
    assert np.abs(other[0] - x[0]).max() > 1e-4
