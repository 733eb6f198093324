"""StyleGAN2: values and gradients of the authors' modules, sizes of the published networks, styles,
noise and the mean of w.
"""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import parity
import pytest
from gans import arrays, random_batch
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from gan_jax.build import build
from gan_jax.config import Config, Network, Optimizer, Penalty
from gan_jax.engine.gan import init_state
from gan_jax.engine.train_step import train_step
from gan_jax.models import stylegan2
from gan_jax.parts.losses import nonsaturating
from gan_jax.parts.regularizers.paths import lengths_of

REFERENCE = parity.reference("stylegan2")
SKIP, RESIDUAL, PLAIN = REFERENCE  # by the generator's form
FORMS = {"skip": "skip", "resnet": "residual", "orig": "plain"}
LAYERS = {"conv": "conv1", "up": "conv0", "image": "torgb", "skip": "skip"}
D_LAYERS = {"conv": "conv0", "down": "conv1", "image": "fromrgb", "skip": "skip"}


def networks(spec, dtype):
    side, classes = spec["side"], spec["classes"]
    shared = {"width": spec["channel_base"] // side, "widest": spec["channel_max"], "dtype": dtype}
    g = stylegan2.Generator(
        (side, side, 3), classes, style=spec["w"], layers=spec["mapping_layers"],
        form=FORMS[spec["g_architecture"]], **shared,
    )  # fmt: skip
    d = stylegan2.Discriminator(
        stylegan2.Head(classes), form=FORMS[spec["d_architecture"]],
        minibatch_std=spec["mbstd_group"], **shared,
    )  # fmt: skip
    return g, d


def reference_name(player, path):
    path = path.replace("kernel", "weight").replace("w_mean", "mapping/w_avg")
    path = re.sub(r"^(to_w|head/mapping)/(dense)?", lambda m: "mapping/" + "fc" * bool(m[2]), path)
    path = path.replace("to_x/constant", "synthesis/b4/const").replace("/noise", "/noise_const")
    path = path.replace("noise_const_strength", "noise_strength")
    path = re.sub(
        r"^to_x/([a-z]+)(\d)", lambda m: f"synthesis/b{4 << int(m[2])}/{LAYERS[m[1]]}", path
    )
    if player == "d" and not path.startswith("mapping"):
        path = re.sub(r"^([a-z]+)(\d)", lambda m: f"b{4 << int(m[2])}/{D_LAYERS[m[1]]}", path)
        path = re.sub(r"^last", "b4/conv", path)
        path = path.replace("head/linear", "b4/out")
        path = re.sub(r"^dense", "b4/fc", path)
    return f"{player}/{path}"


def as_stored(name, a):
    """Kernels of up-sampling layers are mirrored there, and rows after the last map are in the
    order of channels.
    """
    if name.endswith("/conv0/weight") and "/g/" in name:
        return a[::-1, ::-1]
    if name.endswith("b4/fc/weight"):
        return a.reshape(4, 4, -1, a.shape[1]).transpose(2, 0, 1, 3).reshape(a.shape)
    return a


def as_here(name, a):
    if name.endswith("b4/fc/weight"):
        return a.reshape(-1, 4, 4, a.shape[1]).transpose(1, 2, 0, 3).reshape(a.shape)
    return as_stored(name, a)


def made(name, player, dtype, path, shape):
    name = f"{name}/{reference_name(player, path)}"
    special = {
        "noise_strength": (0.1, 0.2), "w_avg": (0.3, 0.0), "bias": (0.3, float("/affine/" in name))
    }  # fmt: skip
    plain = (3**0.5 * (100 if "/mapping/fc" in name else 1), 0.0)
    number = parity.number(name, shape, *special.get(name.rsplit("/", 1)[1], plain))
    return as_here(name, number).astype(dtype)


def shapes(module, *inputs):
    init = lambda *a: module.init(jax.random.key(0), *a, train=False)
    return jax.eval_shape(init, *inputs)


@pytest.mark.parametrize(
    "name, dtype", [(SKIP, "float32"), (RESIDUAL, "float32"), (PLAIN, "float64")]
)
def test_values_and_gradients_are_those_of_the_authors(name, dtype):
    """Second derivatives are in D's gradient, of R1, and in G's, of the path lengths. In float64,
    whose convolutions are slow, all forms agree, too; the smallest stands for them.
    """
    stored, tolerance = REFERENCE[name], parity.TOLERANCE[dtype]
    spec, b = stored["spec"], 8 if name == SKIP else 4
    with jax.enable_x64(dtype == "float64"):
        g, d = networks(spec, dtype)
        z = parity.number(f"{name}/z", (b, spec["z"]), 1.7).astype(dtype)
        x = parity.images(f"{name}/images", b, 32).astype(dtype)
        y = parity.labels(b, spec["classes"])
        of_g, of_d = (
            {
                kind: parity.filled(tree, functools.partial(made, name, player, dtype))
                for kind, tree in shapes(module, a, y).items()
            }
            for module, player, a in ((g, "g", z), (d, "d", x))
        )
        noise = parity.number(f"{name}/pl_noise", x.shape, 3**0.5).astype(dtype) / 32

        def mapped(variables):
            call = functools.partial(g.apply, method="mapping", train=True)
            ws, changed = call(variables, z, y, mutable=["buffers"])
            truncated = g.apply(
                variables | changed, z, y, method="mapping", train=False, truncation=0.7
            )
            return ws, changed["buffers"]["w_mean"], truncated[:, 0]

        @jax.jit
        def drawn(variables, ws):
            return g.apply(variables, ws, y, method="synthesis", train=True)

        def g_objective(params):
            variables = of_g | {"params": params}
            ws = mapped(variables)[0]
            draw = lambda ws: g.apply(variables, ws, y, method="synthesis", train=True)
            lengths = lengths_of(draw, ws, noise)
            mean = 0.25 + 0.01 * (lengths.mean() - 0.25)
            penalty = jnp.square(lengths - mean)
            score = d.apply(of_d, draw(ws), y, train=True).score
            out = {"path_lengths": lengths, "path_mean_after": mean, "path_penalty": penalty}
            return jnp.mean(nonsaturating.g(None, score) + 2 * penalty), out

        def d_objective(params, fake):
            see = lambda x: d.apply({"params": params}, x, y, train=True).score
            real, pull = jax.vjp(see, x)
            r1 = jnp.sum(jnp.square(pull(jnp.ones_like(real))[0]), axis=(1, 2, 3))
            out = {"score_real": real, "score_fake": see(fake), "r1": r1}
            return jnp.mean(nonsaturating.d(real, out["score_fake"]) + 5 * r1), out

        out = {}
        ws, out["w_avg_after"], out["w_truncated"] = jax.jit(mapped)(of_g)
        out["w"], other = ws[:, 0], jnp.roll(ws, 1, axis=0)
        out["fake"] = drawn(of_g, ws)
        out["fake_mixed"] = drawn(of_g, jnp.concatenate([ws[:, :3], other[:, 3:]], axis=1))
        still = jax.tree.map(jnp.zeros_like, of_g["buffers"])
        out["fake_without_noise"] = drawn(of_g | {"buffers": still}, ws)
        slopes = {}
        for player, objective, *given in (
            ("g", g_objective, of_g["params"]),
            ("d", d_objective, of_d["params"], out["fake"]),
        ):
            slopes[player], more = jax.jit(jax.grad(objective, has_aux=True))(*given)
            out |= more
    assert out.keys() == stored["outputs"].keys()
    for key, values in out.items():
        assert values.dtype == dtype
        parity.assert_near(values, stored["outputs"][key], tolerance, key)
    for player, slope in slopes.items():

        def stored_form(path, a, player=player):
            own = f"{name}/{reference_name(player, path)}"
            return own, as_stored(own, a)

        parity.assert_gradients_near(slope, stored_form, stored["gradients"][player], tolerance)


def count(module, *inputs):
    return sum(a.size for a in jax.tree.leaves(shapes(module, *inputs)["params"]))


WIDE = {"width": 512, "widest": 512}


@pytest.mark.parametrize(
    "classes, options, g_options, form, sizes",
    [
        (0, WIDE, {"style": 512}, "plain", (19_947_539, 20_720_641)),
        (10, WIDE, {"style": 512}, "plain", (20_215_315, 23_089_664)),
        (0, WIDE, {"style": 512}, "residual", (19_947_539, 21_507_073)),
        (0, {"width": 64, "widest": 128}, {"style": 128}, "residual", (1_050_195, 1_153_473)),
        (0, {}, {}, "residual", (263_987, 288_993)),
        (0, {"width": 16, "widest": 32}, {"style": 32}, "residual", (66_723, 72_561)),
    ],
)
def test_parameter_counts_are_the_published_ones(classes, options, g_options, form, sizes):
    g = stylegan2.Generator((32, 32, 3), classes, **options, **g_options)
    d = stylegan2.Discriminator(stylegan2.Head(classes), form=form, **options)
    z, x = jnp.zeros((2, g.style)), jnp.zeros((2, 32, 32, 3))
    name = f"stylegan2, {form} D, {classes} classes, {g.width} to {g.widest} channels"
    parity.assert_counts(name, (count(g, z, LABELS), count(d, x, LABELS)), sizes)


LABELS = jnp.zeros(2, jnp.int32)
SMALL = {"width": 4, "widest": 4, "base": 4}


def small(**options):
    """A generator of 8x8 images, four layers, with its variables, two latents and labels."""
    g = stylegan2.Generator((8, 8, 1), 3, style=4, layers=1, **(SMALL | options))
    z, y = jax.random.normal(jax.random.key(1), (2, 4)), jnp.array([0, 2])
    return g, g.init(jax.random.key(0), z, y, train=False), z, y


def test_in_training_styles_are_mixed_from_a_random_layer_on():
    """The first layer keeps its own; all layers do where nothing is mixed, and in sampling."""
    g, variables, z, y = small(mixing=1.0)

    @functools.partial(jax.jit, static_argnums=0)
    def mapped(g, seed):
        streams = {"noise": jax.random.key(seed)}
        return g.apply(variables, z, y, train=True, method="mapping", rngs=streams)

    own = g.apply(variables, z, y, train=False, method="mapping")
    assert (own == own[:, :1]).all()
    differs = lambda ws: tuple((np.abs(ws - own) > 1e-4).any((0, 2)).tolist())
    changed = {differs(mapped(g, seed)) for seed in range(16)}
    assert changed == {tuple(i >= first for i in range(4)) for first in (1, 2, 3)}
    assert not any(differs(mapped(small(mixing=0.0)[0], 0)))


def test_a_mapping_that_learns_ten_times_as_fast_begins_alike():
    """Its layers begin with a tenth of the weights, which count ten times as much."""
    slow, variables, z, y = small()
    fast, variables_of_fast, *_ = small(mapping_lr=0.1)
    layers = lambda v: v["params"]["to_w"]["dense0"]
    jax.tree.map(np.testing.assert_allclose, layers(variables), jax.tree.map(
        lambda a: 10 * a, layers(variables_of_fast)
    ))  # fmt: skip
    w = lambda g, v: g.apply(v, z, y, train=False, method="mapping")
    np.testing.assert_allclose(w(fast, variables_of_fast), w(slow, variables), rtol=1e-5)


def test_noise_is_drawn_where_there_is_a_stream_for_it():
    """It is constant otherwise, and without effect at first."""
    g, variables, z, y = small()
    draw = lambda params, **rngs: g.apply(
        variables | {"params": params}, z, y, train=False,
        rngs={name: jax.random.key(seed) for name, seed in rngs.items()},
    ).x  # fmt: skip
    first = variables["params"]
    np.testing.assert_array_equal(draw(first), draw(first, noise=0))
    noisy = jax.tree.map(lambda a: a + 1 if a.ndim == 0 else a, first)
    np.testing.assert_array_equal(draw(noisy), draw(noisy))
    assert (draw(noisy, noise=0) != draw(noisy, noise=1)).any()
    assert (draw(noisy) != draw(first)).any()


def test_w_is_truncated_towards_its_mean_in_the_first_layers():
    g, variables, z, y = small()
    variables = variables | {"buffers": variables["buffers"] | {"w_mean": jnp.full(4, 2.0)}}
    mapped = functools.partial(g.apply, variables, z, y, train=False, method="mapping")
    w = mapped()
    np.testing.assert_allclose(mapped(truncation=0.0), 2.0)
    np.testing.assert_allclose(mapped(truncation=0.5), 1 + w / 2, rtol=1e-5)
    half = mapped(truncation=0.5, cutoff=1)
    np.testing.assert_array_equal(half[:, 1:], w[:, 1:])
    np.testing.assert_allclose(half[:, 0], 1 + w[:, 0] / 2, rtol=1e-5)


def test_one_w_serves_all_layers():
    g, variables, z, y = small()
    image, w = (
        g.apply(variables, z, y, train=False, method=method) for method in (None, "mapping")
    )
    synthesis = functools.partial(g.apply, variables, train=False, method="synthesis")
    np.testing.assert_array_equal(synthesis(w[:, 0], y), image.x)
    np.testing.assert_array_equal(image.extras["w"], w)


@functools.cache
def game():
    return build(
        Config(
            generator=Network("stylegan2", **SMALL | {"style": 4, "layers": 1}),
            discriminator=Network("stylegan2", **SMALL),
            conditioning="projection",
            latents=4,
            batch_size=8,
            g_penalties=(Penalty("path_length", 2.0),),
            g_optimizer=Optimizer("sgd", 0.05),
            d_optimizer=Optimizer("sgd", 0.05),
        )
    )


BATCHES = [random_batch(i) for i in range(2)]
STEP = functools.partial(train_step, game())


def first(seed=0):
    return init_state(game(), jax.random.key(seed), BATCHES[0])


@functools.cache
def alone():
    """Two steps, after which noise and the mean of w have a part in everything."""
    state = first()
    for batch in BATCHES:
        state, _ = STEP(state, batch)
    return state


def as_a_population():
    step = jax.jit(jax.vmap(STEP, in_axes=(0, None)))
    state = jax.tree.map(lambda *a: jnp.stack(a), first(0), first(1))
    for batch in BATCHES:
        state, _ = step(state, batch)
    return jax.tree.map(lambda a: a[0], state)


def on_devices_that_share_a_batch():
    mesh = jax.make_mesh((4,), ("batch",), axis_types=(AxisType.Auto,))
    split = NamedSharding(mesh, PartitionSpec(None, "batch"))
    state = jax.device_put(first(), NamedSharding(mesh, PartitionSpec()))
    for batch in BATCHES:
        state, _ = STEP(state, jax.device_put(batch, split))
    return state


def under_pmap():
    step = functools.partial(STEP, axis_name="batch")
    step = jax.pmap(step, axis_name="batch", devices=jax.devices()[:2])
    state = jax.tree.map(lambda a: jnp.stack([a] * 2), first())
    for batch in BATCHES:
        state, _ = step(state, jax.tree.map(lambda a: np.stack(np.split(a, 2, axis=1)), batch))
    return jax.tree.map(lambda a: a[1], state)


@pytest.mark.parametrize("run", [as_a_population, on_devices_that_share_a_batch, under_pmap])
def test_a_step_is_that_of_one_device(run):
    """With all that draws random numbers or looks across the batch: mixing, noise, path lengths,
    the mean of w and minibatch standard deviation.
    """
    for a, b in zip(arrays(run().players), arrays(alone().players), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5)


def test_the_average_takes_over_the_mean_of_w_and_the_noise_as_they_are():
    g = alone().generator
    jax.tree.map(np.testing.assert_array_equal, g.average["buffers"], g.stats["buffers"])
    assert (g.stats["buffers"]["w_mean"] != 0).all()
    assert (g.average["params"]["to_x"]["constant"] != g.params["to_x"]["constant"]).any()
