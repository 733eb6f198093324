"""The training loop: everything between a config and a finished run folder, in order."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from gan_jax import checkpoint, files
from gan_jax.config import Config, leaves
from gan_jax.devices import memory, parallel, processes
from gan_jax.engine.gan import Gan
from gan_jax.errors import ConfigError, one_of
from gan_jax.pacing import Pace
from gan_jax.runs import convert, folder, lock, logs
from gan_jax.runs.restore import restore
from gan_jax.runs.run import OwnGan, Run
from gan_jax.sampling import samples
from gan_jax.sweeps import Population
from gan_jax.training import diagnosing, evaluating, prolonging, rollback, signals
from gan_jax.training.divergence import Diverged
from gan_jax.training.members import Members
from gan_jax.training.single import Single
from gan_jax.training.start import Start
from gan_jax.training.stepping import Steps
from gan_jax.training.trainee import Trainee
from gan_jax.training.window import Chunk, Window
from gan_jax.types import GanState, PyTree

Callback = Callable[[int, GanState, dict[str, float]], object]
"""``callback(step, state, metrics)``, called at each line of metrics. The next step reuses the
memory of ``state``: copy what you want to keep.
"""
CHUNK_SECONDS = 2.0
"""Approximate duration of one call of the compiled loop: short enough to react to signals, and long
enough to amortize the memory allocation of a call on a CPU (docs/performance.md).
"""


_WINDOW = "window"
"""The key of the `Window` in the notes of a checkpoint."""


class Outcome(NamedTuple):
    """The outcome of a training: the last state; its step, less than the config's if training was
    stopped; wall seconds of all starts.

    ``failed``: numbers of the failed members of a population. ``made``: steps made by this start; 0
    if the run was already finished. ``warnings``: findings that did not end the training.
    """

    state: GanState
    step: int
    seconds: float
    failed: tuple[int, ...] = ()
    made: int = 0
    warnings: tuple[str, ...] = ()


def train(
    config: Config,
    workdir: str | pathlib.Path,
    *,
    population: Population | None = None,
    overwrite: bool = False,
    fsdp: bool = False,
    on_divergence: str = "stop",
    start: Start | None = None,
    gan: Gan | None = None,
    callbacks: Sequence[Callback] = (),
) -> Outcome:
    """Trains a GAN or a population in a run folder, or resumes its training. The devices share each
    batch, or the members.

    Ctrl-C or SIGTERM saves and returns; before the first step, when there is nothing to save, it
    raises KeyboardInterrupt. Processes joined by `processes.connect` train one GAN: all call this
    function with the same arguments and a shared folder, and a signal to one stops all.

    Args:
      config: the experiment.
      workdir: the run folder; it is created. A run of the same config in it is resumed bit-exactly;
        with more steps than before, the run is prolonged.
      population: the GANs to train in parallel and their differences from the config; None: a
        single GAN.
      overwrite: delete the run in the folder, whatever its config.
      fsdp: shard weights over the devices, see `parallel.Placement`; a run may be resumed without
        it and on other devices.
      on_divergence: a key of `rollback.LIMITS`. "stop": values that are not finite raise, and other
        findings of `monitor` are shown as warnings; "rollback": any finding restores the last good
        checkpoint with new random numbers, and raises only after several rollbacks.
      start: the source of the first state; None: it is initialized randomly.
      gan: a GAN made of objects to train instead of the config's; only the fields
        `gan_jax.runs.run.SETTINGS` of the config are used then.
      callbacks: called after each line of metrics.

    Raises:
      ConfigError: for an invalid config, folder, dataset or device setting, and if another process
        trains in the folder; nothing was written then.
      Diverged: if training (of all members) diverged, `NotFinite` if a value is not finite; the
        last checkpoint is older.
      files.DiskFull: if the folder can no longer be written; earlier checkpoints are intact.
      PeerLost: if another process ended early; the only thing left to do is `os._exit`.
    """
    clock = logs.Clock()
    own = None if gan is None else OwnGan.of(gan)
    run = Run(config, Population() if population is None else population, own)
    limit = rollback.LIMITS[one_of("on_divergence", on_divergence, rollback.LIMITS)]
    trainee = _trainee(run, fsdp, limit)
    training = _Training(run, pathlib.Path(workdir), trainee, limit, start, clock, tuple(callbacks))
    return training.outcome(overwrite)


def _trainee(run: Run, fsdp: bool, limit: int) -> Trainee:
    if run.single:
        return Single(run, fsdp)
    if limit:
        raise ConfigError(
            "on_divergence 'rollback' is not available with seeds or sweep; use 'stop'."
        )
    return Members(run, fsdp)


class _Tools(NamedTuple):
    """Functions used between steps; ``inputs`` are latents and conditions of the pictures."""

    diagnosis: diagnosing.Diagnosis | None
    evaluate: evaluating.Evaluate | None
    inputs: tuple[PyTree, PyTree]
    paint: Callable[[np.ndarray], np.ndarray]
    record: Callable[[np.ndarray], dict[str, bytes]]
    write: Callable[[np.ndarray], str]


@dataclasses.dataclass
class _Training:
    """One call of `train`."""

    run: Run
    workdir: pathlib.Path
    trainee: Trainee
    limit: int  # maximum number of rollbacks
    start: Start | None
    clock: logs.Clock
    callbacks: tuple[Callback, ...]

    def outcome(self, overwrite: bool) -> Outcome:
        """Runs everything from the first check to the last entry in the run folder."""
        with lock.Lock(self.workdir) as own:
            # Everything that can be refused is checked first.
            processes.check_same(self.run.config)
            origin = self.start.origin if self.start else None
            resume = processes.together(lambda: self._resumes(own, overwrite, origin))
            state = self._restored() if resume else None
            step = 0 if state is None else int(state.step)
            if step >= self.run.config.steps:
                return self._finished(state, step)
            steps, tools = processes.together(lambda: self._prepared(step))
            if state is None:
                state = processes.together(self._first)

            # Then the folder is written, and everything is compiled.
            processes.together(lambda: self._begin(own, step, origin))
            with files.noticing_full_disk(self.workdir):
                return self._trained(state, steps, tools)

    def _resumes(self, own: lock.Lock, overwrite: bool, origin: dict[str, Any] | None) -> bool:
        """Whether the folder holds this run; the first process takes its lock."""
        if processes.first():
            own.take()
        return folder.check(self.workdir, self.run, overwrite, origin)

    def _finished(self, state: GanState, step: int) -> Outcome:
        with self.trainee.recording(self.workdir, step):
            seconds = logs.seconds(self.workdir / folder.METRICS, step)
            return Outcome(state, step, seconds, self.trainee.failed)

    def _begin(self, own: lock.Lock, step: int, origin: dict[str, Any] | None) -> None:
        if not processes.first():
            return
        own.begin()
        if step:
            former = folder.read(self.workdir).config
            for line in prolonging.notes(former, self.run.config):
                print(line, flush=True)
        folder.begin(self.workdir, self.run, step, origin)

    def _trained(self, state: GanState, steps: Steps, tools: _Tools) -> Outcome:
        begun, first = int(state.step), processes.first()
        self.clock.before = logs.seconds(self.workdir / folder.METRICS, begun)
        if first:
            print("Compiling the training step ...", flush=True)
        signals.interruptibly(lambda: _compile(self.trainee, steps, tools, state))
        try:
            outcome = self._to_the_end(state, steps, tools)
        except Diverged as diverged:
            if first:
                folder.end(self.workdir, diverged=str(diverged))
            raise
        if first:
            used = {"process_cpu_seconds": round(time.process_time(), 1), **memory.peaks()}
            folder.end(self.workdir, end_step=outcome.step, **used)
        return outcome._replace(made=outcome.step - begun)

    def _prepared(self, step: int) -> tuple[Steps, _Tools]:
        trainee, config = self.trainee, self.run.config
        steps = trainee.steps(step)
        inputs = jax.device_get(samples.fixed_inputs(trainee.gan, config))
        return steps, _Tools(
            trainee.diagnosis(steps),
            evaluating.evaluation(self.run, self.workdir, trainee.everywhere),
            parallel.put(inputs, trainee.everywhere),
            samples.painter(config, trainee.gan),
            samples.recorder(config, trainee.gan),
            samples.writer(config, trainee.gan),
        )

    def _first(self, returns: int = 0) -> GanState:
        """The state of step 0 after ``returns`` rollbacks to it."""
        state = self.trainee.init(returns)
        return self.start.state(state) if self.start else state

    def _restored(self) -> GanState | None:
        """The newest state that can be restored, if there is one, with its key after the last
        rollback.
        """
        state = restore(self.workdir, self.run, self.trainee.shardings)
        return state and rollback.with_key(state, rollback.events(self.workdir / folder.METRICS))

    def _to_the_end(self, state: GanState, steps: Steps, tools: _Tools) -> Outcome:
        """Runs the loop, and again from a good checkpoint if it diverges."""
        while True:
            logged = logs.lines(self.workdir / folder.METRICS, int(state.step))
            watch = diagnosing.Watch(self.run.config, tools.diagnosis, logged, self.limit > 0)
            try:
                return self._loop(state, steps, tools, watch)
            except Diverged as diverged:
                returns = self._go_back(diverged)
            state = self._restored() or self._first(returns)
            steps = self.trainee.steps(int(state.step))

    def _go_back(self, diverged: Diverged) -> int:
        """Rolls the run folder back to a good step and returns the number of rollbacks so far;
        raises beyond the limit.
        """
        returns = len(rollback.events(self.workdir / folder.METRICS)) + 1
        if returns > self.limit:
            raise diverged
        to = rollback.go_back(self.workdir, diverged, self.clock.seconds())
        if processes.first():
            text = f"{diverged}; going back to step {to:,} with new random numbers."
            print(text, file=sys.stderr, flush=True)
        return returns

    def _loop(
        self, state: GanState, steps: Steps, tools: _Tools, watch: diagnosing.Watch
    ) -> Outcome:
        """Makes steps and does what is due after them; everything is due after the last step."""
        config, trainee, step = self.run.config, self.trainee, int(state.step)
        metrics, checkpoints = self.workdir / folder.METRICS, self.workdir / folder.CHECKPOINTS
        with contextlib.ExitStack() as stack:
            stop = stack.enter_context(signals.stop_signals())
            journal = logs.Journal(
                metrics, step, config.steps, leaves(config), silent=not processes.first()
            )
            stack.enter_context(contextlib.closing(journal))
            stack.enter_context(trainee.recording(self.workdir, step))
            lost = (processes.PeerLost,)
            writer = checkpoint.Writer(checkpoints, config.keep, convert.VERSION, lost)
            stack.enter_context(writer)
            progressed = stack.enter_context(processes.peers())
            pace = Pace(CHUNK_SECONDS)
            window = Window(checkpoint.notes(checkpoints, step).get(_WINDOW) if step else None)
            stretch = _Stretch(self, tools, watch, journal, writer, window, step)
            while stretch.step < config.steps:
                n = pace.steps(_next_event(config, stretch.step) - stretch.step)
                n = processes.least(0 if stop.is_set() else n)
                if not n:
                    break
                state, chunk = _advance(steps, state, n)
                progressed()
                pace.took(chunk.steps, chunk.seconds)
                stretch.after(chunk, state)
            stretch.finish(state)
        seconds, found = self.clock.seconds(), tuple(watch.warned)
        return Outcome(state, stretch.step, seconds, trainee.failed, warnings=found)


class _Stretch:
    """The work between calls of the loop, until its end or the next rollback."""

    def __init__(
        self,
        training: _Training,
        tools: _Tools,
        watch: diagnosing.Watch,
        journal: logs.Journal,
        writer: checkpoint.Writer,
        window: Window,
        step: int,
    ):
        self.step, self._saved, self._logged = step, step, step
        self._training, self._config, self._trainee = (
            training,
            training.run.config,
            training.trainee,
        )
        self._tools, self._watch, self._journal, self._writer = tools, watch, journal, writer
        self._window = window

    def after(self, chunk: Chunk, state: GanState) -> None:
        """Logs, evaluates, draws pictures and saves a checkpoint, as they are due."""
        config = self._config
        self._trainee.check(chunk.metrics, self.step + 1, self.step + chunk.steps)
        self.step += chunk.steps
        self._window.add(chunk)
        self._journal.advance(chunk.steps)
        regular = any(self.step % n == 0 for n in (config.log_every, config.eval_every) if n)
        if regular or self.step == config.steps:
            self._log(state)
        if regular:  # a last line off the schedule keeps the window: a longer run lacks that line
            self._window.clear()
        if self.step % config.sample_every == 0 or self.step == config.steps:
            self._show(state)
        if self.step % config.checkpoint_every == 0:
            self._save(state)

    def finish(self, state: GanState) -> None:
        """Writes the log and the checkpoint that the last steps still lack."""
        if self.step > self._logged:
            self._log(state)
        if self.step > self._saved:
            self._save(state)

    def _log(self, state: GanState) -> None:
        step, window = self.step, self._window
        diagnosed = self._watch.diagnosed(state, step)
        metrics = self._trainee.summary(step, window.means() | diagnosed)
        self._watch.heed(step, metrics, self._journal.warn)
        if self._tools.evaluate and evaluating.due(self._config, step):
            self._trainee.check_state(state, step)
            metrics |= self._tools.evaluate(state)
        speed = len(window) / window.seconds
        images = speed * self._config.minibatches * self._config.batch_size * self._trainee.size
        self._journal.line(step, self._training.clock.seconds(), images, speed, metrics)
        self._logged = step
        for callback in self._training.callbacks:
            callback(step, state, metrics)

    def _show(self, state: GanState) -> None:
        for name, images in self._trainee.images(state, *self._tools.inputs).items():
            path = folder.picture(self._training.workdir, self.step, name)
            title = f"samples{name and '_' + name}"
            self._journal.picture(path, self.step, lambda: self._tools.paint(images), title)
            self._journal.sounds(path, self.step, lambda: self._tools.record(images), title)
            self._journal.text(path, self.step, lambda: self._tools.write(images), title)

    def _save(self, state: GanState) -> None:
        self._trainee.check_state(state, self.step)
        self._journal.flush()
        self._writer.save(self.step, state, {_WINDOW: self._window.notes()})
        self._saved = self.step


def _advance(steps: Steps, state: GanState, n: int) -> tuple[GanState, Chunk]:
    """Makes ``n`` steps."""
    began = time.perf_counter()
    state, metrics = steps.make(state, n)
    metrics = {
        name: np.asarray(value, np.float64) for name, value in jax.device_get(metrics).items()
    }
    return state, Chunk(n, metrics, time.perf_counter() - began)


def _next_event(config: Config, step: int) -> int:
    """The next step after which something is due."""
    every = [config.log_every, config.sample_every, config.checkpoint_every]
    every += [config.eval_every] if config.eval_every else []
    return min(config.steps, *((step // n + 1) * n for n in every))


def _compile(trainee: Trainee, steps: Steps, tools: _Tools, state: GanState) -> None:
    """Compiles everything that the loop calls, so that nothing delays a stop later."""
    steps.compile(state)
    if tools.diagnosis:
        jax.block_until_ready(tools.diagnosis(state))
    trainee.compile(state, *tools.inputs)
