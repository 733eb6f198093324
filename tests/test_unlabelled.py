"""Images without labels: a feature network that learns from their turns."""

import dataclasses

import numpy as np
import pytest

import gan_jax
from gan_jax.config import Framing
from gan_jax.data import describe, load
from gan_jax.errors import ConfigError
from gan_jax.recognizers import RecognizerConfig, recognizer
from gan_jax.recognizers.feature_networks import choose
from gan_jax.studies import unlabelled_features
from gan_jax.studies.unlabelled_features import DAMAGES

FEW = RecognizerConfig(features=8, steps=60, batch_size=32)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path))


@pytest.fixture
def slopes():
    """A data set of images that are bright above and dark below, and noisy."""
    rng = np.random.default_rng(0)
    x = np.linspace(200, 0, 8)[:, None] + rng.uniform(0, 55, (160, 8, 8))
    return gan_jax.dataset(x.astype(np.uint8), test=x[:80].astype(np.uint8))


def test_it_learns_which_way_up_images_are(slopes):
    choice = choose(slopes, describe(slopes), None, FEW)
    network = choice.make()
    assert network.about["test_accuracy"] == 1.0 and network.about["task"] == "turns"
    features, logits = network.features(load(slopes, "test").examples)
    assert features.shape == (80, choice.count) == (80, 8) and logits is None
    assert choice.logits == 0 and choice.modes is None


def test_labels_can_still_not_be_learned_from(slopes):
    with pytest.raises(ConfigError, match="has no labels, which training a classifier requires"):
        recognizer(slopes)
    with pytest.raises(
        ConfigError, match=r"recognizer\.task 'turn' is unknown; did you mean 'turns'"
    ):
        recognizer(slopes, None, RecognizerConfig(task="turn"))


def test_inception_sees_as_many_channels_as_the_framing_gives(slopes):
    choose(slopes, describe(slopes), Framing(channels=3), FEW, "inception")
    with pytest.raises(ConfigError, match=r"inception takes 1 or 3 channels, but .* has 4"):
        choose(slopes, describe(slopes), Framing(channels=4), FEW, "inception")


def test_damages():
    x = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), np.uint8)
    y = np.arange(20) % 10
    for title, (damage, amounts) in DAMAGES.items():
        changed = [damage(x, y, amount) for amount in amounts]
        assert all(own.dtype == np.uint8 and own.shape[1:] == x.shape[1:] for own in changed)
        if title != "classes dropped":
            apart = [np.abs(own.astype(float) - x).mean() for own in changed]
            assert 0 < apart[0] < apart[1] < apart[2]
    assert [len(DAMAGES["classes dropped"][0](x, y, n)) for n in (1, 3, 5)] == [18, 14, 10]


def test_the_study_tells_damaged_images_apart(slopes, capsys, monkeypatch):
    monkeypatch.setattr(unlabelled_features, "REFERENCE", 160)
    damages = {name: DAMAGES[name] for name in ("noise, levels", "quadrants exchanged")}
    monkeypatch.setattr(unlabelled_features, "DAMAGES", damages)
    found = unlabelled_features.multiples(slopes, 80, dataclasses.replace(FEW, task="turns"))
    unlabelled_features.show(found)
    assert len(found) == 6 and capsys.readouterr().out.count("turns") == 2
    for values in found.values():
        assert values[2] > values[0]
