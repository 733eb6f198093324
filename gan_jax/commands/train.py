"""Train a GAN from a recipe; the run folder supports resuming, evaluation and exact repetition."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import shlex
import sys
from typing import TYPE_CHECKING, Literal

from gan_jax import arguments, command_line, sweeps
from gan_jax.commands import interrupts, parts, starting
from gan_jax.config import Config, to_dict
from gan_jax.sweeps import Population

if TYPE_CHECKING:
    from gan_jax.runs.run import Run
    from gan_jax.training.loop import Outcome

GROUPS = {
    "dataset": "Data",
    "conditioning": "Networks",
    "loss": "Objective",
    "d_steps": "Optimization",
    "diagnose_every": "Evaluation",
    "seed": "Run",
    "workdir": "Run",
    "fsdp": "Devices and processes",
}
"""Groups of options in the help, by the first option of each."""
EPILOG = """\
PART is NAME[:NUMBER][:KEY=VALUE...], such as dcgan:width=32, r1:1:every=4 or adam:2e-4:b1=0.5;
--FIELD.KEY VALUE changes one option of a part, and --FIELD.name its name. --help-parts lists all
parts with their options.
SCALAR is a number, a schedule SHAPE/START/END/STEPS[/WARMUP[/BEGIN]], whose shape is linear, cosine
or exponential, or a feedback such as feedback/METRIC/TARGET/RATE."""


@dataclasses.dataclass(frozen=True)
class Options:
    """The options in addition to those of the config."""

    workdir: pathlib.Path
    """Run folder. A run of the same config in it is resumed."""
    config: pathlib.Path | None = None
    """Start from the config.json of a run instead of a recipe."""
    overwrite: bool = False
    """Delete the run in the folder and start over."""
    init_from: str | None = None
    """RUN[@STEP][:g|:d]: start from the weights of another run, by default both players at its
    newest checkpoint, or of an exported model. Weights without a counterpart of the same shape are
    initialized randomly.
    """
    dry_run: bool = False
    """Print the config, the parameter counts and the devices without writing anything."""
    on_divergence: Literal["stop", "rollback"] = "stop"
    """stop: abort on NaN or infinity, and only warn about other problems; rollback: restore the
    last good checkpoint.
    """
    seeds: int = 1
    """Number of seeds to train in parallel, starting at --seed."""
    sweep: tuple[str, ...] = ()
    """Hyperparameters to vary, PATH=VALUE,VALUE,... such as g_optimizer.lr=1e-4,2e-4: all
    combinations are trained in parallel, each with all seeds.
    """
    fsdp: bool = False
    """Shard weights, optimizer states and EMA over the devices, for networks too large for one."""
    distributed: bool = False
    """Join the processes started by SLURM, Open MPI or a TPU pod."""
    coordinator: str | None = None
    """HOST:PORT of process 0, to join processes started manually, each with --num-processes and
    --process-id.
    """
    num_processes: int | None = None
    """Number of processes of this run."""
    process_id: int | None = None
    """Index of this process, starting at 0."""
    patience: int = 100
    """Seconds to wait for another process before giving up."""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: trained, or stopped by a signal and saved; 1: diverged; 2: wrong input, and
    nothing was written; 3: lost a process; 4: disk full, earlier checkpoints are intact;
    130: stopped by a signal before the first step.
    """
    argv = sys.argv[1:] if argv is None else argv
    with command_line.running("train"):
        options, config = parse(argv)
        same = shlex.join(argument for argument in argv if argument != "--overwrite")
        again = f"{command_line.called('train')} {same}".strip()
        stopped = f"Stopped before the first step; nothing was lost. To start again: {again}"
        command_line.loading()
        with interrupts.ends_with(stopped):
            population = Population(options.seeds, sweeps.from_text(options.sweep))
            command_line.fast_cpu()
            command_line.keep_compilations()
            command_line.divide_cpu(population.size)
            connect(options)
            alone = not (options.fsdp or options.distributed or options.num_processes)
            starting.check_memory(config, population, alone)
            run = run_of(config, population)
            return dry_run(options, run) if options.dry_run else train(options, run, again)


def parse(argv: list[str]) -> tuple[Options, Config]:
    """The options, and the config of a recipe or a file, changed by ``--FIELD VALUE`` and then
    by ``--FIELD.OPTION VALUE``.
    """
    starting.help_parts(argv)
    start, rest = starting.start(argv)
    rest, changes = arguments.split_changes(rest, start.config)
    default = Options(
        pathlib.Path("runs") / start.name,
        seeds=start.population.seeds,
        sweep=sweeps.to_text(start.population.sweep),
    )
    options, config = arguments.parse(
        f"{command_line.called('train')} [RECIPE]",
        starting.description(__doc__),
        rest,
        start.config,
        default,
        groups=GROUPS,
        choices=parts.names(),
        epilog=EPILOG,
    )[::-1]
    return options, arguments.change(config, changes)


def run_of(config: Config, population: Population) -> Run:
    """The run, after checking that its members can be made."""
    from gan_jax.runs.run import Run

    run = Run(config, population)
    _ = run.configs
    return run


def connect(options: Options) -> None:
    given = options.coordinator, options.num_processes, options.process_id
    if options.distributed or any(value is not None for value in given):
        from gan_jax.devices import processes

        processes.connect(*given, patience=options.patience)


def dry_run(options: Options, run: Run) -> int:
    import jax

    from gan_jax.devices import parallel
    from gan_jax.runs import folder
    from gan_jax.training import transfer

    config, members, devices = run.config, len(run.configs), jax.devices()
    state = run.abstract_state()
    if run.single:
        parallel.mesh(config.batch_size, config.micro_batches)
    start = transfer.start(options.init_from, options.workdir, run, options.overwrite)
    origin = start.origin if start else None
    resume = folder.check(options.workdir, run, options.overwrite, origin)
    print(json.dumps(to_dict(config), indent=2))
    for player in ("generator", "discriminator"):
        count = sum(leaf.size for leaf in jax.tree.leaves(getattr(state, player).params))
        print(f"{player}: {count // members:,} parameters")
    if not run.single:
        seeds = f"{config.seed} to {config.seed + run.population.seeds - 1}"
        print(f"members: {members}, seeds {seeds}", *run.population.names())
    print(f"devices: {len(devices)} {devices[0].device_kind}")
    print(f"workdir: {options.workdir} ({'resumes the run' if resume else 'new'})")
    return 0


def train(options: Options, run: Run, again: str) -> int:
    """Trains and prints the outcome; ``again`` is the command that resumes the run."""
    from gan_jax.devices import processes
    from gan_jax.files import DiskFull
    from gan_jax.runs import folder
    from gan_jax.training import loop, transfer
    from gan_jax.training.divergence import Diverged

    workdir, steps = options.workdir, run.config.steps
    program = command_line.called("train").removeprefix("uv run ")
    try:
        outcome = loop.train(
            run.config,
            workdir,
            population=run.population,
            overwrite=options.overwrite,
            fsdp=options.fsdp,
            on_divergence=options.on_divergence,
            start=transfer.start(options.init_from, workdir, run, options.overwrite),
        )
    except processes.PeerLost as error:
        print(
            f"{program}: {error}; start all again to resume from the last checkpoint.",
            file=sys.stderr,
            flush=True,
        )
        os._exit(3)  # threads of orbax and jax would wait for the lost process
    except Diverged as error:
        print(f"{program}: {error}; {folder.kept(workdir)}.", file=sys.stderr)
        return 1
    except DiskFull as error:
        command_line.ignore_signals()
        print(
            f"{program}: {error}; {folder.kept(workdir)}. To resume, free disk space and run: "
            f"{again}",
            file=sys.stderr,
            flush=True,
        )
        os._exit(4)  # pending writes of orbax would end in tracebacks
    command_line.ignore_signals()  # all is saved
    if not processes.first():
        return 0
    if outcome.step < steps:
        print(f"\nStopped and saved at step {outcome.step:,} of {steps:,}. To resume: {again}")
        return 0
    report(workdir, run, outcome)
    return 0


def report(workdir: pathlib.Path, run: Run, outcome: Outcome) -> None:
    """Prints a summary of the training and the next command."""
    from gan_jax.devices import memory
    from gan_jax.runs import folder
    from gan_jax.runs.logs import duration

    if outcome.made:
        print(f"\nTrained for {outcome.step:,} steps in {duration(outcome.seconds)}.")
    else:
        print(f"Nothing to do: {workdir} has already been trained for {outcome.step:,} steps.")
        print(f"To prolong it: use --steps with a number above {outcome.step}")
    if outcome.failed:
        failed = ", ".join(map(str, outcome.failed))
        print(f"Failed:       members {failed}; see members.jsonl for the reasons")
    for text in outcome.warnings:
        print(f"Warning:      {text}")
    of = {"process_peak_mib": "of this process", "device_peak_mib": "of the first device"}
    peaks = ", ".join(f"{mib:,.0f} MiB {of[key]}" for key, mib in memory.peaks().items())
    print(f"Peak memory:  {peaks}")
    print(f"Samples:      {folder.picture(workdir, outcome.step, run.pictures[0])}")
    print(f"Checkpoints:  {workdir / folder.CHECKPOINTS}")
    print(f"Evaluate it:  {command_line.called('eval')} {shlex.quote(str(workdir))}")
