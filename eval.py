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
"""

from __future__ import annotations

import dataclasses
import pathlib
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


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: evaluated; 2: wrong input, and nothing was written."""
    command_line.plain_warnings()
    with command_line.one_sentence_errors("eval.py"):
        options = tyro.cli(Options, prog="eval.py", description=__doc__, args=argv)
        step = checkpoint_step(options.checkpoint)
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

    if run_folder.read_population(options.workdir):
        return run_members(options, step)
    config = run_folder.read_config(options.workdir)
    gan, state = run_folder.load(options.workdir, step)
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


if __name__ == "__main__":
    sys.exit(main())
