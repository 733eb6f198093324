"""Vectors on the data road, the embedded problems whose truth is known, and StackedMNIST."""

import dataclasses
import importlib.util
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
import tensorflow_datasets as tfds

from gan_jax.build import build
from gan_jax.config import Config, Network
from gan_jax.data import (
    TRUTHS,
    Dataset,
    batch_at,
    batches,
    dataset,
    describe,
    load,
    preparing,
    resident,
)
from gan_jax.data.embedded import points, stacked_mnist
from gan_jax.data.order import chosen
from gan_jax.errors import ConfigError

RING = Config(
    dataset="ring8",
    batch_size=48,
    d_steps=2,
    generator=Network("mlp"),
    discriminator=Network("mlp"),
)


# Vectors


@pytest.fixture
def measurements(tmp_path, monkeypatch):
    """A set of TFDS's kind, not one of ours: 30 unlabelled vectors of three numbers."""

    class Measurements(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = {
                "x": tfds.features.Tensor(shape=(3,), dtype=np.float32),
                "n": tfds.features.Scalar(np.int64),
            }
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features), disable_shuffling=True
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            for i in range(30):
                yield i, {"x": np.float32([i, -i, 1e-3 * i]), "n": i}

    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path / "cache"))
    preparing.prepare_embedded(
        lambda: Measurements(data_dir=tmp_path / "tfds", file_format="array_record")
    )


def test_any_set_of_vectors_by_its_name(measurements):
    about = describe("measurements")
    assert (about.shape, about.num_classes, about.splits) == ((3,), 0, {"train": 30})
    for _ in range(2):  # decoded, and from the cache
        data = load("measurements", "train[10:]")
        i = np.arange(10, 30)
        assert data.examples.dtype == np.float32 and isinstance(data.examples, np.memmap)
        np.testing.assert_array_equal(data.examples, np.float32([i, -i, 1e-3 * i]).T)
        np.testing.assert_array_equal(data.labels, np.full(20, -1))


@pytest.mark.parametrize("start", [0, 416])  # where an epoch of 40,000 ends within the batch
def test_resident_batches_are_the_streamed_ones_bit_by_bit(start):
    data = resident(RING)
    for step, streamed in zip(range(start, start + 2), batches(RING, start), strict=False):
        found = jax.jit(batch_at)(data, jnp.int32(step))
        assert streamed.x.shape == (2, 48, 2) and streamed.x.dtype == found.x.dtype == np.float32
        np.testing.assert_array_equal(found.x, streamed.x)
        np.testing.assert_array_equal(found.y, streamed.y)


def test_rows_of_a_process(start=3):
    whole = next(batches(RING, start))
    rows = np.array([1, 5, 40])
    part = next(batches(RING, start, rows))
    np.testing.assert_array_equal(part.x, whole.x[:, rows])
    np.testing.assert_array_equal(part.y, whole.y[:, rows])


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"size": 4}, "size 4 does not apply to vectors of 2 numbers; leave it out."),
        ({"flip": True}, "flip True does not apply to vectors of 2 numbers; use False."),
    ],
)
@pytest.mark.parametrize("use", [build, batches, resident])
def test_what_is_for_images_is_refused(use, changes, words):
    with pytest.raises(ConfigError) as refusal:
        use(dataclasses.replace(RING, **changes))
    assert str(refusal.value) == words


@pytest.mark.parametrize("player", ["generator", "discriminator"])
@pytest.mark.parametrize("name", ["dcgan", "sngan"])
def test_architectures_for_images_refuse_vectors(player, name):
    with pytest.raises(
        ConfigError,
        match=f"{player}.name '{name}' is for images, but .* are vectors of 2 numbers; use mlp",
    ):
        build(dataclasses.replace(RING, **{player: Network(name)}))


def test_mlp_draws_vectors_without_bounds_and_images_within():
    gan = build(RING)
    network = gan.generator.network
    z, y = 100 * gan.prior.draw(jax.random.key(0), 50), jnp.zeros(50, jnp.int32)
    variables = network.init(jax.random.key(1), z, y, train=False)
    x = network.apply(variables, z, y, train=False)
    assert x.shape == (50, 2) and x.dtype == jnp.float32 and np.abs(x).max() > 1
    last = variables["params"]["Dense_2"]
    doubled = {"params": variables["params"] | {"Dense_2": jax.tree.map(lambda a: 2 * a, last)}}
    np.testing.assert_allclose(network.apply(doubled, z, y, train=False), 2 * x, rtol=1e-5)
    as_image = dataclasses.replace(network, shape=(1, 1, 2), bounded=True).apply(
        variables, z, y, train=False
    )
    np.testing.assert_allclose(as_image[:, 0, 0], np.tanh(x), rtol=1e-4, atol=1e-6)


# Truths


@pytest.mark.parametrize("name", TRUTHS)
def test_embedded_points_are_draws_from_the_truth(name):
    truth, about = TRUTHS[name], describe(name)
    assert about.shape == truth.centres.shape[1:]
    assert about.num_classes == (len(truth.weights) if truth.labelled else 0)
    assert about.splits == points.EXAMPLES
    for seed, split in enumerate(points.EXAMPLES):
        data = load(name, split)
        expected, labels = truth.draw(np.random.default_rng(seed), points.EXAMPLES[split])
        np.testing.assert_array_equal(data.examples, expected)
        np.testing.assert_array_equal(data.labels, labels)
        assert np.abs(data.examples).max() < 1.1
    if name != "dirac":
        assert (load(name, "train[:10]").examples != load(name, "test[:10]").examples).any()


@pytest.mark.parametrize("name", TRUTHS)
def test_truths_are_distributions(name):
    truth = TRUTHS[name]
    np.testing.assert_allclose(truth.weights.sum(), 1, rtol=1e-6)
    np.testing.assert_array_equal(np.unique(truth.modes), np.arange(len(truth.weights)))
    assert truth.centres.dtype == np.float32 and len(truth.centres) == len(truth.modes)


def test_mixtures_have_the_published_proportions():
    """Ring: unit circle, sigma 0.01. Grid: spacing 2, sigma 0.05, all divided by 4. Every mode has
    its exact share.
    """
    ring, grid = load("ring8", "train"), load("grid25", "train")
    assert set(np.bincount(ring.labels)) == {5000} and set(np.bincount(grid.labels)) == {1600}
    for data, sigma in ((ring, 0.01), (grid, 0.0125)):
        parts = [data.examples[data.labels == label] for label in range(data.labels.max() + 1)]
        np.testing.assert_allclose([part.std(0) for part in parts], sigma, rtol=0.1)
        means = np.array([part.mean(0) for part in parts])
        if data is ring:
            np.testing.assert_allclose(np.linalg.norm(means, axis=1), 1, atol=1e-3)
            np.testing.assert_allclose(
                np.linalg.norm(means - np.roll(means, 1, axis=0), axis=1),
                2 * np.sin(np.pi / 8),
                atol=2e-3,
            )
        else:
            np.testing.assert_allclose(
                np.sort(means[:, 0]), np.repeat([-1, -0.5, 0, 0.5, 1], 5), atol=2e-3
            )
    assert not load("dirac", "train").examples.any()


def test_checkerboard_has_points_on_one_colour_alone_evenly():
    x = load("checkerboard", "train").examples
    squares = np.minimum(np.floor((x + 1) / 0.5), 3).astype(int)
    assert (squares.sum(1) % 2 == 0).all()
    counts = np.bincount(squares @ [4, 1], minlength=16)
    assert scipy.stats.chisquare(counts[counts > 0]).pvalue > 1e-3 and (counts > 0).sum() == 8


def test_swiss_roll_lies_along_its_spiral():
    """Along the spiral, angle and distance from the middle belong together: r = t / (9/2 pi), t the
    angle and whole turns.
    """
    x = load("swiss_roll", "train").examples
    r, angle = np.linalg.norm(x, axis=1) * 4.5 * np.pi, np.arctan2(x[:, 1], x[:, 0])
    turns = (r - angle) / (2 * np.pi)
    off = (
        2 * np.pi * (turns - np.round(turns))
    )  # the radial distance from the spiral, noise of 0.25 but for its slope
    assert abs(off.std() - 0.25) < 0.02 and abs(off.mean()) < 0.05


# StackedMNIST


def fake_mnist(monkeypatch, n=200):
    """Digits that are told by their brightness: the image ``i`` is of grey ``i`` throughout, and of
    class ``i % 10``.
    """
    images = np.broadcast_to(np.arange(n, dtype=np.uint8)[:, None, None, None], (n, 28, 28, 1))
    labels = np.arange(n, dtype=np.int32) % 10
    monkeypatch.setattr(dataset, "load", lambda name, split: Dataset(images, labels, None))
    monkeypatch.setattr(stacked_mnist, "EXAMPLES", {"train": 5_000, "test": 300})


def test_stacked_mnist_stacks_and_labels_digits(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path / "cache"))
    fake_mnist(monkeypatch)
    data = load("stacked_mnist", "train")
    assert data.examples.shape == (5_000, 28, 28, 3) and data.examples.dtype == np.uint8
    grey = data.examples[:, 0, 0].astype(int)
    assert (data.examples == data.examples[:, :1, :1]).all()
    np.testing.assert_array_equal(data.labels, (grey % 10) @ [100, 10, 1])
    expected = np.stack([chosen(np.arange(5_000), 200, 0, channel) for channel in range(3)], axis=1)
    np.testing.assert_array_equal(grey, expected)  # by (seed, index) alone, in order
    assert (load("stacked_mnist", "test").examples[:, 0, 0] != data.examples[:300, 0, 0]).any()
    assert describe("stacked_mnist").splits == {"train": 5_000, "test": 300}


def test_stacked_mnist_is_described_without_being_made(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    find = importlib.util.find_spec
    monkeypatch.setattr(
        preparing.importlib.util, "find_spec", lambda name: name != "tensorflow" and find(name)
    )
    about = describe("stacked_mnist")
    assert (about.shape, about.num_classes, about.splits) == ((28, 28, 3), 1000, {})
    assert about.class_names[123] == "123" and about.class_names[7] == "007"
    with pytest.raises(ConfigError, match="dataset 'mnist' is not prepared"):
        load("stacked_mnist", "train")
    assert list(tmp_path.iterdir()) == []


def test_choices_are_uniform_independent_and_the_same_on_the_device():
    index = np.arange(60_000)
    drawn = [chosen(index, 40, seed, stream) for seed, stream in itertools.product((0, 1), (0, 1))]
    for a in drawn:
        assert scipy.stats.chisquare(np.bincount(a, minlength=40)).pvalue > 1e-3
    for a, b in itertools.combinations(drawn, 2):
        assert scipy.stats.chisquare(np.bincount(a * 40 + b, minlength=1600)).pvalue > 1e-3
    np.testing.assert_array_equal(drawn[0], chosen(jnp.arange(60_000), 40, 0, 0, jnp))
