"""Recognizers of sounds: what they see, how training sounds change, and what they learn."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gan_jax
from gan_jax.config import Framing
from gan_jax.data import describe
from gan_jax.errors import ConfigError
from gan_jax.modality import Sounds
from gan_jax.recognizers import Augmentation, RecognizerConfig, hearing, recognizer
from gan_jax.recognizers.architectures import classifier
from gan_jax.recognizers.feature_networks import choose
from gan_jax.recognizers.recipes import SMALL_CNN
from gan_jax.sound import spectra

RATE, LENGTH = 4_000, 1_024


def tones(n, seed=0):
    """Tones ``[n, LENGTH, 1]`` int16 of two pitches in turn, and which ``[n]``."""
    rng, t = np.random.default_rng(seed), np.arange(LENGTH) / RATE
    y = np.arange(n) % 2
    pitch = np.array([300.0, 900.0])[y] * rng.uniform(0.9, 1.1, n)
    x = np.sin(2 * np.pi * (pitch[:, None] * t + rng.uniform(size=(n, 1))))
    return np.rint(30_000 * x).astype(np.int16)[..., None], y


def as_seen(x):
    return jnp.asarray(x, jnp.float32) / 32_767


def test_the_front_end_is_the_same_for_any_rate():
    """Frames of 32 ms every 16 ms; a tone is brightest in the band around its pitch, and silence
    is as dark as what is 75 dB softer.
    """
    for rate, window in ((8_000, 256), (16_000, 512)):
        t = np.arange(rate // 4) / rate
        tone = as_seen(32_767 * np.sin(2 * np.pi * 1_000 * t))[None, :, None]
        found = np.asarray(hearing.bands(tone, rate))[0, ..., 0]
        assert found.shape == (-(-len(t) // (window // 2)), hearing.MELS)
        filters = spectra.mel_filters(rate, 8_001, hearing.MELS, hearing.LOWEST, rate / 2)
        at = round(1_000 / (rate / 2) * 8_000)
        assert set(found[3:-3].argmax(1)) == {filters[at].argmax()}
        quiet = np.asarray(hearing.bands(1e-5 * tone, rate))
        np.testing.assert_allclose(quiet, hearing.bands(0 * tone, rate), atol=0.05)
        assert found.max() < 1.3 and quiet.min() > -1.3


def test_paces_are_those_of_a_slower_clock():
    t = np.arange(400, dtype=np.float32)
    x = np.sin(0.05 * t)[None, :, None]
    key = jax.random.key(0)
    factor = float(jax.random.uniform(key, (1, 1), minval=0.8, maxval=1.2)[0, 0])
    assert abs(factor - 1) > 0.02
    found = np.asarray(hearing.paced(key, jnp.asarray(x), 0.2))[0, :, 0]
    heard = factor * t < 399
    np.testing.assert_allclose(found[heard], np.sin(0.05 * factor * t[heard]), atol=1e-3)
    assert not found[factor * t > 400].any()


def test_delays_and_gains():
    x = jnp.ones((50, 20, 1))
    moved = np.asarray(hearing.delayed(jax.random.key(0), x, 0.1))[..., 0]
    assert {tuple(one) for one in moved} == {
        tuple([0] * max(i, 0) + [1] * (20 - abs(i)) + [0] * max(-i, 0)) for i in range(-2, 3)
    }
    decibels = -20 * np.log10(np.asarray(hearing.softened(jax.random.key(1), x, 6.0)))[:, 0, 0]
    assert 0 <= decibels.min() < 1 and 5 < decibels.max() <= 6
    np.testing.assert_array_equal(hearing.changed(Augmentation(), jax.random.key(0), x), x)


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    """A small recognizer of tones, its data set, and how it was made."""
    config = RecognizerConfig(
        steps=60, batch_size=16, width=2, features=8, dropout=0.0,
        augmentation=dataclasses.replace(SMALL_CNN.augmentation, speed=0.0),
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAN_JAX_CACHE", str(tmp_path_factory.mktemp("cache")))
        name = gan_jax.dataset(*tones(64), test=tones(32, 1), rate=RATE)
        yield recognizer(name, Framing(normalize=False), config), name, config


def test_a_recognizer_of_sounds_learns(judge):
    found, _, _ = judge
    assert found.about["test_accuracy"] > 0.9
    x, y = tones(8, 2)
    features, logits = found.features(x)
    assert features.shape == (8, 8) and (logits.argmax(1) == y).all()
    np.testing.assert_allclose(found.features(np.asarray(as_seen(x)))[1], logits, atol=1e-4)


def test_it_is_kept_and_the_rate_is_in_its_key(judge):
    found, name, config = judge
    again = recognizer(name, Framing(normalize=False), config)
    assert again.key == found.key and again.about == found.about
    faster = classifier(config, 2, Sounds((LENGTH, 1), 2 * RATE))
    assert faster.network.rate == 2 * RATE and faster.network.num_classes == 2


def test_sounds_without_labels_have_statistics_of_bands(judge, monkeypatch):
    name = gan_jax.dataset(tones(4)[0], rate=RATE)
    choice = choose(name, describe(name), Framing(normalize=False), SMALL_CNN)
    network, x = choice.make(), tones(3)[0]
    features, logits = network.features(x)
    found = np.asarray(hearing.bands(as_seen(x), RATE))[..., 0]
    np.testing.assert_allclose(features, np.c_[found.mean(1), found.std(1)], atol=1e-5)
    assert logits is None and choice.count == features.shape[1] and str(RATE) in network.key


def test_sounds_are_not_turned(judge):
    _, name, config = judge
    with pytest.raises(ConfigError, match="task turns needs images, but the examples are sounds"):
        recognizer(name, Framing(normalize=False), dataclasses.replace(config, task="turns"))
    with pytest.raises(ConfigError, match=r"augmentation.delay must be in \[0, 0.5\], not 0.6"):
        classifier(dataclasses.replace(config, augmentation=Augmentation(delay=0.6)), 2)
