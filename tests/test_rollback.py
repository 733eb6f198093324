"""Going back from divergence, in whole runs of toy size and piece by piece."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from gan_jax import Config, ConfigError, Network, Optimizer, checkpoint
from gan_jax.runs import logs
from gan_jax.training import loop as training
from gan_jax.training import rollback
from gan_jax.training.divergence import Diverged, NotFinite
from tests.gans import arrays
from tests.test_training import DIVERGES, TINY, assert_same, lines

CONFIG = dataclasses.replace(TINY, steps=20, log_every=2, diagnose_every=4)


def fault_at(monkeypatch, *faults):
    """The weights of D become NaN in the step after each of ``faults``, once each."""
    advance, left = training._advance, list(faults)

    def faulty(steps, state, n):
        if left and int(state.step) == left[0]:
            left.pop(0)
            params = jax.tree.map(lambda a: a * np.float32("nan"), state.discriminator.params)
            state = state.replace(discriminator=state.discriminator.replace(params=params))
        return advance(steps, state, n)

    monkeypatch.setattr(training, "_advance", faulty)


def events(workdir):
    return [line for line in lines(workdir) if "event" in line]


@pytest.fixture(scope="module")
def rolled_back(tmp_path_factory):
    """A run that went back from step 8, where it should have been 10, to 5, and its outcome."""
    workdir = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        fault_at(patch, 8)
        return workdir, training.train(CONFIG, workdir, on_divergence="rollback")


def test_a_run_goes_back_and_ends_well(rolled_back, capsys):
    workdir, outcome = rolled_back
    assert outcome.step == 20
    (event,) = events(workdir)
    assert (event["step"], event["event"], event["from"]) == (5, "rollback", 10)
    assert (
        "became nan between steps 9 and 10" in event["reason"]
        and 0 < event["seconds"] < outcome.seconds
    )
    told = lines(workdir)
    assert [line["step"] for line in told if "event" not in line] == list(range(2, 21, 2))
    assert [line["step"] for line in told][:4] == [2, 4, 5, 6]
    assert [line["seconds"] for line in told] == sorted(line["seconds"] for line in told)
    diagnosed = [line["step"] for line in told if "diagnostics/diversity" in line]
    assert diagnosed == [4, 8, 12, 16, 20]
    for a in arrays(outcome.state):
        assert np.all(np.isfinite(a))


def test_the_way_is_another_one(rolled_back, tmp_path):
    plain = training.train(CONFIG, tmp_path / "run")
    before, after = (lines(w)[:2] for w in (tmp_path / "run", rolled_back[0]))
    assert [{**line, "seconds": 0, "images_per_second": 0} for line in before] == [
        {**line, "seconds": 0, "images_per_second": 0} for line in after
    ]
    key = jax.random.key_data(rolled_back[1].state.key)
    np.testing.assert_array_equal(key, jax.random.key_data(jax.random.fold_in(plain.state.key, 1)))
    assert lines(rolled_back[0])[3]["g/loss"] != lines(tmp_path / "run")[2]["g/loss"]


@pytest.mark.parametrize("stop", [6, 12])  # before and after the next checkpoint
def test_interrupted_after_a_rollback_and_resumed_is_as_if_never_interrupted(
    tmp_path, monkeypatch, rolled_back, stop
):
    with monkeypatch.context() as patch:
        fault_at(patch, 8)
        advance = training._advance

        def killed(steps, state, n):
            if events(tmp_path / "run") and int(state.step) == stop:
                raise KeyboardInterrupt  # nothing is saved, as after a kill
            return advance(steps, state, n)

        patch.setattr(training, "_advance", killed)
        with pytest.raises(KeyboardInterrupt):
            training.train(CONFIG, tmp_path / "run", on_divergence="rollback")
    outcome = training.train(CONFIG, tmp_path / "run", on_divergence="rollback")
    assert_same(outcome.state, rolled_back[1].state)
    for ours, theirs in zip(lines(tmp_path / "run"), lines(rolled_back[0]), strict=True):
        # These depend on the clock; means over steps do in their last bit, by the length of calls.
        for line in (ours, theirs):
            for name in ("seconds", "images_per_second"):
                line.pop(name, None)
        means = {name: value for name, value in theirs.items() if name.startswith(("d/", "g/"))}
        assert {name: ours.pop(name) for name in means} == pytest.approx(means, rel=1e-5)
        assert ours == {name: value for name, value in theirs.items() if name not in means}


def test_a_checkpoint_that_leads_to_divergence_twice_gives_way_to_the_one_before(
    tmp_path, monkeypatch
):
    fault_at(monkeypatch, 12, 12, 8)
    outcome = training.train(
        dataclasses.replace(CONFIG, keep=4), tmp_path / "run", on_divergence="rollback"
    )
    assert [event["step"] for event in events(tmp_path / "run")] == [10, 5, 0]
    assert outcome.step == 20
    told = [line["step"] for line in lines(tmp_path / "run") if "event" not in line]
    assert told == list(range(2, 21, 2))
    assert checkpoint.steps(tmp_path / "run" / "checkpoints") == [5, 10, 15, 20]


def test_after_some_returns_it_stops(tmp_path):
    config = dataclasses.replace(DIVERGES, log_every=1, steps=30)
    with pytest.raises(NotFinite):
        training.train(config, tmp_path / "run", on_divergence="rollback")
    assert len(events(tmp_path / "run")) == rollback.LIMITS["rollback"]
    with pytest.raises(NotFinite):  # and again
        training.train(config, tmp_path / "run", on_divergence="rollback")
    assert len(events(tmp_path / "run")) == rollback.LIMITS["rollback"] or not checkpoint.steps(
        tmp_path / "run" / "checkpoints"
    )


COLLAPSES = Config(
    latents=4,
    generator=Network("mlp", width=8, depth=1),
    discriminator=Network("mlp", width=8, depth=1),
    g_optimizer=Optimizer(lr=1e-12),
    batch_size=16,
    steps=8,
    log_every=1,
    diagnose_every=1,
    sample_every=8,
    checkpoint_every=8,
)


def test_what_is_not_fatal_is_told_or_turned_back_from(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("gan_jax.health.monitor.COLLAPSED", 10.0)  # any samples are
    assert training.train(COLLAPSES, tmp_path / "warned").step == 8
    assert capsys.readouterr().err.count("Warning: the samples' diversity is below") == 1
    assert events(tmp_path / "warned") == []
    with pytest.raises(Diverged, match=r"diversity is below .* at step 3$"):
        training.train(COLLAPSES, tmp_path / "strict", on_divergence="rollback")
    assert [(e["step"], e["from"]) for e in events(tmp_path / "strict")] == [(0, 3)] * 3
    err = capsys.readouterr().err
    assert err.count("going back to step 0 with new random numbers.") == 3


def test_only_known_answers_to_divergence(tmp_path):
    with pytest.raises(
        ConfigError, match=r"^on_divergence 'rolback' is unknown; did you mean 'rollback'"
    ):
        training.train(CONFIG, tmp_path / "run", on_divergence="rolback")
    assert not (tmp_path / "run").exists()


def test_target():
    event = lambda step: {"step": step, "event": "rollback"}
    assert rollback.target([5, 10, 15], 100, []) == 15
    assert rollback.target([5, 10, 15], 12, []) == 10
    assert rollback.target([5, 10, 15], 3, []) == 0
    assert rollback.target([], 100, []) == 0
    assert rollback.target([5, 10], 100, [event(10)]) == 5
    assert rollback.target([5, 10, 15], 100, [event(10)]) == 15
    assert rollback.target([5], 100, [event(10), event(5)]) == 0


def test_the_key_of_a_checkpoint_follows_from_the_returns_after_it():
    @dataclasses.dataclass
    class State:
        step: int
        key: jax.Array

        def replace(self, key):
            return State(self.step, key)

    def folded(step, *returns):
        before = [{"step": to, "event": "rollback"} for to in returns]
        return jax.random.key_data(rollback.with_key(State(step, jax.random.key(3)), before).key)

    def expected(*numbers):
        key = jax.random.key(3)
        for number in numbers:
            key = jax.random.fold_in(key, number)
        return jax.random.key_data(key)

    np.testing.assert_array_equal(folded(10), expected())
    np.testing.assert_array_equal(folded(10, 10), expected(1))
    np.testing.assert_array_equal(folded(15, 10), expected())  # saved after it
    np.testing.assert_array_equal(folded(5, 10, 5), expected(1, 2))
    np.testing.assert_array_equal(folded(10, 10, 5), expected())  # saved anew after the second
    np.testing.assert_array_equal(folded(10, 10, 5, 10), expected(3))


def test_readers_pass_over_events(tmp_path):
    path = tmp_path / "metrics.jsonl"
    told = [
        {"step": 2, "seconds": 1.0},
        {"step": 4, "seconds": 2.0},
        {"step": 2, "event": "rollback", "seconds": 3.0},
        {"step": 4, "seconds": 4.0},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in told))
    assert logs.lines(path, 2) == [told[0], told[2]] and logs.lines(path, 4) == told
    assert logs.seconds(path, 2) == 3.0 and logs.seconds(path, 4) == 4.0
    logs.rewrite(path, 2, {"step": 0, "event": "rollback", "seconds": 5.0})
    assert [line["seconds"] for line in logs.lines(path, 0)] == [3.0, 5.0]
