"""The data road: any TFDS set by name, decoded once, in batches that are a function of seed and
number.
"""

import dataclasses
import itertools
import os
import socket
import sys
import time

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from gan_jax.config import Config
from gan_jax.data import batches, batching, cache, describe, load, preparing, streams
from gan_jax.data.embedded.digits import Digits
from gan_jax.errors import ConfigError

TFDS_DATA_DIR = os.environ.get("TFDS_DATA_DIR")  # of the user, who may have MNIST


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def folders(shared_cache, tmp_path, monkeypatch):
    """One cache for the file, so that digits are prepared once; a TFDS folder for each test."""
    monkeypatch.setenv("GAN_JAX_CACHE", str(shared_cache))
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def numbered(root, train=300, test=20, first=0, labelled=True):
    """Prepares the data set ``numbered``: 5x3 images whose first two pixels spell the number of the
    example.
    """

    class Numbered(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            features = {
                "photo": tfds.features.Image(shape=(5, 3, 1)),
                "number": tfds.features.Scalar(np.int64),
            }
            if labelled:
                features["kind"] = tfds.features.ClassLabel(names=["even", "odd"])
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features)
            )

        def _split_generators(self, dl_manager):
            return {
                "train": self._generate_examples(0, train),
                "test": self._generate_examples(train, train + test),
            }

        def _generate_examples(self, start, end):
            for i in range(start, end):
                pixels = np.full((5, 3), 9, np.uint8)
                pixels[0, :2] = divmod(i + first, 256)
                kind = {"kind": i % 2} if labelled else {}
                yield i, {"photo": Image.fromarray(pixels), "number": i, **kind}

    preparing.prepare_embedded(lambda: Numbered(data_dir=root, file_format="array_record"))


def numbers(images):
    """The numbers of the examples of `numbered`, from images ``[..., 5, 3, 1]``."""
    return images[..., 0, 0, 0].astype(int) * 256 + images[..., 0, 1, 0]


@pytest.fixture
def numbered_set(tmp_path):
    numbered(tmp_path / "tfds")


# Batches


def test_every_example_once_an_epoch(numbered_set):
    config = Config(
        dataset="numbered", batch_size=32, d_steps=2, seed=3
    )  # 300 is no multiple of 64
    drawn = list(itertools.islice(batches(config), 15))
    assert all(b.x.shape == (2, 32, 5, 3, 1) and b.x.dtype == np.uint8 for b in drawn)
    assert all(
        b.y.shape == (2, 32) and b.y.dtype == np.int32 and type(b.x) is np.ndarray for b in drawn
    )
    seen = np.concatenate([numbers(b.x).ravel() for b in drawn])
    np.testing.assert_array_equal(np.concatenate([b.y.ravel() for b in drawn]), seen % 2)
    epochs = seen[:900].reshape(3, 300)
    np.testing.assert_array_equal(np.sort(epochs), np.tile(np.arange(300), (3, 1)))
    assert (epochs[0] != epochs[1]).any() and (epochs[1] != epochs[2]).any()


@pytest.mark.parametrize("ahead", [0, 5])
@pytest.mark.parametrize("start", [1, 7, 1000])
def test_start_skips(numbered_set, start, ahead):
    config = Config(dataset="numbered", batch_size=7, d_steps=3, flip=True)
    from_there = itertools.islice(batches(config, start, ahead=ahead), 3)
    passed_by = itertools.islice(batches(config), start, start + 3)
    for a, b in zip(from_there, passed_by, strict=True):
        np.testing.assert_array_equal(a.x, b.x)
        np.testing.assert_array_equal(a.y, b.y)


def test_threads_read_ahead_in_the_same_order(numbered_set, monkeypatch):
    monkeypatch.setattr(
        batching, "_TOGETHER", 50
    )  # many blocks, so that threads meet at their borders
    config, rows = Config(dataset="numbered", batch_size=8, d_steps=2), np.array([1, 2, 6])
    ahead, plain = batches(config, 2, rows, ahead=7), batches(config, 2)
    for a, b in itertools.islice(zip(ahead, plain, strict=True), 200):
        np.testing.assert_array_equal(a.x, b.x[:, rows])
        np.testing.assert_array_equal(a.y, b.y[:, rows])


def test_what_reading_raises_comes_with_its_batch(numbered_set, monkeypatch):
    def torn(position, *_):
        if position[0] >= 100:
            raise OSError("the disk is gone")
        return position

    monkeypatch.setattr(batching, "_TOGETHER", 50)
    monkeypatch.setattr(streams, "shuffled", torn)
    ahead = batches(Config(dataset="numbered", batch_size=50), ahead=7)
    assert [next(ahead).y.shape for _ in range(2)] == [(1, 50)] * 2
    with pytest.raises(OSError, match="the disk is gone"):
        next(ahead)


def test_batch_is_a_function_of_seed_and_number(numbered_set):
    config = Config(dataset="numbered", batch_size=8)
    far = 10**12  # at once, and beyond 32 bits
    first, again = (next(batches(config, far)) for _ in range(2))
    np.testing.assert_array_equal(first.x, again.x)
    assert (next(batches(dataclasses.replace(config, seed=1), far)).x != first.x).any()
    whole = next(batches(dataclasses.replace(config, batch_size=300), far * 8 // 300))
    assert sorted(numbers(whole.x).ravel()) == list(range(300))


def test_more_steps_than_are_shuffled_at_once(numbered_set):
    config = Config(dataset="numbered", batch_size=100)
    seen = np.stack([numbers(b.x).ravel() for b in itertools.islice(batches(config), 600)])
    np.testing.assert_array_equal(
        np.sort(seen.reshape(200, 300)), np.tile(np.arange(300), (200, 1))
    )


@pytest.mark.parametrize(
    "changes, start, words",
    [
        ({"batch_size": 0}, 0, "batch_size must be at least 1, not 0"),
        ({"d_steps": -1}, 0, "d_steps must be at least 1, not -1"),
        ({}, -1, "start must be at least 0, not -1"),
        ({"dataset": "digitz"}, 0, "did you mean 'digits'"),
        ({"split": "trian"}, 0, "split 'trian' is unknown"),
        ({"size": 7}, 0, "size 7 is smaller than the images, which are 8x8"),
    ],
)
def test_batches_refuse_at_once(changes, start, words):
    for ahead in (0, 2):
        with pytest.raises(ConfigError, match=words):
            batches(dataclasses.replace(Config(), **changes), start, ahead=ahead)


# Data sets


def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    digits = load_digits()
    train, test = load("digits", "train"), load("digits", "test")
    images, labels = (
        np.concatenate([train.examples, test.examples]),
        np.concatenate([train.labels, test.labels]),
    )
    assert images.shape == (1797, 8, 8, 1) and images.dtype == np.uint8 and labels.dtype == np.int32
    assert images.min() == 0 and images.max() == 255
    known = sorted(
        zip(digits.images.reshape(1797, 64).tolist(), digits.target.tolist(), strict=True)
    )
    levels = np.rint(images.reshape(1797, 64) / 255 * 16)
    assert sorted(zip(levels.tolist(), labels.tolist(), strict=True)) == known
    share = np.bincount(test.labels) / np.bincount(labels)
    assert ((share > 0.19) & (share <= 0.2)).all()


def test_description_of_digits():
    about = describe("digits")
    assert (about.name, about.version, about.shape, about.num_classes) == (
        "digits",
        "1.0.0",
        (8, 8, 1),
        10,
    )
    assert about.class_names == tuple("0123456789")
    assert about.splits == {name: len(load("digits", name).labels) for name in ("train", "test")}
    assert load("digits", "train").description == about


def test_digits_need_nothing_but_the_cache_and_are_quiet(empty_cache, tmp_path, monkeypatch, capfd):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "file" / "below"))
    assert len(load("digits", "train[:10]").labels) == 10
    assert capfd.readouterr() == ("", "")


def test_unlabelled(tmp_path):
    numbered(tmp_path / "tfds", train=5, labelled=False)
    dataset = load("numbered", "train")
    assert (dataset.description.num_classes, dataset.description.class_names) == (0, ())
    np.testing.assert_array_equal(dataset.labels, np.full(5, -1))


@pytest.mark.parametrize(
    "split, expected",
    [
        ("train[:90%]", range(270)),
        ("train[10:20]", range(10, 20)),
        ("test+train[-3:]", [*range(300, 320), *range(297, 300)]),
    ],
)
def test_slices(numbered_set, split, expected):
    whole = np.concatenate([numbers(load("numbered", name).examples) for name in ("train", "test")])
    np.testing.assert_array_equal(numbers(load("numbered", split).examples), whole[list(expected)])


def test_padding_is_symmetric(numbered_set):
    plain, padded = load("numbered", "test"), load("numbered", "test", 8)
    assert padded.examples.shape == (20, 8, 8, 1) and padded.description.shape == (5, 3, 1)
    np.testing.assert_array_equal(padded.examples[:, 1:6, 2:5], plain.examples)
    assert padded.examples.sum(dtype=int) == plain.examples.sum(dtype=int)


def test_mnist_is_what_tfds_reads(monkeypatch):
    monkeypatch.delenv("TFDS_DATA_DIR")
    if TFDS_DATA_DIR:
        monkeypatch.setenv("TFDS_DATA_DIR", TFDS_DATA_DIR)
    builder = tfds.builder("mnist")
    if not builder.is_prepared():
        pytest.skip("MNIST is not prepared here")
    dataset = load("mnist", "test[:50]", 32)
    assert dataset.examples.shape == (50, 32, 32, 1)
    for image, label, example in zip(
        dataset.examples, dataset.labels, builder.as_data_source("test[:50]"), strict=True
    ):
        np.testing.assert_array_equal(image, np.pad(example["image"], [(2, 2), (2, 2), (0, 0)]))
        assert label == example["label"]


@pytest.mark.parametrize(
    "name, split, words",
    [
        ("mnits", "train", "dataset 'mnits' is unknown; did you mean 'mnist'"),
        ("emnist/leters", "train", "'leters' is unknown; did you mean 'letters'"),
        ("mnist/foo", "train", "mnist has no variants"),
        ("mnist:0.0.1", "train", "cannot be loaded at version 0.0.1"),
        ("huggingface:mnist", "train", "dataset 'huggingface:mnist' is unknown"),
        ("what a name", "train", "dataset 'what a name' cannot be opened"),
        ("caltech101", "train", "vary in size"),
        ("ag_news_subset", "train", "0 features that are 8-bit images"),
        ("digits", "validation", "'validation' is unknown; use train, test or a slice"),
        ("digits", "train[:x]", "split 'train.:x.' is unknown"),
        ("digits", "train[5:5]", "split 'train.5:5.' is empty"),
        ("digits", "train[9999:]", "split .* is unknown"),
    ],
)
def test_wrong_names_are_refused(name, split, words, capfd):
    with pytest.raises(ConfigError, match=words):
        load(name, split)
    assert capfd.readouterr() == ("", "")


# Preparing


def forbid_download(monkeypatch):
    monkeypatch.setattr(
        tfds.core.DatasetBuilder, "download_and_prepare", lambda *a, **k: pytest.fail("downloads")
    )


def test_preparing_without_tensorflow_names_the_extra(tmp_path, monkeypatch):
    forbid_download(monkeypatch)
    monkeypatch.setattr(preparing.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"'cifar10' is not prepared .* `uv run --extra prepare"):
        load("cifar10", "train")
    assert describe("cifar10").shape == (32, 32, 3)
    assert describe("emnist/letters").num_classes == 37
    assert not (tmp_path / "tfds").exists()


@pytest.mark.parametrize("seconds", [0, 30])
def test_without_a_network_the_refusal_comes_at_once(tmp_path, monkeypatch, seconds):
    def no_such_name(*args, **kwargs):
        time.sleep(seconds)
        raise socket.gaierror("Temporary failure in name resolution")

    forbid_download(monkeypatch)
    monkeypatch.setattr(preparing.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(preparing, "_PATIENCE", 0.5)
    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    began = time.monotonic()
    with pytest.raises(ConfigError, match="no answer from www"):
        load("cifar10", "train")
    assert time.monotonic() - began < 5
    assert not (tmp_path / "tfds").exists()


def test_of_two_that_prepare_digits_both_succeed(empty_cache, monkeypatch):
    generate, builder = (
        Digits._generate_examples,
        lambda: Digits(data_dir=empty_cache, file_format="array_record"),
    )
    rivals = iter([builder])

    def generate_while_a_rival_prepares(self, test):
        for rival in rivals:
            assert preparing.prepare_embedded(rival).is_prepared()
        yield from generate(self, test)

    monkeypatch.setattr(Digits, "_generate_examples", generate_while_a_rival_prepares)
    assert (
        len(preparing.prepare_embedded(builder).as_data_source("test"))
        == describe("digits").splits["test"]
    )


def test_files_of_another_format_are_refused(numbered_set, tmp_path):
    info = tmp_path / "tfds" / "numbered" / "1.0.0" / "dataset_info.json"
    info.write_text(info.read_text().replace("array_record", "riegeli"))
    with pytest.raises(
        ConfigError, match="has riegeli files, but only array_record and tfrecord can be read"
    ):
        load("numbered", "train")


def test_damaged_files_are_refused(numbered_set, tmp_path):
    (path,) = (tmp_path / "tfds").rglob("*train.array_record*")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ConfigError, match=r"numbered/1\.0\.0 cannot be read .* delete it"):
        load("numbered", "train")


# The cache


def test_cache_is_mapped_and_read_only():
    images = load("digits", "train").examples
    assert isinstance(images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        images[0] = 0


def test_later_starts_do_without_tfds(monkeypatch):
    first, about = load("digits", "test", 16), describe("digits")
    monkeypatch.setitem(sys.modules, "gan_jax.data.source", None)  # its import now fails
    monkeypatch.delattr("gan_jax.data.source", raising=False)
    again = load("digits", "test", 16)
    np.testing.assert_array_equal(again.examples, first.examples)
    assert again.description == first.description == describe("digits") == about
    with pytest.raises(ImportError):
        load("digits", "test", 17)


def truncate(path):
    os.truncate(path, os.path.getsize(path) - 1)


@pytest.mark.parametrize(
    "file, harm",
    [
        ("examples.npy", truncate),
        ("examples.npy", lambda path: os.truncate(path, 0)),
        ("examples.npy", lambda path: path.write_bytes(b"not an array")),
        ("labels.npy", truncate),
        ("labels.npy", os.remove),
    ],
)
def test_damaged_cache_is_rebuilt(empty_cache, numbered_set, file, harm):
    sound = np.array(load("numbered", "test").examples)
    (path,) = (empty_cache / "examples").rglob(file)
    harm(path)
    np.testing.assert_array_equal(load("numbered", "test").examples, sound)
    left = sorted(
        path.name
        for path in (empty_cache / "examples" / "numbered" / "1.0.0").rglob("*")
        if path.is_file()
    )
    assert left == ["examples.npy", "labels.npy"]


def test_damaged_index_is_rebuilt():
    about = describe("digits")
    for path in (cache.cache_folder() / "index").iterdir():
        path.write_text('{"answer": ')
    assert describe("digits") == about


def test_new_content_is_noticed(empty_cache, tmp_path):
    for first in (0, 1000):
        numbered(tmp_path / "tfds", train=50, first=first)
        np.testing.assert_array_equal(
            np.sort(numbers(load("numbered", "train").examples)), np.arange(first, first + 50)
        )
        for path in sorted((tmp_path / "tfds").rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()


def test_changed_files_invalidate_the_index(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "shard").write_text("old")
    cache.remember("question", {"is": 1}, tmp_path, folder)
    assert cache.recall("question", tmp_path) == {"is": 1}
    assert cache.recall("question", tmp_path / "elsewhere") == {
        "is": 1
    }  # not there: the version speaks for it
    (folder / "shard").write_text("newer")
    assert cache.recall("question", tmp_path) is None


def test_of_two_that_write_both_succeed(tmp_path):
    images, labels = np.arange(24, dtype=np.uint8).reshape(2, 2, 3, 2), np.array([1, 0])

    def chunks():
        # The other one is faster.
        cache.write(tmp_path / "folder", images.shape, np.uint8, [cache.Chunk(images, labels)])
        yield cache.Chunk(images, labels)

    cache.write(tmp_path / "folder", images.shape, np.uint8, chunks())
    np.testing.assert_array_equal(cache.read(tmp_path / "folder")[0], images)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_interrupted_write_leaves_nothing(tmp_path):
    def chunks():
        yield cache.Chunk(np.zeros((1, 2, 2, 1), np.uint8), np.zeros(1))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache.write(tmp_path / "folder", (2, 2, 2, 1), np.uint8, chunks())
    assert list(tmp_path.iterdir()) == []


def test_cache_that_cannot_be_written_is_refused(numbered_set, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path / "file" / "cache"))
    for name in ("numbered", "digits"):
        with pytest.raises(ConfigError, match=r"cannot be (written|prepared)"):
            load(name, "train")
