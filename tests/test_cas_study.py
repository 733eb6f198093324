"""The study `cas`, a tiny one from end to end, of a single GAN and a population."""

import dataclasses
import json

import numpy as np
import pytest

from gan_jax.config import Config, Network, Penalty
from gan_jax.data import load
from gan_jax.studies import cas, cas_study
from gan_jax.sweeps import Population
from gan_jax.training.loop import train

pytestmark = pytest.mark.usefixtures("signals_as_before")
CONFIG = Config(
    dataset="digits",
    conditioning="projection",
    latents=4,
    generator=Network("mlp", width=8),
    discriminator=Network("mlp", width=8),
    penalties=(Penalty("r1", 1.0),),
    steps=2,
    seed=5,
)
TINY = ["--samples", "23", "--steps", "3"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A single GAN, and a population of two with the same settings."""
    folder = tmp_path_factory.mktemp("cas")
    train(CONFIG, folder / "one")
    train(dataclasses.replace(CONFIG, seed=0), folder / "two", population=Population(seeds=2))
    return folder


@pytest.fixture
def seen(monkeypatch):
    """The recipe, the images and the labels of each classifier."""
    own, fit = [], cas_study.fit
    note = lambda *a, **options: own.append(a[:3]) or fit(*a, **options)
    monkeypatch.setattr(cas_study, "fit", note)
    return own


def test_a_tiny_study_is_resumed_and_runs_and_networks_are_added(runs, seen, tmp_path):
    command = [str(runs / "one"), *TINY, "--workdir", str(tmp_path / "study")]
    read = lambda: [
        json.loads(line) for line in (tmp_path / "study/results.jsonl").read_text().splitlines()
    ]
    found = lambda: [(own["labels"], own["seed"], own["arm"], own["images"]) for own in read()]
    assert cas.main([*command, "--networks", "cnn"]) == 0
    train_x, train_y = (lambda d: (d.examples, d.labels))(load("digits", "train"))
    first = [("real images", 5, "cnn", len(train_x)), ("one", 5, "cnn", 23)]
    assert found() == first
    np.testing.assert_array_equal(seen[0][1], train_x)
    np.testing.assert_array_equal(seen[0][2], train_y)
    np.testing.assert_array_equal(seen[1][2], np.arange(23) % 10)
    assert all(recipe.seed == 5 and recipe.steps == 3 for recipe, *_ in seen)

    networks = ("cnn", "resnet_half")
    more = [command[0], str(runs / "two"), *command[1:], "--networks", ",".join(networks)]
    assert cas.main(more) == 0
    rows = [("real images", len(train_x)), ("one", 23)]
    every = [(row, seed, of, n) for row, n in rows for seed in (5, 0, 1) for of in networks]
    assert sorted(found()) == sorted(every) and found()[:2] == first
    samples = [x for _, x, _ in seen if len(x) == 23]  # of three GANs
    assert len({x.tobytes() for x in samples}) == 3 and len(samples) == 6
    table = (tmp_path / "study/results.md").read_text()
    assert "| images | cnn | resnet_half | GANs |" in table and "| one | " in table
    values = [own["accuracy"] for own in read() if own["labels"] == "one" and own["arm"] == "cnn"]
    assert f"| one | {100 * np.mean(values):.2f} ± " in table
    assert cas.main(more) == 0 and len(seen) == len(every)


def test_members_of_a_sweep_have_rows_of_their_own(runs, tmp_path):
    sweep = (("penalties.0.weight", (0.5, 2.0)),)
    train(CONFIG, tmp_path / "swept", population=Population(seeds=1, sweep=sweep))
    study = cas_study.Study(cas.Options((tmp_path / "swept",), workdir=tmp_path / "study"))
    rows = [row for row, _ in study.cells()]
    assert rows == ["real images", "swept penalties.0.weight=0.5", "swept penalties.0.weight=2"]


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"conditioning": "none"}, "makes no images or sounds of given classes"),
        ({"dataset": "ring8", "conditioning": "none"}, "has dataset 'ring8' in another form"),
        ({"size": 16}, "has dataset 'digits' in another form than 'digits' of the first run"),
    ],
)
def test_runs_that_train_no_classifier_are_refused(runs, changes, message, tmp_path, capsys):
    other = tmp_path / "other"
    train(dataclasses.replace(CONFIG, steps=1, **changes), other)
    capsys.readouterr()  # a slow training shows its progress
    with pytest.raises(SystemExit, match="2"):
        cas.main([str(runs / "one"), str(other), "--workdir", str(tmp_path / "study")])
    error = capsys.readouterr().err
    assert message in error and error.strip().count("\n") == 0
    assert not (tmp_path / "study").exists()


def test_wrong_options_are_refused(runs, capsys):
    one = str(runs / "one")
    for options, message in [
        ([one, one], "have the same settings and the same seed, 5; name each run once"),
        ([one, "--networks", "vgg"], "is unknown; use cnn, resnet or resnet_half"),
        ([one, "--samples", "0"], "samples must be at least 1, not 0"),
        ([one, "--steps", "0"], "steps must be at least 1, not 0"),
    ]:
        with pytest.raises(SystemExit, match="2"):
            cas.main(options)
        assert message in capsys.readouterr().err
