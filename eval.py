"""Evaluate a trained GAN from its run folder: scores with their provenance, and pictures to look at.

The samples are judged by a recognizer, a small image classifier that is trained on the real training images the first time
(seconds for digits, about a minute for MNIST) and kept in the user's cache folder. WORKDIR/eval then holds

  step_XXXXXX.json               every score, and what was compared with what
  step_XXXXXX_samples.png        a row per class
  step_XXXXXX_interpolation.png  per row one class, from one latent vector to another
  step_XXXXXX_neighbours.png     per row a sample, then its nearest training images by features, then by pixels

Sets of points are judged by their known truth, and drawn as one picture. The modes of stacked_mnist are counted from 10,000 samples on;
the literature takes --num-samples 25600.

Of a population (train.py --seeds, --sweep) every member is judged, each in a folder member_XX of WORKDIR/eval; step_XXXXXX.json there holds
means with 95 % intervals over those that did not fail, and the share of those that did.

With --export DIR the samples are not judged, but written to DIR as a data set of TensorFlow Datasets, to train on.
"""

from __future__ import annotations

import dataclasses
import pathlib
import shlex
import sys

import tyro

from gan_jax import command_line
from gan_jax.config import ConfigError


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line."""

    workdir: tyro.conf.Positional[pathlib.Path]
    """Run folder, as train.py wrote it."""
    checkpoint: str = "latest"
    """Which checkpoint: latest, or its step."""
    num_samples: int = 2_000
    """Samples to draw; a conditional GAN draws its classes in equal shares."""
    seed: int = 0
    """Determines the latents: the same seed draws the same samples."""
    export: pathlib.Path | None = None
    """Write the samples to this new folder as a data set, for tfds.builder_from_directory, train.py --dataset and others."""
    truncation: float | None = None
    """Draw latents from N(0, 1) within [-PSI, PSI] (Brock et al. 2019); with --export, as the following."""
    min_confidence: float | None = None
    """Keep samples to whose label the recognizer gives at least this probability."""
    rejection: float | None = None
    """Keep samples by discriminator rejection (Azadi et al. 2019), gamma at this percentile: 80 keeps the best few, 0 nearly all."""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: evaluated; 2: wrong input, and nothing was written."""
    command_line.plain_warnings()
    with command_line.one_sentence_errors("eval.py"):
        options = tyro.cli(Options, prog="eval.py", description=__doc__, args=argv)
        step = checkpoint_step(options.checkpoint)
        command_line.fast_cpu()
        command_line.keep_compilations()
        return run(options, step)


def checkpoint_step(text: str) -> int | None:
    """None for the latest one."""
    if text == "latest":
        return None
    if not text.isdecimal():
        raise ConfigError(f"checkpoint: {text!r} is none; accepted: latest, or a step such as 1000.")
    return int(text)


def run(options: Options, step: int | None) -> int:
    from gan_jax import run_folder
    from gan_jax.evaluate import evaluate, save, table
    from gan_jax.sampling import Filters

    filters = Filters(options.truncation, options.min_confidence, options.rejection)
    if options.export is None and filters != Filters():
        raise ConfigError("truncation, min_confidence, rejection: accepted with --export alone.")
    if run_folder.read_population(options.workdir):
        if options.export is not None:
            raise ConfigError(f"export: {options.workdir} holds a population; accepted: the run of one GAN.")
        return run_members(options, step)
    config = run_folder.read_config(options.workdir)
    gan, state = run_folder.load(options.workdir, step)
    if options.export is not None:
        return export(options, gan, state, config, filters)
    evaluation = evaluate(gan, state, config, num_samples=options.num_samples, seed=options.seed)
    files = save(evaluation, options.workdir / run_folder.EVAL)
    print(table(evaluation))
    for file in files:
        print(f"written:     {file}")
    return 0


def run_members(options: Options, step: int | None) -> int:
    from gan_jax import run_folder
    from gan_jax.evaluate_members import evaluate_members, save, table

    evaluations, verdicts = evaluate_members(options.workdir, step, num_samples=options.num_samples, seed=options.seed)
    print(table(verdicts))
    for file in save(evaluations, verdicts, options.workdir / run_folder.EVAL):
        print(f"written:     {file}")
    return 0


def export(options: Options, gan, state, config, filters) -> int:
    from gan_jax.export import export

    about = export(
        gan,
        state,
        config,
        options.export,
        num_samples=options.num_samples,
        seed=options.seed,
        filters=filters,
        run=str(options.workdir),
    )
    print(f"{about['kept']:,} of {about['drawn']:,} samples of step {about['step']:,} were kept.")
    print(f"written:     {options.export}")
    print(f"to train on: uv run train.py --dataset {shlex.quote(str(options.export.absolute()))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
