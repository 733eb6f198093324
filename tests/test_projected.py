"""The projected discriminator: which activations it sees, what is random in it, what is trained,
and that a run is not evaluated with the features that its discriminator sees.
"""

import dataclasses
import functools
import types

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from gans import G_PENALTIES, arrays
from test_matrix import OF_CLASSES, every_loss, lazily

from gan_jax import evaluate
from gan_jax.build import abstract_batch, build
from gan_jax.config import Config, Network, Optimizer
from gan_jax.engine.gan import init_state
from gan_jax.engine.train_step import train_step
from gan_jax.errors import ConfigError
from gan_jax.models import projected
from gan_jax.nn.heads import CodesHead
from gan_jax.parts.regularizers import REGULARIZERS
from gan_jax.recognizers import RECOGNIZERS, pretrained, recipes
from gan_jax.recognizers.cnn import Cnn
from gan_jax.recognizers.networks import Recognizer
from gan_jax.recognizers.resnet import ResNet
from gan_jax.types import Batch, Loss

TINY = Cnn(10, width=2, features=3)
SIDE = 24
X = jax.random.normal(jax.random.key(0), (4, SIDE, SIDE, 1))
Y = jnp.arange(4)
VARIABLES = TINY.init(jax.random.key(1), X, train=False)
SEEN = Recognizer(TINY, VARIABLES, "tiny", {})


def discriminator(num_classes=0, seen=SEEN, **changes):
    return projected.Discriminator(projected.Head(num_classes), seen, width=2, **changes)


def test_the_maps_are_the_activations_of_each_side():
    """The network halves 24 to 12, 6 and 3, and ends there with a convolution of the same side."""
    maps = projected.feature_maps(TINY, VARIABLES, X)
    assert [m.shape for m in maps] == [(4, 12, 12, 2), (4, 6, 6, 4), (4, 3, 3, 8)]
    _, seen = TINY.apply(VARIABLES, X, train=False, capture_intermediates=True)
    normed = seen["intermediates"]
    for i, found in enumerate(maps):
        expected = nn.relu(normed[f"BatchNorm_{i}"]["__call__"][0])
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("half, sides", [(False, [32, 16, 8]), (True, [16, 8])])
def test_the_maps_of_a_residual_network_have_all_its_sides(half, sides):
    network, x = ResNet(10, width=2, blocks=1, half=half), jnp.zeros((1, 32, 32, 3))
    variables = jax.eval_shape(lambda: network.init(jax.random.key(0), x, train=False))
    maps = jax.eval_shape(lambda v, x: projected.feature_maps(network, v, x), variables, x)
    assert [m.shape[1] for m in maps] == sides


def test_the_mixings_are_projections_from_the_coarsest_to_the_finest():
    """Against the sums of up-sampled 1x1 convolutions, written out."""
    maps = projected.feature_maps(TINY, VARIABLES, X)
    module, key = projected.Projections(2), jax.random.key(2)
    found, variables = module.init_with_output(key, maps, (SIDE, SIDE))
    frozen = variables["frozen"]
    below = 0.0
    for i, side in ((2, 6), (1, 12), (0, 24)):
        times = lambda x, name: np.einsum("bhwc,cd->bhwd", x, frozen[name]["kernel"])
        own = times(maps[i], f"channels{i}") + np.asarray(frozen[f"channels{i}"]["bias"]) + below
        large = jax.image.resize(own, (4, side, side, own.shape[3]), "bilinear")
        below = times(large, f"scales{i}") + np.asarray(frozen[f"scales{i}"]["bias"])
        np.testing.assert_allclose(found[i], below, rtol=1e-4, atol=1e-5)
    assert [m.shape[1:] for m in found] == [(24, 24, 2), (12, 12, 2), (6, 6, 4)]


def test_the_projections_begin_as_convolutions_of_pytorch():
    """Uniform within one over the root of the number of inputs, biases too."""
    maps = [jnp.zeros((1, 4, 4, 9))]
    frozen = projected.Projections(400).init(jax.random.key(0), maps, (8, 8))["frozen"]
    for name, inputs in (("channels0", 9), ("scales0", 400)):
        uniform = scipy.stats.uniform(-(inputs**-0.5), 2 * inputs**-0.5)
        for weights in frozen[name].values():
            assert scipy.stats.kstest(np.ravel(weights), uniform.cdf).pvalue > 1e-3


@pytest.mark.parametrize("num_classes", [0, 10])
def test_scores_are_those_of_all_places_of_all_scales(num_classes):
    """24 and 12 are halved to 6, which has 3 x 3 places, as has the coarsest scale."""
    module = discriminator(num_classes)
    variables = module.init(jax.random.key(2), X, Y, train=False)
    score = lambda y: module.apply(variables, X, y, train=False).score
    assert score(Y).shape == (4, 27)
    assert np.allclose(score(Y), score(Y + 1)) == (num_classes == 0)
    assert set(variables) == {"params", "frozen", "batch_stats", "spectral"}
    assert set(variables["params"]) == {
        "head",
        "conv0_0",
        "conv0_1",
        "conv1_0",
        "norm0_0",
        "norm0_1",
        "norm1_0",
    }


def test_maps_that_are_too_small_are_refused():
    x = X[:, :4, :4]
    seen = Recognizer(TINY, TINY.init(jax.random.key(1), x, train=False), "small", {})
    with pytest.raises(ConfigError, match=r"^discriminator\.network has too small feature maps"):
        discriminator(seen=seen).init(jax.random.key(2), x, Y, train=False)


@pytest.fixture
def asked(monkeypatch):
    """Recognizers are not trained; the calls that ask for them."""
    calls = []

    def recognizer(dataset, framing, config):
        calls.append((dataset, framing, config))
        x = jnp.zeros((1, framing.size or 8, framing.size or 8, framing.channels or 1))
        variables = TINY.init(jax.random.key(1), x, train=False)
        return Recognizer(TINY, variables, f"{dataset} {framing} {config}", {})

    monkeypatch.setattr(pretrained, "recognizer", recognizer)
    build.cache_clear()
    yield calls
    build.cache_clear()


SMALL = 12
CONFIG = Config(
    size=SMALL,
    generator=Network("mlp", width=8, depth=1),
    discriminator=Network("projected", width=2),
    latents=2,
    loss="hinge",
    g_optimizer=Optimizer("sgd", lr=0.1),
    d_optimizer=Optimizer("sgd", lr=0.1),
    d_ema=10.0,
    batch_size=4,
)


def test_a_step_trains_both_players_and_leaves_what_is_frozen(asked):
    """G learns through the classifier; neither optimizer, EMA nor statistics change its weights."""
    gan = build(CONFIG)
    batch = Batch(np.zeros((1, 4, SMALL, SMALL, 1), np.uint8), np.zeros((1, 4), np.int32))
    batch.x[:] = np.random.default_rng(0).integers(0, 256, batch.x.shape)
    state = init_state(gan, jax.random.key(0), batch)
    before = jax.device_get(state)
    for _ in range(2):
        state, metrics = train_step(gan, state, batch)
    assert all(np.isfinite(m) for m in metrics.values())
    for own, old in zip(state.players, before.players, strict=True):
        pairs = list(zip(arrays(own.params), arrays(old.params), strict=True))
        assert all(np.any(a != b) for a, b in pairs if a.ndim > 1)
    d, first = state.discriminator, before.discriminator
    for frozen in (d.stats["frozen"], d.average["frozen"]):
        jax.tree.map(np.testing.assert_array_equal, frozen, first.stats["frozen"])
    given = gan.discriminator.network.pretrained.variables
    jax.tree.map(np.testing.assert_array_equal, first.stats["frozen"]["recognizer"], given)
    assert any(
        np.any(a != b)
        for a, b in zip(
            arrays(d.stats["batch_stats"]), arrays(first.stats["batch_stats"]), strict=True
        )
    )


def test_every_loss_and_penalty_traces_with_it(asked):
    """Scores are ``[b, n]``, and all derivatives pass through the classifier."""
    gan = build(CONFIG)
    known = {k: v for k, v in REGULARIZERS.items() if k not in OF_CLASSES}
    more = lambda player, terms: dataclasses.replace(player, terms=lazily(terms))
    gan = dataclasses.replace(
        gan,
        loss=Loss(every_loss("d"), every_loss("g")),
        generator=more(gan.generator, G_PENALTIES),
        discriminator=more(gan.discriminator, known),
    )
    batch = abstract_batch(CONFIG, gan.source)
    state = jax.eval_shape(functools.partial(init_state, gan), jax.random.key(0), batch)
    after, metrics = jax.eval_shape(functools.partial(train_step, gan), state, batch)
    shapes = lambda tree: jax.tree.map(lambda a: (a.shape, a.dtype), tree)
    assert shapes(after) == shapes(state)
    assert {f"d/{name}" for name in known} <= metrics.keys()


def test_equal_configs_share_the_classifier_and_other_datasets_have_the_same_shape(asked):
    one, two = build(CONFIG), build(dataclasses.replace(CONFIG, seed=1))
    assert one == two and asked[-1][0] == "digits" and asked[-1][2].task == "turns"
    other = dataclasses.replace(CONFIG.discriminator, recognizer="mnist", network="cnn")
    build(dataclasses.replace(CONFIG, discriminator=other))
    dataset, framing, config = asked[-1]
    assert (dataset, framing.size, framing.channels, config.network) == ("mnist", SMALL, 1, "cnn")


def test_codes_and_labels_fit_its_heads(asked):
    changes = {"prior": "infogan:3", "conditioning": "projection"}
    gan = build(dataclasses.replace(CONFIG, **changes))
    assert isinstance(gan.discriminator.network.head, CodesHead)
    assert abstract_batch(CONFIG, gan.source).x.shape == (1, 4, SMALL, SMALL, 1)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"discriminator": "projected:network=cnn:task=labels"}, "is also the feature extractor"),
        ({"discriminator": "projected:network=vgg"}, "discriminator.network 'vgg' is unknown; use"),
        ({"discriminator": "projected:task=turn"}, "discriminator.task 'turn' is unknown; did you"),
        ({"discriminator": "projected:recognizer=3"}, "discriminator.recognizer must be a name, "),
        (
            {"discriminator": "projected:recognizer=ring8"},
            "discriminator.recognizer 'ring8' contains vectors, but the classifier",
        ),
        (
            {"conditioning": "acgan"},
            "conditioning 'acgan' does not fit the discriminator; use none",
        ),
        ({"generator": "projected"}, "generator.name 'projected' is unknown; use"),
    ],
)
def test_what_cannot_be_is_refused(asked, changes, message):
    with pytest.raises(ConfigError, match=message) as refusal:
        build(dataclasses.replace(CONFIG, **changes))
    assert "\n" not in str(refusal.value)


def test_the_classifier_of_a_discriminator_cannot_judge_it(asked, monkeypatch):
    gan = build(CONFIG)
    judge = types.SimpleNamespace(network=gan.discriminator.network.pretrained)
    monkeypatch.setattr("gan_jax.evaluation.evaluator.look", lambda *_: judge)
    state = init_state(gan, jax.random.key(0), abstract_zeros(gan))
    words = "features: the discriminator of this run sees the features of the same network"
    with pytest.raises(ConfigError, match=words):
        evaluate(gan, state, CONFIG, num_samples=100)


def abstract_zeros(gan):
    batch = abstract_batch(CONFIG, gan.source)
    return jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), batch)


def test_the_default_classifier_is_not_that_of_the_evaluation():
    options = {f.name: f.default for f in dataclasses.fields(projected.Discriminator)}
    assert options["network"] in RECOGNIZERS and options["task"] in recipes.TASKS
    assert options["network"] != recipes.SMALL_CNN.network
