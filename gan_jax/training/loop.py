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
from typing import NamedTuple

import jax
import numpy as np

from gan_jax import checkpoint
from gan_jax.config import Config
from gan_jax.devices import memory, parallel, processes
from gan_jax.engine.gan import Gan
from gan_jax.errors import ConfigError, one_of
from gan_jax.pacing import Pace
from gan_jax.runs import convert, folder, logs
from gan_jax.runs.restore import restore
from gan_jax.runs.run import OwnGan, Run
from gan_jax.sampling import samples
from gan_jax.sweeps import Population
from gan_jax.training import diagnosing, evaluating, rollback, signals
from gan_jax.training.divergence import Diverged
from gan_jax.training.members import Members
from gan_jax.training.single import Single
from gan_jax.training.start import Start
from gan_jax.training.stepping import Steps
from gan_jax.training.trainee import Trainee
from gan_jax.types import Array, GanState

Callback = Callable[[int, GanState, dict[str, float]], object]
"""``callback(step, state, metrics)``, at each line of metrics. The next step takes over the memory
of ``state``: keep a copy of what shall stay.
"""
CHUNK_SECONDS = 2.0
"""About how long one call of the compiled loop takes: a signal is soon heard, and what a call costs
on a CPU, where it is given its memory anew (docs/performance.md), is shared by several steps.
"""


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
        bit by bit as if it had never been interrupted.
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
      ConfigError: for anything wrong in config, folder, data or devices; nothing was written then.
      Diverged: if training diverged (that of all members), `NotFinite` where a number says so; the
        last checkpoint is from before.
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
        # Everything that may be refused comes first.
        run, workdir, first = self.run, self.workdir, processes.first()
        processes.check_same(run.config)
        origin = self.start.origin if self.start else None
        resume = processes.together(lambda: folder.check(workdir, run, overwrite, origin))
        state = self._restored() if resume else None
        step = 0 if state is None else int(state.step)
        if step >= run.config.steps:
            with self.trainee.recording(workdir, step):
                seconds = logs.seconds(workdir / folder.METRICS, step)
                return Outcome(state, step, seconds, self.trainee.failed)
        steps, tools = processes.together(lambda: self._prepared(step))
        if state is None:
            state = processes.together(self._first)

        # Then the folder is written, and everything is compiled.
        processes.together(lambda: first and folder.begin(workdir, run, step, origin))
        self.clock.before = logs.seconds(workdir / folder.METRICS, step)
        if first:
            print("Compiling the training step ...", flush=True)
        signals.interruptibly(lambda: _compile(self.trainee, steps, tools, state))
        outcome = self._to_the_end(state, steps, tools)
        if first:
            folder.end(workdir, end_step=outcome.step, **memory.peaks())
        return outcome

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
            journal = logs.Journal(metrics, step, config.steps, silent=not processes.first())
            stack.enter_context(contextlib.closing(journal))
            stack.enter_context(trainee.recording(self.workdir, step))
            lost = (processes.PeerLost,)
            writer = checkpoint.Writer(checkpoints, config.keep, convert.VERSION, lost)
            stack.enter_context(writer)
            progressed = stack.enter_context(processes.peers())
            pace, stretch = Pace(CHUNK_SECONDS), _Stretch(self, tools, watch, journal, writer, step)
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
        return Outcome(state, stretch.step, self.clock.seconds(), trainee.failed)


class _Stretch:
    """What is done between calls of the loop, until its end or the next return."""

    def __init__(
        self,
        training: _Training,
        tools: _Tools,
        watch: diagnosing.Watch,
        journal: logs.Journal,
        writer: checkpoint.Writer,
        step: int,
    ):
        self.step, self._saved = step, step
        self._window: list[Chunk] = []  # since the last line of metrics
        self._training, self._config, self._trainee = (
            training,
            training.run.config,
            training.trainee,
        )
        self._tools, self._watch, self._journal, self._writer = tools, watch, journal, writer

    def after(self, chunk: Chunk, state: GanState) -> None:
        """A log, an evaluation, a picture, a checkpoint, as they are due."""
        config = self._config
        self._trainee.check(chunk.metrics, self.step + 1, self.step + chunk.steps)
        self.step += chunk.steps
        self._window.append(chunk)
        self._journal.advance(chunk.steps)
        if self.step % config.log_every == 0 or evaluating.due(config, self.step):
            self._log(state)
        if self.step % config.sample_every == 0 or self.step == config.steps:
            self._show(state)
        if self.step % config.checkpoint_every == 0:
            self._save(state)

    def finish(self, state: GanState) -> None:
        """What the last steps still lack."""
        if self._window:
            self._log(state)
        if self.step > self._saved:
            self._save(state)

    def _log(self, state: GanState) -> None:
        step, window = self.step, self._window
        diagnosed = self._watch.diagnosed(state, step)
        metrics = self._trainee.summary(step, _means(window) | diagnosed)
        self._watch.heed(step, metrics, self._journal.warn)
        if self._tools.evaluate and evaluating.due(self._config, step):
            self._trainee.check_state(state, step)
            metrics |= self._tools.evaluate(state)
        speed = sum(chunk.steps for chunk in window) / sum(chunk.seconds for chunk in window)
        images = speed * self._config.minibatches * self._config.batch_size * self._trainee.size
        self._journal.line(step, self._training.clock.seconds(), images, speed, metrics)
        window.clear()
        for callback in self._training.callbacks:
            callback(step, state, metrics)

    def _show(self, state: GanState) -> None:
        for name, images in self._trainee.images(state, *self._tools.inputs).items():
            path = folder.picture(self._training.workdir, self.step, name)
            title = f"samples{name and '_' + name}"
            self._journal.picture(path, self.step, lambda: self._tools.paint(images), title)

    def _save(self, state: GanState) -> None:
        self._trainee.check_state(state, self.step)
        self._writer.save(self.step, state)
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


def _means(window: list[Chunk]) -> dict[str, np.ndarray]:
    """Of the metrics, over all steps of the chunks."""
    made = sum(chunk.steps for chunk in window)
    return {
        name: sum(chunk.steps * chunk.metrics[name] for chunk in window) / made
        for name in window[0].metrics
    }


def _compile(trainee: Trainee, steps: Steps, tools: _Tools, state: GanState) -> None:
    """Compiles all that the loop calls, so that later nothing delays a stop."""
    steps.compile(state)
    if tools.diagnosis:
        jax.block_until_ready(tools.diagnosis(state))
    trainee.compile(state, *tools.inputs)
