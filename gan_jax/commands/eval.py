"""Evaluate a trained GAN from its run folder: scores with 95 % confidence intervals, sample grids,
a table over the steps and one page, RUN/eval/report.html, which holds all of it.

Scores use the features of a small classifier that is trained on the real images on first use
(seconds for digits, about a minute for MNIST) and kept in the user's cache folder; point sets are
compared with their known distribution. Settings other than the default have files of their own, as
in step_001000_fid10k_psi0.7.json. Of a population every member is evaluated, and the page shows
means with intervals over the members.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
import shlex
import sys

from gan_jax import arguments, command_line
from gan_jax.arguments import Positional
from gan_jax.commands import interrupts, parts
from gan_jax.errors import ConfigError

LATEST, ALL, BEST = "latest", "all", "best"
GROUPS = {"checkpoint": "Checkpoints", "num_samples": "Samples and scores", "export": "Export"}


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line."""

    workdir: Positional[pathlib.Path]
    """Run folder that train wrote."""
    checkpoint: str = LATEST
    """latest, a step, all (those not evaluated yet), or best: the lowest Frechet distance or, where
    modes are known, the most modes covered, after evaluating all.
    """
    watch: bool = False
    """Evaluate each checkpoint as training elsewhere writes it, until the last step or Ctrl-C."""
    num_samples: int | None = None
    """Samples to draw (default: 2000); a conditional GAN draws equal numbers per class."""
    metrics: str | None = None
    """Further metrics with their numbers of samples, such as fid10k,kid10k,pr2k."""
    features: str = "default"
    """Feature extractor: default (the classifier of the data set; coordinates for point sets) or
    inception.
    """
    truncation: float | None = None
    """Draw latents from N(0, 1) within [-X, X] (truncation trick, Brock et al. 2019)."""
    seed: int = 0
    """Random seed of the latents."""
    export: pathlib.Path | None = None
    """Write the samples to this new folder as a TFDS data set, to train on, instead of evaluating.
    """
    min_confidence: float | None = None
    """With --export: keep samples whose label the classifier gives at least this probability."""
    rejection: float | None = None
    """With --export: discriminator rejection sampling (Azadi et al. 2019) with gamma at this
    percentile: 80 keeps the best few, 0 nearly all.
    """


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: evaluated, or watching was ended by a signal; 2: wrong input, and nothing was
    written; 130: stopped by a signal.
    """
    with command_line.running("eval"):
        argv = sys.argv[1:] if argv is None else argv
        program = f"{command_line.called('eval')} RUN"
        notes = {"metrics": f"Of: {', '.join(parts.names()['metrics'])}."}
        (options,) = arguments.parse(program, __doc__, argv, Options, groups=GROUPS, choices=notes)
        check(options)
        command_line.loading()
        code = 0 if options.watch else interrupts.EXIT_CODE
        with interrupts.ends_with("Stopped; what was evaluated is kept.", code):
            command_line.fast_cpu()
            command_line.keep_compilations()
            return run(options)


def check(options: Options) -> None:
    """What can be refused without jax."""
    text, exporting = options.checkpoint, options.export is not None
    if text not in (LATEST, ALL, BEST) and not re.fullmatch("0|[1-9][0-9]*", text):
        raise ConfigError(
            f"checkpoint: {text!r} is unknown; accepted: latest, best, all, or a step such as 1000."
        )
    if options.watch and exporting:
        raise ConfigError("watch: nothing is evaluated with --export; accepted: one of both.")
    if options.watch and text != LATEST:
        raise ConfigError(
            f"watch: it evaluates each checkpoint; accepted without --checkpoint {text}."
        )
    if exporting and text == ALL:
        raise ConfigError(
            "export: a data set holds the samples of one checkpoint; "
            "accepted: latest, best, or a step."
        )
    if exporting and (options.metrics, options.features) != (None, Options.features):
        raise ConfigError(
            "export: samples are written, not measured; accepted without --metrics and --features."
        )
    if not exporting and (options.min_confidence, options.rejection) != (None, None):
        raise ConfigError("min_confidence, rejection: accepted with --export alone.")


def run(options: Options) -> int:
    from gan_jax.evaluation import checkpoints as evaluate_checkpoints
    from gan_jax.evaluation.settings import Settings

    if options.export is not None:
        return export(options)
    settings = Settings(
        options.num_samples, options.seed, options.metrics, options.features, options.truncation
    )
    evaluator = evaluate_checkpoints.of_run(options.workdir, settings)
    if options.watch:
        evaluate_checkpoints.watch(evaluator, tell)
    elif options.checkpoint == ALL:
        written(evaluate_checkpoints.evaluate_all(evaluator, tell))
    elif options.checkpoint == BEST:
        step = evaluate_checkpoints.best(evaluator, tell)
        print(evaluate_checkpoints.table(evaluator.done()[step]))
    else:
        summary = evaluator.evaluate(evaluator.load(step_of(options)))
        print(summary.table)
        written(summary.files)
    return 0


def step_of(options: Options) -> int | None:
    """None for the latest one."""
    return None if options.checkpoint == LATEST else int(options.checkpoint)


def tell(line: str) -> None:
    print(line, flush=True)


def written(files: list[pathlib.Path]) -> None:
    for file in files:
        print(f"written:     {file}")


def export(options: Options) -> int:
    from gan_jax.evaluation import checkpoints as evaluate_checkpoints
    from gan_jax.evaluation.settings import NUM_SAMPLES
    from gan_jax.runs import folder as run_folder
    from gan_jax.runs import restore
    from gan_jax.sampling import export as exporting
    from gan_jax.sampling.filters import Filters

    exporting.check(options.export)
    run = run_folder.read(options.workdir)
    if not run.single:
        raise ConfigError(
            f"export: {options.workdir} holds a population; accepted: the run of one GAN."
        )
    if options.checkpoint == BEST:
        evaluator = evaluate_checkpoints.of_run(options.workdir)
        step = evaluate_checkpoints.best(
            evaluator, tell, among=lambda step: step in evaluator.steps()
        )
    else:
        step = step_of(options)
    gan, state = restore.load(options.workdir, step)
    about = exporting.export(
        gan,
        state,
        run.config,
        options.export,
        num_samples=NUM_SAMPLES if options.num_samples is None else options.num_samples,
        seed=options.seed,
        filters=Filters(options.truncation, options.min_confidence, options.rejection),
        run=str(options.workdir),
    )
    print(f"{about['kept']:,} of {about['drawn']:,} samples of step {about['step']:,} were kept.")
    print(f"written:     {options.export}")
    folder = shlex.quote(str(options.export.absolute()))
    print(f"to train on: {command_line.called('train')} --dataset {folder}")
    return 0
