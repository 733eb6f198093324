"""Names to objects: the networks' sizes, the matrix of combinations traced abstractly, and refusals
before compilation.
"""

import dataclasses
import functools
import itertools
import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gans import OF_LABELS

from gan_jax.build import PRECISIONS, abstract_batch, build
from gan_jax.config import (
    Augmentation,
    Config,
    Dynamics,
    Feedback,
    Network,
    Optimizer,
    Penalty,
    Schedule,
)
from gan_jax.data import describe
from gan_jax.engine.gan import init_state
from gan_jax.engine.train_step import train_step
from gan_jax.errors import ConfigError
from gan_jax.models import MODELS, dcgan, mlp, sngan
from gan_jax.models.options import options_of
from gan_jax.nn.norms import NORMS
from gan_jax.parts.conditioning import CONDITIONINGS, UnconditionalHead
from gan_jax.parts.dynamics import DYNAMICS
from gan_jax.recipes import recipe
from gan_jax.types import Fake


def count(module, *inputs):
    variables = jax.eval_shape(lambda *a: module.init(jax.random.key(0), *a, train=False), *inputs)
    return sum(a.size for a in jax.tree.leaves(variables["params"]))


def shape_of(module, *inputs):
    made = jax.eval_shape(
        lambda *a: module.init_with_output(jax.random.key(0), *a, train=False)[0], *inputs
    )
    return (made.x if isinstance(made, Fake) else made).shape


LABELS = jnp.zeros(2, jnp.int32)


def test_mlp_has_the_layers_of_the_article():
    """100 -> 128 -> 128 -> 784 and 784 -> 128 -> 128 -> 1, each dense layer with weights and
    biases.
    """
    layers = lambda *widths: sum((a + 1) * b for a, b in itertools.pairwise(widths))
    assert count(mlp.Generator((28, 28, 1)), jnp.zeros((2, 100)), LABELS) == layers(
        100, 128, 128, 784
    )
    images = jnp.zeros((2, 28, 28, 1))
    assert count(mlp.Discriminator(UnconditionalHead()), images, LABELS) == layers(784, 128, 128, 1)


def test_dcgan32_has_the_reference_parameter_counts():
    assert count(dcgan.Generator((32, 32, 1)), jnp.zeros((2, 128)), LABELS) == 1_181_569
    assert (
        count(dcgan.Discriminator(UnconditionalHead()), jnp.zeros((2, 32, 32, 1)), LABELS)
        == 661_313
    )


def test_sngan32_has_the_reference_parameter_counts():
    """Miyato et al. 2018, table 4, biases and batch normalization included."""
    assert count(sngan.Generator((32, 32, 3)), jnp.zeros((2, 128)), LABELS) == 4_276_739
    assert (
        count(sngan.Discriminator(UnconditionalHead()), jnp.zeros((2, 32, 32, 3)), LABELS)
        == 1_053_825
    )


@pytest.mark.parametrize("shape", [(8, 8, 1), (28, 28, 1), (32, 32, 3), (64, 32, 3), (24, 40, 1)])
def test_generators_make_the_shape_they_are_asked_for(shape):
    for architecture in OF_LABELS.values():
        assert shape_of(architecture.generator(shape), jnp.zeros((2, 16)), LABELS) == (2, *shape)


@pytest.mark.parametrize("name", OF_LABELS)
def test_generators_can_be_exported_for_any_number_of_examples(name):
    """A number that is only known when the exported program is called is a symbol here."""
    g, (b,) = MODELS[name].generator((8, 8, 1), 3), jax.export.symbolic_shape("b")
    inputs = [jax.ShapeDtypeStruct((b, 16), jnp.float32), jax.ShapeDtypeStruct((b,), jnp.int32)]
    init = functools.partial(g.init, jax.random.key(0), train=False)
    variables = jax.eval_shape(init, jnp.zeros((2, 16)), LABELS)
    made = jax.eval_shape(functools.partial(g.apply, train=False), variables, *inputs)
    assert (made.x if isinstance(made, Fake) else made).shape == (b, 8, 8, 1)


def test_dcgan_refuses_sides_it_cannot_make():
    with pytest.raises(ConfigError, match="25x32"):
        count(dcgan.Generator((25, 32, 1)), jnp.zeros((2, 16)), LABELS)


@pytest.mark.parametrize("conditioning", [name for name, c in CONDITIONINGS.items() if c.g_labels])
def test_labels_change_samples_and_scores_or_class_logits(conditioning):
    gan = build(
        dataclasses.replace(
            recipe("digits_dcgan"), conditioning=conditioning, generator=Network("mlp", width=8)
        )
    )
    z = jax.random.normal(jax.random.key(0), (2, gan.prior.size))
    g = gan.generator.network.init(jax.random.key(1), z, LABELS, train=False)
    x = gan.generator.network.apply(g, z, LABELS, train=False)
    assert not np.allclose(x, gan.generator.network.apply(g, z, LABELS + 1, train=False))
    d = gan.discriminator.network.init(jax.random.key(2), x, LABELS, train=False)
    critique = gan.discriminator.network.apply(d, x, LABELS, train=False)
    other = gan.discriminator.network.apply(d, x, LABELS + 1, train=False)
    if "class_logits" not in critique.extras:
        assert not np.allclose(critique.score, other.score)
    else:
        assert critique.extras["class_logits"].shape == (2, 10)
    assert critique.score.shape == (2,) and critique.extras["features"].shape[0] == 2


OWN = "that of the generator's architecture"
# Networks that take long to trace are in tests/test_matrix.py.
AXES = {
    "loss": ["nonsaturating", "relativistic_average"],
    "penalties": [
        (),
        (Penalty("r1", 1.0, 4), Penalty("lecam", 1.0)),
        (Penalty("zcr", 1.0), Penalty("orthogonal", 1.0)),
    ],
    "g_penalties": [(), (Penalty("feature_matching", 1.0, 2),)],
    "augmentations": [(), (Augmentation("instance_noise", 0.1),)],
    "dynamics": [Dynamics(name) for name in DYNAMICS],
    "d_optimizer": [
        Optimizer(name) for name in ("adam", "sgd", "rmsprop", "optimistic_adam_v2", "lion")
    ],
    "lookahead": (0, 2),
    "clip": (None, 0.1),
    "top_k": (None, 0.5),
    "generator": ["mlp", "dcgan", "sngan", "r3gan"],
    "discriminator": ["mlp", "dcgan", "sngan", OWN],  # others take long to trace
    "conditioning": CONDITIONINGS,
    "prior": ["normal", "uniform", "infogan:3:continuous=1:learned_deviation=True"],
    "norm": NORMS,
    "spectral": (False, True),
    "precision": PRECISIONS,
    "joint": (False, True),
}


def covering_pairs(axes):
    """Rows of choices among which any two choices on two of the axes occur together; greedy, hence
    few: each row begins with a missing pair, and every further axis adds as many as it can. Of
    choices that add as many, the first is taken, as the first of an axis traces fastest.
    """
    rng, rows = random.Random(10), []
    pairs = lambda row: {frozenset(two) for two in itertools.combinations(row.items(), 2)}
    missing = set().union(*(
        pairs({i: a, j: b})
        for i, j in itertools.combinations(range(len(axes)), 2)
        for a in range(len(axes[i]))
        for b in range(len(axes[j]))
    ))  # fmt: skip
    while missing:
        row = dict(min(missing, key=sorted))
        for i in rng.sample(range(len(axes)), len(axes)):
            choices = [row[i]] if i in row else range(len(axes[i]))
            row[i] = max(choices, key=lambda c: len(pairs(row | {i: c}) & missing))
        rows.append(tuple(list(axis)[row[i]] for i, axis in enumerate(axes)))
        missing -= pairs(row)
    return rows


def test_every_pair_of_names_traces():
    """The whole matrix has millions of cells; `build` traces one whole step of enough of them to
    see any two choices together.

    Each loss with each penalty, network and conditioning: tests/test_matrix.py.
    """
    for row in covering_pairs(list(AXES.values())):
        choice = dict(zip(AXES, row, strict=True))
        if choice["discriminator"] == OWN:
            choice["discriminator"] = choice["generator"]
        options = {
            "width": 2,
            "base": 4,
            "depth": 1,
            "blocks": 1,
            "layers": 1,
            "norm": choice.pop("norm"),
            "spectral": choice.pop("spectral"),
        }
        for player in ("generator", "discriminator"):
            known = options_of(getattr(MODELS[choice[player]], player))
            options["base"] = 2 if choice[player] == "dcgan" else 4  # 3 or 2 sides
            choice[player] = Network(
                choice[player], **{k: v for k, v in options.items() if k in known}
            )
        if CONDITIONINGS[choice["conditioning"]].unlabelled:
            choice |= {"labels": 10, "labelled_batch": 1}
        config = Config(**choice, latents=3, batch_size=2)
        gan = build(config)
        batch = abstract_batch(config, gan.source)
        state = jax.eval_shape(functools.partial(init_state, gan), jax.random.key(0), batch)
        after, metrics = jax.eval_shape(functools.partial(train_step, gan), state, batch)
        assert jax.tree.map(lambda a: (a.shape, a.dtype), after) == jax.tree.map(
            lambda a: (a.shape, a.dtype), state
        )
        floats = [a for a in jax.tree.leaves(after) if jnp.issubdtype(a.dtype, jnp.floating)]
        assert all(a.dtype == jnp.float32 for a in floats)
        assert all(m.shape == () and m.dtype == jnp.float32 for m in metrics.values())


@pytest.mark.parametrize("name", ["stylegan2", "sagan", "biggan", "biggan_deep"])
def test_networks_that_take_long_trace_with_other_settings(name):
    """Each once, with what is not in tests/test_matrix.py."""
    network = Network(name, width=2, base=4) if name != "stylegan2" else Network(name, width=2)
    config = Config(
        generator=network,
        discriminator=network,
        conditioning="projection",
        prior="infogan:3:continuous=1",
        dynamics="extragradient",
        precision="bf16",
        lookahead=2,
        clip=0.1,
        top_k=0.5,
        augmentations=(Augmentation("instance_noise", 0.1),),
        joint=True,
        latents=3,
        batch_size=2,
    )
    assert build(config).joint


def test_equal_configs_build_the_same_gan():
    assert build(recipe("digits_dcgan")) is build(dataclasses.replace(recipe("digits_dcgan")))


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"loss": "nonsaturatin"}, "loss.*did you mean 'nonsaturating'"),
        ({"conditioning": "project"}, "conditioning.*did you mean 'projection'"),
        (
            {"precision": "bf32"},
            "^precision 'bf32' is unknown; .*[Uu]se bf16 or fp32",
        ),
        (
            {"generator": Network("dcgan", spectral=True)},
            "generator.spectral is not an option of dcgan",
        ),
        ({"discriminator": Network("sngan")}, "8x8 cannot be halved to sides of at least 8"),
        ({"dataset": "digit"}, "dataset.*did you mean 'digits'"),
        ({"generator": Network("dcgann")}, "generator.name.*did you mean 'dcgan'"),
        (
            {"generator": Network("dcgan", width=0)},
            "generator.width must be at least 1, not 0",
        ),
        (
            {"generator": Network("mlp", norm="batch")},
            "generator.norm is not an option of mlp; use depth or width",
        ),
        (
            {"discriminator": Network("dcgan", norm="bach")},
            "discriminator.norm.*did you mean 'batch'",
        ),
        (
            {"generator": Network("dcgan", widht=3)},
            "generator.widht is not an option of dcgan; did you mean 'width'",
        ),
        (
            {"generator": Network("dcgan", width=1.5)},
            "generator.width must be an integer, .* not 1.5",
        ),
        (
            {"generator": Network("dcgan", width="wide")},
            "generator.width must be an integer, .* not 'wide'",
        ),
        (
            {"discriminator": Network(dropout="much")},
            "discriminator.dropout must be a number in .*, not 'much'",
        ),
        (
            {"discriminator": Network(spectral=1)},
            "discriminator.spectral must be True or False, not 1",
        ),
        ({"generator": Network("dcgan", base=5)}, "8x8 cannot be halved to sides of at least 5"),
        ({"penalties": (Penalty("r2d2", 1.0),)}, "penalties.0.*did you mean 'r2'"),
        (
            {"penalties": (Penalty("r1", -1.0),)},
            r"penalties.0.weight must be in \[0, inf\), not -1.0",
        ),
        ({"penalties": (Penalty("r1", 1.0, 0),)}, "penalties.0.every must be at least 1, not 0"),
        (
            {"penalties": (Penalty("r1", 1.0, 1.5),)},
            "penalties.0.every must be an integer, .* not 1.5",
        ),
        (
            {"penalties": (Penalty("gp", 1.0, target="far"),)},
            "penalties.0.target must be a number in .*, not 'far'",
        ),
        (
            {"augmentations": (Augmentation("rotation", 1.0, wide=1),)},
            "augmentations.0.wide is not an option of rotation; use strength",
        ),
        (
            {"augmentations": (Augmentation("rotation"),)},
            "augmentations.0: rotation needs a strength; write rotation:STRENGTH",
        ),
        (
            {"augmentations": (Augmentation("ada", 0.5, colour=True),)},
            "augmentations.0.colour must be a number in .*, not True",
        ),
        (
            {"augmentations": (Augmentation("diffaugment", cutout=0.5),)},
            "augmentations.0.cutout must be True or False, not 0.5",
        ),
        ({"penalties": (Penalty("r1", 1.0), Penalty("r1", 2.0))}, "r1, r1 contains a duplicate"),
        ({"batch_size": 0}, "batch_size must be at least 1, not 0"),
        ({"steps": -1}, "steps must be at least 1, not -1"),
        ({"seed": -1}, "seed must be an integer from 0 to 4294967295, not -1"),
        ({"seed": 2**32}, "seed must be an integer from 0 to 4294967295, not 4294967296"),
        ({"ema": -1.0}, r"^ema must be in \[0, inf\), not -1.0"),
        ({"d_ema": -1.0}, r"d_ema must be in \[0, inf\), not -1.0"),
        (
            {"g_loss_weight": Schedule(1.0, 0.0, 5, "exponential")},
            r"g_loss_weight.end must be in \(0, inf\), not 0.0",
        ),
        ({"class_weight": -1.0}, r"class_weight must be in \[0, inf\), not -1.0"),
        (
            {"class_weight": 0.1},
            "class_weight 0.1 has no effect with conditioning 'projection'; leave it out or use "
            "conditioning acgan",
        ),
        ({"g_loss_weight": -1.0}, r"g_loss_weight must be in \[0, inf\), not -1.0"),
        (
            {"discriminator": Network(dropout=1.0)},
            r"discriminator.dropout must be in \[0, 1\), not 1.0",
        ),
        ({"discriminator": Network(noise=-0.5)}, "discriminator.noise must be in .*, not -0.5"),
        ({"generator": Network(dropout=0.5)}, "generator.dropout is not an option of dcgan"),
        (
            {"labels": 100},
            "no effect with conditioning 'projection'; leave .* conditioning semi_supervised",
        ),
        ({"labelled_batch": 8}, "labelled_batch have no effect with conditioning 'projection'"),
        (
            {"conditioning": "semi_supervised", "labels": 15, "labelled_batch": 4},
            "labels must be a positive multiple of the 10 classes, not 15",
        ),
        (
            {"conditioning": "semi_supervised", "labels": 20},
            "labelled_batch must be from 1 to 63 .*, not 0",
        ),
        (
            {"conditioning": "semi_supervised", "labels": 20, "labelled_batch": 64},
            "labelled_batch must be from 1 to 63 .*, not 64",
        ),
        (
            {"conditioning": "semi_supervised_separate"},
            "labelled_batch must be at least 1 with conditioning 'semi_supervised_separate'",
        ),
        (
            {"conditioning": "semi_supervised", "label_seed": 1},
            "labels must be a positive multiple of the 10 classes, not 0",
        ),
        ({"g_optimizer": Optimizer(lr=0.0)}, "g_optimizer.lr must be in .*, not 0.0"),
        ({"d_optimizer": Optimizer(b1=1.0)}, "d_optimizer.b1 must be in .*, not 1.0"),
        (
            {"d_optimizer": Optimizer(lr="fast")},
            "d_optimizer.lr must be a number in .*, not 'fast'",
        ),
        (
            {"ema": Feedback("d/loss", 0.6, 0.1, low=-1.0)},
            r"ema must be in \[0, inf\), not -1.0",
        ),
        (
            {"ema": Feedback("d/loss", 0.6, 0.1, start=2.0)},
            r"ema.start must be in \[0.0, 1.0\], not 2.0",
        ),
        (
            {"ema": Feedback("d/loss", 0.6, float("inf"))},
            r"ema.rate must be in \(-inf, inf\), not inf",
        ),
        ({"ema": Feedback("d/loss", 0.6, 0.1, every=0)}, "ema.every must be at least 1, not 0"),
        ({"ema": Schedule(1.0, 2.0, 5, begin=-1)}, "ema.begin must be at least 0, not -1"),
        ({"size": 4}, "size 4 is smaller than the images, which are 8x8"),
    ],
)
def test_wrong_configs_are_refused_in_one_sentence(changes, words):
    with pytest.raises(ConfigError, match=words) as refusal:
        build(dataclasses.replace(recipe("digits_dcgan"), **changes))
    assert "\n" not in str(refusal.value)


def test_the_class_term_of_g_has_its_own_weight():
    weight = lambda player: {term.name: term.weight for term in player.terms}["classes"]
    gan = build(dataclasses.replace(recipe("digits_dcgan"), conditioning="acgan", class_weight=0.1))
    assert (weight(gan.generator), weight(gan.discriminator)) == (0.1, 1.0)


def test_labels_asked_of_an_unlabelled_set_are_refused(monkeypatch):
    unlabelled = dataclasses.replace(describe("digits"), num_classes=0, class_names=())
    monkeypatch.setitem(build.__wrapped__.__globals__, "describe", lambda name: unlabelled)
    config = dataclasses.replace(recipe("digits_dcgan"), latents=31)
    with pytest.raises(
        ConfigError,
        match="'projection' needs labels, but 'digits' has none; use conditioning 'none'",
    ):
        build(config)
    assert build(dataclasses.replace(config, conditioning="none")).num_classes == 0
