"""The training loop: everything between a config and a finished run folder, in the order it
happens.
"""

from __future__ import annotations

import contextlib
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

from gan_jax import checkpoint, pictures
from gan_jax.config import Config
from gan_jax.data import load, some
from gan_jax.devices import memory, parallel, processes
from gan_jax.engine.gan import Gan
from gan_jax.errors import ConfigError, one_of
from gan_jax.runs import folder as run_folder
from gan_jax.runs import logs
from gan_jax.sweeps import Population
from gan_jax.training import diagnosing, rollback
from gan_jax.training import evaluating as evaluate_training
from gan_jax.training.members import Members
from gan_jax.training.rollback import Diverged
from gan_jax.training.single import Single
from gan_jax.training.stepping import Steps
from gan_jax.types import Array, GanState

ONE_KEY_PRESS = 0.5
"""Seconds within which two signals are taken for one."""
CHUNK_SECONDS = 2.0
"""About how long one call of the compiled loop takes: a signal is soon heard, and what a call costs
on a CPU, where it is given its memory anew (docs/performance.md), is shared by several steps.
"""
COLUMNS = 10
"""Images a row in a picture of samples; an unconditional GAN's has as many rows."""
ROWS = 20
"""Most classes in a picture."""
POINTS = 2_000
"""Points in a picture of vectors, and as many real ones."""


class Outcome(NamedTuple):
    """How a training ended: the last state; its step, less than the config's if it was stopped;
    wall seconds of all starts.

    ``failed``: numbers of the members of a population that did.
    """

    state: GanState
    step: int
    seconds: float
    failed: tuple[int, ...] = ()


class Chunk(NamedTuple):
    """Some steps made in one call: how many, the means of their metrics (``[K]`` for K members),
    and the seconds that they took.
    """

    steps: int
    metrics: dict[str, np.ndarray]
    seconds: float


def train(
    config: Config,
    workdir: str | pathlib.Path,
    *,
    population: Population | None = None,
    overwrite: bool = False,
    fsdp: bool = False,
    on_divergence: str = "stop",
) -> Outcome:
    """Trains a GAN or a population, or goes on training it, in a run folder. All devices share each
    batch, or the members.

    Ctrl-C or SIGTERM saves and returns; before the first step, with nothing to save, it raises
    KeyboardInterrupt. Several processes that `processes.connect` joined train one GAN; all call
    this, with the same arguments and a folder that all share, in which the first writes what orbax
    does not. A signal to one stops all.

    Args:
      config: the experiment.
      workdir: the run folder. It is made; if it holds a run of the same config, that is resumed,
        bit by bit as if it had never been interrupted.
      population: the GANs to train at once, which differ from the config as it says; None: that of
        the config.
      overwrite: delete the run that it holds, whatever its config.
      fsdp: divide weights among the devices, see `parallel.Placement`; a run may be resumed
        without, and on other devices.
      on_divergence: of `rollback.LIMITS`. With "stop" a number that is not finite raises, and what
        else `monitor` finds is told in a line; with "rollback" either returns to the last good
        checkpoint, for other random numbers, and raises only after some returns.

    Raises:
      ConfigError: for anything wrong in config, folder, data or devices; nothing was written then.
      Diverged: if training diverged (that of all members), `NotFinite` where a number says so; the
        last checkpoint is from before.
      PeerLost: if another process ended early; nothing but exiting is left to do, by `os._exit`.
    """
    # Everything that may be refused comes first.
    began = time.perf_counter()
    workdir = pathlib.Path(workdir)
    limit = rollback.LIMITS[one_of("on_divergence", on_divergence, rollback.LIMITS)]
    if limit and population is not None:
        raise ConfigError(
            f"on_divergence: of a population, members that fail are left behind by the others; accepted: stop, not {on_divergence!r}."
        )
    trainee = Single(config, fsdp) if population is None else Members(config, population, fsdp)
    processes.check_same(config)
    resume = processes.together(lambda: run_folder.check(workdir, config, overwrite, population))
    state = _restored(workdir, config, trainee.shardings, population) if resume else None
    step = 0 if state is None else int(state.step)
    if step >= config.steps:
        with trainee.recording(workdir, step):
            return Outcome(
                state, step, logs.seconds(workdir / run_folder.METRICS, step), trainee.failed
            )
    steps = processes.together(lambda: trainee.steps(step))
    diagnosis = processes.together(lambda: trainee.diagnosis(steps))
    evaluate = processes.together(
        lambda: evaluate_training.evaluation(config, population, workdir, trainee.everywhere)
    )

    # Then the folder is written, and the networks are made and compiled.
    processes.together(
        lambda: processes.first() and run_folder.begin(workdir, config, step, population)
    )
    if state is None:
        state = trainee.init()
    inputs = parallel.put(
        jax.device_get(fixed_inputs(trainee.gan, config.seed)), trainee.everywhere
    )
    if processes.first():
        print("Compiling the training step ...", flush=True)
    _interruptibly(lambda: _compile(trainee, steps, diagnosis, state, *inputs))
    while True:
        watch = diagnosing.Watch(
            config, diagnosis, logs.lines(workdir / run_folder.METRICS, step), limit > 0
        )
        try:
            outcome = _loop(trainee, config, workdir, state, steps, inputs, began, watch, evaluate)
            break
        except Diverged as diverged:
            returns = _go_back(workdir, diverged, step, began, limit)
        began = time.perf_counter()
        state = _restored(workdir, config, trainee.shardings) or trainee.init(returns)
        step = int(state.step)
        steps = trainee.steps(step)
    if processes.first():
        run_folder.end(workdir, end_step=outcome.step, **memory.peaks())
    return outcome


def _go_back(
    workdir: pathlib.Path, diverged: Diverged, start: int, began: float, limit: int
) -> int:
    """Sets the run folder back to where all was well; the number of times that this was done, or,
    past the limit, raises.
    """
    metrics = workdir / run_folder.METRICS
    returns = len(rollback.events(metrics)) + 1
    if returns > limit:
        raise diverged
    to = rollback.go_back(
        workdir, diverged, logs.seconds(metrics, start) + time.perf_counter() - began
    )
    if processes.first():
        print(
            f"{diverged}; going back to step {to:,}, for other random numbers.",
            file=sys.stderr,
            flush=True,
        )
    return returns


def _restored(
    workdir: pathlib.Path, config: Config, shardings: GanState, population: Population | None = None
) -> GanState | None:
    """The newest state that can be restored, if there is one, with the key that it has since the
    last rollback.
    """
    state = run_folder.restore(workdir, config, shardings, population=population)
    return state and rollback.with_key(state, rollback.events(workdir / run_folder.METRICS))


def picture(workdir: pathlib.Path, step: int, name: str = "") -> pathlib.Path:
    """Where the samples of a step are; of a population those of its best, median or worst member."""
    return workdir / run_folder.SAMPLES / f"step_{step:06}{name and '_' + name}.png"


def fixed_inputs(gan: Gan, seed: int) -> tuple[Array, Array]:
    """Latents ``[n, gan.latents]`` and labels ``[n]`` of the pictures: a row a class, the latents
    of a column alike.

    Of more than `ROWS` classes, so many are shown, evenly spread. Of vectors there are `POINTS`,
    their classes in turn.
    """
    key = jax.random.key(seed)
    if len(gan.shape) == 1:
        return jax.random.normal(key, (POINTS, gan.latents)), jnp.arange(POINTS) % max(
            gan.num_classes, 1
        )
    if not gan.num_classes:
        return jax.random.normal(key, (COLUMNS**2, gan.latents)), jnp.repeat(
            jnp.arange(COLUMNS), COLUMNS
        )
    classes = (
        np.linspace(0, gan.num_classes - 1, min(gan.num_classes, ROWS)).round().astype(np.int32)
    )
    latents = jnp.tile(jax.random.normal(key, (COLUMNS, gan.latents)), (len(classes), 1))
    return latents, jnp.repeat(classes, COLUMNS)


def painter(config: Config, shape: tuple[int, ...]) -> Callable[[np.ndarray], np.ndarray]:
    """How samples of ``shape`` are shown as ``[H, W, c]`` uint8: images in a grid, vectors over
    those that are learned from.
    """
    if len(shape) == 3:
        return lambda images: pictures.grid(images, COLUMNS)
    real = some(load(config.dataset, config.split, config.size).examples, POINTS)
    return lambda samples: pictures.points(samples, real)


def _loop(
    trainee: Single | Members,
    config: Config,
    workdir: pathlib.Path,
    state: GanState,
    steps: Steps,
    inputs: tuple[Array, Array],
    began: float,
    watch: diagnosing.Watch,
    evaluate: Callable[[GanState], dict[str, float]] | None,
) -> Outcome:
    """Steps, and what is due after some of them: a log, an evaluation, a picture, a checkpoint. The
    last step has all.
    """
    step, paint = int(state.step), painter(config, trainee.gan.shape)
    with contextlib.ExitStack() as stack:
        stop = stack.enter_context(_stop_signals())
        metrics, silence = workdir / run_folder.METRICS, logs.Silence()
        before, window, saved = logs.seconds(metrics, step), [], step
        record = logs.Record(metrics, step) if processes.first() else silence
        progress = logs.Progress(step, config.steps) if processes.first() else silence
        for teller in (record, progress):
            stack.enter_context(contextlib.closing(teller))
        stack.enter_context(trainee.recording(workdir, step))
        writer = stack.enter_context(
            checkpoint.Writer(workdir / run_folder.CHECKPOINTS, config.keep)
        )
        progressed = stack.enter_context(processes.peers())
        speed = 0.0  # steps a second; unknown yet

        def log():
            told = trainee.told(step, _means(window) | watch.diagnosed(state, step))
            watch.heed(step, told, progress.warn)
            if evaluate and evaluate_training.due(config, step):
                trainee.check_state(state, step)
                told |= evaluate(state)
            _log(
                trainee,
                config,
                record,
                progress,
                step,
                before + time.perf_counter() - began,
                window,
                told,
            )
            window.clear()

        def save() -> int:
            trainee.check_state(state, step)
            writer.save(step, state)
            return step

        while step < config.steps:
            n = min(_next_event(config, step) - step, max(1, int(CHUNK_SECONDS * speed)))
            n = processes.least(0 if stop.is_set() else n)
            if not n:
                break
            state, chunk = _advance(steps, state, n)
            progressed()
            trainee.check(chunk.metrics, step + 1, step + chunk.steps)
            step, speed = step + chunk.steps, chunk.steps / chunk.seconds
            window.append(chunk)
            progress.advance(chunk.steps)
            if step % config.log_every == 0 or evaluate_training.due(config, step):
                log()
            if step % config.sample_every == 0 or step == config.steps:
                for name, samples in trainee.images(state, *inputs).items():
                    if processes.first():
                        pixels = paint(jax.device_get(samples))
                        pictures.save(picture(workdir, step, name), pixels)
                        record.picture(step, pixels, f"samples{name and '_' + name}")
            if step % config.checkpoint_every == 0:
                saved = save()
        if window:
            log()
        if step > saved:
            save()
    return Outcome(state, step, before + time.perf_counter() - began, trainee.failed)


def _advance(steps: Steps, state: GanState, n: int) -> tuple[GanState, Chunk]:
    """Makes ``n`` steps."""
    began = time.perf_counter()
    state, metrics = steps.make(state, n)
    metrics = {
        name: np.asarray(value, np.float64) for name, value in jax.device_get(metrics).items()
    }
    return state, Chunk(n, metrics, time.perf_counter() - began)


def _next_event(config: Config, step: int) -> int:
    """The next step after which something is to be done."""
    every = [config.log_every, config.sample_every, config.checkpoint_every]
    every += [config.eval_every] if config.eval_every else []
    return min(config.steps, *((step // n + 1) * n for n in every))


def _log(
    trainee: Single | Members,
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
    images = speed * config.d_steps * config.batch_size * trainee.size
    record.write(step, seconds, images, metrics)
    progress.report(step, images, speed, metrics)


def _means(window: list[Chunk]) -> dict[str, np.ndarray]:
    """Of the metrics, over all steps of the chunks."""
    made = sum(chunk.steps for chunk in window)
    return {
        name: sum(chunk.steps * chunk.metrics[name] for chunk in window) / made
        for name in window[0].metrics
    }


def _compile(
    trainee: Single | Members,
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
    trainee.compile(state, latents, labels)


def _interruptibly(work: Callable[[], None]) -> None:
    """Runs what may take long inside of XLA in a thread, so that a signal reaches this one. SIGTERM
    then acts like Ctrl-C.
    """
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
    """An event that Ctrl-C and SIGTERM set. A second one kills, unless it is the same one, passed
    on by a parent like uv.
    """
    stop, first = threading.Event(), 0.0
    if (
        threading.current_thread() is not threading.main_thread()
    ):  # Python lets only that one handle signals
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
