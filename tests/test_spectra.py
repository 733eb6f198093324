"""Short-time spectra against scipy and closed forms, and the inverse of each."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.signal

from gan_jax.errors import ConfigError
from gan_jax.sound import spectra

RATE, WINDOW, HOP, LENGTH = 8000, 64, 16, 500


@pytest.fixture(scope="module")
def waves():
    """Two harmonic sounds whose pitch rises ``[2, LENGTH]``."""
    t = np.arange(LENGTH) / RATE
    phase = 2 * np.pi * np.array([[150.0], [220.0]]) * (t + 4 * t**2)
    return (sum(np.sin(k * phase) / k for k in range(1, 6)) / 3).astype(np.float32)


def test_spectra_are_those_of_scipy(waves):
    ours = spectra.stft(waves, WINDOW, HOP)
    before = (WINDOW - HOP) // 2
    frames = -(-LENGTH // HOP)
    padded = np.pad(waves, ((0, 0), (before, (frames - 1) * HOP + WINDOW - before - LENGTH)))
    _, _, theirs = scipy.signal.stft(
        padded, nperseg=WINDOW, noverlap=WINDOW - HOP, window="hann", boundary=None, padded=False
    )
    assert ours.shape == (2, frames, WINDOW // 2 + 1)
    np.testing.assert_allclose(ours, theirs.swapaxes(1, 2) * WINDOW / 2, atol=2e-5)


@pytest.mark.parametrize(("window", "hop"), [(64, 32), (64, 16), (20, 6)])
def test_the_inverse_is_exact_at_every_sample(waves, window, hop):
    made = spectra.istft(spectra.stft(waves, window, hop), window, hop, LENGTH)
    np.testing.assert_allclose(made, waves, atol=2e-6)


def test_spectra_of_no_wave_give_the_nearest_wave(waves):
    """The gradient of the squared distance to the given spectra is zero at the inverse."""
    wild = spectra.stft(waves, WINDOW, HOP) * np.exp(1j * np.arange(33))[None, None]

    def distance(x):
        error = spectra.stft(x, WINDOW, HOP) - wild
        power = error.real**2 + error.imag**2
        return (2 * power.sum() - power[..., [0, -1]].sum()) / 2  # of both halves of the spectrum

    made = spectra.istft(wild, WINDOW, HOP, LENGTH)
    assert float(jnp.abs(jax.grad(distance)(made)).max()) < 1e-3
    assert float(jnp.abs(jax.grad(distance)(jnp.asarray(waves))).max()) > 1


def test_a_sinusoid_is_in_its_bin():
    """At the middle of bin k a sinusoid of amplitude a has magnitude a window / 4."""
    k, amplitude = 5, 0.5
    x = amplitude * np.cos(2 * np.pi * k * np.arange(512) / WINDOW)[None].astype(np.float32)
    found = spectra.magnitudes(x, WINDOW, HOP)[0, 8]
    expected = np.zeros(WINDOW // 2 + 1)
    expected[[k - 1, k, k + 1]] = amplitude * WINDOW / 4 * np.array([0.5, 1, 0.5])
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_silence_has_a_gradient():
    silence = jnp.zeros((1, 128))
    gradient = jax.grad(lambda x: spectra.magnitudes(x, WINDOW, HOP).sum())(silence)
    assert not np.asarray(gradient).any()


@pytest.mark.parametrize("key", [None, jax.random.key(0)])
def test_griffin_lim_finds_a_wave_of_these_magnitudes(waves, key):
    wanted = spectra.magnitudes(waves, WINDOW, HOP)

    def left(iterations, momentum):
        made = spectra.griffin_lim(
            wanted, WINDOW, HOP, LENGTH, iterations=iterations, momentum=momentum, key=key
        )
        return float(spectra.spectral_convergence(wanted, made, WINDOW, HOP).mean())

    plain = left(16, 0.0)
    assert left(0, 0.0) > 0.4 and plain < 0.3
    assert left(16, 0.9) < 0.8 * plain


def test_mel_bands_share_every_frequency():
    """Between the middles of the first and of the last band, the bands sum to 1; each reaches 1."""
    filters = spectra.mel_filters(RATE, 4001, 10, 100.0, 3000.0)
    middles = filters.argmax(axis=0)
    np.testing.assert_allclose(filters.sum(axis=1)[middles[0] : middles[-1]], 1, atol=1e-5)
    assert (filters[middles, range(10)] > 0.99).all()
    assert not filters[:100].any() and not filters[3001:].any()
    mel = lambda f: 2595 * np.log10(1 + f / 700)
    np.testing.assert_allclose(np.diff(mel(middles)), (mel(3000) - mel(100)) / 11, rtol=0.01)


def test_log_mel_is_the_logarithm_of_the_bands(waves):
    found = spectra.log_mel(waves, RATE, WINDOW, HOP, 8, 50.0, 4000.0)
    power = np.abs(spectra.stft(waves, WINDOW, HOP))
    bands = power @ spectra.mel_filters(RATE, 33, 8, 50.0, 4000.0)
    np.testing.assert_allclose(found, np.log(bands + 1e-6), atol=1e-4)


@pytest.mark.parametrize(("window", "hop"), [(0, 1), (7, 2), (64, 48), (64, 0), (64, 15)])
def test_frames_that_have_no_inverse_are_refused(window, hop):
    with pytest.raises(ConfigError, match=r"pairs\.(window|hop) must be"):
        spectra.check_frames("pairs", window, hop)
