"""The training loop: everything between a config and a finished run folder, in the order it happens."""

from __future__ import annotations

import contextlib
import math
import pathlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp

from gan_jax import checkpoint, logs, parallel, pictures, run_folder
from gan_jax.build import abstract_batch, build
from gan_jax.config import Config
from gan_jax.gan import Gan, init_state
from gan_jax.stepping import Steps, stepper
from gan_jax.train_step import generate
from gan_jax.types import Array, GanState

ONE_KEY_PRESS = 0.5
"""Seconds within which two signals are taken for one."""
CHUNK_SECONDS = 0.5
"""About how long one call of the compiled loop takes."""
COLUMNS = 10
"""Images a row in a picture of samples; an unconditional GAN's has as many rows."""


class NotFinite(RuntimeError):
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


def train(config: Config, workdir: str | pathlib.Path, *, overwrite: bool = False) -> Outcome:
    """Trains a GAN, or goes on training it, in a run folder. All devices share each batch.

    Ctrl-C or SIGTERM saves and returns; before the first step, with nothing to save, it raises KeyboardInterrupt.

    Args:
      config: the experiment.
      workdir: the run folder. It is made; if it holds a run of the same config, that is resumed, bit by bit as if it had
        never been interrupted.
      overwrite: delete the run that it holds, whatever its config.

    Raises:
      ConfigError: for anything wrong in config, folder, data or devices; nothing was written then.
      NotFinite: if training diverged; the last checkpoint is from before.
    """
    # Everything that may be refused comes first.
    began = time.perf_counter()
    workdir = pathlib.Path(workdir)
    gan = build(config)
    mesh = parallel.mesh(config.batch_size)
    everywhere = parallel.replicated(mesh)
    resume = run_folder.check(workdir, config, overwrite)
    state = run_folder.restore(workdir, config, everywhere) if resume else None
    step = 0 if state is None else int(state.step)
    if step >= config.steps:
        return Outcome(state, step, logs.seconds(workdir / run_folder.METRICS, step))
    steps = stepper(gan, config, mesh, step)

    # Then the folder is written, and the networks are made and compiled.
    run_folder.begin(workdir, config, step)
    if state is None:
        batch = abstract_batch(config, gan.shape)
        state = jax.device_put(init_state(gan, jax.random.key(config.seed), batch), everywhere)
    inputs = jax.device_put(fixed_inputs(gan, config.seed), everywhere)
    print("Compiling the training step ...", flush=True)
    _interruptibly(lambda: _compile(gan, steps, state, *inputs))
    return _loop(gan, config, workdir, state, steps, inputs, began)


def picture(workdir: pathlib.Path, step: int) -> pathlib.Path:
    """Where the samples of a step are."""
    return workdir / run_folder.SAMPLES / f"step_{step:06}.png"


def fixed_inputs(gan: Gan, seed: int) -> tuple[Array, Array]:
    """Latents ``[n, gan.latents]`` and labels ``[n]`` of the pictures: a row a class, the latents of a column alike."""
    rows = gan.num_classes or COLUMNS
    drawn = jax.random.normal(jax.random.key(seed), (COLUMNS if gan.num_classes else COLUMNS * rows, gan.latents))
    latents = jnp.tile(drawn, (rows, 1)) if gan.num_classes else drawn
    return latents, jnp.repeat(jnp.arange(rows, dtype=jnp.int32), COLUMNS)


def _loop(
    gan: Gan,
    config: Config,
    workdir: pathlib.Path,
    state: GanState,
    steps: Steps,
    inputs: tuple[Array, Array],
    began: float,
) -> Outcome:
    """Steps, and what is due after some of them: a log, a picture, a checkpoint. The last step has all three."""
    step = int(state.step)
    with contextlib.ExitStack() as stack:
        stop = stack.enter_context(_stop_signals())
        record = stack.enter_context(contextlib.closing(logs.Record(workdir / run_folder.METRICS, step)))
        progress = stack.enter_context(contextlib.closing(logs.Progress(step, config.steps)))
        writer = stack.enter_context(checkpoint.Writer(workdir / run_folder.CHECKPOINTS, config.keep))
        before, window, saved = logs.seconds(record.path, step), [], step
        speed = 0.0  # steps a second; unknown yet

        def log():
            _log(config, record, progress, step, before + time.perf_counter() - began, window)
            window.clear()

        def save() -> int:
            _check_state(state, step)
            writer.save(step, state)
            return step

        while step < config.steps and not stop.is_set():
            state, chunk = _advance(steps, state, _next_event(config, step) - step, speed)
            _check_metrics(chunk, step)
            step, speed = step + chunk.steps, chunk.steps / chunk.seconds
            window.append(chunk)
            progress.advance(chunk.steps)
            if step % config.log_every == 0:
                log()
            if step % config.sample_every == 0 or step == config.steps:
                grid = pictures.grid(jax.device_get(generate(gan, state, *inputs)), COLUMNS)
                pictures.save(picture(workdir, step), grid)
                record.picture(step, grid)
            if step % config.checkpoint_every == 0:
                saved = save()
        if window:
            log()
        if step > saved:
            save()
    return Outcome(state, step, before + time.perf_counter() - began)


def _advance(steps: Steps, state: GanState, most: int, speed: float) -> tuple[GanState, Chunk]:
    """Makes up to ``most`` steps, as many as take a moment at the speed of the last chunk, so that a signal is soon heard."""
    n = max(1, min(most, int(CHUNK_SECONDS * speed)))
    began = time.perf_counter()
    state, metrics = steps.make(state, n)
    metrics = {name: float(value) for name, value in jax.device_get(metrics).items()}
    return state, Chunk(n, metrics, time.perf_counter() - began)


def _next_event(config: Config, step: int) -> int:
    """The next step after which something is to be done."""
    every = (config.log_every, config.sample_every, config.checkpoint_every)
    return min(config.steps, *((step // n + 1) * n for n in every))


def _log(
    config: Config, record: logs.Record, progress: logs.Progress, step: int, seconds: float, window: list[Chunk]
) -> None:
    """Writes and shows the means over the steps since the last log."""
    made = sum(chunk.steps for chunk in window)
    speed = made / sum(chunk.seconds for chunk in window)
    images = speed * config.d_steps * config.batch_size
    means = {name: sum(chunk.steps * chunk.metrics[name] for chunk in window) / made for name in window[0].metrics}
    record.write(step, seconds, images, means)
    progress.report(step, images, speed, means)


def _check_metrics(chunk: Chunk, step: int) -> None:
    for name, value in chunk.metrics.items():
        if not math.isfinite(value):
            raise NotFinite(f"{name} became {value} between steps {step + 1} and {step + chunk.steps}")


def _check_state(state: GanState, step: int) -> None:
    paths = [jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in jax.tree.leaves_with_path(state)]
    for path, finite in zip(paths, jax.device_get(_finite(state)), strict=True):
        if not finite:
            raise NotFinite(f"{path} became infinite or no number by step {step}")


@jax.jit
def _finite(state: GanState) -> list[Array]:
    """Whether each leaf is finite; keys and whole numbers are."""
    leaves = jax.tree.leaves(state)
    return [jnp.all(jnp.isfinite(a)) if jnp.issubdtype(a.dtype, jnp.inexact) else jnp.array(True) for a in leaves]


def _compile(gan: Gan, steps: Steps, state: GanState, latents: Array, labels: Array) -> None:
    """Compiles all that the loop calls, so that later nothing delays a stop."""
    steps.compile(state)
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
