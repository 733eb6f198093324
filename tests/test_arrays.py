"""Arrays in memory as a data set, and parts of each class."""

import numpy as np
import pytest

import gan_jax
from gan_jax.config import Config, Framing
from gan_jax.data import arrays, cache, describe, load
from gan_jax.data.slices import overlap, stratum
from gan_jax.data.splits import PARTS, held_out_split, train_and_test
from gan_jax.errors import ConfigError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (40, 5, 4, 3), np.uint8)
LABELS = np.repeat(np.arange(4), 10)  # in the order of the classes
VECTORS = RNG.normal(size=(7, 2)).astype(np.float32)


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path / "cache"))


def test_images_labels_and_test():
    name = gan_jax.dataset(
        IMAGES, LABELS, test=(IMAGES[:3], [0, 1, 3]), class_names=list("abcd"), name="mine"
    )
    about = describe(name)
    assert (about.name, about.shape, about.num_classes) == ("mine", (5, 4, 3), 4)
    assert about.class_names == ("a", "b", "c", "d") and about.splits == {"train": 40, "test": 3}
    data = load(name, "train")
    np.testing.assert_array_equal(data.examples, IMAGES)
    np.testing.assert_array_equal(data.labels, LABELS)
    assert isinstance(data.examples, np.memmap) and data.labels.dtype == np.int32
    assert data.examples.filename.parent.parent == arrays.Path(name)  # not copied
    np.testing.assert_array_equal(load(name, "test").labels, [0, 1, 3])
    mixed = load(name, "test[1:]+train[38:]")
    np.testing.assert_array_equal(mixed.examples, np.concatenate([IMAGES[1:3], IMAGES[38:]]))
    np.testing.assert_array_equal(mixed.labels, [1, 3, 3, 3])
    padded = load(name, "train", 8)
    np.testing.assert_array_equal(padded.examples[:, 1:6, 2:6], IMAGES)
    assert load(name, "train", Framing(4, "stretch", 1)).examples.shape == (40, 4, 4, 1)


def test_vectors_and_grey_images_without_labels():
    name = gan_jax.dataset(VECTORS)
    assert describe(name).shape == (2,) and describe(name).num_classes == 0
    np.testing.assert_array_equal(load(name, "train").examples, VECTORS)
    grey = gan_jax.dataset(IMAGES[..., 0], test=IMAGES[:2, ..., 0])
    assert load(grey, "test").examples.shape == (2, 5, 4, 1)
    assert load(grey, "test").labels.tolist() == [-1, -1]


def test_the_name_stands_for_the_content():
    first = gan_jax.dataset(IMAGES, LABELS)
    assert gan_jax.dataset(IMAGES.copy(), LABELS.tolist()) == first
    others = [
        gan_jax.dataset(IMAGES + np.uint8(1), LABELS),
        gan_jax.dataset(IMAGES, LABELS[::-1]),
        gan_jax.dataset(IMAGES),
        gan_jax.dataset(IMAGES, LABELS, class_names=list("abcd")),
        gan_jax.dataset(IMAGES, LABELS, test=(IMAGES, LABELS)),
        gan_jax.dataset(IMAGES, LABELS, name="other"),
    ]
    assert len({first, *others}) == 7
    (arrays.Path(first) / "train" / "labels.npy").unlink()
    with pytest.raises(ConfigError, match="is damaged"):
        load(first, "train")
    assert gan_jax.dataset(IMAGES, LABELS) == first
    assert len(load(first, "train").labels) == 40


def test_it_goes_wherever_a_name_goes():
    name = gan_jax.dataset(IMAGES, LABELS)
    config = Config(dataset=name, batch_size=40, split="train[:50%]")
    batch = next(gan_jax.batches(config))
    assert sorted(batch.y[0]) == sorted(list(LABELS[:20]) * 2)
    assert gan_jax.resident(config).streams[0].epoch == 20


@pytest.mark.parametrize(
    "call, words",
    [
        (
            lambda: gan_jax.dataset(IMAGES / 255),
            r"examples must be images .*, not float64 of shape \(40, 5, 4, 3\)",
        ),
        (lambda: gan_jax.dataset(VECTORS.astype(np.float64)), "examples must .*, not float64"),
        (lambda: gan_jax.dataset(IMAGES[0, 0, 0]), r"examples must .*, not uint8 of shape \(3,\)"),
        (lambda: gan_jax.dataset(VECTORS.tolist()), "examples must .*, not float64"),
        (lambda: gan_jax.dataset("mnist"), "examples must .*, not <U5"),
        (lambda: gan_jax.dataset(IMAGES[:0]), "examples must not be empty"),
        (lambda: gan_jax.dataset(VECTORS * np.nan), "examples must be finite"),
        (
            lambda: gan_jax.dataset(IMAGES, LABELS[:-1]),
            "labels must be 40, one per example, not 39",
        ),
        (lambda: gan_jax.dataset(IMAGES, LABELS - 1), "labels must be between 0 and 2, not -1"),
        (lambda: gan_jax.dataset(IMAGES, LABELS / 1), "labels must be integers .*, not float64"),
        (
            lambda: gan_jax.dataset(IMAGES, np.eye(40, dtype=int)),
            r"labels .* not int64 of shape \(40, 40",
        ),
        (lambda: gan_jax.dataset(IMAGES, LABELS, test=IMAGES), "test must be a pair"),
        (lambda: gan_jax.dataset(IMAGES, LABELS, test=(IMAGES, None)), "test lacks labels"),
        (lambda: gan_jax.dataset(IMAGES, test=(IMAGES, LABELS)), "test has labels but"),
        (lambda: gan_jax.dataset(IMAGES, test=IMAGES[:, 1:]), r"test examples .*, not \(4, 4, 3"),
        (
            lambda: gan_jax.dataset(IMAGES, class_names=["a"]),
            "class_names must be None because there are no labels",
        ),
        (
            lambda: gan_jax.dataset(IMAGES, LABELS, class_names="abc"),
            "at least .* not 3 with 3 different",
        ),
        (
            lambda: gan_jax.dataset(IMAGES, LABELS, class_names="aabcd"),
            "at least .* not 5 with 4 different",
        ),
        (lambda: gan_jax.dataset(IMAGES, name="a/b"), "name must be .*, not 'a/b'"),
    ],
)
def test_wrong_arrays_are_refused(call, words):
    with pytest.raises(ConfigError, match=words):
        call()
    assert not cache.cache_folder().exists()


# Held-out parts


def test_parts_of_a_set_in_the_order_of_its_classes():
    name = gan_jax.dataset(IMAGES, LABELS)
    learned, held_out = (load(name, part) for part in train_and_test(describe(name).splits))
    assert np.bincount(held_out.labels).tolist() == [1] * 4
    assert np.bincount(learned.labels).tolist() == [9] * 4
    both = np.concatenate([learned.examples, held_out.examples]).reshape(40, -1)
    assert {tuple(x) for x in both} == {tuple(x) for x in IMAGES.reshape(40, -1)}
    assert isinstance(held_out.examples, np.memmap)
    again = load(name, PARTS[1])
    np.testing.assert_array_equal(again.examples, held_out.examples)


def test_parts_without_labels_are_drawn_at_random():
    low, high = stratum("train[:90% stratified]"), stratum("train[90%: stratified]")
    labels = np.full(200, -1)
    parts = low.places(labels), high.places(labels)
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(200))
    assert len(parts[1]) == 20 and parts[1].max() - parts[1].min() > 100
    assert stratum("train[:90%]") is None and stratum("train") is None


@pytest.mark.parametrize(
    "one, other, shared",
    [
        ("train[:30]", "train[30:]", False), ("train[:31]", "train[30:]", True),
        ("train[:30]", "train[:5]+train[35:]", True), ("train", "train[:1]", True),
        ("train[:50%]", "train[50%:]", False), (*PARTS, False), (PARTS[0], PARTS[0], True),
        (PARTS[0], "train[39:]", True),  # which it cannot tell
    ],
)  # fmt: skip
def test_splits_that_share_examples(one, other, shared):
    about = load(gan_jax.dataset(IMAGES, LABELS), "train").description
    assert overlap(about, one, other) is overlap(about, other, one) is shared


def test_rare_classes_are_learned_from():
    places = stratum("train[90%: stratified]").places(np.array([0, 1, 1, 2, 2, 2, 2, 2]))
    assert len(places) == 1 and places[0] >= 3


def test_an_empty_part_is_refused():
    name = gan_jax.dataset(IMAGES[:3])
    with pytest.raises(ConfigError, match="split 90% to 100% of 3 examples is empty"):
        load(name, PARTS[1])


def test_what_is_held_out_of_the_training():
    name = gan_jax.dataset(IMAGES, LABELS)
    of = lambda split: held_out_split(Config(dataset=name, split=split), labelled=True)
    assert of("train") is None and of(PARTS[0]) == PARTS[1]
