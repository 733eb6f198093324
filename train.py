"""Train a GAN from a recipe, in a folder from which it can be resumed, evaluated and repeated."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import shlex
import signal
import sys
from typing import TYPE_CHECKING, Annotated

import tyro

from gan_jax import command_line, sweeps
from gan_jax.config import Config, to_dict
from gan_jax.recipes import SUMMARIES, recipe
from gan_jax.runs.run import Run
from gan_jax.sweeps import Population

if TYPE_CHECKING:
    from gan_jax.training.loop import Outcome

DEFAULT = "digits_dcgan"
PARTS = """Parts are written NAME[:NUMBER][:KEY=VALUE...], for instance --generator dcgan:width=32
--penalties r1:1:every=4 gp:10:target=0 --d-optimizer adam:2e-4:b1=0.5; --FIELD.KEY VALUE changes
one option of a part, --FIELD.name its name. Names that are accepted, and their options:"""


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line, after the recipe."""

    workdir: pathlib.Path
    """Run folder. If it holds a run of the same config, that is resumed."""
    overwrite: Annotated[bool, tyro.conf.FlagCreatePairsOff]
    """Delete the run that the folder holds and start anew."""
    init_from: str | None
    """RUN[@STEP][:g|:d]: begin with the weights of another run, of its newest checkpoint and both
    players by default; those of another path or shape are initialized.
    """
    dry_run: Annotated[bool, tyro.conf.FlagCreatePairsOff]
    """Print the config, the networks' parameter counts and the devices, and write nothing."""
    fsdp: Annotated[bool, tyro.conf.FlagCreatePairsOff]
    """Divide weights, optimizer states and moving average among the devices, for networks that
    outgrow one.
    """
    on_divergence: str
    """stop: what is not finite ends the run, other signs of trouble are told; rollback: either goes
    back to the last good checkpoint.
    """
    distributed: Annotated[bool, tyro.conf.FlagCreatePairsOff]
    """Join the processes that SLURM, Open MPI or a TPU pod started."""
    coordinator: str | None
    """HOST:PORT of process 0, to join processes started by hand, each with --num-processes and
    --process-id.
    """
    num_processes: int | None
    """Processes of this run."""
    process_id: int | None
    """Which of them this one is, from 0."""
    patience: int
    """Seconds to wait for another process before giving up."""
    seeds: int
    """GANs trained at once, with this seed and those that follow."""
    sweep: tuple[str, ...]
    """Numbers of the training step that vary among GANs trained at once, PATH=VALUE,VALUE,... as in
    g_optimizer.lr=1e-4,2e-4: all combinations, each with all seeds.
    """
    config: Annotated[Config, tyro.conf.arg(name="")]


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: trained, or stopped by a signal and saved; 1: diverged; 2: wrong input, and
    nothing was written; 3: lost a process; 4: the disk is full, and earlier checkpoints are whole.
    """
    argv = sys.argv[1:] if argv is None else argv
    command_line.plain_warnings()
    with command_line.one_sentence_errors("train.py"):
        options = parse(argv)
        run = run_of(options)
        command_line.fast_cpu()
        command_line.keep_compilations()
        connect(options)
        return dry_run(options, run) if options.dry_run else train(options, run, argv)


def parse(argv: list[str]) -> Options:
    """The recipe, changed by the rest of the command line: first by ``--FIELD VALUE``, then by
    ``--FIELD.OPTION VALUE``.
    """
    name, rest = (argv[0], argv[1:]) if argv and not argv[0].startswith("-") else (DEFAULT, argv)
    config = recipe(name)
    rest, changes = command_line.split_changes(rest, config)
    options = tyro.cli(
        Options,
        prog="train.py [RECIPE]",
        description=description(named={"-h", "--help"} & set(rest)),
        registry=command_line.CONSTRUCTORS,
        args=rest,
        default=Options(
            workdir=pathlib.Path("runs") / name,
            overwrite=False,
            init_from=None,
            dry_run=False,
            fsdp=False,
            on_divergence="stop",
            distributed=False,
            coordinator=None,
            num_processes=None,
            process_id=None,
            patience=100,
            seeds=1,
            sweep=(),
            config=config,
        ),
    )
    return dataclasses.replace(options, config=command_line.change(options.config, changes))


def description(named: bool) -> str:
    """What ``--help`` begins with; with ``named`` all that can be chosen by name."""
    recipes = "\n".join(f"  {name:15} {summary}" for name, summary in SUMMARIES.items())
    text = f"{__doc__}\n\nRecipes:\n{recipes}"
    if named:
        from gan_jax.build import choices

        text += f"\n\n{PARTS}\n\n{command_line.list_choices(choices())}"
    return text


def run_of(options: Options) -> Run:
    """What is trained. A CPU becomes a device for each of its cores, among which the members of a
    population are divided.
    """
    run = Run(options.config, Population(options.seeds, sweeps.from_text(options.sweep)))
    command_line.divide_cpu(len(run.configs))
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
    print(json.dumps(to_dict(config), indent=2))
    state = run.abstract_state()
    for player in ("generator", "discriminator"):
        count = sum(leaf.size for leaf in jax.tree.leaves(getattr(state, player).params))
        print(f"{player}: {count // members:,} parameters")
    if run.single:
        parallel.mesh(config.batch_size, config.micro_batches)
    else:
        seeds = f"{config.seed} to {config.seed + run.population.seeds - 1}"
        print(f"members: {members}, seeds {seeds}", *run.population.names())
    print(f"devices: {len(devices)} {devices[0].device_kind}")
    start = transfer.start(options.init_from, options.workdir, run, options.overwrite)
    origin = start.origin if start else None
    resume = folder.check(options.workdir, run, options.overwrite, origin)
    print(f"workdir: {options.workdir} ({'a run to be resumed' if resume else 'new'})")
    return 0


def train(options: Options, run: Run, argv: list[str]) -> int:
    from gan_jax.devices import processes
    from gan_jax.files import DiskFull
    from gan_jax.runs import folder
    from gan_jax.training import loop, transfer
    from gan_jax.training.divergence import Diverged

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    again = "uv run train.py " + shlex.join(a for a in argv if a != "--overwrite")
    workdir, steps = options.workdir, run.config.steps
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
            f"train.py: {error}; to go on from the last checkpoint, start all again.",
            file=sys.stderr,
            flush=True,
        )
        os._exit(3)  # threads of orbax and jax would wait for the lost process
    except Diverged as error:
        print(f"train.py: {error}; {folder.kept(workdir)}.", file=sys.stderr)
        return 1
    except DiskFull as error:
        command_line.ignore_signals()
        print(
            f"train.py: {error}; {folder.kept(workdir)}. To go on, make room and start again: "
            f"{again}",
            file=sys.stderr,
            flush=True,
        )
        os._exit(4)  # what orbax still tries to write would end in tracebacks
    except KeyboardInterrupt:
        command_line.ignore_signals()
        print(
            f"\nStopped before the first step; nothing was lost. To start again: {again}",
            flush=True,
        )
        os._exit(0)  # the compiler may be at work in a thread, which nothing can stop
    if not processes.first():
        return 0
    if outcome.step < steps:
        command_line.ignore_signals()
        print(f"\nStopped and saved at step {outcome.step:,} of {steps:,}. To go on: {again}")
        return 0
    report(workdir, run, outcome)
    return 0


def report(workdir: pathlib.Path, run: Run, outcome: Outcome) -> None:
    """What was trained, and what to do next."""
    from gan_jax.devices import memory
    from gan_jax.runs import folder
    from gan_jax.runs.logs import duration

    if outcome.made:
        print(f"\nTrained for {outcome.step:,} steps in {duration(outcome.seconds)}.")
    else:
        print(f"Nothing to do: {workdir} was trained for {outcome.step:,} steps before.")
        print(f"To go on:     --steps with a number larger than {outcome.step}")
    if outcome.failed:
        failed = ", ".join(map(str, outcome.failed))
        print(f"Failed:       members {failed}; members.jsonl says how")
    for text in outcome.warnings:
        print(f"Warning:      {text}")
    of = {"process_peak_mib": "of this process", "device_peak_mib": "of the first device"}
    peaks = ", ".join(f"{mib:,.0f} MiB {of[key]}" for key, mib in memory.peaks().items())
    print(f"Peak memory:  {peaks}")
    print(f"Samples:      {folder.picture(workdir, outcome.step, run.pictures[0])}")
    print(f"Checkpoints:  {workdir / folder.CHECKPOINTS}")
    print(f"Evaluate it:  uv run eval.py {shlex.quote(str(workdir))}")


if __name__ == "__main__":
    sys.exit(main())
