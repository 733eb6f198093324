"""Parts of the training loop, each alone: placement, pictures, signals, batches, progress."""

import dataclasses
import logging
import os
import signal

import jax
import numpy as np
import pytest

import gan_jax
from gan_jax import ConfigError
from gan_jax.devices import parallel
from gan_jax.engine import train_step as engine
from gan_jax.runs import logs
from gan_jax.sampling import samples
from gan_jax.training import loop as training
from gan_jax.training import signals, stepping
from tests.test_training import TINY


@pytest.mark.parametrize(
    "limit, fits", [(None, True), (4 * 64 * 1442, True), (4 * 64 * 1441, False)]
)
def test_a_quarter_of_the_memory_is_the_limit_of_what_lies_on_the_device(monkeypatch, limit, fits):
    class Device:
        def memory_stats(self):
            return None if limit is None else {"bytes_limit": limit}

    monkeypatch.setattr(stepping.jax, "local_devices", lambda: [Device()])
    assert stepping._fits(gan_jax.data.load("digits", "train")) == fits


def test_pictures_show_a_class_a_row_and_the_same_latents_down_a_column():
    latents, labels = samples.fixed_inputs(gan_jax.build(TINY), TINY)
    assert latents.shape == (100, TINY.latents) and labels.tolist() == [
        row for row in range(10) for _ in range(10)
    ]
    table = np.asarray(latents).reshape(10, 10, -1)
    np.testing.assert_array_equal(table, np.broadcast_to(table[:1], table.shape))
    assert len(np.unique(table[0], axis=0)) == 10
    many = dataclasses.replace(gan_jax.build(TINY), num_classes=26)
    latents, labels = samples.fixed_inputs(many, TINY)
    assert latents.shape == (200, TINY.latents)
    shown = labels[::10].tolist()
    assert shown[0] == 0 and shown[-1] == 25 and set(np.diff(shown)) == {1, 2}
    unconditional, _ = samples.fixed_inputs(
        gan_jax.build(dataclasses.replace(TINY, conditioning="none")), TINY
    )
    assert len(np.unique(np.asarray(unconditional), axis=0)) == 100


def test_the_same_key_press_counts_once_and_a_second_one_kills(monkeypatch):
    killed = []
    with signals.stop_signals() as stop:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)  # as a parent passes it on
        assert stop.is_set()
        monkeypatch.setattr(signals, "ONE_KEY_PRESS", 0.0)
        monkeypatch.setattr(signals.signal, "raise_signal", killed.append)
        os.kill(os.getpid(), signal.SIGINT)
        assert killed == [signal.SIGINT] and signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is not signal.SIG_DFL


def test_a_batch_is_divided_among_the_devices():
    mesh = parallel.mesh(16)
    batch = next(parallel.prefetch(gan_jax.batches(TINY), mesh))
    assert [shard.data.shape for shard in batch.x.addressable_shards] == [(1, 4, 8, 8, 1)] * 4
    np.testing.assert_array_equal(batch.x, next(gan_jax.batches(TINY)).x)
    with pytest.raises(ConfigError, match="batch_size 18 is not divisible by the 4 devices"):
        parallel.mesh(18)


def test_prefetching_neither_loses_nor_repeats_a_batch():
    ahead, plain = (
        parallel.prefetch(gan_jax.batches(TINY, start=3), parallel.mesh(16)),
        gan_jax.batches(TINY, start=3),
    )
    for _ in range(5):
        np.testing.assert_array_equal(next(ahead).x, next(plain).x)


def test_events_follow_each_other():
    config = dataclasses.replace(TINY, steps=20, log_every=4, sample_every=6, checkpoint_every=9)
    step, seen = 0, []
    while step < config.steps:
        step = training._next_event(config, step)
        seen.append(step)
    assert seen == [4, 6, 8, 9, 12, 16, 18, 20]


def test_progress_without_a_terminal_is_plain_lines(capsys):
    progress = logs.Progress(0, 1_000)
    progress.advance(400)
    progress.report(
        400, 1234.5, steps_per_second=2.0, metrics={"d/loss": 1.25, "g/loss": 0.5, "d/r1": 3.0}
    )
    progress.close()
    assert (
        capsys.readouterr().out
        == "step 400 of 1,000  1,234 images/s  d/loss 1.250  g/loss 0.500  5:00 left\n"
    )


@pytest.mark.parametrize(
    "seconds, text",
    [(0, "0:00"), (59.6, "1:00"), (3599, "59:59"), (3600, "1:00:00"), (90061, "25:01:01")],
)
def test_durations(seconds, text):
    assert logs.duration(seconds) == text


def test_steps_compile_once_and_the_state_stays_on_every_device(tmp_path, caplog):
    config = dataclasses.replace(TINY, latents=5)  # not compiled before in this process
    jax.config.update("jax_log_compiles", True)
    try:
        with caplog.at_level(logging.WARNING):
            outcome = training.train(config, tmp_path / "run")
    finally:
        jax.config.update("jax_log_compiles", False)
    compiled = [r.getMessage() for r in caplog.records if r.getMessage().startswith("Compiling")]
    for name in ("train_steps", "generate", "_finite"):
        assert sum(f"jit({name})" in message for message in compiled) == 1, compiled
    for leaf in jax.tree.leaves(outcome.state):
        assert leaf.sharding.is_fully_replicated and len(leaf.sharding.device_set) == 4


@pytest.mark.parametrize("changes", [{}, {"d_steps": 2}])
def test_a_step_is_traced_once_for_its_check_and_its_loop(tmp_path, monkeypatch, changes):
    config = dataclasses.replace(TINY, latents=6, **changes)  # not traced before in this process
    traced = []

    def counted(gan, *arguments, plainly=engine._turns):
        traced.append(gan)
        return plainly(gan, *arguments)

    monkeypatch.setattr(engine, "_turns", counted)
    outcome = training.train(config, tmp_path / "run")
    assert int(outcome.state.step) == config.steps and len(traced) == 1
