"""Training, saving and loading from a program: `gan_jax.train`, `gan_jax.save`, `gan_jax.load`."""

import dataclasses
import json
import sys

import flax.linen as nn
import jax
import numpy as np
import optax
import pytest
from gans import arrays, small_mlp
from runs import RING

import gan_jax
from gan_jax import ConfigError, Critique, Gan, Loss, Player, Regularizer, Term, Vectors
from gan_jax.engine import train_step as engine
from gan_jax.parts.priors import Normal
from gan_jax.recognizers.feature_networks import choice_of
from gan_jax.runs import logs


class Maker(nn.Module):
    @nn.compact
    def __call__(self, z, y, *, train):
        return nn.Dense(2)(nn.relu(nn.Dense(8)(z)))


class Scorer(nn.Module):
    width: int = 8

    @nn.compact
    def __call__(self, x, y, *, train):
        return Critique(nn.Dense(1)(nn.relu(nn.Dense(self.width)(x)))[:, 0])


SMALL = Regularizer(tuple, lambda memory, context: (context.real_critique.score**2, memory))
OWN = Gan(
    Player(Maker(), optax.adam(1e-3), average=100.0),
    Player(Scorer(), optax.adam(1e-3), (Term("small", SMALL, 1e-3),)),
    Loss(lambda real, fake: fake - real, lambda real, fake: -fake),
    Normal(4),
    Vectors((2,)),
)
SETTINGS = dict(
    dataset="ring8", batch_size=16, log_every=4, diagnose_every=0, sample_every=12,
    checkpoint_every=4,
)  # fmt: skip


def assert_equal(a, b):
    for x, y in zip(arrays(a), arrays(b), strict=True):
        np.testing.assert_array_equal(x, y)


def test_a_config_is_trained_as_by_the_script(tmp_path):
    seen = []
    note = lambda step, state, metrics: seen.append((step, int(state.step), sorted(metrics)[:1]))
    trained = gan_jax.train(RING, workdir=tmp_path / "run", steps=8, callbacks=[note])
    assert [own[:2] for own in seen] == [(4, 4), (8, 8)] and seen[0][2] == ["d/loss"]
    assert trained.step == trained.config.steps == 8 and trained.gan is gan_jax.build(
        trained.config
    )
    gan, state = gan_jax.load(tmp_path / "run")
    assert gan == trained.gan
    assert_equal(state, trained.state)


def test_a_gan_of_objects_is_trained_resumed_and_loaded(tmp_path):
    whole = gan_jax.train(OWN, steps=12, workdir=tmp_path / "whole", **SETTINGS)

    class Stopped(Exception):
        pass

    def stop(step, state, metrics):
        if step == 8:
            raise Stopped

    with pytest.raises(Stopped):
        gan_jax.train(OWN, steps=12, workdir=tmp_path / "run", callbacks=[stop], **SETTINGS)
    resumed = gan_jax.train(OWN, steps=12, workdir=tmp_path / "run", **SETTINGS)
    assert_equal(resumed.state, whole.state)
    _, loaded = gan_jax.load(tmp_path / "run", gan=OWN)
    assert_equal(loaded, whole.state)

    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert "Scorer" in config["own_gan"]["discriminator"] and "generator" not in config
    with pytest.raises(ConfigError, match=r"config: this run trained a Gan made of objects"):
        gan_jax.load(tmp_path / "run")
    other = dataclasses.replace(
        OWN, discriminator=dataclasses.replace(OWN.discriminator, network=Scorer(4))
    )
    with pytest.raises(ConfigError, match=r"gan differs from the run in .* in gan\.discriminator"):
        gan_jax.load(tmp_path / "run", gan=other)
    with pytest.raises(ConfigError, match=r"these settings changed: gan\.discriminator"):
        gan_jax.train(other, steps=12, workdir=tmp_path / "run", **SETTINGS)


@pytest.mark.parametrize(
    "gan, settings, words",
    [
        (OWN, {"loss": "hinge"}, r"^train\.loss is not an option of the training of a Gan made"),
        (OWN, {"dataset": "digits"}, r"has examples of shape \[8, 8, 1\], but the GAN makes"),
        (small_mlp(num_classes=3), {"dataset": "digits"}, "has 10 classes, but the GAN has 3"),
        (OWN, {"step": 3}, r"train\.step is not .* did you mean 'steps'"),
        (RING, {"step": 3}, r"train\.step is not an option of Config; did you mean 'steps'"),
        ("ring", {}, "^recipe 'ring' is unknown"),
        (3, {}, "^gan must be a gan_jax.Config, .* not an object of type int"),
    ],
)
def test_what_cannot_be_trained_is_refused(gan, settings, words, tmp_path):
    given = SETTINGS if isinstance(gan, Gan) else {}
    with pytest.raises(ConfigError, match=words):
        gan_jax.train(gan, workdir=tmp_path / "run", **given | settings)
    assert not (tmp_path / "run").exists()


def test_a_refused_training_without_a_folder_leaves_none(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ConfigError, match="has examples of shape"):
        gan_jax.train(OWN, **SETTINGS | {"dataset": "digits"})
    with pytest.raises(ConfigError, match=r"^loss "):
        gan_jax.train(RING, loss="other")
    assert not list(tmp_path.iterdir())
    trained = gan_jax.train(RING, steps=1)
    assert list(tmp_path.iterdir()) == [trained.workdir] and (trained.workdir / "run.json").exists()


def test_the_step_of_a_gan_of_objects_is_traced_once(tmp_path, monkeypatch):
    traced = []

    def counted(gan, *arguments, plainly=engine._turns):
        traced.append(gan)
        return plainly(gan, *arguments)

    monkeypatch.setattr(engine, "_turns", counted)
    own = dataclasses.replace(OWN, prior=Normal(5))  # not traced before in this process
    gan_jax.train(own, steps=4, workdir=tmp_path / "run", **SETTINGS)
    assert traced == [own]


def test_a_notebook_gets_a_bar_of_its_own(monkeypatch):
    assert logs._bar() is None  # a pipe
    monkeypatch.setitem(sys.modules, "ipykernel", None)
    assert logs._bar() is not None


def test_a_saved_state_is_restored_bit_by_bit(tmp_path):
    gan = small_mlp(g={"optimizer": optax.adam(1e-3)})
    batch = gan_jax.Batch(np.zeros((1, 8, 8, 8, 1), np.uint8), np.zeros((1, 8), np.int32))
    state = gan_jax.init_state(gan, jax.random.key(0), batch)
    gan_jax.save(state, tmp_path / "state")
    expected = arrays(state)
    later, _ = gan_jax.train_step(gan, state, batch)
    same, found = gan_jax.load(tmp_path / "state", gan=gan)
    assert same is gan
    for a, b in zip(arrays(found), expected, strict=True):
        np.testing.assert_array_equal(a, b)
    gan_jax.save(later, tmp_path / "state")  # replaces it
    assert_equal(gan_jax.load(tmp_path / "state", gan=gan, like=later)[1], later)
    assert [p.name for p in tmp_path.iterdir()] == ["state"]

    with pytest.raises(ConfigError, match="holds only a state; pass the gan"):
        gan_jax.load(tmp_path / "state")
    with pytest.raises(ConfigError, match="cannot be restored as a state of this GAN"):
        gan_jax.load(tmp_path / "state", gan=OWN)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("")
    with pytest.raises(ConfigError, match="is not empty and not a saved state"):
        gan_jax.save(later, tmp_path / "mine")


class Means:
    """A feature network of a user's own."""

    key, about = "means", {"network": "means"}

    def __init__(self, logits=3):
        self.logits = logits

    def features(self, images):
        means = images.reshape(len(images), -1).mean(1, keepdims=True).astype(np.float32)
        return means, np.repeat(means, self.logits, axis=1)


def test_a_feature_network_of_a_users_own():
    images = np.zeros((5, 8, 8, 1), np.uint8)
    network = Means()
    choice = choice_of(network, images, num_classes=3)
    assert choice.make() is network
    assert (choice.count, choice.logits, choice.own_classes) == (1, 3, True)
    assert not choice_of(Means(logits=5), images, num_classes=3).own_classes
    network.features = lambda images: (images.astype(np.float32), None)
    with pytest.raises(
        ConfigError, match=r"^feature_network must return features .* not \[2, 8, 8, 1\]"
    ):
        choice_of(network, images, num_classes=3)
