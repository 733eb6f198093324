"""Evaluate a trained GAN from its run folder: scores with their intervals and their provenance, and
pictures to look at.

Features come from a recognizer, a small image classifier that is trained on the real training
images the first time (seconds for digits, about a minute for MNIST) and kept in the user's cache
folder. WORKDIR/eval then holds

  step_XXXXXX.json               every score with its 95 % interval, and what was compared with what
  step_XXXXXX_samples.png        samples, a row per class
  step_XXXXXX_interpolation.png  per row one class, from one latent vector to another
  step_XXXXXX_neighbours.png     per row a sample, then its nearest training images by features and
                                 by pixels
  step_XXXXXX_worst_by_*.png     the samples that the discriminator, or the recognizer, scores
  step_XXXXXX_best_by_*.png      lowest, and highest
  report.html                    everything on one page that needs no network
  scores.csv                     a row per evaluated step

Settings other than the default have files of their own, with a suffix: --num-samples 10000 writes
step_XXXXXX_n10000.json and scores_n10000.csv, --metrics fid10k,kid10k --features inception
--truncation 0.7 writes step_XXXXXX_fid10k-kid10k_inception_psi0.7.json.

Sets of points are compared with their known truth, and drawn as one picture. The modes of
stacked_mnist are counted from 10,000 samples on; the literature takes --num-samples 25600.

Of a population (train.py --seeds, --sweep) every member is evaluated, each in a folder member_XX of
WORKDIR/eval; step_XXXXXX.json there holds means with 95 % intervals over those that did not fail,
and the share of those that did.

With --export DIR the samples are not evaluated, but written to DIR as a data set of TensorFlow
Datasets, to train on. --export-images DIR writes PNG files for other programs, --interpolation
FILE.gif a loop through latent space, --export-model DIR the GAN itself, for use without gan_jax.
"""

from __future__ import annotations

import dataclasses
import pathlib
import shlex
import signal
import sys
from typing import TYPE_CHECKING, Annotated

import tyro

from gan_jax import command_line
from gan_jax.errors import ConfigError

if TYPE_CHECKING:
    from gan_jax.config import Config
    from gan_jax.engine.gan import Gan
    from gan_jax.types import GanState

LATEST, ALL, BEST = "latest", "all", "best"


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line."""

    workdir: tyro.conf.Positional[pathlib.Path]
    """Run folder, as train.py wrote it."""
    checkpoint: str = LATEST
    """Which checkpoint: latest; its step; all that were not evaluated yet, oldest first; best: the
    one with the lowest Frechet distance of all steps evaluated so far (where modes are known, with
    the most modes covered, then the largest share of high quality), after evaluating those that
    were not.
    """
    watch: Annotated[bool, tyro.conf.FlagCreatePairsOff] = False
    """Evaluate each checkpoint that training elsewhere writes, until that of the last step, or
    Ctrl-C.
    """
    num_samples: int | None = None
    """Samples to draw, 2,000 by default; a conditional GAN draws its classes in equal shares."""
    metrics: str | None = None
    """Protocols beside the scores that are always taken: metrics with their number of samples, such
    as fid10k,kid10k,pr2k (docs/evaluation.md lists them). The largest number is drawn.
    """
    features: str = "default"
    """What images are looked at through: default (the recognizer; for points the points), or
    inception (docs/inception.md).
    """
    seed: int = 0
    """Determines the latents: the same seed draws the same samples."""
    export: pathlib.Path | None = None
    """Write the samples to this new folder as a data set, for tfds.builder_from_directory, train.py
    --dataset and others.
    """
    export_model: pathlib.Path | None = None
    """Write the GAN to this new folder: weights as safetensors, the generator as a StableHLO
    program with a loader that needs jax alone, and a model card. gan_jax.load reads it.
    """
    export_images: pathlib.Path | None = None
    """Write a PNG file for each of --seeds to this new folder."""
    interpolation: pathlib.Path | None = None
    """Write an animation to this file, .gif or .webp, which is replaced if it exists."""
    seeds: str = "0-99"
    """With --export-images: seeds such as 0-99 or 3,5,10-19; each determines a latent vector."""
    classes: str | None = None
    """With --export-images: draw each seed in each of these classes, such as 3,5; by default the
    classes take turns. With --interpolation: the classes that are shown.
    """
    truncation: float | None = None
    """Draw latents from N(0, 1) within [-PSI, PSI] (Brock et al. 2019)."""
    min_confidence: float | None = None
    """With --export: keep samples to whose label the recognizer gives at least this probability."""
    rejection: float | None = None
    """With --export: keep samples by discriminator rejection (Azadi et al. 2019), gamma at this
    percentile: 80 keeps the best few, 0 nearly all.
    """


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: evaluated, or watching was ended by a signal; 2: wrong input, and nothing was
    written; 130: stopped by a signal.
    """
    command_line.plain_warnings()
    with command_line.one_sentence_errors("eval.py"), command_line.closed_pipe_ends():
        options = tyro.cli(Options, prog="eval.py", description=__doc__, args=argv)
        check(options)
        command_line.fast_cpu()
        command_line.keep_compilations()
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            return run(options)
        except KeyboardInterrupt:
            command_line.ignore_signals()
            print("\nStopped; what was evaluated is kept.", flush=True)
            return 0 if options.watch else 130


def check(options: Options) -> None:
    """What can be refused without jax."""
    text, exporting = options.checkpoint, exports(options)
    if text not in (LATEST, ALL, BEST) and not text.isdecimal():
        raise ConfigError(
            f"checkpoint: {text!r} is unknown; accepted: latest, best, all, or a step such as 1000."
        )
    if len(exporting) > 1:
        raise ConfigError(f"{', '.join(exporting)}: accepted: one of them.")
    (export,) = exporting or ("export",)
    if options.watch and exporting:
        option = "--" + export.replace("_", "-")
        raise ConfigError(f"watch: nothing is evaluated with {option}; accepted: one of both.")
    if options.watch and text != LATEST:
        raise ConfigError(
            f"watch: it evaluates each checkpoint; accepted without --checkpoint {text}."
        )
    if exporting and text == ALL:
        raise ConfigError(
            f"{export}: it is made from one checkpoint; accepted: latest, best, or a step."
        )
    if exporting and (options.metrics, options.features) != (None, Options.features):
        raise ConfigError(
            f"{export}: samples are written, not measured; accepted without --metrics and "
            "--features."
        )
    if options.export is None and (options.min_confidence, options.rejection) != (None, None):
        raise ConfigError("min_confidence, rejection: accepted with --export alone.")
    if options.export_images is None and options.seeds != Options.seeds:
        raise ConfigError("seeds: accepted with --export-images alone.")
    if options.classes is not None and export not in ("export_images", "interpolation"):
        raise ConfigError("classes: accepted with --export-images or --interpolation alone.")


def exports(options: Options) -> tuple[str, ...]:
    """What is written instead of an evaluation."""
    names = ("export", "export_model", "export_images", "interpolation")
    return tuple(name for name in names if getattr(options, name) is not None)


def run(options: Options) -> int:
    from gan_jax.evaluation import checkpoints as evaluate_checkpoints
    from gan_jax.evaluation.settings import Settings

    if exports(options):
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
    from gan_jax.runs import folder as run_folder
    from gan_jax.runs import restore
    from gan_jax.sampling import export as exporting

    (name,) = exports(options)
    if name != "interpolation":
        exporting.check(getattr(options, name), name)
    run = run_folder.read(options.workdir)
    if not run.single:
        raise ConfigError(
            f"{name}: {options.workdir} holds a population; accepted: the run of one GAN."
        )
    if options.checkpoint == BEST:
        evaluator = evaluate_checkpoints.of_run(options.workdir)
        step = evaluate_checkpoints.best(
            evaluator, tell, among=lambda step: step in evaluator.steps()
        )
    else:
        step = step_of(options)
    gan, state = restore.load(options.workdir, step)
    write = {
        "export": export_dataset, "export_model": export_model, "export_images": export_images,
        "interpolation": export_interpolation,
    }  # fmt: skip
    write[name](options, run.config, gan, state)
    print(f"written:     {getattr(options, name)}")
    return 0


def export_dataset(options: Options, config: Config, gan: Gan, state: GanState) -> None:
    from gan_jax.evaluation.settings import NUM_SAMPLES
    from gan_jax.sampling import export as exporting
    from gan_jax.sampling.filters import Filters

    about = exporting.export(
        gan,
        state,
        config,
        options.export,
        num_samples=NUM_SAMPLES if options.num_samples is None else options.num_samples,
        seed=options.seed,
        filters=Filters(options.truncation, options.min_confidence, options.rejection),
        run=str(options.workdir),
    )
    print(f"{about['kept']:,} of {about['drawn']:,} samples of step {about['step']:,} were kept.")
    print(f"to train on: uv run train.py --dataset {shlex.quote(str(options.export.absolute()))}")


def export_model(options: Options, config: Config, gan: Gan, state: GanState) -> None:
    from gan_jax.evaluation.model_card import model_card
    from gan_jax.sampling import model

    if options.truncation is not None:
        raise ConfigError(
            "truncation: users of the model draw the latents; not accepted with --export-model."
        )
    card = model_card(options.workdir, gan, config, int(state.step))
    model.export_model(
        gan, state, config, options.export_model, card=card, run=str(options.workdir)
    )


def export_images(options: Options, config: Config, gan: Gan, state: GanState) -> None:
    from gan_jax.sampling import images

    count = images.export_images(
        gan, state, config, options.export_images,
        seeds=images.numbers_from_text("seeds", options.seeds), classes=classes_of(options),
        truncation=options.truncation,
    )  # fmt: skip
    print(f"{count:,} images of step {int(state.step):,}.")


def export_interpolation(options: Options, config: Config, gan: Gan, state: GanState) -> None:
    from gan_jax.sampling import images

    images.export_interpolation(
        gan, state, options.interpolation,
        seed=options.seed, classes=classes_of(options), truncation=options.truncation,
    )  # fmt: skip


def classes_of(options: Options) -> tuple[int, ...] | None:
    from gan_jax.sampling import images

    text = options.classes
    return None if text is None else images.numbers_from_text("classes", text)


if __name__ == "__main__":
    sys.exit(main())
