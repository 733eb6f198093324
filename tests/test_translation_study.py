"""The study `translation`, a tiny one from end to end, with a GAN that inverts images."""

import dataclasses
import json
import shutil
import types

import numpy as np
import pytest
from test_domains import CONFIG

import gan_jax
from gan_jax.data import load
from gan_jax.recognizers import Augmentation
from gan_jax.recognizers.recipes import classic
from gan_jax.runs import folder as run_folder
from gan_jax.studies import translation, translation_study
from gan_jax.training.loop import train

pytestmark = pytest.mark.usefixtures("signals_as_before")
ARMS = [
    "source", "classic", "mixup", "cutout", "self-training", "translated", "both", "both+mixup",
    "both+self-training", "target",
]  # fmt: skip
PLAIN = ("source", "translated", "target")
FITS = [
    (arm, seed, second)
    for arm in ARMS
    for seed in (0, 1)
    for second in ((False, True) if arm.endswith("self-training") else (False,))
]
"""The trainings of one cell: self-training takes two."""
TINY = ["--classifiers", "2", "--steps", "3", "--batch-size", "8"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs of seeds 0 and 1 between digits and inverted digits."""
    folder = tmp_path_factory.mktemp("translation")
    parts = [load("digits", split) for split in ("train", "test")]
    (x, y), test = ((255 - own.examples, own.labels) for own in parts)
    names = tuple("0123456789")
    inverted = gan_jax.dataset(x, y, name="inverted", test=test, class_names=names)
    train(dataclasses.replace(CONFIG, unpaired=inverted, seed=0), folder / "0")
    shutil.copytree(folder / "0", folder / "1")
    changed = json.loads((folder / "1" / run_folder.CONFIG).read_text()) | {"seed": 1}
    (folder / "1" / run_folder.CONFIG).write_text(json.dumps(changed))
    return [str(folder / "0"), str(folder / "1")]


@pytest.fixture
def seen(monkeypatch):
    """The recipe and the images of each classifier."""
    own, fit = [], translation_study.fit
    note = lambda *a, **options: own.append((a[0], a[1])) or fit(*a, **options)
    monkeypatch.setattr(translation_study, "fit", note)
    score = {"label_agreement": 0.5, "frechet_distance": 7.0}
    interval = dict.fromkeys(score, (0.25, 8.0))
    found = types.SimpleNamespace(scores=score, intervals=interval, real={"label_agreement": 0.9})
    monkeypatch.setattr(translation_study, "evaluate", lambda *_, **__: found)
    invert = lambda gan, state, z, y: np.rint(127.5 - 127.5 * y).astype(np.uint8)
    monkeypatch.setattr(translation_study, "generated", invert)
    return own


def test_a_tiny_study_is_resumed_and_runs_are_added(runs, seen, tmp_path, capsys):
    command = [runs[0], *TINY, "--workdir", str(tmp_path / "study")]
    assert translation.main(command) == 0
    read = lambda: [
        json.loads(line) for line in (tmp_path / "study/results.jsonl").read_text().splitlines()
    ]
    ways = ["digits to inverted", "inverted to digits"]
    expected = [(way, 0, arm) for way in ways for arm in ["scores", *ARMS]]
    assert [(own["labels"], own["seed"], own["arm"]) for own in read()] == expected
    assert [recipe.seed for recipe, _ in seen] == [seed for _, seed, _ in FITS] * 2
    first, last = load("digits", "train").examples, 255 - load("digits", "train").examples
    for i, (recipe, x) in enumerate(seen):
        way, place = divmod(i, len(FITS))
        arm, _, second = FITS[place]
        source, target = (last, first) if way else (first, last)
        if second:  # half and half
            known = {image.tobytes() for image in (source if arm == "self-training" else target)}
            assert sum(image.tobytes() in known for image in x[:12]) == len(x) / 2 == 12
            assert {image.tobytes() for image in x[12:]} <= {image.tobytes() for image in target}
        else:
            is_source = arm in ("source", "classic", "mixup", "cutout", "self-training")
            np.testing.assert_array_equal(x, source if is_source else target)
        usual = Augmentation() if arm in PLAIN else classic(("digits", "inverted")[way])
        assert dataclasses.replace(recipe.augmentation, cutout=0.0) == usual
        assert (recipe.mixup > 0) == arm.endswith("mixup")
        assert (recipe.augmentation.cutout > 0) == (arm == "cutout")
    for own in read():
        if own["arm"] != "scores":
            assert own["accuracy"] == pytest.approx(np.mean(own["classifiers"]))

    command.insert(1, runs[1])
    assert translation.main(command) == 0
    more = [recipe.seed for recipe, _ in seen[2 * len(FITS) :]]
    assert len(read()) == 44 and more == [2 + seed for _, seed, _ in FITS] * 2
    table = (tmp_path / "study/results.md").read_text()
    assert "over the runs" in table and "Difference to `self-training`" in table
    assert "| digits to inverted | 1 | 7.00 [0.25, 8.00] | 50.0% [25.0%, 800.0%] | 90.0% |" in table
    assert translation.main(command) == 0 and len(seen) == 4 * len(FITS)


def test_one_direction_and_some_arms_which_others_follow(runs, seen, tmp_path, capsys):
    command = [runs[0], *TINY, "--workdir", str(tmp_path / "study"), "--to", "b"]
    assert translation.main([*command, "--arms", "both,self-training"]) == 0
    read = lambda: [
        json.loads(line) for line in (tmp_path / "study/results.jsonl").read_text().splitlines()
    ]
    assert {own["labels"] for own in read()} == {"digits to inverted"}
    assert [own["arm"] for own in read()] == ["scores", "self-training", "both"]
    table = (tmp_path / "study/results.md").read_text()
    assert table.startswith("digits to inverted: classifiers") and "| - | - | - | - |" in table
    assert "Difference to `self-training`" in table and "Difference to `mixup`" not in table
    assert translation.main([*command, "--arms", "both,translated"]) == 0
    assert [own["arm"] for own in read()][3:] == ["translated"]


def test_wrong_runs_are_refused(runs, tmp_path, capsys):
    def refused(*arguments):
        with pytest.raises(SystemExit, match="2"):
            translation.main([*arguments, "--workdir", str(tmp_path / "study")])
        assert not (tmp_path / "study").exists()
        return capsys.readouterr().err

    assert "must have different seeds, but these have [0, 0]" in refused(runs[0], runs[0])
    assert "classifiers must be at least 1, not 0" in refused(runs[0], "--classifiers", "0")
    assert "arms 'best' is unknown" in refused(runs[0], "--arms", "both,best")
    assert "to 'c' is unknown; use a or b" in refused(runs[0], "--to", "c")
    other = tmp_path / "other"
    shutil.copytree(runs[1], other)
    changed = (other / run_folder.CONFIG).read_text().replace('"pool": 10', '"pool": 11')
    (other / run_folder.CONFIG).write_text(changed)
    assert f"{other} has other settings than {runs[0]}" in refused(runs[0], str(other))
