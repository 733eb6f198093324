"""Evaluations inside of training: those of the script, without a trace in what is trained."""

import csv
import dataclasses
import json
import shutil

import numpy as np
import pytest
from gans import arrays
from runs import RING, stopped_after
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gan_jax import ConfigError, checkpoint
from gan_jax.commands import eval as eval_script
from gan_jax.evaluation import settings
from gan_jax.runs import logs
from gan_jax.sweeps import Population
from gan_jax.training import loop as training
from gan_jax.training import rollback
from gan_jax.training.divergence import Diverged

pytestmark = pytest.mark.usefixtures("signals_as_before")
EVALUATED = dataclasses.replace(RING, eval_every=5)


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    """A run with evaluations inside."""
    workdir = tmp_path_factory.mktemp("runs") / "judged"
    return workdir, training.train(EVALUATED, workdir)


def scores_of(workdir, step):
    return json.loads((workdir / "eval" / f"step_{step:06}.json").read_text())


def test_evaluations_in_training_are_those_of_the_script(judged, tmp_path):
    workdir, _ = judged
    assert [path.name for path in sorted((workdir / "eval").glob("*.json"))] == [
        f"step_{step:06}.json" for step in (5, 10, 12)
    ]
    copy = shutil.copytree(workdir, tmp_path / "copy")
    shutil.rmtree(copy / "eval")
    assert eval_script.main([str(copy), "--checkpoint", "12"]) == 0
    ours, theirs = scores_of(workdir, 12), scores_of(copy, 12)
    for key in ("scores", "real", "intervals", "real_intervals", "left_out"):
        assert ours[key] == theirs[key]
    assert (workdir / "eval" / "step_000012_samples.png").read_bytes() == (
        copy / "eval" / "step_000012_samples.png"
    ).read_bytes()


def test_scores_join_the_metrics(judged):
    workdir, _ = judged
    told = {line["step"]: line for line in logs.lines(workdir / "metrics.jsonl")}
    assert list(told) == [4, 5, 8, 10, 12]
    scores = {step: scores_of(workdir, step)["scores"] for step in (5, 10, 12)}
    for step, line in told.items():
        own = {name[5:]: value for name, value in line.items() if name.startswith("eval/")}
        flat = {
            name: value for name, value in scores.get(step, {}).items() if isinstance(value, float)
        }
        assert own == flat and "d/loss" in line
    events = EventAccumulator(str(workdir)).Reload().Scalars("eval/frechet_distance")
    assert [event.step for event in events] == [5, 10, 12]
    assert [event.value for event in events] == pytest.approx(
        [own["frechet_distance"] for own in scores.values()]
    )


def test_evaluations_change_nothing_and_resume_exactly(judged, tmp_path, monkeypatch):
    without = training.train(RING, tmp_path / "without")
    with monkeypatch.context() as patch:
        stopped_after(patch, 5)
        assert training.train(EVALUATED, tmp_path / "run").step == 6
    resumed = training.train(EVALUATED, tmp_path / "run")
    for a, b, c in zip(
        arrays(resumed.state), arrays(judged[1].state), arrays(without.state), strict=True
    ):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a, c)
    for step in (5, 10, 12):
        assert scores_of(tmp_path / "run", step)["scores"] == scores_of(judged[0], step)["scores"]


def test_a_population_is_evaluated_in_training(tmp_path, capsys):
    config = dataclasses.replace(RING, eval_every=12)
    training.train(config, tmp_path / "run", population=Population(seeds=2))
    own = scores_of(tmp_path / "run", 12)
    each = [
        json.loads((tmp_path / "run" / "eval" / file).read_text())["scores"]
        for file in own["members"].values()
    ]
    line = logs.lines(tmp_path / "run" / "metrics.jsonl")[-1]
    kept = [scores for i, scores in enumerate(each) if str(i) not in own["settings"][0]["failed"]]
    assert ("eval/frechet_distance" in line) == bool(kept)
    if kept:
        assert line["eval/frechet_distance"] == pytest.approx(
            np.mean([scores["frechet_distance"] for scores in kept])
        )
    assert line["eval/failed"] == len(own["settings"][0]["failed"]) / 2
    with (tmp_path / "run" / "eval" / "scores.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["step"], row["setting"]) == ("12", "") and float(row["failed"]) == line[
        "eval/failed"
    ]
    capsys.readouterr()
    assert eval_script.main([str(tmp_path / "run"), "--checkpoint", "all"]) == 0
    assert "step 12: already evaluated" in capsys.readouterr().out


def test_what_cannot_be_judged_is_refused_before_training(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "NUM_SAMPLES", 2)
    with pytest.raises(ConfigError, match="num_samples must be at least 3 for"):
        training.train(EVALUATED, tmp_path / "run")
    with pytest.raises(ConfigError, match=r"^eval_every must be at least 0, not -1\.$"):
        training.train(dataclasses.replace(RING, eval_every=-1), tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_a_run_that_goes_back_forgets_what_is_no_longer_of_it(judged, tmp_path):
    run = shutil.copytree(judged[0], tmp_path / "run")
    to = rollback.go_back(run, Diverged("loss became nan", 11, good=9), 1.0)
    assert to == 8 and checkpoint.steps(run / "checkpoints") == [4, 8]
    assert {path.name[:11] for path in (run / "eval").iterdir()} == {"step_000005"}
