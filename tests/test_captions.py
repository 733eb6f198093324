"""Coloured digits and the captions that describe them."""

import dataclasses
import itertools

import jax
import numpy as np
import pytest

from gan_jax.config import Config
from gan_jax.data import combinations, dataset, describe, load
from gan_jax.data.captions import CLASSES, COLOURED, PADDING, Language, language_of, words_of
from gan_jax.data.combinations import BOXES, COLOURS, COMBINATIONS, COUNTS, GROUNDS, values_of
from gan_jax.data.dataset import Dataset
from gan_jax.data.description import Description
from gan_jax.data.embedded import coloured_mnist
from gan_jax.data.embedded.coloured_mnist import SPLITS, coloured
from gan_jax.errors import ConfigError
from gan_jax.metrics import attributes as judges
from gan_jax.metrics.estimate import share
from gan_jax.parts.pairs.words import OneWordChanged
from gan_jax.runs.run import Run
from gan_jax.studies import captions as study
from gan_jax.sweeps import Population

EVERY = np.arange(COMBINATIONS)


def digits(n=40):
    """Bright blocks on black, one of each class in turn; the block of class 1 is narrow."""
    images, labels = np.zeros((n, 28, 28, 1), np.uint8), np.arange(n, dtype=np.int32) % 10
    images[:, 4:24, 6:20] = 200
    images[labels == 1, :, 10:] = 0
    return images, labels


def test_combinations_are_numbered_as_documented():
    values = combinations.values_of(EVERY)
    assert values.max(0).tolist() == [count - 1 for count in COUNTS] == [9, 5, 1, 3, 2]
    digit, colour, size, place, ground = values.T
    np.testing.assert_array_equal(
        (((digit * 6 + colour) * 2 + size) * 4 + place) * 3 + ground, EVERY
    )
    np.testing.assert_array_equal(combinations.index_of(values), EVERY)
    index = int(combinations.index_of(np.array([7, 0, 0, 0, 0])))
    assert combinations.name_of(index) == "large red seven at the top left on black"
    assert len(set(map(combinations.name_of, EVERY))) == COMBINATIONS


def test_a_fifth_is_held_out_and_every_pair_of_values_is_seen():
    values, out = combinations.values_of(EVERY), combinations.held_out(EVERY)
    assert out.sum() == COMBINATIONS // 5
    for a, b in itertools.combinations(range(5), 2):
        together = np.zeros((COUNTS[a], COUNTS[b], 2), int)
        np.add.at(together, (values[:, a], values[:, b], out.astype(int)), 1)
        share = together[..., 1] / together.sum(-1)
        assert share.min() > 0.1 and share.max() < 0.3, (a, b)


@pytest.mark.parametrize("name", SPLITS)
def test_images_show_their_combination(name):
    images, labels = coloured(*digits(), np.arange(400), SPLITS[name])
    assert images.shape == (400, 32, 32, 3) and images.dtype == np.uint8
    assert (combinations.held_out(labels) == (name == "held_out")).all()
    for image, (digit, colour, size, place, ground) in zip(
        images, combinations.values_of(labels), strict=True
    ):
        inside = (image != GROUNDS[ground]).any(-1)
        rows, columns = (np.flatnonzero(inside.any(axis)) for axis in (1, 0))
        sides = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert max(sides) == BOXES[size] and (sides[1] < 0.4 * sides[0]) == (digit == 1)
        middle = (rows.mean() > 15.5) * 2 + (columns.mean() > 15.5)
        assert middle == place and not inside[[0, -1]].any() and not inside[:, [0, -1]].any()
        assert (image == COLOURS[colour]).all(-1).sum() > 0.5 * inside.sum()


def test_an_example_depends_on_its_split_and_number_alone():
    index = np.arange(60)
    images, labels = coloured(*digits(), index, SPLITS["test"])
    again = coloured(*digits(), index[40:50], SPLITS["test"])
    np.testing.assert_array_equal(images[40:50], again[0])
    np.testing.assert_array_equal(labels[40:50], again[1])
    assert (labels != coloured(*digits(), index, SPLITS["train"])[1]).any()


def test_coloured_mnist_is_made_from_mnist(tmp_path, monkeypatch):
    monkeypatch.setenv("GAN_JAX_CACHE", str(tmp_path / "cache"))
    asked = []

    def loaded(name, split):
        asked.append((name, split))
        return Dataset(*digits(), None)

    monkeypatch.setattr(dataset, "load", loaded)
    few = {name: split._replace(examples=30) for name, split in SPLITS.items()}
    monkeypatch.setattr(coloured_mnist, "SPLITS", few)
    data = load("coloured_mnist", "held_out")
    images, labels = coloured(*digits(), np.arange(30), few["held_out"])
    np.testing.assert_array_equal(data.examples, images)
    np.testing.assert_array_equal(data.labels, labels)
    assert set(asked) == {("mnist", "train"), ("mnist", "test")}
    about = describe("coloured_mnist")
    assert about.splits == {"train": 30, "test": 30, "held_out": 30}
    assert about.class_names == tuple(map(combinations.name_of, EVERY))


def test_every_caption_names_its_combination():
    table = COLOURED.table
    classes, phrasings, length = table.shape
    assert (classes, length) == (COMBINATIONS, COLOURED.length) and phrasings >= 4
    assert table.dtype == np.int32 and table.min() == PADDING and table.max() < len(COLOURED.words)
    assert len(np.unique(table.reshape(-1, length), axis=0)) == classes * phrasings
    for index in range(0, COMBINATIONS, 7):
        for row in table[index]:
            text = COLOURED.text(row)
            assert COLOURED.label(text) == index
            np.testing.assert_array_equal(COLOURED.tokens(text), row)
    padded = table == PADDING
    assert (np.sort(padded, axis=-1) == padded).all()  # after the last word


def test_captions_are_read_as_they_are_typed():
    text = "On WHITE ground, a small green two in the bottom right corner!"
    index = combinations.index_of(np.array([2, 1, 1, 3, 1]))
    assert COLOURED.label(text) == index
    assert COLOURED.text(COLOURED.tokens(text)) == " ".join(words_of(text))
    assert COLOURED.tokens(text).tolist() in COLOURED.table[index].tolist()
    assert COLOURED.label("seven, red and large; on black at the top left") is not None


@pytest.mark.parametrize(
    "text",
    [
        "a large red seven on black",
        "a large red seven at the top on black",
        "a large red red seven at the top left on black",
        "a large red seven at the top left on black or white",
        "a large red seven at the left top on black",
    ],
)
def test_a_caption_with_missing_or_several_values_has_no_label(text):
    assert COLOURED.label(text) is None


@pytest.mark.parametrize(
    "text, message",
    [
        (
            "a small gren two",
            r"^caption 'a small gren two' has the unknown word 'gren'; did you mean 'green'\? A "
            r"caption reads 'a large red zero at the top left on black'\.$",
        ),
        ("a 7", r"^caption 'a 7' has the unknown word '7'; a caption reads"),
        ("a " * 20, rf"must have 1 to {COLOURED.length} words, not 20\.$"),
        (" , ", rf"^caption ' , ' must have 1 to {COLOURED.length} words, not 0\.$"),
    ],
)
def test_captions_that_cannot_be_read_are_refused(text, message):
    with pytest.raises(ConfigError, match=message):
        COLOURED.tokens(text)


def described(*names):
    return Description("shop", "1", (28, 28, 1), len(names), names, {"train": 9})


def test_similar_captions_differ_in_one_word_and_say_something_else():
    right = np.array([COLOURED.tokens(COLOURED.text(own)) for own in COLOURED.table[::97, 1]])
    labels = [COLOURED.label(COLOURED.text(own)) for own in right]
    changed = set()
    for seed in range(20):
        similar = np.asarray(OneWordChanged(COLOURED).apply({}, right, jax.random.key(seed)))
        assert ((similar != right).sum(1) == 1).all()
        for was, own in zip(labels, similar, strict=True):
            other = COLOURED.label(COLOURED.text(own))
            differs = values_of(other) != values_of(was)
            assert differs.sum() == 1
            changed.add(int(differs.argmax()))
    assert changed == set(range(5))
    names = Language((("name", ("t shirt", "ankle boot", "bag")),), CLASSES)
    word = {name: i for i, name in enumerate(names.words)}
    assert (
        names.exchangeable[word["t"], word["bag"]] and names.exchangeable[word["boot"]].sum() == 1
    )
    assert not names.exchangeable[word["picture"]].any() and not np.diag(names.exchangeable).any()


def test_class_names_are_captions():
    language = language_of(described("T-shirt/top", "Shirt", "Ankle boot"))
    texts = [[language.text(row) for row in rows] for rows in language.table]
    assert texts[0][0] == "a t shirt top" and texts[1][2] == "a picture of a shirt"
    assert texts[2] == ["an ankle boot", "the ankle boot", "a picture of an ankle boot",
                        "this is an ankle boot"]  # fmt: skip
    assert [[language.label(text) for text in own] for own in texts] == [[i] * 4 for i in range(3)]
    assert language.label("a shirt and an ankle boot") is None
    assert language.label("a boot") is None
    assert language == language_of(described("t shirt top", "shirt", "ankle boot"))


def test_languages_of_a_data_set():
    about = dataclasses.replace(described("large red zero"), name="coloured_mnist")
    assert language_of(about) is COLOURED
    with pytest.raises(ConfigError, match=r"^dataset 'shop' has no class names, from which"):
        language_of(described())
    with pytest.raises(ConfigError, match=r"^dataset 'shop' has the class name '-'; a caption"):
        language_of(described("bag", "-"))


@pytest.mark.parametrize("side", [32, 16])
def test_attributes_of_images_are_judged_exactly(side):
    images, labels = coloured(*digits(), np.arange(500), SPLITS["test"])
    small = images.reshape(-1, side, 32 // side, side, 32 // side, 3).mean((2, 4)).astype(np.uint8)
    judged = judges.attributes(small)
    for i, name in enumerate(combinations.VALUES):
        if name != "digit":
            np.testing.assert_array_equal(judged[name], combinations.values_of(labels)[:, i], name)


def test_faint_digits_and_stray_pixels_are_judged_and_nothing_is_no_digit():
    images, labels = coloured(*digits(), np.arange(300), SPLITS["test"])
    values = combinations.values_of(labels)
    images[np.arange(300), np.arange(300) % 28 + 2, 15] = COLOURS[values[:, 1]]
    ground = GROUNDS[values[:, 4]][:, None, None].astype(float)
    faint = np.rint(ground + 0.5 * (images - ground)).astype(np.uint8)
    judged = judges.attributes(faint)
    for i, name in enumerate(combinations.VALUES):
        if name != "digit":
            assert (judged[name] == values[:, i]).mean() > 0.97, name
    empty = judges.attributes(np.full((2, 32, 32, 3), 250, np.uint8))
    assert {name: found.tolist() for name, found in empty.items()} == {
        "colour": [-1, -1], "size": [-1, -1], "place": [-1, -1], "ground": [1, 1],
    }  # fmt: skip
    assert not judges.digits(np.zeros((1, 32, 32, 3), np.uint8)).any()


def test_digits_are_framed_as_in_mnist():
    """The block of 20 x 14 pixels, wherever and however large it is drawn."""
    images, labels = coloured(*digits(), np.arange(200), SPLITS["test"])
    wide = combinations.values_of(labels)[:, 0] != 1
    framed = judges.digits(images)
    assert framed.shape == (200, 28, 28, 1) and framed.dtype == np.uint8
    block = np.zeros((28, 28))
    block[4:24, 7:21] = 255
    difference = np.abs(framed[wide, ..., 0] - block[None])
    assert np.mean(difference > 64) < 0.06 and difference[:, 5:23, 9:19].max() < 40


def test_the_study_judges_real_images_of_every_size_that_is_made(monkeypatch, capsys):
    """Each row's images and labels: real ones of both sizes, then those of each run."""
    labels, asked = np.arange(150) * 9, []

    def loaded(name, split, framing=None):
        asked.append((name, split))
        side = framing.size if framing and framing.size else 32
        return Dataset(np.zeros((150, side, side, 3)), labels, None)

    def shown(images, own):
        assert len(images) == len(own) == 150 and set(own) == set(labels)
        return [share(len(images[0]) / 100, 150)] * 6

    sizes = {"one": 16, "two": None, "three": 16}
    config = lambda folder: Config(dataset="coloured_mnist", size=sizes[folder.name])
    run = lambda folder: Run(config(folder), Population())
    draw = lambda folder: lambda own, seed: np.ones((150, sizes[folder.name] or 32, 1, 3))
    monkeypatch.setattr("gan_jax.data.load", loaded)
    monkeypatch.setattr("gan_jax.runs.folder.read", run)
    monkeypatch.setattr(study, "drawer", draw)
    monkeypatch.setattr(study, "shown", shown)
    assert study.main(list(sizes)) == 0
    rows = capsys.readouterr().out.splitlines()[1:]
    found = [(row[:36].strip(), row[36:].split()[0]) for row in rows]
    once = [("real, 16x16", "16.0%"), ("real, 32x32", "32.0%"), ("one", "16.0%"), ("two", "32.0%")]
    once.append(("three", "16.0%"))
    assert found == [(f"{row}, {kind}", n) for kind in ("seen", "held out") for row, n in once]
    assert set(asked) == {("coloured_mnist", "test"), ("coloured_mnist", "held_out")}
