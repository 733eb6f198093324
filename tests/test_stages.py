"""Stages of training: interruptions leave no trace, and results that do not belong to each other
are refused.
"""

import dataclasses
import json
import shutil

import jax
import numpy as np
import pytest
from gans import arrays
from runs import RING, stopped_after

import gan_jax
from gan_jax import ConfigError
from gan_jax.training.stages import Stage, train_stages
from gan_jax.training.start import Start

pytestmark = pytest.mark.usefixtures("signals_as_before")


def weights_of(former, first):
    """The generator's weights of the stage before, and their moving average, from the same arrays;
    all else begins anew.
    """
    _, state = former
    params = state.generator.params
    average = first.generator.average | {"params": params}
    return first.replace(generator=first.generator.replace(params=params, average=average))


FIRST = Stage("first", dataclasses.replace(RING, steps=8))
SECOND = Stage("second", dataclasses.replace(RING, loss="hinge", seed=1, steps=8), weights_of)
STAGES = (FIRST, SECOND)


def assert_same(a, b):
    for x, y in zip(arrays(a), arrays(b), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "stages"
    return workdir, train_stages(STAGES, workdir)


def test_a_stage_begins_where_the_one_before_ended(finished, monkeypatch, tmp_path):
    workdir, (stage, outcome) = finished
    assert stage is SECOND and outcome.step == 8
    (gan, state), (other, last) = (gan_jax.load(workdir / s.name) for s in STAGES)
    assert gan.loss != other.loss
    assert_same(last, outcome.state)
    (start,) = json.loads((workdir / "second" / "run.json").read_text())["starts"]
    assert start["origin"]["stage"] == "first" and start["origin"]["step"] == 8
    begun = []
    monkeypatch.setattr(Start, "state", lambda self, first: begun.append(self.make(first)) or 1 / 0)
    shutil.copytree(workdir / "first", tmp_path / "first")
    with pytest.raises(ZeroDivisionError):
        train_stages(STAGES, tmp_path)
    first = gan_jax.init_state(other, jax.random.key(1), next(gan_jax.batches(SECOND.config)))
    assert_same(begun[0], weights_of((gan, state), first))


@pytest.mark.parametrize("stopped", STAGES, ids=lambda stage: stage.name)
def test_interrupted_in_either_stage_is_as_if_never_interrupted(
    tmp_path, monkeypatch, finished, stopped
):
    if stopped is SECOND:
        train_stages([FIRST], tmp_path)
    with monkeypatch.context() as patch:
        stopped_after(patch, 4)
        stage, outcome = train_stages(STAGES, tmp_path)
    assert stage is stopped and outcome.step == 5
    stage, outcome = train_stages(STAGES, tmp_path)
    assert stage is SECOND and outcome.step == 8
    for name in ("first", "second"):
        assert_same(gan_jax.load(tmp_path / name)[1], gan_jax.load(finished[0] / name)[1])


def test_finished_stages_are_left_alone(finished):
    files = lambda: {
        path: path.stat().st_mtime_ns for path in finished[0].rglob("*") if path.is_file()
    }
    before = files()
    stage, outcome = train_stages(STAGES, finished[0])
    assert stage is SECOND and files() == before
    assert_same(outcome.state, finished[1][1].state)


@pytest.mark.parametrize("again", [True, False])
def test_a_stage_whose_predecessor_changed_is_refused(tmp_path, finished, again):
    """Trained anew, or not yet trained again; nothing is trained before the refusal."""
    workdir = shutil.copytree(finished[0], tmp_path / "stages")
    shutil.rmtree(workdir / "first")
    first = Stage("first", dataclasses.replace(FIRST.config, seed=2))
    if again:
        train_stages([first], workdir)
    before = sorted(workdir.rglob("*"))
    with pytest.raises(ConfigError, match=r"^workdir: the run in \S+second started from stage "
                       r"first step 8 sha256 \w{64}, not from stage first step 8 "
                       r"sha256 (\w{64}|\(not there\)); start from the same, .*\.$"):  # fmt: skip
        train_stages((first, SECOND), workdir)
    assert sorted(workdir.rglob("*")) == before


@pytest.mark.parametrize(
    "stages, words",
    [
        ((), r"^stages must be one or more with different names, not \[\]"),
        ((FIRST, FIRST), r"^stages must be .* different names, not \['first', 'first'\]"),
        ((Stage("../a", RING),), r"^stages: '\.\./a' is not a valid name"),
        ((SECOND,), r"^stages: the start of second must be None, because no stage"),
        ((FIRST, Stage("b", dataclasses.replace(RING, loss="hing"))), r"^loss 'hing' is unknown"),
    ],
)
def test_wrong_stages_are_refused_before_any_is_trained(tmp_path, stages, words):
    with pytest.raises(ConfigError, match=words):
        train_stages(stages, tmp_path / "stages")
    assert not (tmp_path / "stages").exists()


def test_a_first_state_that_does_not_fit_is_refused(finished, tmp_path):
    shutil.copytree(finished[0] / "first", tmp_path / "first")
    wide = dataclasses.replace(RING, generator=gan_jax.Network("mlp", width=16, depth=1))
    without_average = lambda former, first: first.replace(
        generator=first.generator.replace(average=None)
    )
    starts = {
        r"^start: generator\.params\.\S+ must be float32\[.*, not float32\[8\]": weights_of,
        r"^start: .* differ in these parts: generator\.average\.p": without_average,
    }
    for words, start in starts.items():
        with pytest.raises(ConfigError, match=words):
            train_stages([FIRST, Stage("second", wide, start)], tmp_path)
        assert not (tmp_path / "second").exists()
