"""Recognizers: what they learn, what they see, and what is kept of them."""

import dataclasses
import itertools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from gan_jax import Config, ConfigError
from gan_jax.commands.recognizers import main, parse
from gan_jax.data import Description, batches, from_arrays, load
from gan_jax.data.splits import train_and_test
from gan_jax.metrics.streaming import stream
from gan_jax.recognizers import (
    RECIPES,
    RECOGNIZERS,
    SMALL_CNN,
    Augmentation,
    Pixels,
    RecognizerConfig,
    accuracy,
    fit,
    fitting,
    library,
    real_sample,
    recipe,
    recognizer,
    training,
)
from gan_jax.recognizers.architectures import classifier
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
    assert (about["train_images"], about["test_images"]) == (
        len(load("digits", "train").labels),
        len(test.labels),
    )


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
    pixels, labels = (
        rng.integers(0, 256, (6, 2, 2, 1), dtype=np.uint8),
        np.array([0, 1, 2, 2, 1, 0], np.int32),
    )
    state, metrics = training.train_step(classifier, state, Batch(pixels, labels))

    x = pixels.reshape(6, 4) / 127.5 - 1
    shares = np.exp(x @ before) / np.exp(x @ before).sum(1, keepdims=True)
    gradient = x.T @ (shares - np.eye(3)[labels]) / 6
    np.testing.assert_allclose(
        state.network.params["Dense_0"]["kernel"], before - 0.5 * gradient, atol=1e-6
    )
    np.testing.assert_allclose(
        metrics["loss"], -np.log(shares[np.arange(6), labels]).mean(), rtol=1e-5
    )
    assert metrics["accuracy"] == (shares.argmax(1) == labels).mean()
    assert state.step == 1


def test_step_by_smoothed_and_mixed_labels():
    """Against the definitions: cross-entropy with (1 - s) onehot + s / k; of two of the same image,
    mixing changes the label alone.
    """

    class Linear(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):
            x = x.reshape(len(x), -1)
            return x, nn.Dense(3, use_bias=False)(x)

    image = np.random.default_rng(0).integers(0, 256, (1, 2, 2, 1), dtype=np.uint8)
    batch = Batch(np.repeat(image, 2, 0), np.array([0, 2], np.int32))

    def loss(**changes):
        made = training.Classifier(Linear(), optax.sgd(0.5), **changes)
        state = training.init_state(made, jax.random.key(0), (2, 2, 1))
        logits = (image.reshape(1, 4) / 127.5 - 1) @ np.asarray(
            state.network.params["Dense_0"]["kernel"], np.float64
        )
        return float(training.train_step(made, state, batch)[1]["loss"]), np.log(
            np.exp(logits[0]).sum()
        ) - logits[0]

    found, losses = loss(smoothing=0.3)
    np.testing.assert_allclose(
        found, 0.7 * (losses[0] + losses[2]) / 2 + 0.3 * losses.mean(), rtol=1e-5
    )
    found, losses = loss(mixup=1.0)
    shares = (found - losses[2]) / (losses[0] - losses[2])  # the mean share of the first label
    assert 0 < shares < 1
    plain, _ = loss()
    assert abs(found - plain) > 1e-4 or abs(shares - 0.5) < 1e-3


@pytest.mark.parametrize("changes", [{}, {"mixup": 0.2, "smoothing": 0.1}])
def test_loop_is_the_steps(changes):
    """One call of the compiled loop against single steps over the same batches; the average follows
    the weights.
    """
    made = training.Classifier(
        RECOGNIZERS["cnn"](10, width=4, features=8), optax.sgd(0.1), Augmentation(1), **changes
    )
    data = load("digits", "train")
    resident = from_arrays(np.asarray(data.examples), data.labels, 3, batch_size=16)
    one = training.init_state(made, jax.random.key(0), (8, 8, 1))
    many, means = training.train_steps(made, jax.tree.map(jnp.copy, one), resident, 3)
    order = Config(dataset="digits", batch_size=16, seed=3)
    losses = []
    for batch in itertools.islice(batches(order), 3):
        one, metrics = training.train_step(made, one, jax.tree.map(lambda a: a[0], batch))
        losses.append(float(metrics["loss"]))
    assert many.step == one.step == 3
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), many.network, one.network
    )
    np.testing.assert_allclose(means["loss"], np.mean(losses), rtol=1e-4)
    kernel = lambda tree: tree["params"]["Dense_0"]["kernel"]
    assert not np.allclose(kernel(many.average), 0) and np.any(
        kernel(many.average) != many.network.params["Dense_0"]["kernel"]
    )


def test_average_is_that_of_the_weights():
    """With a half-life of ``AVERAGED`` of the steps so far, against the recursion in numpy."""
    made = training.Classifier(RECOGNIZERS["cnn"](3, width=4, features=8), optax.sgd(0.1))
    state = training.init_state(made, jax.random.key(0), (8, 8, 1))
    kernel = lambda params: np.array(params["Dense_0"]["kernel"], np.float64)
    expected, rng = kernel(state.network.params), np.random.default_rng(0)
    for step in range(1, 4):
        batch = Batch(rng.integers(0, 256, (8, 8, 8, 1), np.uint8), rng.integers(0, 3, 8, np.int32))
        state, _ = training.train_step(made, state, batch)
        keep = 0.5 ** (1 / (training.AVERAGED * step))
        expected = keep * expected + (1 - keep) * kernel(state.network.params)
    np.testing.assert_allclose(kernel(state.average["params"]), expected, atol=1e-6)


def test_fit_is_a_function_of_its_arguments():
    """The same arguments give the same bits, other seeds another network without compiling anew,
    and it learns.
    """
    data, test = load("digits", "train"), load("digits", "test")
    images, labels = np.asarray(data.examples), data.labels
    config = RecognizerConfig(steps=60, batch_size=32, width=8, features=16)
    told = []
    first = fit(config, images, labels, 10, told=lambda n, metrics: told.append(n))
    traced = training.train_steps._cache_size()
    again, other = (
        fit(dataclasses.replace(config, seed=seed), images, labels, 10) for seed in (0, 1)
    )
    assert training.train_steps._cache_size() == traced and sum(told) == 60
    jax.tree.map(np.testing.assert_array_equal, first.variables, again.variables)
    assert not np.array_equal(*(r.variables["params"]["Dense_0"]["kernel"] for r in (first, other)))
    found = accuracy(first, test.examples, test.labels)
    assert 0.8 < found < 1
    assert found == np.mean(np.argmax(first.features(test.examples)[1], 1) == test.labels)


def test_interrupted_fit_goes_on(tmp_path, monkeypatch):
    """Stopped after a checkpoint and called again, it ends with the bits of an uninterrupted one
    and leaves no checkpoint.
    """
    data = load("digits", "train")
    images, labels = np.asarray(data.examples)[:100], data.labels[:100]
    config = RecognizerConfig(steps=9, batch_size=16, width=4, features=8)
    monkeypatch.setattr(fitting, "CHECKPOINT_SECONDS", 0)
    monkeypatch.setattr(fitting.pacing, "calls", lambda first, last: [1] * (last - first))
    whole = fit(config, images, labels, 10)
    made, calls = [], iter(range(100))

    def interrupt(n, metrics):
        made.append(n)
        if next(calls) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(config, images, labels, 10, told=interrupt, checkpoints=tmp_path / "checkpoints")
    resumed = fit(config, images, labels, 10, told=interrupt, checkpoints=tmp_path / "checkpoints")
    assert sum(made[5:]) == 9 - resumed.about["resumed_from"] < 9  # it did not begin anew
    assert whole.about["resumed_from"] == 0
    jax.tree.map(np.testing.assert_array_equal, whole.variables, resumed.variables)
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize("name", RECOGNIZERS)
@pytest.mark.parametrize("shape", [(8, 8, 1), (9, 12, 1), (28, 28, 1), (32, 32, 3), (64, 64, 3)])
def test_architectures_take_every_size(name, shape):
    network = RECOGNIZERS[name](7, features=16)
    make = lambda key, x: network.init_with_output(key, x, train=False)
    (features, logits), variables = jax.eval_shape(make, jax.random.key(0), jnp.zeros((3, *shape)))
    assert (features.shape, logits.shape) == ((3, 16), (3, 7))
    assert features.dtype == logits.dtype == jnp.float32
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) < 2_000_000


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
    # A triangle of two pixels' half-width weighs the 2x2 block itself 3/4 on each axis, and each
    # neighbour 1/8.
    kernel = 0.75 * np.eye(8) + 0.125 * (np.eye(8, k=1) + np.eye(8, k=-1))
    kernel /= kernel.sum(1, keepdims=True)
    np.testing.assert_allclose(
        inner, np.einsum("ij,kl,bjlc->bikc", kernel, kernel, smooth), atol=1e-5
    )


def test_wrong_inputs(cache, monkeypatch):
    with pytest.raises(ConfigError, match="'cnm' is unknown; did you mean 'cnn'"):
        recognizer("digits", None, RecognizerConfig(network="cnm"))
    monkeypatch.setattr(
        library, "describe", lambda name: Description(name, "1.0.0", (8, 8, 1), 0, (), {"train": 9})
    )
    with pytest.raises(ConfigError, match="digits has no labels"):
        recognizer("digits")
    assert not cache.exists()


@pytest.mark.parametrize(
    ("splits", "expected"),
    [
        (("test", "train"), ("train", "test")),
        (("validation", "train"), ("train", "validation")),
        (("train", "test", "validation"), ("train", "test")),
        (("train",), ("train[:90% stratified]", "train[90%: stratified]")),
    ],
)
def test_splits(splits, expected):
    assert train_and_test(dict.fromkeys(splits, 1)) == expected


def test_data_without_a_training_split_are_refused():
    with pytest.raises(ConfigError, match="has the splits test, but a split named train"):
        train_and_test({"test": 1})


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_make_classifiers(name):
    made = classifier(RECIPES[name], 10)
    state = jax.eval_shape(lambda: training.init_state(made, jax.random.key(0), (28, 28, 1)))
    batch = Batch(
        jax.ShapeDtypeStruct((8, 28, 28, 1), jnp.uint8), jax.ShapeDtypeStruct((8,), jnp.int32)
    )
    after, _ = jax.eval_shape(
        lambda state, batch: training.train_step(made, state, batch), state, batch
    )
    jax.tree.map(
        lambda a, b: None if a.shape == b.shape else pytest.fail("shape"),
        state.average,
        after.average,
    )


# The command


def test_command_trains_tells_and_keeps(cache, capsys):
    command = ["digits", "--steps", "3", "--batch-size", "16", "--features", "8"]
    assert main(command) == 0
    out, err = capsys.readouterr()
    about = recognizer(
        "digits", None, dataclasses.replace(SMALL_CNN, features=8, steps=3, batch_size=16)
    ).about
    assert out.startswith(
        f"Test accuracy {about['test_accuracy']:.2%} on 355 examples of digits, test, after 3 steps"
    )
    assert f"kept in: {library.kept(about['key'])}" in out and "Training a classifier" in err
    assert main(command) == 0
    assert capsys.readouterr() == (out, "")


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["digitz"], "did you mean 'digits'"),
        (["digits", "--steps", "0"], "recognizer.steps must be at least 1, not 0"),
        (
            ["digits", "--augmentation.noise", "-1"],
            "recognizer.augmentation.noise must be in [0, 2], not -1.0",
        ),
        (["digits", "--network", "cnm"], "did you mean 'cnn'"),
        (["digits", "--size", "4"], "size 4 is smaller than the images"),
        (["digits", "--test-on", "digitz"], "did you mean 'digits'"),
    ],
)
def test_command_refuses_in_one_sentence(cache, capsys, command, told):
    with pytest.raises(SystemExit) as exit:
        main(command)
    err = capsys.readouterr().err
    assert exit.value.code == 2 and told in err and len(err.splitlines()) == 1
    assert not cache.exists()


def test_tested_on_another_set(cache, monkeypatch):
    """Learning from all of one set's training split and tested on another's test split; sets of
    other classes are refused.
    """
    about = recognizer("digits", None, TINY, test_on="digits").about
    assert (about["train_images"], about["test_images"], about["test_dataset"]) == (
        1442,
        355,
        "digits",
    )
    clothes = tuple("abcdefghij")
    other = lambda *a: dataclasses.replace(
        load(*a),
        description=dataclasses.replace(
            load(*a).description, class_names=clothes if a[1] == "test" else ()
        ),
    )
    monkeypatch.setattr(library, "load", other)
    recognizer("digits", None, TINY, test_on="digits")  # classes without names may be any
    monkeypatch.setattr(library, "load", lambda *a: other(*a) if a[1] == "test" else load(*a))
    with pytest.raises(
        ConfigError,
        match=r"^test_on: the classes .* are 0, 1, 2, ..., but those of digits are a, b, c, ...; ",
    ):
        recognizer("digits", None, TINY, test_on="digits")


def test_a_generated_set_takes_the_recipe_of_the_set_that_it_is_tested_on():
    command = ["fakes/fashion", "--test-on", "fashion_mnist"]
    assert parse(command)[2] == recipe("fashion_mnist")
    assert parse(["mnist", "--test-on", "fashion_mnist"])[2] == recipe("mnist")
    assert parse([*command, "--steps", "7"])[2].steps == 7
