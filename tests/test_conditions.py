"""Conditions of any shape, from a config to the scores: images made from images, captions, hidden
layers of a recognizer, generators of earlier runs.
"""

import dataclasses
import functools
import shutil
import types

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from gans import arrays
from runs import stopped_after
from test_latent_pictures import Halves, tiles

import gan_jax
from gan_jax import ConfigError
from gan_jax.build import assemble
from gan_jax.build.trained import Trained, pinned
from gan_jax.config import Augmentation, Config, Network, Pairs, Penalty
from gan_jax.data import describe, load
from gan_jax.data.captions import language_of
from gan_jax.engine import scalars
from gan_jax.engine.gan import init_state
from gan_jax.engine.trained import sample
from gan_jax.evaluation import latent_pictures, latent_subject
from gan_jax.evaluation.latent_subject import Subject, conditions_of, given_images
from gan_jax.evaluation.latents import explore
from gan_jax.latents import Objective
from gan_jax.modality import Images, Tokens, Vectors
from gan_jax.parts.pairs import Read
from gan_jax.parts.pairs.levels import features
from gan_jax.parts.regularizers import G_REGULARIZERS
from gan_jax.recognizers.cnn import Cnn
from gan_jax.recognizers.networks import Recognizer
from gan_jax.runs.run import Run
from gan_jax.sampling.captioned import draw_captions
from gan_jax.sampling.conditions import conditions, in_turn, num_classes_of
from gan_jax.training.loop import train

pytestmark = pytest.mark.usefixtures("signals_as_before")

TINY = Config(dataset="digits", batch_size=8, log_every=2, diagnose_every=0)
PLAIN = dict(conditioning="none", penalties=(), steps=4, sample_every=4, checkpoint_every=2)
IMAGES = dataclasses.replace(
    TINY,
    pairs="downsample:2",
    prior="none",
    generator=Network("pix2pix", width=2, base=2),
    discriminator=Network("pix2pix", width=2, layers=1),
    g_penalties=(Penalty("l1", 10.0),),
    **PLAIN,
)
FIRST = dataclasses.replace(
    TINY,
    pairs="captions",
    latents=3,
    generator=Network("stackgan", width=2, blocks=0, text=4, condition=3),
    discriminator=Network("stackgan", width=2, blocks=0, text=4, compared=3, norm="none"),
    g_penalties=(Penalty("kl", 2.0),),
    **PLAIN,
)
KINDS = {"images": dataclasses.replace(IMAGES, diagnose_every=2), "captions": FIRST}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The run folders of both kinds."""
    folder = tmp_path_factory.mktemp("conditions")
    for name, config in KINDS.items():
        train(config, folder / name)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_a_stopped_run_resumes_bit_exactly(finished, tmp_path, monkeypatch, kind):
    with monkeypatch.context() as patch:
        stopped_after(patch, 2)
        assert train(KINDS[kind], tmp_path / kind).step < 4
    train(KINDS[kind], tmp_path / kind)
    (_, whole), (_, resumed) = (gan_jax.load(at / kind) for at in (finished, tmp_path))
    for a, b in zip(arrays(whole), arrays(resumed), strict=True):
        np.testing.assert_array_equal(a, b)


def test_images_are_scored_against_those_their_conditions_are_made_from(finished):
    gan, state = gan_jax.load(finished / "images")
    found = gan_jax.evaluate(gan, state, IMAGES, num_samples=200)
    asked = in_turn(gan, IMAGES, 200)
    np.testing.assert_array_equal(asked.labels, np.arange(200) % 10)
    real = asked.real.astype(np.float64) / 127.5 - 1
    small = real.reshape(200, 4, 2, 4, 2, 1).mean((2, 4)).repeat(2, 1).repeat(2, 2)
    np.testing.assert_allclose(asked.y, small, atol=1e-6)
    made = np.asarray(gan_jax.sample(gan, state, jax.random.key(0), asked.y))
    stored = np.rint(np.clip((made + 1) * 127.5, 0, 255)) / 127.5 - 1
    distance = np.abs(stored - real).reshape(200, -1).mean(1)
    assert found.scores["l1"] == pytest.approx(distance.mean(), rel=1e-4)
    low, high = found.intervals["l1"]
    assert low < distance.mean() < high and found.scores["psnr"] > 0
    assert "label_agreement" in found.scores and "translations" in found.pictures
    assert "interpolation" not in found.pictures and found.truncation == []


def test_captions_are_those_of_labels_and_of_what_is_typed(finished, tmp_path):
    gan, state = gan_jax.load(finished / "captions")
    language = language_of(describe("digits"))
    assert gan.condition == Tokens((language.length,), len(language.words))
    asked = conditions(gan, FIRST, np.array([3, 7, 3]))
    assert [language.label(language.text(tokens)) for tokens in asked.y] == [3, 7, 3]
    draw_captions(gan, state, FIRST, ["a picture of a 3", "the 7"], tmp_path / "drawn.png")
    assert (tmp_path / "drawn.png").stat().st_size > 1_000
    with pytest.raises(ConfigError, match="unknown word 'eight'"):
        draw_captions(gan, state, FIRST, ["the eight"], tmp_path / "other.png")
    with pytest.raises(ConfigError, match=r"captions need a GAN of captions.*'downsample'"):
        other, own = gan_jax.load(finished / "images")
        draw_captions(other, own, IMAGES, ["the 7"], tmp_path / "other.png")


def test_latents_are_explored_with_captions(finished, monkeypatch):
    monkeypatch.setattr(latent_subject, "POINTS", 60)
    quick = functools.partial(latent_pictures.invert, objective=Objective(steps=3))
    monkeypatch.setattr(latent_pictures, "invert", quick)
    gan, state = gan_jax.load(finished / "captions")
    options = {"num_images": 4, "feature_network": Halves()}
    found = explore(gan, state, FIRST, ("interpolation", "directions", "inversion"), **options)
    subject = Subject(gan, state, FIRST, ("z",), Halves, 0, None, None, 4)
    language = language_of(describe("digits"))
    label_of = lambda y: [language.label(language.text(tokens)) for tokens in y]
    assert label_of(subject.conditions(10)) == list(range(10))
    ends = subject.latents(20)[:10]
    drawn = subject.stored(ends, subject.conditions(10), "z")
    grid = tiles(found["interpolation"].pictures["interpolation_z"], 10)
    np.testing.assert_array_equal(grid[:, 0], drawn[..., 0])
    batch = given_images(subject, 4)
    own, *groups = conditions_of(subject, batch)
    assert label_of(own) == batch.y.tolist() and not any(map(np.any, groups))
    nearest, inverted = (
        found["inversion"].values[name]["psnr"] for name in ("nearest sample", "z")
    )
    assert np.isfinite([*nearest, *inverted]).all()
    unknown = batch._replace(y=np.full(4, -1))
    with pytest.raises(ConfigError, match="have no labels, from which conditions may be"):
        conditions_of(subject, unknown)


def second(first):
    return dataclasses.replace(
        FIRST,
        size=16,
        generator=Network(
            "stackgan2", first=str(first), width=2, blocks=0, base=8, text=4, condition=3
        ),
        steps=2,
    )


def test_a_stage_is_bound_to_the_checkpoint_it_began_with(finished, tmp_path):
    with pytest.raises(ConfigError, match=r"generator\.first must be the run folder"):
        Run(second(tmp_path / "nowhere"))
    shutil.copytree(finished / "captions", tmp_path / "first")
    run = Run(second(tmp_path / "first"))
    assert Run(run.config).config == run.config == pinned(run.config)
    train(run.config, tmp_path / "second")
    gan, state = gan_jax.load(tmp_path / "second")
    _, before = gan_jax.load(tmp_path / "first")
    stage = state.generator.stats["frozen"]["stage"]
    for a, b in zip(arrays(stage), arrays(before.generator.variables(True)), strict=True):
        np.testing.assert_array_equal(a, b)
    drawn = gan_jax.sample(gan, state, jax.random.key(0), in_turn(gan, run.config, 4).y)
    assert drawn.shape == (4, 16, 16, 1)
    train(dataclasses.replace(FIRST, steps=6), tmp_path / "first")
    with pytest.raises(ConfigError, match="trained further or anew"):
        assemble.__wrapped__(run.config)  # the other process has not assembled it
    with pytest.raises(ConfigError, match=r"generator\.first_digest"):
        train(second(tmp_path / "first"), tmp_path / "second")


@functools.cache
def untrained(seed=3):
    network = Cnn(10, width=2, features=5)
    variables = network.init(jax.random.key(seed), jnp.zeros((1, 8, 8, 1)), train=False)
    return Recognizer(network, variables, f"untrained-{seed}", {})


TOP = dataclasses.replace(
    TINY,
    pairs="hidden",
    prior="recovered",
    latents=3,
    generator=Network("mlp", width=4, depth=1),
    discriminator=Network("mlp", width=4, depth=1),
    g_penalties=(Penalty("classified", 1.0),),
    **PLAIN | {"conditioning": "concat"},
)


BELOW = dataclasses.replace(
    TINY,
    prior="recovered",
    latents=3,
    generator=Network("dcgan", width=2, base=4),
    discriminator=Network("dcgan", width=2, base=4),
    g_penalties=(Penalty("encoded", 1.0),),
    **PLAIN,
)


def test_levels_of_a_stack(tmp_path, monkeypatch):
    """The upper level makes hidden layers, and the lower level images, whose conditions are made by
    the upper one when it is sampled.
    """
    monkeypatch.setattr(Trained, "classifier", lambda *_: untrained())
    data = load("digits", "train")
    x, y = data.examples[:6], data.labels[:6]
    h, logits = untrained().apply(x)
    gan = gan_jax.build(TOP)
    state = init_state(gan, jax.random.key(0), next(gan_jax.batches(TOP)))
    seen = gan_jax.engine.gan.prepared(gan, state.frozen, gan_jax.Batch(x, y), jax.random.key(1))
    np.testing.assert_allclose(seen.x, h, atol=1e-6)
    classifier = gan_jax.engine.gan.networks(gan, state.frozen)["classifier"]
    np.testing.assert_allclose(classifier(h), logits, atol=1e-5)
    shown = lambda fake_x, y: types.SimpleNamespace(
        fake=gan_jax.Fake(fake_x, y), frozen=gan_jax.engine.gan.networks(gan, state.frozen)
    )
    value, _ = G_REGULARIZERS["classified"]().apply((), shown(h, y))
    log_p = logits - scipy.special.logsumexp(logits, axis=1, keepdims=True)
    np.testing.assert_allclose(value, -log_p[np.arange(6), y], rtol=1e-5)
    value, _ = G_REGULARIZERS["encoded"]().apply((), shown(jnp.float32(x) / 127.5 - 1, h + 0.5))
    np.testing.assert_allclose(value, 0.25, rtol=1e-4)
    train(TOP, tmp_path / "top")
    below = dataclasses.replace(BELOW, pairs=Pairs("features", above=str(tmp_path / "top")))
    outcome = train(below, tmp_path / "below")
    gan, _ = gan_jax.load(tmp_path / "below")
    assert "prepare" not in scalars.encode(gan)  # which has the level above
    assert gan.condition == Vectors((5,)) and num_classes_of(gan, below) == 10
    asked = conditions(gan, below, np.array([4, 4, 9]))
    assert asked.real is None and asked.labels.tolist() == [4, 4, 9]
    top, upper = gan_jax.load(tmp_path / "top")
    z = top.prior.draw(jax.random.key(0), 3)
    np.testing.assert_allclose(
        asked.y, gan_jax.generate(top, upper, z, jnp.array([4, 4, 9])), atol=1e-5
    )
    assert outcome.step == 4
    monkeypatch.setattr(Trained, "classifier", lambda *_: untrained(seed=4))
    with pytest.raises(ConfigError, match="hidden layers of another classifier"):
        gan_jax.build.__wrapped__(below)
    with pytest.raises(ConfigError, match="encoded needs a frozen encoder"):
        gan_jax.build(dataclasses.replace(TINY, g_penalties=(Penalty("encoded", 1.0),)))


def test_three_levels(tmp_path, monkeypatch):
    """A label -> logits -> the last hidden layer -> an image, each level on top of the next run."""
    monkeypatch.setattr(Trained, "classifier", lambda *_: untrained())
    top = dataclasses.replace(TOP, pairs=Pairs("hidden", layer="logits"))
    train(top, tmp_path / "top")
    middle = dataclasses.replace(
        TOP,
        pairs=Pairs("between", above=str(tmp_path / "top")),
        conditioning="none",
        g_penalties=(Penalty("encoded", 1.0),),
    )
    train(middle, tmp_path / "middle")
    gan, _ = gan_jax.load(tmp_path / "middle")
    assert (gan.modality, gan.condition) == (Vectors((5,)), Vectors((10,)))
    data = load("digits", "train")
    _, state = gan_jax.load(tmp_path / "middle")
    batch = gan_jax.Batch(data.examples[:3], data.labels[:3])
    seen = gan_jax.engine.gan.prepared(gan, state.frozen, batch, jax.random.key(1))
    h, logits = untrained().apply(data.examples[:3])
    np.testing.assert_allclose(seen.x, h, atol=1e-6)
    np.testing.assert_allclose(seen.y, logits, atol=1e-5)

    labels, key = jnp.array([4, 4, 9]), jax.random.key(7)
    below = dataclasses.replace(BELOW, pairs=Pairs("features", above=str(tmp_path / "middle")))
    made = gan_jax.build(pinned(below)).prepare.draw(labels, key)
    upper = sample(*gan_jax.load(tmp_path / "top"), jax.random.fold_in(key, 1), labels)
    np.testing.assert_allclose(made, sample(gan, state, key, upper), atol=1e-5)
    assert np.shape(upper) == (3, 10) and np.shape(made) == (3, 5)

    alone = types.SimpleNamespace(gan=gan_jax.build(dataclasses.replace(middle, pairs="between")))
    found = types.SimpleNamespace(generator=lambda *_: alone)
    with pytest.raises(ConfigError, match="needs vectors of 10 numbers as conditions, which no"):
        features(Read(Images((8, 8, 1)), describe("digits"), found), above="alone")


def test_both_levels_in_one_game(tmp_path, monkeypatch):
    """Samples are the images, which the lower level makes from what the upper one makes."""
    monkeypatch.setattr(Trained, "classifier", lambda *_: untrained())
    joint = dataclasses.replace(
        TOP,
        pairs="levels",
        latents=6,
        generator=Network("stacked", units=4, width=2),
        discriminator=Network("stacked", units=4, width=2),
        g_penalties=(Penalty("levels", 1.0),),
        penalties=(Penalty("r1", 0.1),),
    )
    train(joint, tmp_path / "joint")
    gan, state = gan_jax.load(tmp_path / "joint")
    data = load("digits", "train")
    batch = gan_jax.Batch(data.examples[:5], data.labels[:5])
    h, _ = untrained().apply(data.examples[:5])
    seen = gan_jax.engine.gan.prepared(gan, state.frozen, batch, jax.random.key(1))
    np.testing.assert_allclose(seen.x["hidden"], h, atol=1e-6)

    z = gan.prior.draw(jax.random.key(0), 3)
    made = gan_jax.generate(gan, state, z, jnp.array([4, 4, 9]))
    other = gan_jax.generate(gan, state, z.at[:, 3:].set(0), jnp.array([4, 4, 9]))
    assert made["hidden"].shape == (3, 5) and made["image"].shape == (3, 8, 8, 1)
    np.testing.assert_allclose(made["hidden"], other["hidden"], atol=1e-6)
    assert np.abs(made["image"] - other["image"]).max() > 1e-6
    assert gan.modality.to_stored(jax.device_get(made)).shape == (3, 8, 8, 1)
    found = gan_jax.evaluate(gan, state, joint, num_samples=200)
    assert np.isfinite(found.scores["frechet_distance"])
    assert {"samples", "worst_by_recognizer"} <= found.pictures.keys()
    assert "worst_by_discriminator" not in found.pictures  # which sees the hidden layer, too

    y = jnp.array([1, 2])
    networks = gan_jax.engine.gan.networks(gan, state.frozen)
    x = {"hidden": jnp.float32(h[:2]) + 0.5, "image": jnp.float32(data.examples[:2]) / 127.5 - 1}
    shown = types.SimpleNamespace(fake=gan_jax.Fake(x, y), frozen=networks)
    value, _ = G_REGULARIZERS["levels"]().apply((), shown)
    logits = networks["classifier"](x["hidden"])
    expected = 0.25 - scipy.special.log_softmax(logits, axis=1)[[0, 1], [1, 2]]
    np.testing.assert_allclose(value, expected, rtol=1e-4)
    with pytest.raises(ConfigError, match="levels needs both levels of a stacked GAN"):
        gan_jax.build(dataclasses.replace(TINY, g_penalties=(Penalty("levels", 1.0),)))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"pairs": "hidden:layer=conv"}, "pairs.layer 'conv' is unknown"),
        ({"pairs": "edgs"}, "pairs 'edgs' is unknown; did you mean 'edges'"),
        ({"pairs": "grey"}, "pairs grey requires images of 3 channels, not 1"),
        ({"pairs": "downsample:3"}, "factor must divide the sides of images of 8x8"),
        ({"pairs": "mask:1.5"}, r"share must be in \(0, 1\)"),
        ({"pairs": Pairs("edges", radius=1)}, "pairs.*radius"),
        ({"pairs": "captions"}, "'pix2pix' does not take the conditions.*captions.*stackgan"),
        ({"pairs": "labels"}, "'pix2pix' does not take .*class labels; use"),
        ({"generator": "dcgan"}, "'dcgan' does not take the conditions .*images.*use pix2pix"),
        ({"conditioning": "projection"}, "conditioning 'projection' uses labels, but pairs"),
        ({"dataset": "ring8", "pairs": "edges"}, "pairs needs images"),
        ({"fake_labels": "uniform"}, "fake_labels 'uniform' needs a generator that sees labels"),
        (
            {"augmentations": (Augmentation("translation", 0.1),)},
            "translation changes images but not the images that they are paired with",
        ),
    ],
)
def test_what_does_not_fit_is_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        gan_jax.build(dataclasses.replace(IMAGES, **changes))


def test_a_discriminator_may_be_blind_to_conditions():
    """The ablation of Isola et al. 2017, section 3.1."""
    gan = gan_jax.build(dataclasses.replace(IMAGES, discriminator=Network("dcgan", width=2)))
    assert gan.condition.shape == (8, 8, 1)
