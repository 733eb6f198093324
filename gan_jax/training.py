"""The training loop: everything between a config and a finished run folder, in the order it happens."""

from __future__ import annotations

import contextlib
import functools
import math
import pathlib
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import checkpoint, diagnosing, logs, parallel, pictures, processes, rollback, run_folder
from gan_jax.build import abstract_batch, build
from gan_jax.config import Config, one_of
from gan_jax.gan import Gan, init_state
from gan_jax.rollback import Diverged
from gan_jax.stepping import Steps, stepper
from gan_jax.train_step import generate
from gan_jax.types import Array, GanState

ONE_KEY_PRESS = 0.5
"""Seconds within which two signals are taken for one."""
CHUNK_SECONDS = 0.5
"""About how long one call of the compiled loop takes, so that a signal is soon heard."""
COLUMNS = 10
"""Images a row in a picture of samples; an unconditional GAN's has as many rows."""
ROWS = 20
"""Most classes in a picture."""


class NotFinite(Diverged):
    """A metric or a weight that became infinite or no number."""


class Outcome(NamedTuple):
    """How a training ended: the last state; its step, less than the config's if it was stopped; wall seconds of all starts."""

    state: GanState
    step: int
    seconds: float


class Chunk(NamedTuple):
    """Some steps made in one call: how many, the means of their metrics, and the seconds that they took."""

    steps: int
    metrics: dict[str, float]
    seconds: float


def train(
    config: Config,
    workdir: str | pathlib.Path,
    *,
    overwrite: bool = False,
    fsdp: bool = False,
    on_divergence: str = "stop",
) -> Outcome:
    """Trains a GAN, or goes on training it, in a run folder. All devices share each batch.

    Ctrl-C or SIGTERM saves and returns; before the first step, with nothing to save, it raises KeyboardInterrupt.
    Several processes that `processes.connect` joined train one GAN; all call this, with the same arguments and a folder that all
    share, in which the first writes what orbax does not. A signal to one stops all.

    Args:
      config: the experiment.
      workdir: the run folder. It is made; if it holds a run of the same config, that is resumed, bit by bit as if it had
        never been interrupted.
      overwrite: delete the run that it holds, whatever its config.
      fsdp: divide weights among the devices, see `parallel.Placement`; a run may be resumed without, and on other devices.
      on_divergence: of `rollback.LIMITS`. With "stop" a number that is not finite raises, and what else `monitor` finds is told in a
        line; with "rollback" either returns to the last good checkpoint, for other random numbers, and raises only after some returns.

    Raises:
      ConfigError: for anything wrong in config, folder, data or devices; nothing was written then.
      Diverged: if training diverged, `NotFinite` where a number says so; the last checkpoint is from before.
      PeerLost: if another process ended early; nothing but exiting is left to do, by `os._exit`.
    """
    # Everything that may be refused comes first.
    began = time.perf_counter()
    workdir = pathlib.Path(workdir)
    limit = rollback.LIMITS[one_of("on_divergence", on_divergence, rollback.LIMITS)]
    gan = build(config)
    mesh = parallel.mesh(config.batch_size, config.micro_batches)
    placement, everywhere = parallel.Placement(mesh, fsdp), parallel.replicated(mesh)
    shardings = placement.of(run_folder.abstract_state(config))
    processes.check_same(config)
    resume = processes.together(lambda: run_folder.check(workdir, config, overwrite))
    state = _restored(workdir, config, shardings) if resume else None
    step = 0 if state is None else int(state.step)
    if step >= config.steps:
        return Outcome(state, step, logs.seconds(workdir / run_folder.METRICS, step))
    steps = processes.together(lambda: stepper(gan, config, mesh, step, placement))
    diagnosis = processes.together(lambda: diagnosing.diagnosis(gan, config, mesh, steps))

    # Then the folder is written, and the networks are made and compiled.
    processes.together(lambda: processes.first() and run_folder.begin(workdir, config, step))
    init = jax.jit(functools.partial(init_state, gan, batch=abstract_batch(config, gan.shape)), out_shardings=shardings)
    if state is None:
        state = init(jax.random.key(config.seed))
    inputs = parallel.put(jax.device_get(fixed_inputs(gan, config.seed)), everywhere)
    if processes.first():
        print("Compiling the training step ...", flush=True)
    _interruptibly(lambda: _compile(gan, steps, diagnosis, state, *inputs))
    while True:
        watch = diagnosing.Watch(config, diagnosis, logs.lines(workdir / run_folder.METRICS, step), limit > 0)
        try:
            return _loop(gan, config, workdir, state, steps, inputs, began, watch)
        except Diverged as diverged:
            returns = _go_back(workdir, diverged, step, began, limit)
        began, first = time.perf_counter(), jax.random.fold_in(jax.random.key(config.seed), returns)
        state = _restored(workdir, config, shardings) or init(first)
        step = int(state.step)
        steps = stepper(gan, config, mesh, step, placement)


def _go_back(workdir: pathlib.Path, diverged: Diverged, start: int, began: float, limit: int) -> int:
    """Sets the run folder back to where all was well; the number of times that this was done, or, past the limit, raises."""
    metrics = workdir / run_folder.METRICS
    returns = len(rollback.events(metrics)) + 1
    if returns > limit:
        raise diverged
    to = rollback.go_back(workdir, diverged, logs.seconds(metrics, start) + time.perf_counter() - began)
    if processes.first():
        print(f"{diverged}; going back to step {to:,}, for other random numbers.", file=sys.stderr, flush=True)
    return returns


def _restored(workdir: pathlib.Path, config: Config, shardings: GanState) -> GanState | None:
    """The newest state that can be restored, if there is one, with the key that it has since the last rollback."""
    state = run_folder.restore(workdir, config, shardings)
    return state and rollback.with_key(state, rollback.events(workdir / run_folder.METRICS))


def picture(workdir: pathlib.Path, step: int) -> pathlib.Path:
    """Where the samples of a step are."""
    return workdir / run_folder.SAMPLES / f"step_{step:06}.png"


def fixed_inputs(gan: Gan, seed: int) -> tuple[Array, Array]:
    """Latents ``[n, gan.latents]`` and labels ``[n]`` of the pictures: a row a class, the latents of a column alike.

    Of more than `ROWS` classes, so many are shown, evenly spread.
    """
    key = jax.random.key(seed)
    if not gan.num_classes:
        return jax.random.normal(key, (COLUMNS**2, gan.latents)), jnp.repeat(jnp.arange(COLUMNS), COLUMNS)
    classes = np.linspace(0, gan.num_classes - 1, min(gan.num_classes, ROWS)).round().astype(np.int32)
    latents = jnp.tile(jax.random.normal(key, (COLUMNS, gan.latents)), (len(classes), 1))
    return latents, jnp.repeat(classes, COLUMNS)


def _loop(
    gan: Gan,
    config: Config,
    workdir: pathlib.Path,
    state: GanState,
    steps: Steps,
    inputs: tuple[Array, Array],
    began: float,
    watch: diagnosing.Watch,
) -> Outcome:
    """Steps, and what is due after some of them: a log, a picture, a checkpoint. The last step has all three."""
    step = int(state.step)
    with contextlib.ExitStack() as stack:
        stop = stack.enter_context(_stop_signals())
        metrics, silence = workdir / run_folder.METRICS, logs.Silence()
        before, window, saved = logs.seconds(metrics, step), [], step
        record = logs.Record(metrics, step) if processes.first() else silence
        progress = logs.Progress(step, config.steps) if processes.first() else silence
        for teller in (record, progress):
            stack.enter_context(contextlib.closing(teller))
        writer = stack.enter_context(checkpoint.Writer(workdir / run_folder.CHECKPOINTS, config.keep))
        progressed = stack.enter_context(processes.peers())
        speed = 0.0  # steps a second; unknown yet

        def log():
            means = watch.look(state, step, _means(window), progress.warn)
            _log(config, record, progress, step, before + time.perf_counter() - began, window, means)
            window.clear()

        def save() -> int:
            _check_state(state, step)
            writer.save(step, state)
            return step

        while step < config.steps:
            n = min(_next_event(config, step) - step, max(1, int(CHUNK_SECONDS * speed)))
            n = processes.least(0 if stop.is_set() else n)
            if not n:
                break
            state, chunk = _advance(steps, state, n)
            progressed()
            _check_metrics(chunk, step)
            step, speed = step + chunk.steps, chunk.steps / chunk.seconds
            window.append(chunk)
            progress.advance(chunk.steps)
            if step % config.log_every == 0:
                log()
            if step % config.sample_every == 0 or step == config.steps:
                images = jax.device_put(generate(gan, state, *inputs), inputs[0].sharding)
                if processes.first():
                    grid = pictures.grid(jax.device_get(images), COLUMNS)
                    pictures.save(picture(workdir, step), grid)
                    record.picture(step, grid)
            if step % config.checkpoint_every == 0:
                saved = save()
        if window:
            log()
        if step > saved:
            save()
    return Outcome(state, step, before + time.perf_counter() - began)


def _advance(steps: Steps, state: GanState, n: int) -> tuple[GanState, Chunk]:
    """Makes ``n`` steps."""
    began = time.perf_counter()
    state, metrics = steps.make(state, n)
    metrics = {name: float(value) for name, value in jax.device_get(metrics).items()}
    return state, Chunk(n, metrics, time.perf_counter() - began)


def _next_event(config: Config, step: int) -> int:
    """The next step after which something is to be done."""
    every = (config.log_every, config.sample_every, config.checkpoint_every)
    return min(config.steps, *((step // n + 1) * n for n in every))


def _log(
    config: Config,
    record: logs.Record | logs.Silence,
    progress: logs.Progress | logs.Silence,
    step: int,
    seconds: float,
    window: list[Chunk],
    metrics: dict[str, float],
) -> None:
    """Writes and shows a line, and the speed since the last one."""
    speed = sum(chunk.steps for chunk in window) / sum(chunk.seconds for chunk in window)
    images = speed * config.d_steps * config.batch_size
    record.write(step, seconds, images, metrics)
    progress.report(step, images, speed, metrics)


def _means(window: list[Chunk]) -> dict[str, float]:
    """Of the metrics, over all steps of the chunks."""
    made = sum(chunk.steps for chunk in window)
    return {name: sum(chunk.steps * chunk.metrics[name] for chunk in window) / made for name in window[0].metrics}


def _check_metrics(chunk: Chunk, step: int) -> None:
    for name, value in chunk.metrics.items():
        if not math.isfinite(value):
            last = step + chunk.steps
            raise NotFinite(f"{name} became {value} between steps {step + 1} and {last}", last)


def _check_state(state: GanState, step: int) -> None:
    paths = [jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in jax.tree.leaves_with_path(state)]
    for path, finite in zip(paths, jax.device_get(_finite(state)), strict=True):
        if not finite:
            raise NotFinite(f"{path} became infinite or no number by step {step}", step)


@jax.jit
def _finite(state: GanState) -> list[Array]:
    """Whether each leaf is finite; keys and whole numbers are."""
    leaves = jax.tree.leaves(state)
    return [jnp.all(jnp.isfinite(a)) if jnp.issubdtype(a.dtype, jnp.inexact) else jnp.array(True) for a in leaves]


def _compile(
    gan: Gan,
    steps: Steps,
    diagnosis: diagnosing.Diagnosis | None,
    state: GanState,
    latents: Array,
    labels: Array,
) -> None:
    """Compiles all that the loop calls, so that later nothing delays a stop."""
    steps.compile(state)
    if diagnosis:
        jax.block_until_ready(diagnosis(state))
    generate.lower(gan, state, latents, labels).compile()
    _finite.lower(state).compile()


def _interruptibly(work: Callable[[], None]) -> None:
    """Runs what may take long inside of XLA in a thread, so that a signal reaches this one. SIGTERM then acts like Ctrl-C."""
    errors = []

    def run():
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]


@contextlib.contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set. A second one kills, unless it is the same one, passed on by a parent like uv."""
    stop, first = threading.Event(), 0.0
    if threading.current_thread() is not threading.main_thread():  # Python lets only that one handle signals
        yield stop
        return

    def handle(number, frame):
        nonlocal first
        if not stop.is_set():
            stop.set()
            first = time.monotonic()
        elif time.monotonic() - first > ONE_KEY_PRESS:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    former = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
