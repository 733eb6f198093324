"""R3GAN: values and gradients of the authors' modules, sizes of the published networks, and how it
begins.
"""

import dataclasses
import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import parity
import pytest

from gan_jax.build import build
from gan_jax.config import Config, Network
from gan_jax.errors import ConfigError
from gan_jax.models import r3gan
from gan_jax.parts.losses import LOSSES

REFERENCE = parity.reference("r3gan")
CONDITIONAL, UNCONDITIONAL = REFERENCE
FOUR = r3gan.halvings((32, 32, 3), 4)


def networks(spec, dtype):
    order = (spec["widths"], spec["groups"], spec["blocks"])
    stages = tuple(r3gan.Stage(*stage) for stage in zip(*order, strict=True))
    return (
        r3gan.Generator(
            (32, 32, 3), spec["classes"], embedding=spec["z"], stages=stages, dtype=dtype
        ),
        r3gan.Discriminator(r3gan.Head(spec["classes"]), stages=stages, dtype=dtype),
    )


def reference_name(player, path):
    """D's stages count from the image there, from the smallest sides here."""
    at = lambda i: int(i) if player == "g" else FOUR - int(i)
    path = path.removesuffix("/kernel").removeprefix("head/")
    path = re.sub(r"block(\d)_(\d)", lambda m: f"stage{at(m[1])}/block{m[2]}", path)
    path = re.sub(r"conv(\d)/bias", r"bias\1", path)
    path = re.sub(r"^up(\d)", r"stage\1/up", path)
    path = re.sub(r"^down(\d)", lambda m: f"stage{at(m[1]) - 1}/down", path)
    return f"{player}/" + (f"head/{path}" if player == "d" and path in HEAD else path)


HEAD = {"basis", "linear"}


def made(name, player, dtype, path, shape):
    name = f"{name}/{reference_name(player, path)}"
    if "bias" in name:
        return parity.number(name, shape, 0.2).astype(dtype)
    values = parity.number if name.endswith("g/basis") else parity.kernel
    taps = (*shape[:-1], 1, shape[-1]) if name.endswith("d/head/basis") else shape
    return values(name, taps).reshape(shape).astype(dtype)


@pytest.mark.parametrize("name, dtype", [(CONDITIONAL, "float64"), (UNCONDITIONAL, "float32")])
def test_values_and_gradients_are_those_of_the_authors(name, dtype):
    """D's gradient holds the second derivatives of R1 and R2."""
    stored, tolerance = REFERENCE[name], parity.TOLERANCE[dtype]
    spec, b = stored["spec"], 4
    with jax.enable_x64(dtype == "float64"):
        g, d = networks(spec, dtype)
        z = parity.number(f"{name}/z", (b, spec["z"]), 1.7).astype(dtype)
        x = parity.images(f"{name}/images", b, 32).astype(dtype)
        y = parity.labels(b, spec["classes"])
        params = [
            parity.filled(shapes(module, a, y), functools.partial(made, name, player, dtype))
            for module, player, a in ((g, "g", z), (d, "d", x))
        ]

        @jax.jit
        def everything(g_params, d_params):
            loss = LOSSES["relativistic"]
            generate = lambda params: g.apply({"params": params}, z, y, train=True)
            both = np.concatenate([y, y])
            see = lambda params, x, y: d.apply({"params": params}, x, y, train=True).score

            def d_objective(params):
                images = jnp.concatenate([x, generate(g_params)])
                scores, pull = jax.vjp(lambda images: see(params, images, both), images)
                squares = jnp.sum(jnp.square(pull(jnp.ones_like(scores))[0]), axis=(1, 2, 3))
                (real, fake), (r1, r2) = scores.reshape(2, b), squares.reshape(2, b)
                out = {"score_real": real, "score_fake": fake, "r1": r1, "r2": r2}
                out["d_loss"] = loss.d(real, fake)
                return jnp.mean(out["d_loss"] + 0.025 * (r1 + r2)), out

            def g_objective(params, real):
                fake = generate(params)
                losses = loss.g(real, see(d_params, fake, y))
                return jnp.mean(losses), {"fake": fake, "g_loss": losses}

            d_slope, out = jax.grad(d_objective, has_aux=True)(d_params)
            g_slope, g_out = jax.grad(g_objective, has_aux=True)(g_params, out["score_real"])
            return out | g_out, {"g": g_slope, "d": d_slope}

        out, gradients = everything(*params)
    assert out.keys() == stored["outputs"].keys()
    for key, values in out.items():
        assert values.dtype == dtype
        parity.assert_near(values, stored["outputs"][key], tolerance, key)
    for player, slope in gradients.items():
        name_of = lambda path, a, player=player: (f"{name}/{reference_name(player, path)}", a)
        parity.assert_gradients_near(slope, name_of, stored["gradients"][player], tolerance)


def shapes(module, *inputs):
    init = lambda *a: module.init(jax.random.key(0), *a, train=False)["params"]
    return jax.eval_shape(init, *inputs)


def count(module, *inputs):
    return sum(a.size for a in jax.tree.leaves(shapes(module, *inputs)))


@pytest.mark.parametrize(
    "classes, options, sizes",
    [
        (10, {"width": 768, "widest": 768}, (20_781_952, 21_280_512)),
        (0, {"width": 768, "widest": 768}, (20_732_160, 20_683_776)),
        (0, {"width": 128}, (833_920, 825_856)),
        (0, {}, (529_248, 521_184)),
        (0, {"blocks": 1}, (274_912, 266_848)),
    ],
)
def test_parameter_counts_are_the_published_ones(classes, options, sizes):
    z, x, y = jnp.zeros((2, 64)), jnp.zeros((2, 32, 32, 3)), jnp.zeros(2, jnp.int32)
    g = r3gan.Generator((32, 32, 3), classes, **options)
    d = r3gan.Discriminator(r3gan.Head(classes), **options)
    name = f"r3gan, {classes} classes, {g.width} to {g.widest} channels, blocks {g.blocks}"
    parity.assert_counts(name, (count(g, z, y), count(d, x, y)), sizes)


def test_a_block_begins_as_the_identity_with_the_scale_of_the_whole_depth():
    stage = r3gan.Stage(width=64, groups=8, blocks=2)
    block = r3gan.ResidualBlock(stage, total=8)
    x = jax.random.normal(jax.random.key(0), (2, 4, 4, 64))
    y, variables = block.init_with_output(jax.random.key(1), x)
    np.testing.assert_array_equal(y, x)
    for name, fan_in in (("conv1", 64), ("conv2", 9 * 16)):
        deviation = variables["params"][name]["kernel"].std() * fan_in**0.5
        np.testing.assert_allclose(deviation, 0.8246, rtol=0.02)


def test_low_precision_is_that_of_the_larger_sides():
    """The smallest sides, scores and images stay float32."""
    g = r3gan.Generator((16, 16, 1), blocks=1, dtype=jnp.bfloat16)
    z, y = jnp.zeros((2, 4)), jnp.zeros(2, jnp.int32)

    def captured(z):
        return g.init_with_output(
            jax.random.key(0), z, y, train=False, capture_intermediates=True, mutable=True
        )

    image, variables = jax.eval_shape(captured, z)
    types = {
        name: value["__call__"][0].dtype
        for name, value in variables["intermediates"].items()
        if name.startswith("block")
    }
    assert types == {"block0_0": jnp.float32, "block1_0": jnp.bfloat16, "block2_0": jnp.bfloat16}
    assert image.dtype == jnp.float32


@pytest.mark.parametrize(
    "options, words",
    [
        ({"width": 12}, "group must divide the 24 channels .*, which 16 does not"),
        ({"width": 256}, "width must be at most widest, which is 128, not 256"),
        ({"blocks": 0}, "generator.blocks must be at least 1, not 0"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(options, words):
    with pytest.raises(ConfigError, match=words):
        build(Config(generator=Network("r3gan", **options), latents=2, batch_size=2))


def test_stages_that_do_not_fit_the_image_are_refused():
    g = r3gan.Generator((32, 32, 3), stages=(r3gan.Stage(8, 1, 1),) * 3)
    with pytest.raises(
        ConfigError, match="stages must have one entry per resolution, 4 for these images, not 3"
    ):
        count(g, jnp.zeros((2, 4)), jnp.zeros(2, jnp.int32))


def test_the_usual_conditionings_take_the_heads_of_the_paper():
    config = Config(
        generator=Network("r3gan", width=8, blocks=1),
        discriminator=Network("r3gan", width=8, blocks=1),
        latents=2,
        batch_size=2,
    )
    head = lambda conditioning: (
        build(dataclasses.replace(config, conditioning=conditioning)).discriminator.network.head
    )
    assert head("none") == r3gan.Head() and head("projection") == r3gan.Head(10)
    assert not isinstance(head("acgan"), r3gan.Head)
