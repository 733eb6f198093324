"""What diagnostics say of sounds, against closed forms."""

import jax
import numpy as np
import pytest

from gan_jax.health.loudness import loudness

RATE, N = 8_000, 4_000


def tone(hertz, peak):
    return peak * np.sin(2 * np.pi * hertz * np.arange(N) / RATE)


@pytest.fixture(scope="module")
def measured():
    real = np.stack([tone(500, 1.0), tone(1_500, 0.5)])
    square = np.sign(tone(100, 1.0) + 1e-3)
    fake = np.stack([np.zeros(N), tone(2_000, 0.006), tone(2_000, 0.02), square])
    found = jax.jit(loudness, static_argnums=2)(np.float32(fake), np.float32(real), RATE)
    return {name: float(value) for name, value in found.items()}


def test_the_rms_of_sines(measured):
    assert measured["rms_real"] == pytest.approx(0.75 / 2**0.5, rel=1e-4)
    assert measured["rms_fake"] == pytest.approx((0.026 / 2**0.5 + 1) / 4, rel=1e-3)


def test_what_is_silent_and_what_is_clipped(measured):
    """A hundredth of the real RMS is a sine of amplitude 0.0075. A sine of amplitude 1 has
    magnitude 0.99 and more in 9 % of its values, a square wave always.
    """
    assert measured["silent_share"] == 0.5
    assert (measured["clipped_share_real"], measured["clipped_share_fake"]) == (0.5, 0.25)


def test_the_centroid_of_a_sine_is_its_frequency():
    real = np.float32(np.stack([tone(500, 1.0), tone(1_500, 0.5)]))
    both = np.float32([tone(500, 0.4) + tone(1_500, 0.1), np.zeros(N)])
    found = loudness(both, real, RATE)
    assert float(found["centroid_real"]) == pytest.approx(1_000, rel=1e-3)
    assert float(found["centroid_fake"]) == pytest.approx((500 * 0.4 + 1_500 * 0.1) / 0.5 / 2, 1e-3)
