"""Sounds as examples: how they are framed, read and shown."""

import io
import itertools
import os
import pathlib
import shutil
import sys

import numpy as np
import pytest
import soundfile
import tensorflow_datasets as tfds
from tensorflow_datasets.core.features import audio_feature

import gan_jax
from gan_jax.config import Config, Framing
from gan_jax.data import dataset, describe, load, preparing
from gan_jax.data.audio_features import without_tensorflow
from gan_jax.data.description import Description, check_flip
from gan_jax.data.framing import decode, frame_of
from gan_jax.errors import ConfigError
from gan_jax.modality import Sounds, Vectors

RATE = 8_000


def about(length=None, rate=RATE):
    return Description("tones", "1", (length, 1), 0, (), {"train": 1}, "crop", rate)


def tone(n, hertz=500.0, rate=RATE, peak=0.5):
    return peak * np.sin(2 * np.pi * hertz * np.arange(n) / rate)


def wav(x, rate=RATE, **options):
    file = io.BytesIO()
    soundfile.write(file, x, rate, format="WAV", **options)
    return file.getvalue()


def test_sounds_are_cut_padded_and_normalized():
    frame = frame_of(about(), Framing(length=100))
    assert frame.modality == Sounds((100, 1), RATE)
    x = np.random.default_rng(0).integers(-900, 1_000, 60).astype(np.int64)
    short = frame.sound(x, RATE)
    centred = x - x.mean()
    expected = np.rint(centred / np.abs(centred).max() * 32_767)
    np.testing.assert_array_equal(short[:60, 0], expected)
    assert short.shape == (100, 1) and short.dtype == np.int16 and not short[60:].any()
    long = np.r_[x, x, 30_000 * np.ones(9, int)]  # what is cut changes nothing
    np.testing.assert_array_equal(frame.sound(long, RATE), frame.sound(long[:100], RATE))
    assert not frame.sound(np.full(50, 700), RATE).any()  # silence with an offset


def test_samples_are_kept_without_normalization():
    frame = frame_of(about(5), Framing(normalize=False))
    x = np.array([-32_768, -1, 0, 1, 32_767], np.int16)
    for stored in (x, x.astype(np.int64), x / 32_768):
        np.testing.assert_array_equal(frame.sound(stored, RATE)[:, 0], x)
    np.testing.assert_array_equal(frame.file(wav(x))[:, 0], x)
    assert frame.keeps(about(5)) and not frame_of(about(5), Framing()).keeps(about(5))
    with pytest.raises(ValueError, match="more than 16 bits"):
        frame.sound(np.array([40_000]), RATE)


def test_channels_are_averaged():
    frame = frame_of(about(), Framing(length=50, normalize=False))
    left, right = tone(50), tone(50, 900.0)
    both = frame.file(wav(np.stack([left, right], 1), subtype="FLOAT"))
    np.testing.assert_allclose(both[:, 0] / 32_768, (left + right) / 2, atol=1e-4)


def test_resampling_keeps_a_tone():
    """A sine of 500 Hz at twice the rate is the same function of time."""
    frame = frame_of(about(1_000), Framing(rate=2 * RATE, normalize=False))
    assert frame.shape == (2_000, 1)
    found = frame.sound(tone(1_000), RATE)[200:-200, 0] / 32_768
    np.testing.assert_allclose(found, tone(2_000, rate=2 * RATE)[200:-200], atol=1e-3)
    with pytest.raises(ValueError, match="no samples"):
        frame.sound(tone(1), 40 * RATE)
    with pytest.raises(ValueError, match="NaN or infinite samples"):
        frame.sound(np.array([0.1, np.nan]), RATE)


def test_networks_see_what_is_stored():
    kind = Sounds((4, 1), RATE)
    stored = np.array([[[-32_768], [-32_767], [1], [32_767]]], np.int16)
    seen = np.asarray(kind.to_network(stored))
    np.testing.assert_allclose(seen[0, :, 0], [-1, -1, 1 / 32_767, 1], rtol=1e-6)
    np.testing.assert_array_equal(kind.to_stored(seen)[0, 1:], stored[0, 1:])
    assert kind.to_stored(np.float32([[2.0]])) == 32_767
    assert kind.bounded and kind.abstract_batch((3,)).x.dtype == np.int16
    with pytest.raises(ConfigError, match="x must be int16, or float"):
        kind.to_network(np.zeros(4, np.uint8))


def test_a_picture_shows_time_and_frequency():
    """Silence is black, and a tone is a line at its frequency after the silence."""
    wave = np.r_[np.zeros(2_048), tone(2_048, RATE / 8, peak=1.0)][None, :, None]
    pixels = Sounds((4_096, 1), RATE).picture(np.float32(wave))[:64, :64, 0]
    assert pixels.shape == (64, 64) and not pixels[:, :32].any()
    assert (pixels[:, 40:60].argmax(0) == 63 - 64 // 4).all() and pixels[:, 40:60].max() == 255


@pytest.mark.parametrize(
    "data, framing, words",
    [
        (about(), Framing(), "length is required because the sounds of tones vary in length"),
        (about(), Framing(length=0), "length must be between 1 and 16777216 samples, not 0"),
        (about(9), Framing(rate=0), "rate must be an integer between 1000 and 384000 Hz, not 0"),
        (about(9, None), Framing(), "rate is required because the sounds of tones vary in rate"),
        (about(9), Framing(8), "size 8 does not apply to sounds of 9 samples at 8000 Hz"),
        (about(9), Framing(channels=1), "channels 1 does not apply to sounds"),
    ],
)
def test_what_makes_no_sense_is_refused(data, framing, words):
    with pytest.raises(ConfigError, match=words):
        frame_of(data, framing)


@pytest.mark.parametrize("shape", [(8, 8, 1), (2,)])
def test_other_examples_have_neither_length_nor_rate(shape):
    data = Description("others", "1", shape, 0, (), {"train": 1})
    for framing, words in (
        (Framing(length=9), "length 9 does not apply to"),
        (Framing(rate=9), "rate 9 does not apply to"),
        (Framing(normalize=False), "normalize False does not apply to"),
    ):
        with pytest.raises(ConfigError, match=words):
            frame_of(data, framing)
    assert Config(length=9, rate=8).framing == Framing(length=9, rate=8)


def test_sounds_are_not_mirrored():
    with pytest.raises(ConfigError, match="flip True does not apply to sounds"):
        check_flip(Sounds((9, 1), RATE), True)


def test_broken_files_are_named_with_the_reason():
    files = {
        "good.wav": wav(tone(9)),
        "empty.wav": b"",
        "none.wav": wav(np.zeros(0)),
        "text.wav": b"no sound at all",
    }
    frame = frame_of(about(), Framing(length=9))
    sounds, kept, broken = decode(frame, list(files), files.__getitem__)
    assert sounds.shape == (1, 9, 1) and sounds.dtype == np.int16 and kept.tolist() == [1, 0, 0, 0]
    assert broken == (
        "empty.wav (an empty file)",
        "none.wav (no samples)",
        "text.wav (not a readable sound)",
    )


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path / "cache"))
    dataset._report_broken.cache_clear()


@pytest.fixture
def clips(tmp_path, own_cache):
    """Makes a folder of sound files from their paths and contents."""

    def make(**files):
        for path, content in files.items():
            file = tmp_path / "clips" / path.replace("__", "/").replace("_", ".")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        return str(tmp_path / "clips")

    return make


def encoded(x, form, rate=RATE):
    file = io.BytesIO()
    soundfile.write(file, x, rate, format=form)
    return file.getvalue()


def test_a_folder_of_sounds_has_labels_from_its_folders(clips):
    high, low = tone(900, 1_000.0), tone(800, 500.0)
    name = clips(
        train__high__a_wav=wav(high), train__low__b_flac=encoded(low, "FLAC"),
        test__high__c_ogg=encoded(high, "OGG"), test__low__d_mp3=encoded(low, "MP3"),
    )  # fmt: skip
    found = describe(name)
    assert (found.shape, found.rate, found.class_names) == ((None, 1), RATE, ("high", "low"))
    assert found.splits == {"test": 2, "train": 2}
    for split in ("train", "test"):
        data = load(name, split, Framing(length=800))
        assert data.examples.dtype == np.int16 and data.labels.tolist() == [0, 1]
        spectra = np.abs(np.fft.rfft(data.examples[:, 200:600, 0]))  # 20 Hz each
        assert spectra.argmax(1).tolist() == [50, 25]


def test_a_zip_of_equal_sounds_needs_no_length(clips):
    folder = clips(a_wav=wav(tone(30)), b_wav=wav(tone(30, 900.0)))
    archive = shutil.make_archive(folder, "zip", folder)
    found = describe(archive)
    assert (found.shape, found.rate) == ((30, 1), RATE)
    kept = load(archive, "train", Framing(normalize=False)).examples
    np.testing.assert_allclose(kept[1, :, 0] / 32_768, tone(30, 900.0), atol=4e-5)
    assert load(archive, "train", Framing(rate=16_000)).examples.shape == (2, 60, 1)


def test_rates_that_differ_need_one(clips):
    name = clips(a_wav=wav(tone(800)), b_wav=wav(tone(1_600, rate=2 * RATE), 2 * RATE))
    assert (describe(name).shape, describe(name).rate) == ((None, 1), None)
    with pytest.raises(ConfigError, match="rate is required because the sounds of clips vary in"):
        load(name, "train", Framing(length=800))
    one, other = load(name, "train", Framing(length=800, rate=RATE)).examples[:, 100:-100, 0]
    np.testing.assert_allclose(one, other, atol=100)


def test_broken_sounds_are_skipped_and_counted(clips, capfd):
    name = clips(a_wav=wav(tone(30)), b_wav=b"", c_wav=b"words")
    assert len(load(name, "train").labels) == 1
    assert "2 of 3 files" in (said := capfd.readouterr().err)
    assert "b.wav (an empty file), c.wav (not a readable sound); they are skipped.\n" in said
    with pytest.raises(ConfigError, match=r"2 of 3 files .* are broken: b.wav \(an empty file\)"):
        load(name, "train", Framing(strict=True))


def test_a_folder_holds_one_kind_of_files(clips):
    with pytest.raises(ConfigError, match="1 files, none of which is a valid sound"):
        describe(clips(a_wav=b"words"))
    with pytest.raises(ConfigError, match="has both images and sounds; it must contain files of"):
        describe(clips(b_png=b"words"))


def test_arrays_with_a_rate_are_sounds(own_cache):
    x = np.stack([tone(40), tone(40, 900.0)]).astype(np.float32)
    name = gan_jax.dataset(x, [0, 1], name="tones", rate=RATE)
    assert describe(name).modality == Sounds((40, 1), RATE) and describe(name).num_classes == 2
    stored = load(name, "train", Framing(normalize=False)).examples
    np.testing.assert_array_equal(stored[..., 0], np.rint(x * 32_768))
    loud = load(name, "train", Framing(length=20)).examples
    assert loud.shape == (2, 20, 1) and (np.abs(loud).max((1, 2)) == 32_767).all()
    stereo = np.stack([x, np.zeros_like(x)], axis=-1)
    halves = load(gan_jax.dataset(stereo, rate=RATE), "train", Framing(normalize=False)).examples
    np.testing.assert_allclose(halves[..., 0], x * 16_384, atol=1)
    assert describe(gan_jax.dataset(x)).modality == Vectors((40,))


@pytest.mark.parametrize(
    "x, rate, words",
    [
        (np.zeros((2, 9)), 0, "rate must be an integer between 1000 and 384000 Hz, not 0"),
        (np.zeros((2, 9)), 8e3, "rate must be an integer between 1000 and 384000 Hz, not 8000.0"),
        (np.zeros((2, 9), np.uint8), RATE, "examples must be sounds .* not uint8 of shape"),
        (np.zeros((2, 0)), RATE, "examples must not be empty"),
        ([np.zeros(4), np.zeros(5)], RATE, "examples must be one array, but the shapes of its"),
        (np.full((2, 9), np.nan), RATE, r"examples must be in \[-1, 1\], but has other or NaN"),
        (np.full((2, 9), 300.0), RATE, r"examples must be in \[-1, 1\], but has other or NaN"),
    ],
)
def test_arrays_that_are_no_sounds(own_cache, x, rate, words):
    with pytest.raises(ConfigError, match=words):
        gan_jax.dataset(x, rate=rate)


RECORDED = [*itertools.product(("2", "7"), ("ann", "bob"), (4, 5, 11))]
"""Digit, speaker and number of the recordings of `recorded`."""


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """TFDS's ``spoken_digit``, with a few tones that become longer and higher."""
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))

    class SpokenDigit(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.9")

        def _info(self):
            features = {
                "audio": tfds.features.Audio(sample_rate=RATE),
                "label": tfds.features.ClassLabel(num_classes=10),
                "audio/filename": tfds.features.Text(),
            }
            return tfds.core.DatasetInfo(
                builder=self,
                features=tfds.features.FeaturesDict(features),
                supervised_keys=("audio", "label"),
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            for i, (digit, speaker, number) in enumerate(RECORDED):
                sound = np.rint(3_000 * tone(400 + 5 * i, 300.0 * (i + 1))).astype(np.int64)
                name = f"{digit}_{speaker}_{number}.wav"
                yield i, {"audio": sound, "label": int(digit), "audio/filename": name}

    with preparing.quiet(), without_tensorflow():
        preparing.prepare_embedded(lambda: SpokenDigit(data_dir=tmp_path))


def test_spoken_digits_have_the_official_split_and_speakers(recorded):
    before = audio_feature.tf
    digits, speakers = describe("spoken_digit"), describe("spoken_digit/speaker")
    assert digits.splits == speakers.splits == {"train": 8, "test": 4}
    assert (digits.shape, digits.rate, digits.num_classes) == ((None, 1), RATE, 10)
    assert speakers.class_names == ("ann", "bob")
    framing = Framing(length=500)
    data = {s: load("spoken_digit", s, framing) for s in ("train", "test")}
    assert sorted(data["test"].labels) == [2, 2, 7, 7]
    for split, own in data.items():
        who = load("spoken_digit/speaker", split, framing)
        np.testing.assert_array_equal(who.examples, own.examples)
        # A recording is recognized by its frequency, which gives its number in `RECORDED`.
        spectra = np.abs(np.fft.rfft(own.examples[..., 0], RATE))
        found = [RECORDED[round(hertz / 300) - 1] for hertz in spectra.argmax(1)]
        assert [int(digit) for digit, *_ in found] == own.labels.tolist()
        assert [("ann", "bob").index(name) for _, name, _ in found] == who.labels.tolist()
        assert all((number < 5) == (split == "test") for *_, number in found)
    part = load("spoken_digit/speaker", "test[1:3]", framing)
    np.testing.assert_array_equal(part.examples, data["test"].examples[1:3])
    assert audio_feature.tf is before and "tensorflow" not in sys.modules


def test_an_unknown_task_of_a_set_is_refused(recorded):
    with pytest.raises(ConfigError, match="dataset spoken_digit 'speakers' is unknown; did you"):
        describe("spoken_digit/speakers")
    with pytest.raises(ConfigError, match="length is required because the sounds of spoken_digit"):
        load("spoken_digit", "train")


def test_sets_whose_code_needs_tensorflow_are_read_from_their_files(recorded, monkeypatch):
    builder = tfds.builder

    def without(name, **options):
        if name == "speech_commands":
            raise ModuleNotFoundError("No module named 'tensorflow'")
        return builder(name, **options)

    monkeypatch.setattr(tfds, "builder", without)
    with pytest.raises(ConfigError, match=r"dataset 'speech_commands' is not prepared .*--extra"):
        describe("speech_commands")
    root = pathlib.Path(os.environ["TFDS_DATA_DIR"])
    (root / "speech_commands").mkdir()
    (root / "spoken_digit" / "1.0.9").rename(root / "speech_commands" / "0.0.3")
    found = describe("speech_commands")
    assert (found.shape, found.rate, found.splits) == ((None, 1), RATE, {"train": 12})
    assert load("speech_commands", "train", Framing(length=9)).examples.shape == (12, 9, 1)
