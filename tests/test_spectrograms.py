"""Networks see spectrograms of sounds; everything else sees the sounds."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import gan_jax
from gan_jax.config import Config, Network, Pairs
from gan_jax.engine.train_step import train_step
from gan_jax.errors import ConfigError
from gan_jax.evaluation import extremes, pictures
from gan_jax.evaluation.evaluator import evaluate
from gan_jax.metrics import Sample
from gan_jax.modality import Images, Sounds
from gan_jax.parts.pairs import Read, pairing, sounds
from gan_jax.sampling.draw import draw
from gan_jax.sampling.images import export_images
from gan_jax.sampling.model import program
from gan_jax.sound import phases, spectra

LENGTH, RATE, WINDOW, HOP = 256, 1_000, 32, 16


@pytest.fixture(scope="module")
def clips():
    """Tones ``[12, LENGTH, 1]`` int16 of three pitches that end in silence."""
    rng, t = np.random.default_rng(0), np.arange(LENGTH) / RATE
    pitch = np.array([100.0, 200.0, 300.0])[np.arange(12) % 3, None]
    x = np.sin(2 * np.pi * (pitch * t + rng.uniform(size=(12, 1)))) + 0.1 * rng.normal(
        size=(12, LENGTH)
    )
    x[:, 200:] = 0
    return np.rint(20_000 * x / np.abs(x).max()).astype(np.int16)[..., None]


@pytest.fixture(scope="module")
def config(clips, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAN_JAX_CACHE", str(tmp_path_factory.mktemp("cache")))
        labels = np.arange(12) % 3
        yield Config(
            dataset=gan_jax.dataset(clips, labels, test=(clips, labels), rate=RATE),
            normalize=False,
            pairs=Pairs("spectrogram", window=WINDOW, hop=HOP),
            generator=Network("dcgan", width=2),
            discriminator=Network("dcgan", width=2),
            conditioning="projection",
            penalties=(),
            latents=4,
            batch_size=4,
            steps=1,
        )


@pytest.fixture(scope="module")
def gan(config):
    return gan_jax.build(config)


@pytest.fixture(scope="module")
def state(gan, config):
    """After one step on stored sounds."""
    batch = next(gan_jax.batches(config))
    assert batch.x.shape == (1, 4, LENGTH, 1) and batch.x.dtype == np.int16
    state, metrics = train_step(gan, gan_jax.init_state(gan, jax.random.key(0), batch), batch)
    assert np.isfinite(metrics["d/loss"])
    return state


def test_networks_see_normalized_logarithms(gan, clips):
    kind = gan.modality
    seen = np.asarray(kind.to_network(clips))
    assert seen.shape == (12, LENGTH // HOP, WINDOW // 2, 1) and kind.shape == seen.shape[1:]
    magnitudes = spectra.magnitudes(clips[..., 0] / np.float32(32_767), WINDOW, HOP)
    logs = np.log(np.asarray(magnitudes, np.float64)[..., :-1] + 1e-6)
    scaled = (logs - logs.mean((0, 1))) / (3 * logs.std((0, 1)))
    np.testing.assert_allclose(seen[..., 0], np.clip(scaled, -1, 1), atol=2e-3)
    narrow = dataclasses.replace(kind, deviations=(1e-3,) * len(kind.deviations))
    assert set(np.unique(narrow.to_network(clips))) >= {-1, 1}
    assert float(jnp.abs(narrow.to_network(clips)).max()) == 1
    np.testing.assert_array_equal(kind.to_network(seen[:2]), seen[:2])


def test_equal_configs_and_data_give_equal_kinds(gan, config):
    again = gan_jax.build(dataclasses.replace(config, steps=2))
    assert again.modality == gan.modality and hash(again) == hash(gan)
    other = gan_jax.build(dataclasses.replace(config, pairs=Pairs("spectrogram", hop=8, window=16)))
    assert other.modality != gan.modality


def test_sounds_come_back(gan, clips, monkeypatch):
    """Whatever the size of the blocks, and with the magnitudes of the spectrograms."""
    kind = gan.modality
    seen = np.asarray(kind.to_network(clips))
    monkeypatch.setattr(sounds, "BLOCK", 5)
    made = kind.to_stored(seen)
    assert made.shape == clips.shape and made.dtype == np.int16
    wanted = spectra.magnitudes(clips[..., 0] / np.float32(32_767), WINDOW, HOP)
    found = made[..., 0] / np.float32(32_767)
    assert float(spectra.spectral_convergence(wanted, found, WINDOW, HOP).mean()) < 0.15
    np.testing.assert_array_equal(kind.to_stored(seen[None, :2])[0], made[:2])
    np.testing.assert_array_equal(kind.to_stored(made), made)


def test_silence_stays_silent(gan):
    silence = np.zeros((1, LENGTH, 1), np.int16)
    kind = sounds._normalized(gan.modality, silence)
    assert not np.asarray(kind.to_network(silence)).any()
    assert np.abs(kind.to_stored(np.asarray(kind.to_network(silence)))).max() <= 1


def test_instantaneous_frequencies_are_those_of_unwrapped_phases():
    """And phases come back exactly, up to whole turns, so that sounds do, too."""
    x = np.random.default_rng(1).normal(size=(2, LENGTH)).astype(np.float32)
    wanted = spectra.stft(x, WINDOW, HOP)
    found = phases.instantaneous_frequencies(wanted)
    unwrapped = np.unwrap(np.angle(np.asarray(wanted)), axis=1)
    expected = np.diff(unwrapped, axis=1, prepend=0) / np.pi
    assert float(jnp.abs(found).max()) <= 1
    np.testing.assert_allclose(found, expected, atol=1e-5)
    again = jnp.abs(wanted) * jnp.exp(1j * phases.phases(found))
    np.testing.assert_allclose(again, wanted, atol=1e-4)
    np.testing.assert_allclose(spectra.istft(again, WINDOW, HOP, LENGTH), x, atol=1e-5)


def test_sounds_come_back_from_magnitudes_and_phases(gan, config, clips):
    """Without Griffin-Lim, as far as nothing is clipped, but for the highest frequency."""
    own = dataclasses.replace(
        config, pairs=Pairs("spectrogram", window=WINDOW, hop=HOP, phase="if")
    )
    kind = gan_jax.build(own).modality
    assert kind.shape == (*gan.modality.shape[:2], 2)
    seen = np.asarray(kind.to_network(clips))
    np.testing.assert_array_equal(seen[..., :1], gan.modality.to_network(clips))
    wide = dataclasses.replace(kind, deviations=(100.0,) * len(kind.deviations))
    x = clips[..., 0] / np.float32(32_767)
    spectrum = np.asarray(spectra.stft(x, WINDOW, HOP)).copy()
    spectrum[..., -1] = 0
    expected = spectra.istft(spectrum, WINDOW, HOP, LENGTH)
    made = wide.restored(wide.to_network(clips))[..., 0]
    np.testing.assert_allclose(made, expected, atol=1e-4)
    np.testing.assert_array_equal(wide.to_network(seen), seen)


def test_a_step_takes_sounds_and_samples_are_sounds(gan, state):
    assert gan.source == gan.modality and gan.modality.represented == Sounds((LENGTH, 1), RATE)
    samples, _ = draw(gan, state, np.arange(6) % 3, seed=0)
    assert samples.shape == (6, LENGTH, 1) and samples.dtype == np.int16
    sample = Sample(np.zeros((6, 2), np.float32), None, np.arange(6) % 3)
    found = extremes.extremes(gan, state, samples, np.arange(6, dtype=np.int32) % 3, sample)
    assert set(found.pictures) == {"worst_by_discriminator", "best_by_discriminator"}


class Listener:
    """A feature network that takes stored sounds and nothing else: mean and loudness of each."""

    key, about = "listener", {}

    def features(self, x):
        assert x.shape[1:] == (LENGTH, 1) and x.dtype == np.int16
        x = x[..., 0] / np.float32(32_767)
        return np.stack([x.mean(1), x.std(1)], axis=1), None


def test_an_evaluation_hears_sounds(gan, state, config):
    found = evaluate(gan, state, config, num_samples=6, feature_network=Listener())
    assert found.scores["frechet_distance"] > 2 * found.real["frechet_distance"]
    assert {"samples", "worst_by_discriminator"} <= set(found.pictures)
    assert set(found.sounds) == {"0", "1", "2", "beside_real"}


def test_pictures_show_what_one_hears(gan, clips):
    kind = gan.modality
    heard = kind.to_stored(np.asarray(kind.to_network(clips[:4])))
    picture = kind.picture(np.asarray(kind.to_network(clips[:4])))
    np.testing.assert_array_equal(picture, kind.represented.picture(heard))
    assert type(kind.represented) not in {Images} and Images in pictures.PICTURES


def test_an_exported_model_makes_sounds(gan, state):
    """The exported program returns the waves that `Spectrograms.restored` computes."""
    exported = jax.export.deserialize(bytearray(program(gan, state)))
    assert exported.out_avals[0].shape[1:] == (LENGTH, 1)


def test_what_needs_images_refuses_sounds(gan, state, config, tmp_path):
    with pytest.raises(ConfigError, match="needs a GAN of images, not of sounds of 256 samples"):
        export_images(gan, state, config, tmp_path / "new", seeds=[0])


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (Pairs("spectrogram", window=7), "pairs.window must be a positive even number, not 7"),
        (Pairs("spectrogram", hop=100), "pairs.hop must be an even number from 2 to 64"),
        (Pairs("spectrogram", phase="is"), "pairs.phase 'is' is unknown; use griffin_lim or if"),
        (Pairs("spectrogram", floor=0.0), r"pairs.floor must be in \(0, 1\], not 0"),
    ],
)
def test_frames_that_do_not_fit_are_refused(config, pairs, words):
    with pytest.raises(ConfigError, match=words):
        gan_jax.build(dataclasses.replace(config, pairs=pairs))


def test_images_have_no_spectrograms():
    with pytest.raises(ConfigError, match="pairs spectrogram needs sounds, but the examples are i"):
        pairing("spectrogram", Read(Images((8, 8, 1)), None, None), {})
