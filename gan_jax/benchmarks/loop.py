"""The whole training loop - logging, samples, checkpoints - beside the bare steps that it makes."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import statistics
import sys
import tempfile
import time
from typing import Any

import jax

from gan_jax import diagnosing, parallel, run_folder, training
from gan_jax.benchmarks.steps import environment
from gan_jax.build import abstract_batch, build
from gan_jax.config import Config
from gan_jax.gan import init_state
from gan_jax.stepping import stepper


def measure_loop(config: Config, seconds: float = 5.0) -> dict[str, Any]:
    """Trains in a temporary folder over one whole period of logs, samples and checkpoints, compilation not counted.

    Args:
      config: an experiment whose data are at hand; its ``steps`` are ignored.
      seconds: how long the bare steps are timed, before the loop and again after it.

    Returns:
      What a line of JSON holds: ``loop_images_per_s``, ``bare_images_per_s`` (the mean of before and after, with ``bare_spread``,
      their difference relative to it) and ``pct_of_bare``; ``diagnosis_ms``, ``diagnosis_steps``, the bare steps that take as long, and
      ``pct_diagnosis``, the share of them in the steps between two diagnoses.

    Raises:
      ConfigError: as `gan_jax.training.train`.
    """
    before = _bare(config, seconds)
    loop = _loop(config)
    diagnosis = _diagnosis(config)
    after = _bare(config, seconds)
    bare = (before + after) / 2
    step = config.batch_size * config.d_steps / bare
    return {
        **environment(),
        "dataset": config.dataset,
        "batch": config.batch_size,
        "precision": config.precision,
        "loop_images_per_s": round(loop, 1),
        "bare_images_per_s": round(bare, 1),
        "bare_spread": round(abs(after - before) / bare, 4),
        "pct_of_bare": round(100 * loop / bare, 1),
        "diagnosis_ms": round(1e3 * diagnosis, 3),
        "diagnosis_steps": round(diagnosis / step, 2),
        "pct_diagnosis": round(100 * diagnosis / step / max(config.diagnose_every, config.log_every), 2),
    }


def _loop(config: Config) -> float:
    """Real images a second, from the first log to that of the same phase one period later, as the run's record has them."""
    period = max(config.sample_every, config.checkpoint_every)
    config = dataclasses.replace(config, steps=config.log_every + period)
    with tempfile.TemporaryDirectory() as folder:
        workdir = pathlib.Path(folder) / "run"
        with contextlib.redirect_stdout(sys.stderr):
            training.train(config, workdir)
        lines = [json.loads(line) for line in (workdir / run_folder.METRICS).read_text().splitlines()]
    steps, seconds = (lines[-1][key] - lines[0][key] for key in ("step", "seconds"))
    return steps * config.d_steps * config.batch_size / seconds


def _diagnosis(config: Config) -> float:
    """Seconds of a diagnosis with all that belongs to it, the median of twenty; also where the config wants none."""
    config = dataclasses.replace(config, diagnose_every=1)
    gan, mesh = build(config), parallel.mesh(config.batch_size)
    diagnose = diagnosing.diagnosis(gan, config, mesh, stepper(gan, config, mesh, 0))
    state = init_state(gan, jax.random.key(config.seed), abstract_batch(config, gan.shape))
    state = jax.device_put(state, parallel.replicated(mesh))

    def run() -> float:
        began = time.perf_counter()
        jax.device_get(diagnose(state))
        return time.perf_counter() - began

    run()
    return statistics.median(run() for _ in range(20))


def _bare(config: Config, seconds: float) -> float:
    """Real images a second of the calls that the loop makes, with nothing between them: the median of five runs."""
    gan, mesh = build(config), parallel.mesh(config.batch_size)
    steps = stepper(gan, config, mesh, 0)
    state = init_state(gan, jax.random.key(config.seed), abstract_batch(config, gan.shape))
    state = jax.device_put(state, parallel.replicated(mesh))

    def run(n: int) -> float:
        nonlocal state
        began = time.perf_counter()
        state, _ = jax.block_until_ready(steps.make(state, n))
        return n * config.d_steps * config.batch_size / (time.perf_counter() - began)

    run(2)
    n = max(1, round(seconds / 5 * run(4) / config.batch_size / config.d_steps))
    return statistics.median(run(n) for _ in range(5))
