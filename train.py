"""Train a GAN from a recipe, in a folder from which it can be resumed, evaluated and repeated."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import shlex
import signal
import sys
from typing import Annotated

import tyro

from gan_jax import command_line, sweeps
from gan_jax.config import Config, to_dict
from gan_jax.recipes import SUMMARIES, recipe
from gan_jax.sweeps import Population

DEFAULT = "digits_dcgan"


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line, after the recipe."""

    workdir: pathlib.Path
    """Run folder. If it holds a run of the same config, that is resumed."""
    overwrite: Annotated[bool, tyro.conf.FlagCreatePairsOff]
    """Delete the run that the folder holds and start anew."""
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
    nothing was written; 3: lost a process.
    """
    argv = sys.argv[1:] if argv is None else argv
    command_line.plain_warnings()
    with command_line.one_sentence_errors("train.py"):
        options = parse(argv)
        population = population_of(options)
        command_line.fast_cpu()
        command_line.keep_compilations()
        connect(options)
        return dry_run(options, population) if options.dry_run else train(options, population, argv)


def parse(argv: list[str]) -> Options:
    name, rest = (argv[0], argv[1:]) if argv and not argv[0].startswith("-") else (DEFAULT, argv)
    config = recipe(name)
    recipes = "\n".join(f"  {name:15} {summary}" for name, summary in SUMMARIES.items())
    return tyro.cli(
        Options,
        prog="train.py [RECIPE]",
        description=f"{__doc__}\n\nRecipes:\n{recipes}",
        args=rest,
        default=Options(
            workdir=pathlib.Path("runs") / name,
            overwrite=False,
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


def population_of(options: Options) -> Population | None:
    """None for a single GAN. A CPU becomes a device for each of its cores, among which the members
    are divided.
    """
    population = Population(options.seeds, sweeps.from_text(options.sweep))
    members = len(population.members(options.config))
    if population == Population():
        return None
    command_line.divide_cpu(members)
    return population


def connect(options: Options) -> None:
    given = options.coordinator, options.num_processes, options.process_id
    if options.distributed or any(value is not None for value in given):
        from gan_jax.devices import processes

        processes.connect(*given, patience=options.patience)


def dry_run(options: Options, population: Population | None) -> int:
    import jax

    from gan_jax.devices import parallel
    from gan_jax.runs import folder as run_folder

    config, devices = options.config, jax.devices()
    print(json.dumps(to_dict(config), indent=2))
    state = run_folder.abstract_state(config, population)
    members = len(population.members(config)) if population else 1
    for player in ("generator", "discriminator"):
        count = sum(leaf.size for leaf in jax.tree.leaves(getattr(state, player).params))
        print(f"{player}: {count // members:,} parameters")
    if population:
        print(
            f"members: {members}, seeds {config.seed} to {config.seed + population.seeds - 1}",
            *population.names(),
        )
    else:
        parallel.mesh(config.batch_size, config.micro_batches)
    print(f"devices: {len(devices)} {devices[0].device_kind}")
    resume = run_folder.check(options.workdir, config, options.overwrite, population)
    print(f"workdir: {options.workdir} ({'a run to be resumed' if resume else 'new'})")
    return 0


def train(options: Options, population: Population | None, argv: list[str]) -> int:
    from gan_jax.devices import memory, processes
    from gan_jax.runs.logs import duration
    from gan_jax.training import loop as training

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    again = "uv run train.py " + shlex.join(a for a in argv if a != "--overwrite")
    workdir, steps = options.workdir, options.config.steps
    try:
        outcome = training.train(
            options.config,
            workdir,
            population=population,
            overwrite=options.overwrite,
            fsdp=options.fsdp,
            on_divergence=options.on_divergence,
        )
    except processes.PeerLost as error:
        print(
            f"train.py: {error}; to go on from the last checkpoint, start all again.",
            file=sys.stderr,
            flush=True,
        )
        os._exit(3)  # threads of orbax and jax would wait for the lost process
    except training.Diverged as error:
        print(f"train.py: {error}; the last good checkpoint is kept in {workdir}.", file=sys.stderr)
        return 1
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
    print(f"\nTrained for {outcome.step:,} steps in {duration(outcome.seconds)}.")
    if outcome.failed:
        print(
            f"Failed:       members {', '.join(map(str, outcome.failed))}; members.jsonl says how"
        )
    of = {"process_peak_mib": "of this process", "device_peak_mib": "of the first device"}
    print(
        f"Peak memory:  {', '.join(f'{mib:,.0f} MiB {of[key]}' for key, mib in memory.peaks().items())}"
    )
    print(f"Samples:      {training.picture(workdir, outcome.step, 'best' if population else '')}")
    print(f"Checkpoints:  {workdir / 'checkpoints'}")
    print(f"Evaluate it:  uv run eval.py {shlex.quote(str(workdir))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
