"""Texts as data: vocabularies, splits, files, lists of strings, and wrong input."""

import itertools

import numpy as np
import pytest

import gan_jax
from gan_jax import Config, ConfigError
from gan_jax.build import build
from gan_jax.data import batches, describe, frame_of, load
from gan_jax.framing import Framing
from gan_jax.modality import Text
from gan_jax.vocabulary import UNKNOWN, vocabulary

NETWORKS = {"generator": "mlp:width=4", "discriminator": "mlp:width=4", "batch_size": 4}


def shown(dataset, split="train", **framing):
    """The texts of a split, as its tokens say."""
    framing = Framing(**framing)
    words = frame_of(describe(dataset), framing).modality.vocabulary
    return words.texts(load(dataset, split, framing).examples)


def test_tokens_are_numbered_by_frequency_and_end_with_padding():
    words = vocabulary("words", ["b", "a"], unknown=True)
    assert words.tokens == ("", UNKNOWN, "b", "a")
    numbers = words.numbers(["a  b ", "c b a"], 4)
    assert numbers.tolist() == [[3, 2, 0, 0], [1, 2, 3, 0]] and numbers.dtype == np.int32
    assert words.texts(numbers) == ["a b", f"{UNKNOWN} b a"] and words.unknown(numbers) == 1
    assert words == vocabulary("words", ["b", "a"], unknown=True)
    assert words != vocabulary("characters", ["b", "a"], unknown=True)


def test_what_networks_return_ends_at_the_first_padding():
    kind = Text((4, 3))
    probabilities = np.eye(3, dtype=np.float32)[[[1, 0, 2, 1], [2, 2, 1, 2]]]
    assert kind.to_stored(probabilities).tolist() == [[1, 0, 0, 0], [2, 2, 1, 2]]


def test_names_have_a_fixed_split_and_batches_of_tokens():
    about = describe("names")
    assert about.splits == {"train": 4_663, "test": 500}
    assert about.class_names == ("female", "male")
    train, test = shown("names"), shown("names", "test")
    assert len({*train, *test}) == 5_163 and test[:3] == ["grady", "leida", "anita"]
    of = dict(zip(train, load("names", "train").labels, strict=True))
    assert [of[name] for name in ("mary", "robert", "kelly")] == [0, 1, 0]
    config = Config(dataset="names", conditioning="concat", **NETWORKS)
    gan = build(config)
    assert gan.modality.shape == (11, 27) and gan.generator.network.shape == (11, 27)
    x, y = next(itertools.islice(batches(config), 1))
    assert x.shape == (1, 4, 11) and x.dtype == np.int32 and set(y.ravel()) <= {0, 1}


def test_files_are_splits_or_classes_and_unknown_tokens_are_counted(tmp_path, capsys):
    (tmp_path / "train").mkdir()
    (tmp_path / "test").mkdir()
    (tmp_path / "train" / "good.txt").write_text("a b\n\n  c \n")
    (tmp_path / "train" / "bad.txt").write_text("d\r\n")
    (tmp_path / "test" / "good.txt").write_text("a a\ne a\n")
    about = describe(str(tmp_path))
    assert about.class_names == ("bad", "good") and about.splits == {"train": 3, "test": 2}
    assert shown(str(tmp_path)) == ["d", "a b", "c"]
    assert load(str(tmp_path), "train").labels.tolist() == [0, 1, 1]
    assert shown(str(tmp_path), "test", tokens="characters") == ["a a", f"{UNKNOWN} a"]
    assert "1 of 6 tokens" in capsys.readouterr().err
    one = str(tmp_path / "train" / "good.txt")
    assert describe(one).splits == {"train": 2} and shown(one) == ["a b", "c"]
    assert shown(one, tokens="words:1") == [f"a {UNKNOWN}", UNKNOWN]


def test_strings_are_a_data_set():
    name = gan_jax.dataset(["anna", "bob"], [0, 1], test=(["nab"], [1]))
    assert shown(name, "test") == ["nab"] and load(name, "test").labels.tolist() == [1]
    assert shown(gan_jax.dataset(["a b", "c"], test=["b a"]), "test") == ["b a"]
    with pytest.raises(ConfigError, match="must not be empty, but number 1 is"):
        gan_jax.dataset(["a", " "])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": 3}, "length 3 is too short .* 4 characters; use 4 or more"),
        ({"length": 0}, "length must be at least 1"),
        ({"tokens": "letters"}, "tokens 'letters' is unknown"),
        ({"tokens": "words:0"}, "must have a number from 1"),
        ({"field": "other"}, "field 'other' is unknown; use line"),
        ({"size": 8}, "size 8 does not apply to texts"),
        ({"generator": "dcgan"}, "is for images, but .* are texts of 4 characters"),
        ({"dataset": "digits", "tokens": "words"}, "tokens words does not apply to images"),
        ({"dataset": "./none.txt"}, "does not exist"),
    ],
)
def test_wrong_input_is_refused(options, message):
    config = Config(**{"dataset": gan_jax.dataset(["anna", "bob"]), **NETWORKS, **options})
    with pytest.raises(ConfigError, match=message):
        build(config)


@pytest.mark.parametrize(("content", "message"), [(b" \n", "no text"), (b"a\xff", "not text in")])
def test_broken_files_are_refused(tmp_path, content, message):
    (tmp_path / "x.txt").write_bytes(content)
    with pytest.raises(ConfigError, match=message):
        describe(str(tmp_path / "x.txt"))


def test_too_many_different_tokens_are_refused(monkeypatch):
    monkeypatch.setattr("gan_jax.data.texts.LARGEST", 2)
    about = describe(gan_jax.dataset(["a b", "b c"]))
    with pytest.raises(ConfigError, match=r"vocabulary of 3 tokens .* use words:2 to keep"):
        frame_of(about, None)
    assert frame_of(about, Framing(tokens="words:2")).vocabulary.tokens == ("", UNKNOWN, "b", "a")
