"""The whole training loop - logging, samples, checkpoints - compared with its bare steps, on
resident and streamed data.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import pathlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import jax

from gan_jax.benchmarks.steps import environment
from gan_jax.build import abstract_batch, build
from gan_jax.config import Config
from gan_jax.devices import parallel
from gan_jax.engine.gan import init_state
from gan_jax.runs import folder as run_folder
from gan_jax.training import diagnosing
from gan_jax.training import loop as training
from gan_jax.training.stepping import stepper


def measure_loop(
    config: Config, seconds: float = 3.0, rounds: int = 3, streamed: bool = True
) -> dict[str, Any]:
    """Trains in a temporary folder over one whole period of logs, samples and checkpoints, without
    counting compilation.

    Bare steps and the loop alternate, and each loop is compared with the bare steps right before
    and after it, so that drift in the speed of the machine does not favour either.

    Args:
      config: an experiment whose data are available; its ``steps`` are ignored.
      seconds: duration of each measurement of bare steps.
      rounds: loops, each in a new folder.
      streamed: whether to measure a set that streams from the host too, which needs grain.

    Returns:
      The fields of a JSON line: medians over the rounds of ``loop_images_per_s``,
      ``bare_images_per_s`` and ``pct_of_bare``, with the extremes ``pct_of_bare_min`` and
      ``pct_of_bare_max``; ``streamed_pct_of_bare``, the speed of bare steps on a set that streams
      from the host; ``diagnosis_ms``, the time of diagnostics; ``diagnosis_steps``, the number of
      bare steps that take as long; and ``pct_diagnosis``, their share of the steps between two
      diagnostics.

    Raises:
      ConfigError: as `gan_jax.training.loop.train`.
    """
    resident = _bare(config, seconds, stream=False)
    streaming = _bare(config, seconds, stream=True) if streamed else None
    bare, loops, streams = [resident()], [], []
    for _ in range(rounds):
        loops.append(_loop(config))
        bare.append(resident())
        if streaming:
            streams.append(streaming() / bare[-1])
    around = [(before + after) / 2 for before, after in itertools.pairwise(bare)]
    shares = [100 * loop / steps for loop, steps in zip(loops, around, strict=True)]
    diagnosis, step = (
        _diagnosis(config),
        config.batch_size * config.d_steps / statistics.median(bare),
    )
    return {
        **environment(),
        "dataset": config.dataset,
        "batch": config.batch_size,
        "precision": config.precision,
        "rounds": rounds,
        "loop_images_per_s": round(statistics.median(loops), 1),
        "bare_images_per_s": round(statistics.median(around), 1),
        "pct_of_bare": round(statistics.median(shares), 1),
        "pct_of_bare_min": round(min(shares), 1),
        "pct_of_bare_max": round(max(shares), 1),
        **({"streamed_pct_of_bare": round(100 * statistics.median(streams), 1)} if streams else {}),
        "diagnosis_ms": round(1e3 * diagnosis, 3),
        "diagnosis_steps": round(diagnosis / step, 2),
        "pct_diagnosis": round(
            100 * diagnosis / step / max(config.diagnose_every, config.log_every), 2
        ),
    }


def _loop(config: Config) -> float:
    """Real images per second between the first log line and the line one period later, from the
    run's metrics.
    """
    period = max(config.sample_every, config.checkpoint_every)
    config = dataclasses.replace(config, steps=config.log_every + period)
    with tempfile.TemporaryDirectory() as folder:
        workdir = pathlib.Path(folder) / "run"
        with contextlib.redirect_stdout(sys.stderr):
            training.train(config, workdir)
        lines = [
            json.loads(line) for line in (workdir / run_folder.METRICS).read_text().splitlines()
        ]
    steps, seconds = (lines[-1][key] - lines[0][key] for key in ("step", "seconds"))
    return steps * config.d_steps * config.batch_size / seconds


def _diagnosis(config: Config) -> float:
    """Median seconds of twenty diagnostics with everything that belongs to them, even if the config
    disables them.
    """
    config = dataclasses.replace(config, diagnose_every=1)
    gan, mesh = build(config), parallel.mesh(config.batch_size)
    diagnose = diagnosing.diagnosis(gan, config, mesh, stepper(gan, config, mesh, 0))
    state = init_state(gan, jax.random.key(config.seed), abstract_batch(config, gan.source))
    state = jax.device_put(state, parallel.replicated(mesh))

    def run() -> float:
        began = time.perf_counter()
        jax.device_get(diagnose(state))
        return time.perf_counter() - began

    run()
    return statistics.median(run() for _ in range(20))


def _bare(config: Config, seconds: float, stream: bool) -> Callable[[], float]:
    """A function that makes the same calls as the loop, with nothing in between, and returns real
    images per second.
    """
    gan, mesh = build(config), parallel.mesh(config.batch_size)
    steps = stepper(gan, config, mesh, 0, stream=stream)
    state = init_state(gan, jax.random.key(config.seed), abstract_batch(config, gan.source))
    state = jax.device_put(state, parallel.replicated(mesh))

    def run(n: int) -> float:
        """Seconds per step."""
        nonlocal state
        began = time.perf_counter()
        state, _ = jax.block_until_ready(steps.make(state, n))
        return (time.perf_counter() - began) / n

    run(2)
    step = run(4)
    n = max(1, min(round(training.CHUNK_SECONDS / step), config.log_every))

    def several() -> float:
        calls = [run(n) for _ in range(max(1, round(seconds / (n * step))))]
        return config.d_steps * config.batch_size / statistics.mean(calls)

    return several
