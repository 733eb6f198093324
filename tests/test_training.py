"""The training loop, in process: what it writes, and that interruptions leave no trace in the
result.
"""

import dataclasses
import errno
import json
import math
import os
import shutil
import signal

import jax
import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import gan_jax
from gan_jax import Config, ConfigError, Network, Optimizer, Penalty, checkpoint
from gan_jax.files import DiskFull
from gan_jax.runs import folder as run_folder
from gan_jax.runs import logs
from gan_jax.runs.restore import load
from gan_jax.runs.run import Run
from gan_jax.training import loop as training
from gan_jax.training import stepping
from gan_jax.training.divergence import NotFinite

TINY = Config(
    conditioning="projection",
    latents=4,
    generator=Network("mlp", width=8, depth=1),
    discriminator=Network("mlp", width=8, depth=1),
    penalties=(Penalty("r1", 0.1, every=3),),
    g_optimizer=Optimizer(lr=1e-2),
    d_optimizer=Optimizer(lr=1e-2),
    batch_size=16,
    steps=14,
    log_every=4,
    sample_every=6,
    checkpoint_every=5,
    keep=2,
)
DIVERGES = dataclasses.replace(
    TINY, g_optimizer=Optimizer(lr=1e38), d_optimizer=Optimizer(lr=1e38), checkpoint_every=1
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run that nothing disturbed, and its outcome."""
    workdir = tmp_path_factory.mktemp("runs") / "finished"
    return workdir, training.train(TINY, workdir)


def arrays(state):
    return [
        np.asarray(
            jax.random.key_data(a) if jax.dtypes.issubdtype(a.dtype, jax.dtypes.prng_key) else a
        )
        for a in jax.tree.leaves(state)
    ]


def assert_same(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(arrays(a), arrays(b), strict=True):
        np.testing.assert_array_equal(x, y)


def lines(workdir):
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def assert_same_lines(workdir, other):
    """But for the clock, and for the rounding of means, which depends on the length of calls."""
    for ours, theirs in zip(lines(workdir), lines(other), strict=True):
        for line in (ours, theirs):
            del line["seconds"], line["images_per_second"]
        assert ours == pytest.approx(theirs, rel=1e-5)


def snapshot(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def stop_at(monkeypatch, step, number=signal.SIGTERM):
    """Sends this process a signal while the step after ``step`` is made."""
    advance = training._advance

    def signalled(steps, state, n):
        made = int(state.step)
        state, chunk = advance(steps, state, 1 if made == step else n)
        if made == step:
            signal.raise_signal(number)
        return state, chunk

    monkeypatch.setattr(training, "_advance", signalled)


def test_the_loop_does_what_plain_steps_do(finished):
    workdir, outcome = finished
    gan, data, rows = gan_jax.build(TINY), gan_jax.batches(TINY), []
    state = gan_jax.init_state(gan, jax.random.key(TINY.seed), next(gan_jax.batches(TINY)))
    for _ in range(TINY.steps):
        state, metrics = gan_jax.train_step(gan, state, next(data))
        rows.append({name: float(value) for name, value in metrics.items()})
    for a, b in zip(arrays(outcome.state), arrays(state), strict=True):  # four devices against one
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=2e-4)
    logged = lines(workdir)
    assert [line["step"] for line in logged] == [4, 8, 12, 14]
    for line, window in zip(logged, (rows[:4], rows[4:8], rows[8:12], rows[12:]), strict=True):
        assert set(line) == {"step", "seconds", "images_per_second", *rows[0]}
        for name in rows[0]:
            assert line[name] == pytest.approx(
                np.mean([row[name] for row in window]), rel=1e-3, abs=2e-4
            )
    assert (
        0 < logged[0]["seconds"] < logged[1]["seconds"] < logged[-1]["seconds"] <= outcome.seconds
    )


def test_a_set_too_large_for_the_device_streams_in_the_same_order(tmp_path, monkeypatch, finished):
    monkeypatch.setattr(stepping, "_fits", lambda dataset: False)
    with monkeypatch.context() as patch:
        stop_at(patch, 8)
        assert training.train(TINY, tmp_path / "run").step == 9
    outcome = training.train(TINY, tmp_path / "run")
    for a, b in zip(arrays(outcome.state), arrays(finished[1].state), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    assert lines(tmp_path / "run")[-1]["g/loss"] == pytest.approx(
        lines(finished[0])[-1]["g/loss"], rel=1e-3
    )


def test_run_folder(finished):
    workdir, _ = finished
    assert run_folder.read(workdir) == Run(TINY)
    assert checkpoint.steps(workdir / "checkpoints") == [10, 14]
    assert sorted(p.name for p in (workdir / "samples").iterdir()) == [
        "step_000006.png",
        "step_000012.png",
        "step_000014.png",
    ]
    with Image.open(workdir / "samples" / "step_000014.png") as picture:
        assert picture.size == (
            10 * 50 - 2,
            10 * 50 - 2,
        )  # ten classes of ten, 8 pixels enlarged to 48, a gap of 2
    (start,) = json.loads((workdir / "run.json").read_text())["starts"]
    assert (
        start["jax"] == jax.__version__
        and start["seed"] == TINY.seed
        and start["devices"] == 4
        and start["step"] == 0
    )
    assert {
        "python",
        "jaxlib",
        "flax",
        "optax",
        "device",
        "processor",
        "git_revision",
        "git_dirty",
        "time",
        "command",
    } <= set(start)
    assert start["end_step"] == 14 and 50 < start["process_peak_mib"] < 50_000
    assert 1 <= start["cores"] <= os.cpu_count() and start["process_cpu_seconds"] > 0
    assert not list(workdir.rglob("*tmp*"))


def test_tensorboard_events_hold_the_metrics_and_the_samples(finished):
    workdir, _ = finished
    events = EventAccumulator(str(workdir), size_guidance={"images": 0}).Reload()
    for name in ("d/loss", "g/loss", "d/r1", "images_per_second"):
        for event, line in zip(events.Scalars(name), lines(workdir), strict=True):
            assert event.step == line["step"] and event.value == pytest.approx(line[name], rel=1e-6)
    assert [event.step for event in events.Images("samples")] == [6, 12, 14]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_and_resumed_is_as_if_never_stopped(tmp_path, monkeypatch, finished, number):
    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    with monkeypatch.context() as patch:
        stop_at(patch, 6, number)
        stopped = training.train(TINY, tmp_path / "run")
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert 5 < stopped.step < 10 and checkpoint.steps(tmp_path / "run" / "checkpoints") == [
        5,
        stopped.step,
    ]
    assert lines(tmp_path / "run")[-1]["step"] == stopped.step
    outcome = training.train(TINY, tmp_path / "run")
    assert_same(outcome.state, finished[1].state)
    assert_same(load(tmp_path / "run")[1], finished[1].state)
    told = lines(tmp_path / "run")
    assert [line["step"] for line in told] == sorted({4, stopped.step, 8, 12, 14})
    (eighth,) = (
        line for line in told if line["step"] == 8
    )  # it takes up the steps before the stop
    assert eighth["g/loss"] == pytest.approx(lines(finished[0])[1]["g/loss"], rel=1e-5)
    assert (tmp_path / "run" / "samples" / "step_000014.png").read_bytes() == (
        finished[0] / "samples" / "step_000014.png"
    ).read_bytes()
    starts = json.loads((tmp_path / "run" / "run.json").read_text())["starts"]
    assert [(s["step"], s["end_step"]) for s in starts] == [(0, stopped.step), (stopped.step, 14)]


def test_before_the_first_step_a_signal_raises(tmp_path, monkeypatch):
    def interrupted(*_):
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(training, "_compile", interrupted)
    former = signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it behind "&"
    try:
        with pytest.raises(KeyboardInterrupt):
            training.train(TINY, tmp_path / "run")
    finally:
        signal.signal(signal.SIGINT, former)
    assert checkpoint.steps(tmp_path / "run" / "checkpoints") == []


def test_lines_beyond_the_step_resumed_from_are_dropped(tmp_path, finished):
    shutil.copytree(finished[0], tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "14")
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 15, "sec')  # a kill cut this off
    with pytest.warns(UserWarning, match=r"14 \(it is missing\); going back to 10"):
        outcome = training.train(TINY, tmp_path / "run")
    assert_same(outcome.state, finished[1].state)
    assert_same_lines(tmp_path / "run", finished[0])
    events = EventAccumulator(str(tmp_path / "run")).Reload()
    assert sorted({event.step for event in events.Scalars("d/loss")}) == [4, 8, 12, 14]
    assert len(events.Scalars("d/loss")) == 4


def test_a_finished_run_is_left_alone(finished):
    before = snapshot(finished[0])
    assert training.train(TINY, finished[0]).step == TINY.steps
    assert snapshot(finished[0]) == before


def test_overwrite_begins_anew_and_spares_what_no_run_wrote(tmp_path, finished):
    shutil.copytree(finished[0], tmp_path / "run")
    (tmp_path / "run" / "notes.txt").write_text("mine")
    other = dataclasses.replace(TINY, steps=2, generator=Network("mlp", width=4))
    with pytest.raises(ConfigError, match=r"changed: generator\.depth, generator\.width, steps"):
        training.train(other, tmp_path / "run")
    assert training.train(other, tmp_path / "run", overwrite=True).step == 2
    assert checkpoint.steps(tmp_path / "run" / "checkpoints") == [2]
    assert [line["step"] for line in lines(tmp_path / "run")] == [2]
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"


def test_a_run_is_prolonged_as_if_it_had_been_longer(tmp_path, finished, capsys):
    shorter = dataclasses.replace(TINY, steps=6)
    assert training.train(shorter, tmp_path / "run").made == 6
    outcome = training.train(TINY, tmp_path / "run")
    assert outcome.made == 8 and "Prolonged from 6 to 14 steps.\n" in capsys.readouterr().out
    assert_same(outcome.state, finished[1].state)
    assert run_folder.read(tmp_path / "run").config == TINY
    told = {line["step"]: line["d/loss"] for line in lines(tmp_path / "run")}
    assert list(told) == [4, 6, 8, 12, 14]
    for line in lines(finished[0]):
        assert told[line["step"]] == pytest.approx(line["d/loss"], rel=1e-5)
    assert training.train(TINY, tmp_path / "run").made == 0


def test_a_run_without_any_of_its_checkpoints_is_not_begun_anew(tmp_path, finished):
    shutil.copytree(finished[0], tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    with pytest.raises(ConfigError, match=r"no checkpoint can be restored: 14 \(it is missing\)"):
        training.train(TINY, tmp_path / "run")


def test_two_trainings_in_one_folder_are_refused(tmp_path, finished, monkeypatch):
    def second(*_):
        for overwrite in (False, True):
            with pytest.raises(ConfigError, match="is being trained by process"):
                training.train(TINY, workdir, overwrite=overwrite)
        raise KeyboardInterrupt

    workdir = tmp_path / "run"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training, "_compile", second)
        training.train(TINY, workdir)
    assert training.train(dataclasses.replace(TINY, steps=1), workdir).step == 1


def test_a_full_disk_ends_a_run_in_one_sentence_and_keeps_what_was_saved(
    tmp_path, monkeypatch, finished
):
    image = logs.Events.image

    def full(self, name, pixels, step):
        if step == 12:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        image(self, name, pixels, step)

    with monkeypatch.context() as patch:
        patch.setattr(logs.Events, "image", full)
        with pytest.raises(DiskFull, match=r"run can no longer be written \(No space left on dev"):
            training.train(TINY, tmp_path / "run")
    assert checkpoint.steps(tmp_path / "run" / "checkpoints") == [5, 10]
    assert_same(training.train(TINY, tmp_path / "run").state, finished[1].state)
    assert_same_lines(tmp_path / "run", finished[0])


def truncate(folder):
    file = max((f for f in folder.rglob("*") if f.is_file()), key=lambda f: f.stat().st_size)
    file.write_bytes(file.read_bytes()[:-10])


def flip(folder):
    file = max((f for f in folder.rglob("*") if f.is_file()), key=lambda f: f.stat().st_size)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def empty(folder):
    shutil.rmtree(folder)
    folder.mkdir()


@pytest.mark.parametrize("damage", [truncate, flip, empty])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(tmp_path, finished, damage, capfd):
    workdir = tmp_path / "run"
    shutil.copytree(finished[0], workdir)
    damage(workdir / "checkpoints" / "14")
    with pytest.warns(UserWarning, match=r"cannot restore 14 \(.*\); going back to 10"):
        _, state = load(workdir)
    assert int(state.step) == 10
    with pytest.raises(ConfigError, match=r"no checkpoint can be restored: 14 \("):
        load(workdir, checkpoint=14)
    with pytest.warns(UserWarning, match="going back to 10"):
        assert_same(training.train(TINY, workdir).state, finished[1].state)
    assert checkpoint.steps(workdir / "checkpoints") == [10, 14]
    assert capfd.readouterr().err == ""


def test_nothing_is_touched_where_every_checkpoint_is_damaged(tmp_path, finished):
    workdir = tmp_path / "run"
    shutil.copytree(finished[0], workdir)
    for step in (10, 14):
        truncate(workdir / "checkpoints" / str(step))
    before = snapshot(workdir)
    with pytest.raises(
        ConfigError,
        match=r"no checkpoint can be restored: 14 \(.*\), 10 \(.*\); "
        r"train.py --overwrite starts over\.$",
    ):
        training.train(TINY, workdir)
    assert snapshot(workdir) == before


def test_load(tmp_path, finished):
    gan, state = load(str(finished[0]))
    assert gan is gan_jax.build(TINY)
    assert_same(state, finished[1].state)
    assert all(len(leaf.sharding.device_set) == 1 for leaf in jax.tree.leaves(state))
    assert int(load(finished[0], checkpoint=10)[1].step) == 10
    with pytest.raises(ConfigError, match="has no step 11; use 10 or 14"):
        load(finished[0], checkpoint=11)
    with pytest.raises(ConfigError, match="not a run folder"):
        load(tmp_path)
    shutil.copy(finished[0] / "config.json", tmp_path)
    with pytest.raises(ConfigError, match="no checkpoint yet"):
        load(tmp_path)


def test_divergence_stops_the_run_and_keeps_what_was_good(tmp_path):
    with pytest.raises(
        NotFinite,
        match=r"^(d/\w+|g/\w+|[\w.]+) became (nan|-?inf|infinite or no number) "
        r"(between steps \d+ and \d+|by step \d+)$",
    ):
        training.train(DIVERGES, tmp_path / "run")
    kept = checkpoint.steps(tmp_path / "run" / "checkpoints")
    for line in lines(tmp_path / "run"):
        assert all(math.isfinite(value) for value in line.values())
    for step in kept:
        for a in arrays(load(tmp_path / "run", checkpoint=step)[1]):
            assert np.all(np.isfinite(a))


def test_a_state_with_one_bad_number_is_never_saved(tmp_path, finished):
    state, single = finished[1].state, training.Single(Run(TINY))
    single.check_state(state, 14)
    broken = lambda tree: jax.tree.map(lambda a: a.at[(0,) * a.ndim].set(np.nan), tree)
    g = state.generator
    bad = state.replace(generator=g.replace(average=broken(g.average)))
    with pytest.raises(
        NotFinite, match=r"^generator\.average\.params\.\S+ became infinite or NaN by step"
    ):
        single.check_state(bad, 14)
