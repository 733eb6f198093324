"""The data road: any TFDS set by name, decoded once."""

import os
import socket
import sys
import time

import numpy as np
import pytest
import tensorflow_datasets as tfds
from numbered import numbered, numbers

from gan_jax.data import cache, describe, load, preparing
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


@pytest.fixture
def numbered_set(tmp_path):
    numbered(tmp_path / "tfds")


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
        ("ag_news_subset", "train", "is not prepared"),
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
    monkeypatch.setitem(sys.modules, "gan_jax.data.text_sets", None)  # its import now fails
    monkeypatch.delattr("gan_jax.data.text_sets", raising=False)
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
