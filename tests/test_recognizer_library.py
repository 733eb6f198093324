"""What is kept of recognizers, and of the real images that they saw."""

import dataclasses
import inspect
import json
import pathlib

import numpy as np
import pytest

from gan_jax import ConfigError
from gan_jax.data import load
from gan_jax.recognizers import RecognizerConfig, fitting, library, real_sample, recognizer

TINY = RecognizerConfig(features=8, steps=3, batch_size=16)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "recognizers"


def test_kept_recognizer_is_the_trained_one(cache, monkeypatch, capsys):
    first = recognizer("digits", None, TINY)
    assert "Training a classifier on digits" in capsys.readouterr().err
    monkeypatch.setattr(fitting, "fit", None)
    second = recognizer("digits", None, TINY)
    assert capsys.readouterr().err == ""
    assert (second.key, second.about) == (first.key, first.about)
    images = load("digits", "test").examples[:5]
    np.testing.assert_array_equal(second.features(images)[0], first.features(images)[0])


def test_key_changes_with_everything_it_is_made_from(tmp_path, monkeypatch):
    data = {split: load("digits", split) for split in ("train", "test")}
    other = dict(
        data, test=dataclasses.replace(data["test"], labels=(data["test"].labels + 1) % 10)
    )
    newer = dataclasses.replace(data["train"].description, version="2.0.0")
    keys = [
        library._key(data, TINY),
        library._key({split: load("digits", split, 16) for split in data}, TINY),
        library._key(other, TINY),
        library._key(data, dataclasses.replace(TINY, lr=1e-4)),
        library._key(data, TINY, rate=8_000),
        library._key(dict(data, train=dataclasses.replace(data["train"], description=newer)), TINY),
    ]
    monkeypatch.setattr(library, "_digests", lambda files: ["changed"])
    keys.append(library._key(data, TINY))
    assert len(set(keys)) == len(keys)


def test_damaged_cache_is_made_again(cache, capsys):
    first = recognizer("digits", None, TINY)
    expected = real_sample(first, "digits", "test")
    files = sorted(cache.rglob("*.npz"))
    assert len(files) == 2
    for file in files:
        file.write_bytes(file.read_bytes()[:-100])
    capsys.readouterr()
    second = recognizer("digits", None, TINY)
    np.testing.assert_array_equal(real_sample(second, "digits", "test").features, expected.features)
    told = capsys.readouterr().err.splitlines()
    assert [" is damaged " in line for line in told] == [True, False, True]
    assert sorted(cache.rglob("*")) == sorted([cache / first.key, *files])
    assert library.kept(first.key) in files


def test_what_is_known_of_real_images_is_kept_by_content(cache, monkeypatch):
    """Looked at once, with the Gaussian of numpy's moments; anew for another split, size, network,
    version or code.
    """
    looked = []

    class Looks:
        def __init__(self, key):
            self.key, self.about = key, {}

        def features(self, images):
            looked.append(len(images))
            return np.asarray(images, np.float32).reshape(len(images), -1)[:, 10:14], None

    seen = real_sample(Looks("a"), "digits", "test")
    again = real_sample(Looks("a"), "digits", "test")
    assert looked == [355]
    for sample in (seen, again):
        np.testing.assert_allclose(sample.gaussian.mean, sample.features.mean(0, dtype=np.float64))
        covariance = sample.gaussian.factor.T @ sample.gaussian.factor
        np.testing.assert_allclose(
            covariance, np.cov(sample.features.astype(np.float64), rowvar=False), atol=1e-9
        )
        np.testing.assert_array_equal(
            sample.features, load("digits", "test").examples.reshape(355, -1)[:, 10:14]
        )
    real_sample(Looks("b"), "digits", "test")
    real_sample(Looks("a"), "digits", "test[:100]")
    real_sample(Looks("a"), "digits", "test", 16)
    assert looked == [355, 355, 100, 355]
    with monkeypatch.context() as patch:
        newer = lambda *a: dataclasses.replace(
            load(*a), description=dataclasses.replace(load(*a).description, version="2.0.0")
        )
        patch.setattr(library, "load", newer)
        real_sample(Looks("a"), "digits", "test")
    monkeypatch.setattr(library, "_digests", lambda files: ["changed"])
    real_sample(Looks("a"), "digits", "test")
    assert looked[4:] == [355, 355] and len(list(cache.rglob("*.npz"))) == 6


def test_cache_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(library, "cache_folder", lambda: tmp_path / "file")
    with pytest.raises(ConfigError, match="GAN_JAX_CACHE"):
        recognizer("digits", None, TINY)


def test_provenance_is_json(cache):
    tiny = recognizer("digits", None, TINY)
    assert json.loads(json.dumps(tiny.about)) == tiny.about
    assert tiny.about | json.loads(json.dumps(dataclasses.asdict(TINY))) == tiny.about


def test_the_code_that_decides_weights_and_features_is_all_in_the_keys():
    """A new file of the folder is either named in the lists or here, among those that change no
    number.
    """
    folder = pathlib.Path(library.__file__).parent
    about = {
        "__init__",
        "__main__",
        "convert_inception",
        "feature_networks",
        "inception",
        "inception_weights",
        "library",
        "pretrained",
        "recipes",
    }
    code = {
        pathlib.Path(inspect.getfile(part))
        for part in library.TRAINING_CODE + library.REFERENCE_CODE
    }
    assert {path.stem for path in folder.glob("*.py")} - about == {
        path.stem for path in code if path.parent == folder
    }
