"""StackGAN: its networks and its terms, the divergence of augmented conditions and wrong pairs."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import players
import pytest
from gans import arrays

from gan_jax.data.captions import COLOURED
from gan_jax.engine.gan import Gan, Player, init_state
from gan_jax.engine.train_step import train_step
from gan_jax.engine.trained import generate
from gan_jax.errors import ConfigError
from gan_jax.modality import Images
from gan_jax.models import stackgan
from gan_jax.models.projected import FROZEN
from gan_jax.nn.norms import BiasOnly
from gan_jax.parts.losses import nonsaturating
from gan_jax.parts.priors import Normal
from gan_jax.parts.regularizers import kl, matching
from gan_jax.parts.regularizers.conditions import SIMILAR
from gan_jax.types import Batch, Critique, Fake, Term

WORDS, Z = len(COLOURED.words), 3
TINY = dict(words=WORDS, width=2, widest=4, text=5, blocks=1)
Y = jnp.asarray(COLOURED.table[[0, 700, 1300, 5], [0, 1, 2, 3]])
SMALL, LARGE = (8, 8, 3), (16, 16, 3)


def of_shape(module, *inputs):
    return jax.eval_shape(
        lambda key: module.init_with_output(key, *inputs, train=False), jax.random.key(0)
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Trained:
    """A generator of the first stage, as if it had been trained."""

    network: stackgan.Generator
    variables: dict
    key: str = "first"


def first(shape=SMALL, **changes):
    return stackgan.Generator(shape, **(TINY | {"condition": 4} | changes))


@functools.cache
def trained(shape=SMALL):
    network, rng = first(shape), np.random.default_rng(5)
    drawn = lambda a: rng.uniform(0.1, 0.5, a.shape).astype(np.float32)
    return Trained(network, jax.tree.map(drawn, of_shape(network, jnp.zeros((2, Z)), Y[:2])[1]))


def refiner(stage=None, **changes):
    stage = stage or trained()
    return stackgan.Refiner(LARGE, stage=stage, **(TINY | {"condition": 4, "base": 4} | changes))


@pytest.mark.parametrize("encoder", stackgan.ENCODERS.values())
@pytest.mark.parametrize("side, layers", [(16, 2), (32, 3)])
def test_stages_differ_by_one_layer(encoder, side, layers):
    """Convolutions of the residual block come in its own scope."""
    plain = lambda params, name: sum(key.startswith(name) for key in params)
    generator = first((side, side, 3), encoder=encoder)
    made, variables = of_shape(generator, jnp.zeros((4, Z)), Y)
    assert made.x.shape == (4, side, side, 3) and made.extras["kl"].shape == (4,)
    assert plain(variables["params"], "UpConv") == layers
    options = dict(encoder=encoder, compared=6, spectral=True)
    critic = stackgan.Discriminator(stackgan.Head(), **TINY, **options)
    critique, variables = of_shape(critic, jnp.zeros((4, side, side, 3)), Y)
    assert critique.score.shape == (4,) and critique.extras["features"].shape == (4, 4 * 4 * 4)
    assert plain(variables["params"], "Conv") == layers
    joint = variables["params"]["head"]["Conv_0"]["kernel"].shape
    assert joint == (1, 1, 4 + 6, 4)  # the maps beside the embedding


def test_the_second_stage_halves_the_image_of_the_first_and_doubles_it_twice():
    made, variables = of_shape(refiner(), jnp.zeros((4, Z)), Y)
    assert made.x.shape == (4, *LARGE) and made.extras["kl"].shape == (4,)
    params = variables["params"]
    assert params["Conv_0"]["kernel"].shape == (3, 3, 3, 4)
    assert params["Conv_1"]["kernel"].shape == (4, 4, 4, 4)
    assert params["Conv_2"]["kernel"].shape == (3, 3, 4 + 4, 4)  # the maps beside the condition
    assert "UpConv_1" in params and "UpConv_2" not in params
    same = jax.tree.map(lambda a: a.shape, variables[FROZEN]["stage"])
    assert same == jax.tree.map(lambda a: a.shape, trained().variables)
    with pytest.raises(
        ConfigError,
        match=r"^stage: the images of the first stage are 16x16; those of 16x16 with base 4 are "
        "made from 4x4, 8x8",
    ):
        of_shape(refiner(trained(LARGE)), jnp.zeros((4, Z)), Y)


def test_labels_are_refused():
    with pytest.raises(ConfigError, match=r"^stackgan needs captions as conditions, .* int32\[4\]"):
        of_shape(first(), jnp.zeros((4, Z)), jnp.zeros(4, jnp.int32))


@pytest.mark.parametrize("encoder, ordered", [(stackgan.MeanOfWords, False), (stackgan.Gru, True)])
def test_text_encoders_read_words_and_no_padding(encoder, ordered):
    module = encoder(WORDS, 5)
    text = COLOURED.tokens("a red seven")[None]
    variables = module.init(jax.random.key(0), text)
    read = lambda tokens: module.apply(variables, jnp.asarray(tokens))
    seen = read(text)
    assert seen.shape == (1, 5)
    np.testing.assert_allclose(seen, read(text[:, :3]), rtol=1e-5, atol=1e-6)
    other = COLOURED.tokens("seven red a")[None]
    assert np.allclose(seen, read(other), rtol=1e-5, atol=1e-6) == (not ordered)
    assert not np.allclose(seen, read(COLOURED.tokens("a blue seven")[None]))


def test_the_mean_of_words_is_that_of_their_embeddings():
    module = stackgan.MeanOfWords(WORDS, 5)
    params = module.init(jax.random.key(0), Y)["params"]
    table, dense = params["Embed_0"]["embedding"], params["Dense_0"]
    for tokens, found in zip(np.asarray(Y), module.apply({"params": params}, Y), strict=True):
        hidden = np.mean([table[t] for t in tokens if t], axis=0) @ dense["kernel"] + dense["bias"]
        np.testing.assert_allclose(found, np.where(hidden > 0, hidden, 0.2 * hidden), rtol=1e-5)


def test_conditions_are_drawn_from_the_gaussian_whose_divergence_is_returned():
    """KL(N(mu, sigma^2) || N(0, 1)) = log(1 / sigma) + (sigma^2 + mu^2) / 2 - 1 / 2."""
    mean, log_deviation = np.array([0.5, -1.0, 2.0]), np.array([-1.0, 0.3, 0.0])
    zeros = np.zeros((1, 3))
    params = {
        "mean": {"kernel": zeros, "bias": mean},
        "log_deviation": {"kernel": zeros, "bias": log_deviation},
    }
    module, n = stackgan.Condition(3, drawn=True), 20_000
    text = jnp.ones((n, 1))
    c, extras = module.apply(
        {"params": params}, text, train=True, rngs={"noise": jax.random.key(0)}
    )
    deviation = np.exp(log_deviation)
    np.testing.assert_allclose(c.mean(0), mean, atol=5 * deviation.max() / n**0.5)
    np.testing.assert_allclose(c.std(0), deviation, rtol=0.03)
    nats = np.log(1 / deviation) + (deviation**2 + mean**2) / 2 - 0.5
    np.testing.assert_allclose(extras["kl"], np.full(n, nats.mean()), rtol=1e-5)
    alone, extras = module.apply({"params": params}, text[:2], train=False)
    np.testing.assert_allclose(alone, np.tile(mean, (2, 1)), rtol=1e-6)
    assert "kl" in extras


def test_the_divergence_is_a_term_where_conditions_are_augmented():
    context = lambda extras: players.context(fake=Fake(None, None, extras))
    nats = jnp.array([0.5, 2.0])
    np.testing.assert_array_equal(kl().apply((), context({"kl": nats}))[0], nats)
    made, variables = of_shape(first(augmentation=False), jnp.zeros((4, Z)), Y)
    assert "log_deviation" not in variables["params"]["Condition_0"]
    with pytest.raises(ConfigError, match=r"^kl needs conditioning augmentation, but the gene"):
        kl().apply((), context(made.extras))


SCORES = np.array([[0.3, -1.0, 2.0, 0.1], [1.5, 0.2, -0.7, 0.4], [0.9, -2.0, 0.0, 1.1]])
"""Of four images, with the captions of three kinds."""


def pairs(kinds, seed=0):
    """What matching sees where D's scores are `SCORES` of the image and the kind of its caption."""
    y = jnp.stack([jnp.zeros(4, jnp.int32), jnp.asarray(kinds)], axis=1)
    look = lambda x, y: Critique(jnp.asarray(SCORES)[y[:, 1], x])
    fake = Critique(jnp.array([0.5, -0.5, 1.0, 0.0]))
    x = jnp.arange(4)
    return players.context(
        real=Batch(x, y), fake=Fake(x, y), discriminate=look, real_critique=look(x, y),
        fake_critique=fake, key=jax.random.key(seed),
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
def test_wrong_pairs_take_half_of_the_weight_of_fakes(x64, seed):
    """D's loss is softplus(-real) + (softplus(wrong) + softplus(fake)) / 2, but where no other
    caption was found, it is the usual one.
    """
    kinds = np.array([0, 1, 1, 2])
    context = pairs(kinds, seed)
    real, fake = context.real_critique.score, context.fake_critique.score
    found = nonsaturating.d(real, fake) + matching().apply((), context)[0]
    soft = lambda score: np.log1p(np.exp(score))

    def loss(i, wrong):
        if wrong == kinds[i]:
            return soft(-SCORES[kinds[i], i]) + soft(fake[i])
        return soft(-SCORES[kinds[i], i]) + (soft(SCORES[wrong, i]) + soft(fake[i])) / 2

    by_shift = [[loss(i, wrong) for i, wrong in enumerate(np.roll(kinds, s))] for s in (1, 2, 3)]
    assert any(np.allclose(found, expected, rtol=1e-12) for expected in by_shift)


def test_all_wrong_captions_of_the_minibatch_are_drawn():
    values = {tuple(matching().apply((), pairs([0, 1, 2, 2], s))[0].tolist()) for s in range(30)}
    assert len(values) == 3  # one for each number of places but 0


def test_equal_captions_are_no_wrong_pairs():
    np.testing.assert_array_equal(matching().apply((), pairs([1, 1, 1, 1]))[0], np.zeros(4))
    one = players.of_critiques(Critique(jnp.zeros(1)), Critique(jnp.zeros(1)))
    with pytest.raises(ConfigError, match=r"^matching exchanges conditions and needs .* not 1\.$"):
        matching().apply((), one)


def test_a_share_of_the_wrong_pairs_is_similar():
    """D scores similar captions 5.0, which `pairs` cannot reach."""
    context = pairs([0, 1, 2, 2])
    look = context.discriminate
    context = dataclasses.replace(
        context,
        frozen={SIMILAR: lambda y, key: jnp.full_like(y, 9)},
        discriminate=lambda x, y: Critique(jnp.where(y[:, 1] == 9, 5.0, look(x, y % 3).score)),
    )
    soft = lambda score: np.log1p(np.exp(score))
    near = 0.5 * (soft(5.0) - soft(np.array([0.5, -0.5, 1.0, 0.0])))
    all_near = matching(similar=1.0).apply((), context)[0]
    np.testing.assert_allclose(all_near, near, rtol=1e-6)
    some = [
        matching(similar=0.25).apply((), dataclasses.replace(context, key=jax.random.key(i)))[0]
        for i in range(100)
    ]
    assert 0.19 < np.mean(np.isclose(some, near, rtol=1e-6)) < 0.31
    with pytest.raises(ConfigError, match=r"^matching similar=0.5 needs conditions that can be"):
        matching(similar=0.5).apply((), dataclasses.replace(context, frozen={}))


def second_stage():
    critic = stackgan.Discriminator(stackgan.Head(), norm=BiasOnly, compared=6, **TINY)
    return Gan(
        Player(
            refiner(norm=BiasOnly), optax.sgd(0.5), (Term("kl", kl(), 2.0),), average=10.0,
            copied=(FROZEN,),
        ),
        Player(critic, optax.sgd(0.5), (Term("matching", matching(), 1.0),)),
        nonsaturating, Normal(Z), Images(LARGE),
    )  # fmt: skip


def test_a_step_trains_the_second_stage_and_leaves_the_first():
    gan = second_stage()
    x = np.random.default_rng(0).integers(0, 256, (1, 4, *LARGE), dtype=np.uint8)
    batch = Batch(x, Y[None])
    state = init_state(gan, jax.random.key(0), batch)
    before = [jax.tree.map(np.array, player.params) for player in state.players]
    state, metrics = train_step(gan, state, batch)
    assert all(np.isfinite(value) for value in metrics.values())
    assert float(metrics["g/kl"]) > 0 and {"d/matching", "d/loss", "g/loss"} <= metrics.keys()
    for stats in (state.generator.stats, state.generator.average):
        for a, b in zip(arrays(stats[FROZEN]["stage"]), arrays(trained().variables), strict=True):
            np.testing.assert_array_equal(a, b)
    for player, old in zip(state.players, before, strict=True):
        same = jax.tree.map(lambda a, b: bool((a == b).all()), player.params, old)
        assert not any(jax.tree.leaves(same["text"])) and not same["Conv_0"]["kernel"]
    z = jnp.ones((4, Z))
    drawn = [generate(gan, state, z, Y, key=jax.random.key(i)) for i in (0, 1)]
    assert not np.allclose(*drawn) and drawn[0].shape == (4, *LARGE)
    mean = generate(gan, state, z, Y)
    np.testing.assert_array_equal(mean, generate(gan, state, z, Y))
    assert not np.allclose(mean[0], mean[1])
