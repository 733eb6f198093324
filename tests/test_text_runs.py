"""A run on texts: its files, its evaluation beside counts of n-grams, and its export."""

import html
import json

import numpy as np
import pytest

import gan_jax
from gan_jax import Config, ConfigError
from gan_jax.build import build
from gan_jax.commands.eval import main as evaluate
from gan_jax.data import describe, frame_of, load
from gan_jax.evaluation.checkpoints import best, of_run, table
from gan_jax.evaluation.evaluator import evaluator_of
from gan_jax.evaluation.settings import Settings
from gan_jax.modality import Text
from gan_jax.runs.events import PATTERN, _records
from gan_jax.runs.folder import read

WORDS = ["ab", "ba", "a", "b"]
SAMPLES = 12


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder of two steps on texts of one and two letters in two classes."""
    name = gan_jax.dataset(
        np.tile(WORDS, 4), np.tile([0, 0, 1, 1], 4), test=(["bb", "a"], [0, 1]),
        class_names=["two", "one"],
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("runs") / "texts"
    config = Config(
        dataset=name, generator="seqgan:width=4:embedding=2",
        discriminator="mlp:width=4", conditioning="concat", batch_size=4, latents=4, steps=2,
        log_every=2, sample_every=2, checkpoint_every=2, diagnose_every=0,
    )  # fmt: skip
    gan_jax.train(config, workdir=folder)
    evaluate([str(folder), "--num-samples", str(SAMPLES)])
    return folder


def test_samples_are_written_as_text(run):
    lines = (run / "samples" / "step_000002.txt").read_text().splitlines()
    labels, texts = zip(*(line.split("\t") for line in lines), strict=True)
    assert labels == ("two",) * 50 + ("one",) * 50
    assert {letter for text in texts for letter in text} <= {"a", "b"}
    (path,) = run.glob(PATTERN)
    shown = [own for _, event in _records(path.read_bytes()) for own in event.summary.value]
    (own,) = (value for value in shown if value.tag.startswith("samples") and value.tensor.dtype)
    assert own.tensor.string_val[0].decode().splitlines()[0].strip() == lines[0].strip()


def test_scores_stand_beside_those_of_counting(run, capsys):
    values = json.loads((run / "eval" / f"step_000002_n{SAMPLES}.json").read_text())
    assert list(values["ladder"]) == [f"{n}-gram" for n in range(1, 7)]
    assert values["scores"].keys() == values["real"].keys() >= {"reverse_bits", "recognized"}
    assert values["ladder"]["2-gram"].keys() == values["scores"].keys() - {"recognized"}
    assert values["left_out"].keys() == {"valid"} and values["real"]["copied"] == 1
    texts = values["texts"]
    assert [own["class"] for own in texts] == ["two", "one"] * (SAMPLES // 2)
    assert all(own["copied"] == (own["text"] in WORDS) for own in texts)
    copied = sum(own["copied"] for own in texts) / SAMPLES
    assert values["scores"]["copied"] == pytest.approx(copied)
    lines = table(values).splitlines()
    assert any(line.split()[-1:] == ["real"] and "6-gram" in line for line in lines)
    marks = {True: " (copy)", False: ""}
    assert f"  two: {texts[0]['text']}{marks[texts[0]['copied']]}" in lines


def test_the_report_shows_texts_and_marks_copies(run):
    page = html.unescape((run / "eval" / f"report_n{SAMPLES}.html").read_text())
    values = json.loads((run / "eval" / f"step_000002_n{SAMPLES}.json").read_text())
    assert page.count("<strong>copy</strong>") == sum(own["copied"] for own in values["texts"])
    assert "Beside samplers that count n-grams" in page and "held-out bits a token" in page


def test_the_best_checkpoint_has_the_fewest_bits(run):
    told = []
    assert best(of_run(run, Settings(SAMPLES)), told.append) == 2
    assert "by held-out bits" in told[-1]


def test_fewer_real_texts_than_samples_are_compared_at_equal_numbers(run):
    found = gan_jax.evaluate(*gan_jax.load(run), read(run).config, num_samples=40)
    assert found.provenance["real"]["images"] == 16
    assert "reverse_bits" in found.matched and "copied" not in found.matched


def test_a_temperature_changes_the_samples(run):
    given = (*gan_jax.load(run), read(run).config)
    texts = lambda t: gan_jax.evaluate(*given, num_samples=SAMPLES, temperature=t).texts
    assert texts(1.0) == texts(None)
    cold = [own["text"] for own in texts(1e-3)]
    assert len(set(cold)) <= 2  # one for each class


def test_samples_are_exported_as_a_data_set(run, tmp_path, capsys):
    folder = tmp_path / "made"
    assert evaluate([str(run), "--export", str(folder), "--num-samples", "30"]) == 0
    about = describe(str(folder))
    assert about.class_names == ("two", "one") and about.texts.keys() == {"text"}
    frame = frame_of(about, None)
    texts = frame.vocabulary.texts(load(str(folder), "train").examples)
    assert {letter for text in texts for letter in text} <= {"a", "b"} and len(texts) <= 30


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metrics": "fid1k"}, "metrics 'fid1k' does not apply to texts"),
        ({"features": "inception"}, "features 'inception' does not apply to texts"),
        ({"num_samples": 1}, "num_samples must be at least 2"),
        ({"standing_statistics": True}, "standing_statistics does not apply"),
        ({"temperature": 0.0}, "temperature must be in"),
    ],
)
def test_settings_of_other_examples_are_refused(run, settings, message):
    config = read(run).config
    with pytest.raises(ConfigError, match=message):
        evaluator_of(build(config), config, Settings(**settings))


def test_temperatures_are_refused_where_there_are_none():
    config = Config(dataset="digits", generator="mlp:width=4", discriminator="mlp:width=4")
    with pytest.raises(ConfigError, match=r"temperature 0\.5 applies to texts, not to images"):
        evaluator_of(build(config), config, Settings(temperature=0.5))


def test_texts_without_a_vocabulary_are_numbers():
    kind = Text((3, 4))
    tokens = np.array([[1, 3, 0], [2, 0, 1]], np.int32)
    assert kind.texts(tokens) == ["1 3", "2"]
    pixels = kind.picture(tokens)
    assert pixels.dtype == np.uint8 and pixels.any() and pixels.shape[-1] == 1
