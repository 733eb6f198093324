"""Sounds as files to listen to."""

import io

import numpy as np
import soundfile

from gan_jax.sound import wav

RATE = 1_000
GAP = round(wav.GAP * RATE)


def read(content):
    sound, rate = soundfile.read(io.BytesIO(content), dtype="int16")
    assert rate == RATE and sound.ndim == 1
    return sound


def test_a_file_per_class_holds_its_sounds_one_after_another():
    waves = np.arange(1, 13, dtype=np.int16).reshape(4, 3)
    found = wav.by_class(waves, np.array([2, 0, 2, 0]), ("a b/c", "none", "ü-2"), RATE)
    assert list(found) == ["a_b_c", "ü-2"]
    rest = [0] * GAP
    assert read(found["a_b_c"]).tolist() == [4, 5, 6, *rest, 10, 11, 12, *rest]
    assert read(found["ü-2"]).tolist() == [1, 2, 3, *rest, 7, 8, 9, *rest]
    assert wav.file_names(["a b", "a_b", "c" * 99]) == ["0_a_b", "1_a_b", "2_" + "c" * 40]
    (everything,) = wav.by_class(waves, np.array([2, 0, 2, 0]), (), RATE).values()
    assert read(everything).size == 4 * (3 + GAP)
