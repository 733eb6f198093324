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

from gan_jax import command_line
from gan_jax.config import Config, to_dict
from gan_jax.configs import SUMMARIES, recipe

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
    """Divide weights, optimizer states and moving average among the devices, for networks that outgrow one."""
    on_divergence: str
    """stop: what is not finite ends the run, other signs of trouble are told; rollback: either goes back to the last good checkpoint."""
    distributed: Annotated[bool, tyro.conf.FlagCreatePairsOff]
    """Join the processes that SLURM, Open MPI or a TPU pod started."""
    coordinator: str | None
    """HOST:PORT of process 0, to join processes started by hand, each with --num-processes and --process-id."""
    num_processes: int | None
    """Processes of this run."""
    process_id: int | None
    """Which of them this one is, from 0."""
    patience: int
    """Seconds to wait for another process before giving up."""
    config: Annotated[Config, tyro.conf.arg(name="")]


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: trained, or stopped by a signal and saved; 1: diverged; 2: wrong input, and nothing was written; 3: lost a process."""
    argv = sys.argv[1:] if argv is None else argv
    command_line.plain_warnings()
    with command_line.one_sentence_errors("train.py"):
        options = parse(argv)
        command_line.keep_compilations()
        connect(options)
        return dry_run(options) if options.dry_run else train(options, argv)


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
            config=config,
        ),
    )


def connect(options: Options) -> None:
    given = options.coordinator, options.num_processes, options.process_id
    if options.distributed or any(value is not None for value in given):
        from gan_jax import processes

        processes.connect(*given, patience=options.patience)


def dry_run(options: Options) -> int:
    import jax

    from gan_jax import parallel, run_folder

    config, devices = options.config, jax.devices()
    print(json.dumps(to_dict(config), indent=2))
    state = run_folder.abstract_state(config)
    for player in ("generator", "discriminator"):
        count = sum(leaf.size for leaf in jax.tree.leaves(getattr(state, player).params))
        print(f"{player}: {count:,} parameters")
    print(f"devices: {len(devices)} {devices[0].device_kind}")
    parallel.mesh(config.batch_size, config.micro_batches)
    resume = run_folder.check(options.workdir, config, options.overwrite)
    print(f"workdir: {options.workdir} ({'a run to be resumed' if resume else 'new'})")
    return 0


def train(options: Options, argv: list[str]) -> int:
    from gan_jax import processes, training
    from gan_jax.logs import duration

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    again = "uv run train.py " + shlex.join(a for a in argv if a != "--overwrite")
    workdir, steps = options.workdir, options.config.steps
    try:
        outcome = training.train(
            options.config,
            workdir,
            overwrite=options.overwrite,
            fsdp=options.fsdp,
            on_divergence=options.on_divergence,
        )
    except processes.PeerLost as error:
        print(f"train.py: {error}; to go on from the last checkpoint, start all again.", file=sys.stderr, flush=True)
        os._exit(3)  # threads of orbax and jax would wait for the lost process
    except training.Diverged as error:
        print(f"train.py: {error}; the last good checkpoint is kept in {workdir}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        ignore_signals()
        print(f"\nStopped before the first step; nothing was lost. To start again: {again}", flush=True)
        os._exit(0)  # the compiler may be at work in a thread, which nothing can stop
    if not processes.first():
        return 0
    if outcome.step < steps:
        ignore_signals()
        print(f"\nStopped and saved at step {outcome.step:,} of {steps:,}. To go on: {again}")
        return 0
    print(f"\nTrained for {outcome.step:,} steps in {duration(outcome.seconds)}.")
    print(f"Samples:      {training.picture(workdir, outcome.step)}")
    print(f"Checkpoints:  {workdir / 'checkpoints'}")
    print(f"Evaluate it:  uv run eval.py {shlex.quote(str(workdir))}")
    return 0


def ignore_signals() -> None:
    """All is saved; the same Ctrl-C may come once more, passed on by a parent such as uv."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main())
