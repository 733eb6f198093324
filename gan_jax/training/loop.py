"""The training loop: everything between a config and a finished run folder, in the order it
happens.
"""

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
from gan_jax.types import Array, GanState

Callback = Callable[[int, GanState, dict[str, float]], object]
"""``callback(step, state, metrics)``, at each line of metrics. The next step takes over the memory
of ``state``: keep a copy of what shall stay.
"""
CHUNK_SECONDS = 2.0
"""About how long one call of the compiled loop takes: a signal is soon heard, and what a call costs
on a CPU, where it is given its memory anew (docs/performance.md), is shared by several steps.
"""


_WINDOW = "window"
"""The key of the `Window` in what is noted beside a checkpoint's state."""


class Outcome(NamedTuple):
    """How a training ended: the last state; its step, less than the config's if it was stopped;
    wall seconds of all starts.

    ``failed``: numbers of the members of a population that did. ``made``: steps that this start
    made; 0 where the run was finished before. ``warnings``: what was found that did not end it.
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
    """Trains a GAN or a population, or goes on training it, in a run folder. All devices share each
    batch, or the members.

    Ctrl-C or SIGTERM saves and returns; before the first step, with nothing to save, it raises
    KeyboardInterrupt. Several processes that `processes.connect` joined train one GAN; all call
    this, with the same arguments and a folder that all share, in which the first writes what orbax
    does not. A signal to one stops all.

    Args:
      config: the experiment.
      workdir: the run folder. It is made; if it holds a run of the same config, that is resumed,
        bit by bit as if it had never been interrupted; with more steps than before it is prolonged.
      population: the GANs to train at once, which differ from the config as it says; None: that of
        the config.
      overwrite: delete the run that it holds, whatever its config.
      fsdp: divide weights among the devices, see `parallel.Placement`; a run may be resumed
        without, and on other devices.
      on_divergence: of `rollback.LIMITS`. With "stop" a number that is not finite raises, and what
        else `monitor` finds is shown as a warning; with "rollback" either returns to the last good
        checkpoint, for other random numbers, and raises only after some returns.
      start: where the first state comes from; None: it is initialized.
      gan: a GAN made of objects, trained instead of the one that the config describes; then
        `gan_jax.runs.run.SETTINGS` are all that is taken from the config.
      callbacks: called after each line of metrics.

    Raises:
      ConfigError: for anything wrong in config, folder, data or devices, and where another process
        trains in the folder; nothing was written then.
      Diverged: if training diverged (that of all members), `NotFinite` where a number says so; the
        last checkpoint is from before.
      files.DiskFull: if the folder cannot be written any more; earlier checkpoints are whole.
      PeerLost: if another process ended early; nothing but exiting is left to do, by `os._exit`.
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
            "on_divergence: of a population, members that fail are left behind by the others; "
            "accepted: stop, not 'rollback'."
        )
    return Members(run, fsdp)


class _Tools(NamedTuple):
    """What the loop uses between steps: ``inputs`` are latents and labels of the pictures."""

    diagnosis: diagnosing.Diagnosis | None
    evaluate: evaluating.Evaluate | None
    inputs: tuple[Array, Array]
    paint: Callable[[np.ndarray], np.ndarray]


@dataclasses.dataclass
class _Training:
    """One call of `train`."""

    run: Run
    workdir: pathlib.Path
    trainee: Trainee
    limit: int  # of returns to a good checkpoint
    start: Start | None
    clock: logs.Clock
    callbacks: tuple[Callback, ...]

    def outcome(self, overwrite: bool) -> Outcome:
        """From the first check to the last note in the run folder."""
        with lock.Lock(self.workdir) as own:
            # Everything that may be refused comes first.
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
            folder.end(self.workdir, end_step=outcome.step, **memory.peaks())
        return outcome._replace(made=outcome.step - begun)

    def _prepared(self, step: int) -> tuple[Steps, _Tools]:
        trainee, config = self.trainee, self.run.config
        steps = trainee.steps(step)
        inputs = jax.device_get(samples.fixed_inputs(trainee.gan, config.seed))
        return steps, _Tools(
            trainee.diagnosis(steps),
            evaluating.evaluation(self.run, self.workdir, trainee.everywhere),
            parallel.put(inputs, trainee.everywhere),
            samples.painter(config, trainee.gan.modality),
        )

    def _first(self, returns: int = 0) -> GanState:
        """The state of step 0, after so many returns to it."""
        state = self.trainee.init(returns)
        return self.start.state(state) if self.start else state

    def _restored(self) -> GanState | None:
        """The newest state that can be restored, if there is one, with the key that it has since
        the last rollback.
        """
        state = restore(self.workdir, self.run, self.trainee.shardings)
        return state and rollback.with_key(state, rollback.events(self.workdir / folder.METRICS))

    def _to_the_end(self, state: GanState, steps: Steps, tools: _Tools) -> Outcome:
        """The loop; where it diverges, again from a good checkpoint."""
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
        """Sets the run folder back to where all was well; the number of times that this was done,
        or, past the limit, raises.
        """
        returns = len(rollback.events(self.workdir / folder.METRICS)) + 1
        if returns > self.limit:
            raise diverged
        to = rollback.go_back(self.workdir, diverged, self.clock.seconds())
        if processes.first():
            text = f"{diverged}; going back to step {to:,}, for other random numbers."
            print(text, file=sys.stderr, flush=True)
        return returns

    def _loop(
        self, state: GanState, steps: Steps, tools: _Tools, watch: diagnosing.Watch
    ) -> Outcome:
        """Steps, and what is due after some of them. The last step has all."""
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
    """What is done between calls of the loop, until its end or the next return."""

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
        """A log, an evaluation, a picture, a checkpoint, as they are due."""
        config = self._config
        self._trainee.check(chunk.metrics, self.step + 1, self.step + chunk.steps)
        self.step += chunk.steps
        self._window.add(chunk)
        self._journal.advance(chunk.steps)
        regular = any(self.step % n == 0 for n in (config.log_every, config.eval_every) if n)
        if regular or self.step == config.steps:
            self._log(state)
        if regular:  # the window goes on over other lines, which a longer run does not have
            self._window.clear()
        if self.step % config.sample_every == 0 or self.step == config.steps:
            self._show(state)
        if self.step % config.checkpoint_every == 0:
            self._save(state)

    def finish(self, state: GanState) -> None:
        """What the last steps still lack."""
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
    """The next step after which something is to be done."""
    every = [config.log_every, config.sample_every, config.checkpoint_every]
    every += [config.eval_every] if config.eval_every else []
    return min(config.steps, *((step // n + 1) * n for n in every))


def _compile(trainee: Trainee, steps: Steps, tools: _Tools, state: GanState) -> None:
    """Compiles all that the loop calls, so that later nothing delays a stop."""
    steps.compile(state)
    if tools.diagnosis:
        jax.block_until_ready(tools.diagnosis(state))
    trainee.compile(state, *tools.inputs)
