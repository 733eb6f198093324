"""Recognizers: what they learn, what they see, and what is kept of them."""

import dataclasses
import json

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import ConfigError
from gan_jax.data import Description, load
from gan_jax.metrics.streaming import stream
from gan_jax.recognizers import (
    RECOGNIZERS,
    Pixels,
    RecognizerConfig,
    library,
    real_sample,
    recognizer,
    train_and_test,
    training,
)
from gan_jax.types import Batch

TINY = RecognizerConfig(features=8, steps=3, batch_size=16)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "recognizers"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A recognizer that was hardly trained."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAN_JAX_CACHE", str(tmp_path_factory.mktemp("cache")))
        return recognizer("digits", None, TINY)


# What they learn


def test_digits_are_recognized():
    about = recognizer("digits").about
    test = load("digits", "test")
    seen = real_sample(recognizer("digits"), "digits", "test")
    assert about["test_accuracy"] == (seen.logits.argmax(1) == test.labels).mean() >= 0.98
    assert (about["train_images"], about["test_images"]) == (len(load("digits", "train").labels), len(test.labels))


def test_step_is_the_gradient_of_the_cross_entropy():
    """Against the closed form for a linear network: dL/dW = mean x (softmax - onehot)^T."""

    class Linear(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):
            x = x.reshape(len(x), -1)
            return x, nn.Dense(3, use_bias=False)(x)

    classifier = training.Classifier(Linear(), optax.sgd(0.5))
    state = training.init_state(classifier, jax.random.key(0), (2, 2, 1))
    before = np.asarray(state.network.params["Dense_0"]["kernel"], np.float64)
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (6, 2, 2, 1), dtype=np.uint8), np.array([0, 1, 2, 2, 1, 0], np.int32)
    state, metrics = training.train_step(classifier, state, Batch(pixels, labels))

    x = pixels.reshape(6, 4) / 127.5 - 1
    shares = np.exp(x @ before) / np.exp(x @ before).sum(1, keepdims=True)
    gradient = x.T @ (shares - np.eye(3)[labels]) / 6
    np.testing.assert_allclose(state.network.params["Dense_0"]["kernel"], before - 0.5 * gradient, atol=1e-6)
    np.testing.assert_allclose(metrics["loss"], -np.log(shares[np.arange(6), labels]).mean(), rtol=1e-5)
    assert metrics["accuracy"] == (shares.argmax(1) == labels).mean()
    assert state.step == 1


def test_training_is_a_function_of_its_key():
    """The same key and batches end with the same bits, and statistics of batch normalization are learned too."""
    classifier = training.Classifier(RECOGNIZERS["cnn"](10, features=8), optax.adam(1e-3), shift=1)
    rng = np.random.default_rng(0)
    batches = [Batch(rng.integers(0, 256, (8, 8, 8, 1), np.uint8), rng.integers(0, 10, 8, np.int32)) for _ in range(3)]

    def trained(seed):
        state = training.init_state(classifier, jax.random.key(seed), (8, 8, 1))
        return training.train(classifier, state, iter(batches), 3, "test").network

    first, again, other = trained(0), trained(0), trained(1)
    jax.tree.map(np.testing.assert_array_equal, first, again)
    kernels = [player.params["Dense_0"]["kernel"] for player in (first, other)]
    assert not np.any(kernels[0] == kernels[1])
    assert all(np.all(norm["mean"] != 0) for norm in jax.tree.leaves(first.stats, is_leaf=lambda x: "mean" in x))


def test_shifts_are_whole_and_all_occur():
    rng = np.random.default_rng(0)
    image = rng.uniform(-1, 1, (4, 5, 2)).astype(np.float32)
    moved = np.asarray(training.shifted(jax.random.key(0), jnp.asarray(np.stack([image] * 200)), 1))
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)), constant_values=-1)
    accepted = [padded[i : i + 4, j : j + 5] for i in range(3) for j in range(3)]
    found = [[np.array_equal(one, other) for other in accepted].index(True) for one in moved]
    assert set(found) == set(range(9))
    np.testing.assert_array_equal(training.shifted(jax.random.key(0), jnp.asarray(image[None]), 0), image[None])


def test_noise_is_uniform_with_an_amplitude_for_each_image():
    x = jnp.zeros((300, 16, 16, 1))
    noise = np.asarray(training.noisy(jax.random.key(0), x, 0.5))
    amplitudes = np.abs(noise).max(axis=(1, 2, 3))
    assert 0 < amplitudes.min() < 0.05 and 0.45 < amplitudes.max() <= 0.5
    assert abs(amplitudes.mean() - 0.25) < 0.03  # each uniform in [0, 0.5]
    spread = noise.std(axis=(1, 2, 3)) / amplitudes
    np.testing.assert_allclose(spread, 1 / np.sqrt(3), rtol=0.2)  # of a uniform variable in [-1, 1]
    assert abs((noise / amplitudes[:, None, None, None]).mean()) < 0.01
    np.testing.assert_array_equal(training.noisy(jax.random.key(0), x + 0.3, 0.0), x + 0.3)
    assert np.abs(training.noisy(jax.random.key(0), x + 0.9, 0.5)).max() == 1


@pytest.mark.parametrize("name", RECOGNIZERS)
@pytest.mark.parametrize("shape", [(8, 8, 1), (9, 12, 1), (28, 28, 1), (32, 32, 3)])
def test_architectures_take_every_size(name, shape):
    network = RECOGNIZERS[name](7, features=16)
    make = lambda key, x: network.init_with_output(key, x, train=False)
    (features, logits), variables = jax.eval_shape(make, jax.random.key(0), jnp.zeros((3, *shape)))
    assert (features.shape, logits.shape) == ((3, 16), (3, 7))
    assert features.dtype == logits.dtype == jnp.float32
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) < 1_000_000


# What they see


@pytest.mark.parametrize("n", [1, 250, 251])
def test_features_do_not_depend_on_the_blocks(tiny, n):
    images = np.random.default_rng(0).integers(0, 256, (n, 8, 8, 1), dtype=np.uint8)
    features, logits = tiny.features(images)
    floats = (images / 127.5 - 1).astype(np.float32)
    expected = tiny.network.apply(tiny.variables, floats, train=False)
    np.testing.assert_allclose(features, expected[0], atol=1e-5)
    np.testing.assert_allclose(logits, expected[1], atol=1e-5)
    np.testing.assert_allclose(tiny.features(floats)[0], features, atol=1e-5)


def test_stream_compiles_once_and_drops_the_filling():
    shapes = []

    def double(x, y):
        shapes.append(x.shape)
        return {"sum": x + y}

    x = np.arange(7)
    np.testing.assert_array_equal(stream(double, x, x, block=3)["sum"], 2 * x)
    assert shapes == [(3,)] * 3


def test_pixels_average_to_8x8():
    images = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 2), dtype=np.uint8)
    features, logits = Pixels().features(np.repeat(np.repeat(images[:, ::2, ::2], 2, 1), 2, 2))
    assert logits is None
    assert features.shape == (3, Pixels.count((16, 16, 2))) == (3, 128)
    inner = features.reshape(3, 8, 8, 2)
    smooth = images[:, ::2, ::2] / 127.5 - 1
    # A triangle of two pixels' half-width weighs the 2x2 block itself 3/4 on each axis, and each neighbour 1/8.
    kernel = 0.75 * np.eye(8) + 0.125 * (np.eye(8, k=1) + np.eye(8, k=-1))
    kernel /= kernel.sum(1, keepdims=True)
    np.testing.assert_allclose(inner, np.einsum("ij,kl,bjlc->bikc", kernel, kernel, smooth), atol=1e-5)


# What is kept of them


def test_kept_recognizer_is_the_trained_one(cache, monkeypatch, capsys):
    first = recognizer("digits", None, TINY)
    assert "Training a recognizer on digits" in capsys.readouterr().err
    monkeypatch.setattr(training, "train", None)
    second = recognizer("digits", None, TINY)
    assert capsys.readouterr().err == ""
    assert (second.key, second.about) == (first.key, first.about)
    images = load("digits", "test").examples[:5]
    np.testing.assert_array_equal(second.features(images)[0], first.features(images)[0])


def test_key_changes_with_everything_it_is_made_from(tmp_path, monkeypatch):
    data = {split: load("digits", split) for split in ("train", "test")}
    other = dict(data, test=dataclasses.replace(data["test"], labels=(data["test"].labels + 1) % 10))
    newer = dataclasses.replace(data["train"].description, version="2.0.0")
    keys = [
        library._key(data, "digits", None, TINY),
        library._key(data, "digits", 16, TINY),
        library._key(other, "digits", None, TINY),
        library._key(data, "digits", None, dataclasses.replace(TINY, lr=1e-4)),
        library._key(dict(data, train=dataclasses.replace(data["train"], description=newer)), "digits", None, TINY),
    ]
    (tmp_path / "cnn.py").write_text("other code")
    monkeypatch.setattr(library, "CODE", tmp_path)
    keys.append(library._key(data, "digits", None, TINY))
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


def test_cache_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(library, "cache_folder", lambda: tmp_path / "file")
    with pytest.raises(ConfigError, match="GAN_JAX_CACHE"):
        recognizer("digits", None, TINY)


def test_provenance_is_json(tiny):
    assert json.loads(json.dumps(tiny.about)) == tiny.about
    assert tiny.about | dataclasses.asdict(TINY) == tiny.about


def test_wrong_inputs(cache, monkeypatch):
    with pytest.raises(ConfigError, match="'cnm'; did you mean 'cnn'"):
        recognizer("digits", None, RecognizerConfig(network="cnm"))
    monkeypatch.setattr(library, "describe", lambda name: Description(name, "1.0.0", (8, 8, 1), 0, (), {"train": 9}))
    with pytest.raises(ConfigError, match="digits has no labels"):
        recognizer("digits")
    assert not cache.exists()


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        (("test", "train"), ("train", "test")),
        (("validation", "train"), ("train", "validation")),
        (("train", "test", "validation"), ("train", "test")),
        (("train",), ("train[:90%]", "train[90%:]")),
    ],
)
def test_splits(splits, expected):
    assert train_and_test(dict.fromkeys(splits, 1)) == expected


def test_data_without_a_training_split_are_refused():
    with pytest.raises(ConfigError, match="has test"):
        train_and_test({"test": 1})
