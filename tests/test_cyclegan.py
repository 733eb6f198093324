"""CycleGAN: sizes as published, networks as defined, and two domains that meet."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import players
import pytest
import scipy.special
from test_pix2pix import images, size, traced

import gan_jax
from gan_jax.engine.gan import Gan, Player
from gan_jax.errors import ConfigError
from gan_jax.modality import Modality
from gan_jax.models import cyclegan
from gan_jax.models.options import options_of
from gan_jax.parts.losses import least_squares
from gan_jax.parts.pools import image_pool
from gan_jax.parts.priors import Nothing
from gan_jax.parts.regularizers import cycle, identity, semantic
from gan_jax.types import Batch, Fake, Term


def both(side, channels=3):
    return {"a": images(side, channels), "b": images(side, channels)}


@pytest.mark.parametrize("blocks, expected", [(9, 11_378_179), (6, 7_837_699)])
def test_the_generators_have_the_size_of_the_authors_code(blocks, expected):
    """11.378 M with 9 blocks and biases everywhere; two of them."""
    layers = [(7, 3, 64), (3, 64, 128), (3, 128, 256), *[(3, 256, 256)] * 2 * blocks]
    layers += [(3, 256, 128), (3, 128, 64), (7, 64, 3)]
    network = cyclegan.Generator((256, 256, 3), blocks=blocks)
    _, variables = traced(network, (), both(256))
    assert sum(k * k * i * o + o for k, i, o in layers) == expected
    assert size(variables) == 2 * expected
    assert set(variables) == {"params"} and set(variables["params"]) == {"to_a", "to_b"}


def test_the_discriminators_have_the_size_of_the_authors_code():
    """2.765 M each."""
    seen, variables = traced(cyclegan.Discriminator(), both(256), both(256))
    assert seen.score.shape == (2, 2, 30, 30)
    assert size(variables) == 2 * 2_764_737


@pytest.mark.parametrize("same", [False, True])
@pytest.mark.parametrize("side", [8, 28, 32, 256])
def test_it_translates_images_of_many_sides(side, same):
    network = cyclegan.Generator((side, side, 1), width=2, blocks=2, same=same, dtype=jnp.bfloat16)
    made, variables = traced(network, (), both(side, 1))
    expected = jax.tree.map(lambda a: (a.shape, a.dtype), both(side, 1))
    for pair in (made.x, *made.extras.values()):
        assert jax.tree.map(lambda a: (a.shape, a.dtype), pair) == expected
    assert set(made.extras) == ({"back", "same"} if same else {"back"})
    assert all(a.dtype == jnp.float32 for a in jax.tree.leaves(variables))
    seen, _ = traced(cyclegan.Discriminator(width=2, layers=1), both(side, 1), both(side, 1))
    assert seen.score.shape == (2, 2, side // 2 - 2, side // 2 - 2)


def normalized(x):
    return (x - x.mean((0, 1))) / np.sqrt(x.var((0, 1)) + 1e-5)


def convolved(x, layer, strides=1, pad=None):
    """A convolution of an image ``[h, w, c]`` by its definition; padded by reflection, or zeros."""
    w = layer["kernel"]
    k = len(w)
    x = np.pad(x, ((k // 2, k // 2),) * 2 + ((0, 0),), pad or "constant")
    n = (len(x) - k) // strides + 1
    at = lambda i, j: x[strides * i : strides * i + k, strides * j : strides * j + k]
    out = [[np.einsum("ijc,ijco->o", at(i, j), w) for j in range(n)] for i in range(n)]
    return np.array(out) + layer["bias"]


def spread(x, layer):
    """PyTorch's transposed convolution of 3x3 with stride 2, padding 1 and output_padding 1: each
    input adds the kernel, which flax stores mirrored, to the output.
    """
    w, h = layer["kernel"], len(x)
    out = np.zeros((2 * h + 2, 2 * h + 2, w.shape[-1]))
    for i, j in np.ndindex(h, h):
        own = np.einsum("c,ijco->ijo", x[i, j], w[::-1, ::-1])
        out[2 * i : 2 * i + 3, 2 * j : 2 * j + 3] += own
    return out[1:-1, 1:-1] + layer["bias"]


def test_the_generator_is_the_one_that_is_described():
    rng = np.random.default_rng(0)
    network = cyclegan.ResNet((8, 8, 1), width=2, blocks=1)
    x = jnp.asarray(rng.uniform(-1, 1, (1, 8, 8, 2)), jnp.float32)
    init = functools.partial(network.init, jax.random.key(0))
    params = jax.tree.map(lambda a: rng.normal(size=a.shape), jax.eval_shape(init, x)["params"])
    made = jax.jit(network.apply)({"params": params}, x)
    relu = lambda a: np.maximum(a, 0)
    layer = lambda i: params[f"Conv_{i}"]
    h = relu(normalized(convolved(np.asarray(x)[0], layer(0), pad="reflect")))
    h = relu(normalized(convolved(h, layer(1), strides=2)))
    h = relu(normalized(convolved(h, layer(2), strides=2)))
    inner = relu(normalized(convolved(h, layer(3), pad="reflect")))
    h = h + normalized(convolved(inner, layer(4), pad="reflect"))
    for i in (0, 1):
        h = relu(normalized(spread(h, params[f"ConvTranspose_{i}"])))
    expected = np.tanh(convolved(h, layer(5), pad="reflect"))
    np.testing.assert_allclose(made[0], expected, rtol=1e-3, atol=1e-4)


# A GAN of objects: two domains of 8x8, one the negative of the other but for noise, unpaired.
SHAPE, B = (8, 8, 1), 4
RNG = np.random.default_rng(0)
A = np.repeat(np.repeat(RNG.uniform(-1, 1, (1, B, 2, 2, 1)), 4, 2), 4, 3).astype(np.float32)
BATCH = Batch({"a": A, "b": -A[:, ::-1]}, np.zeros((1, B), np.int32))


class Domains(Modality):
    """A pair of images of the shape, one of each domain."""

    def check(self, field, x):
        assert {name: a.shape[1:] for name, a in x.items()} == dict.fromkeys("ab", self.shape)


def itself(batch, frozen, key):
    return Batch(batch.x, batch.x)


@functools.cache
def trained(n=25):
    terms = (Term("cycle", cycle(), 10.0),)
    generator = cyclegan.Generator(SHAPE, width=4, blocks=1)
    discriminator = cyclegan.Discriminator(width=4, layers=1)
    adam = optax.adam(2e-3, b1=0.5)
    gan = Gan(
        Player(generator, adam, terms),
        Player(discriminator, adam, memory=image_pool(6)),
        least_squares, Nothing(), Domains(SHAPE), prepare=itself,
    )  # fmt: skip
    state, history = gan_jax.init_state(gan, jax.random.key(0), BATCH), []
    for _ in range(n):
        state, metrics = gan_jax.train_step(gan, state, BATCH)
        history.append(metrics)
    return gan, state, {name: [float(m[name]) for m in history] for name in history[0]}


def test_cycles_are_learned_with_a_pool():
    _, state, history = trained()
    assert np.isfinite(list(history.values())).all()
    assert history["g/cycle"][-1] < 0.7 * history["g/cycle"][0]
    memory = state.discriminator.memory
    assert int(memory["count"]) == 6
    assert all(np.abs(pool).max() > 0 for pool in jax.tree.leaves(memory["images"]))


def test_the_terms_are_means_per_example():
    """Against numpy; the whole cycle begins with the condition."""
    rng = np.random.default_rng(1)
    pair = lambda: {name: rng.normal(size=(3, 4, 4, 2)).astype(np.float32) for name in "ab"}
    y, back, same = pair(), pair(), pair()
    context = players.context(fake=Fake(pair(), y, {"back": back, "same": same}))
    for term, made in ((cycle, back), (identity, same)):
        value, _ = term().apply((), context)
        parts = [np.abs(made[name] - y[name]).mean((1, 2, 3)) for name in "ab"]
        np.testing.assert_allclose(value, np.mean(parts, axis=0), rtol=1e-5)


def test_translations_keep_the_class_that_the_classifier_sees():
    """Against scipy: the class of the image that was translated, whatever the classifier says of
    the image of the other domain.
    """
    rng = np.random.default_rng(2)
    weights = rng.normal(size=(32, 5)).astype(np.float32)
    classify = lambda x: x.reshape(len(x), -1) @ weights
    pair = lambda: {name: rng.normal(size=(3, 4, 4, 2)).astype(np.float32) for name in "ab"}
    x, y = pair(), pair()
    context = players.context(fake=Fake(x, y), frozen={"classifier": classify})
    value, _ = semantic().apply((), context)
    log_p = {name: scipy.special.log_softmax(classify(x[name]), axis=1) for name in "ab"}
    seen = {name: classify(y[name]).argmax(1) for name in "ab"}
    each = np.arange(3)
    expected = -log_p["b"][each, seen["a"]] - log_p["a"][each, seen["b"]]
    np.testing.assert_allclose(value, expected, rtol=1e-4)
    with pytest.raises(ConfigError, match=r"^semantic needs the classifier of a labelled domain"):
        semantic().apply((), players.context(fake=Fake(x, y), frozen={}))


def test_the_cycle_is_one_translation_after_the_other():
    network = cyclegan.Generator(SHAPE, width=2, blocks=0, same=True)
    y = {name: images[0] for name, images in BATCH.x.items()}
    _, shapes = traced(network, (), y)
    variables = jax.tree.map(lambda a: jnp.asarray(RNG.normal(size=a.shape), a.dtype), shapes)

    @jax.jit
    def whole_and_in_steps(variables, y):
        to = functools.partial(network.apply, variables, method="translate")
        x = {"a": to(y["b"], to="a"), "b": to(y["a"], to="b")}
        back = {"a": to(x["b"], to="a"), "b": to(x["a"], to="b")}
        steps = Fake(x, None, {"back": back, "same": {n: to(y[n], to=n) for n in "ab"}})
        return network.apply(variables, (), y, train=True), steps

    whole, steps = whole_and_in_steps(variables, y)
    jax.tree.map(functools.partial(np.testing.assert_allclose, atol=1e-5), whole, steps)
    assert np.abs(whole.x["a"] - whole.extras["same"]["a"]).max() > 0.1


REFUSED = {
    "one image": (
        lambda: traced(cyclegan.Generator(SHAPE), (), images(8, 1)),
        "conditions must be images of two domains, a dictionary of a and b, not ",
    ),
    "other domains": (
        lambda: traced(cyclegan.Generator(SHAPE), (), {"a": images(8, 1), "c": images(8, 1)}),
        "conditions must be images of two domains, a dictionary of a and b, not a, c.",
    ),
    "other channels": (
        lambda: traced(cyclegan.Generator(SHAPE), (), {"a": images(8, 1), "b": images(8, 3)}),
        "conditions: the images of domain b must have the shape [8, 8, 1], not [8, 8, 3].",
    ),
    "odd sides": (
        lambda: traced(cyclegan.Generator((30, 30, 1)), (), both(30, 1)),
        "cyclegan requires images whose sides are multiples of 4, at least 8, not 30x30.",
    ),
    "no translation into the own domain": (
        lambda: identity().apply((), players.context(fake=Fake({}, {}, {"back": {}}))),
        "identity needs same from the generator, whose Fake has only x, back.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_it_cannot_translate_is_refused(name):
    trace, message = REFUSED[name]
    with pytest.raises(ConfigError) as error:
        trace()
    assert message in str(error.value)


def test_every_option_has_a_help_text_and_a_default():
    for player in (cyclegan.Generator, cyclegan.Discriminator):
        assert all(o.help.endswith(".") and o.default_text for o in options_of(player).values())
