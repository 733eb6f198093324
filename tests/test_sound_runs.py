"""A GAN of sounds: what its run folder holds, and what is exported."""

import dataclasses
import json
import sys

import numpy as np
import pytest
import soundfile

import gan_jax
from gan_jax import Config, Network
from gan_jax.config import Framing
from gan_jax.data import describe, load
from gan_jax.errors import ConfigError
from gan_jax.modality import COLUMNS, Sounds
from gan_jax.recognizers import SMALL_CNN
from gan_jax.recognizers.feature_networks import choose
from gan_jax.sampling.export import export
from gan_jax.sound import wav

RATE, LENGTH = 2_000, 64


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """A tiny GAN of tones in two classes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAN_JAX_CACHE", str(tmp_path_factory.mktemp("cache")))
        hertz = np.repeat([200.0, 400.0], 20)[:, None]
        phases = np.random.default_rng(0).uniform(size=hertz.shape)
        x = np.sin(2 * np.pi * (phases + hertz * np.arange(LENGTH) / RATE)).astype(np.float32)
        names = ("low", "hi gh")
        yield Config(
            dataset=gan_jax.dataset(x, np.repeat([0, 1], 20), class_names=names, rate=RATE),
            conditioning="concat", latents=4, batch_size=8, steps=4,
            generator=Network("mlp", width=8, depth=1),
            discriminator=Network("mlp", width=8, depth=1),
            log_every=2, diagnose_every=2, sample_every=4, checkpoint_every=4,
        )  # fmt: skip


@pytest.fixture(scope="module")
def run(config, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "tones"
    gan_jax.train(config, workdir=workdir)
    return workdir


def test_samples_are_shown_and_heard(run):
    names = sorted(path.name for path in (run / "samples").iterdir())
    assert names == ["step_000004.png", "step_000004_hi_gh.wav", "step_000004_low.wav"]
    heard, rate = soundfile.read(run / "samples" / names[1], dtype="int16")
    assert rate == RATE
    sounds = heard.reshape(COLUMNS, LENGTH + round(wav.GAP * RATE))
    assert sounds[:, :LENGTH].any(1).all() and not sounds[:, LENGTH:].any()


def test_diagnostics_tell_of_loudness(run):
    lines = list(map(json.loads, (run / "metrics.jsonl").read_text().splitlines()))
    last = {k.removeprefix("diagnostics/"): v for k, v in lines[-1].items()}
    assert last["rms_real"] == pytest.approx(0.5**0.5, rel=0.05)
    assert 200 < last["centroid_real"] < 450 and last["clipped_share_real"] == 1
    assert 0 < last["rms_fake"] < 1 and last["silent_share"] == 0


def test_a_gan_of_sounds_is_built_for_its_length_and_rate(config):
    gan = gan_jax.build(config)
    assert gan.modality == Sounds((LENGTH, 1), RATE)
    shorter = dataclasses.replace(config, length=32, rate=1_000)
    assert gan_jax.build(shorter).modality == Sounds((32, 1), 1_000)
    with pytest.raises(ConfigError, match=r"'dcgan' is for images, but .* are sounds of 64 samp"):
        gan_jax.build(dataclasses.replace(config, generator=Network("dcgan")))
    with pytest.raises(ConfigError, match="flip True does not apply to sounds of 64 samples at"):
        gan_jax.build(dataclasses.replace(config, flip=True))


@pytest.fixture(scope="module")
def exported(config, run, tmp_path_factory):
    """Six samples as a data set of TFDS."""
    folder = tmp_path_factory.mktemp("exported") / "made" / "1.0.0"
    gan, state = gan_jax.load(run)
    export(gan, state, config, folder, num_samples=6)
    return folder


def test_exported_sounds_are_a_data_set(config, exported):
    """By its folder and by its name, without TensorFlow: as drawn, with rate and class names."""
    about = describe(str(exported))
    assert about.modality == Sounds((LENGTH, 1), RATE)
    assert (about.class_names, about.splits) == (("low", "hi gh"), {"train": 6})
    data = load(str(exported), "train", Framing(normalize=False))
    assert data.labels.tolist() == [0, 1] * 3 and data.examples.any((1, 2)).all()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFDS_DATA_DIR", str(exported.parent.parent))
        named = load("made", "train", Framing(normalize=False))
        np.testing.assert_array_equal(named.examples, data.examples)
    assert gan_jax.build(dataclasses.replace(config, dataset=str(exported))).num_classes == 2
    assert "tensorflow" not in sys.modules


def test_the_classifier_of_another_set_of_such_sounds_may_judge(config):
    """Its classes are its own, and it is trained when it is used first."""
    about = describe(config.dataset)
    x = load(config.dataset, "train").examples
    others = gan_jax.dataset(
        x.astype(np.float32)[..., 0] / 32_767, np.arange(40) % 3, class_names=tuple("abc"),
        rate=RATE,
    )  # fmt: skip
    given = config.dataset, about, config.framing, SMALL_CNN
    assert choose(*given).own_classes
    choice = choose(*given, others)
    assert choice.logits == 3 and not choice.own_classes
    with pytest.raises(ConfigError, match="classifier of digits takes images of shape"):
        choose(*given, "digits")
    with pytest.raises(ConfigError, match="features 'speakers' is unknown"):
        choose(*given, "speakers")
