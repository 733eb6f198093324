"""Evaluate a trained GAN from its run folder: scores with 95% confidence intervals, sample grids, a
per-step CSV and a one-page report, RUN/eval/report.html.

Scores use the features of a small classifier that is trained on the real images on first use
(seconds for digits, about a minute for MNIST) and kept in the user's cache folder; point sets are
compared with their known distribution. Non-default settings appear in the file names, as in
step_001000_fid10k_psi0.7.json. In a population every member is evaluated, and the report shows
means with intervals over the members. The export options write samples or the model to disk
instead of evaluating, and --latents explores the latent space.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
import shlex
import sys
from typing import TYPE_CHECKING

from gan_jax import arguments, command_line
from gan_jax.arguments import Positional
from gan_jax.commands import interrupts, parts
from gan_jax.errors import ConfigError

if TYPE_CHECKING:
    from gan_jax.config import Config
    from gan_jax.engine.gan import Gan
    from gan_jax.types import GanState

LATEST, ALL, BEST = "latest", "all", "best"
GROUPS = {
    "checkpoint": "Checkpoints", "num_samples": "Samples and scores", "latents": "Latent space",
    "export": "Export",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line."""

    workdir: Positional[pathlib.Path]
    """Run folder written by train."""
    checkpoint: str = LATEST
    """latest, a step, all (those not evaluated yet), or best: evaluates all, then reports the one
    with the lowest FD or, if the modes are known, the most modes covered.
    """
    watch: bool = False
    """Evaluate each checkpoint as soon as a running training writes it, until the last step or
    Ctrl-C.
    """
    num_samples: int | None = None
    """Samples to draw (default: 2000); a conditional GAN draws equal numbers per class. With
    --latents inversion: images to invert (default: 100).
    """
    metrics: str | None = None
    """Additional metrics with their numbers of samples, such as fid10k,kid10k,pr2k; cas alone means
    cas60k, for which the classifier of the dataset's recipe is trained on the samples alone, which
    takes minutes (MNIST: 4,000 steps).
    """
    features: str = "default"
    """Feature extractor: default (dataset classifier; raw coordinates for point sets), inception,
    or a dataset with such examples and other classes, such as spoken_digit/speaker.
    """
    truncation: float | None = None
    """Draw latents from N(0, 1) within [-X, X] (truncation trick, Brock et al. 2019)."""
    standing_statistics: bool = False
    """Normalize by statistics of samples, not by running averages of the training, where the
    generator has batch normalization (Brock et al. 2019).
    """
    temperature: float | None = None
    """Draw texts at this temperature of the generator, instead of that of the training."""
    held_out: str | None = None
    """Compare with this split instead of the test split, and test a D that classifies on it, so
    that choices can be made without test examples: train[50000:] for a GAN trained with --split
    "train[:50000]".
    """
    seed: int = 0
    """Random seed of the latents."""
    latents: str | None = None
    """Explore the latent space instead of evaluating: all that the generator supports, or some of
    interpolation, truncation, mixing, directions, attributes, neighbours and inversion, such as
    mixing,inversion. Writes pictures and a JSON file to RUN/eval, and adds them to the report.
    """
    images: str | None = None
    """With --latents: dataset or folder of the images to invert, or to find neighbours of, instead
    of held-out images or samples.
    """
    captions: tuple[str, ...] = ()
    """Draw these captions instead of evaluating, for a GAN of captions: a row of samples each, in
    RUN/eval/captions.png.
    """
    translate: str | None = None
    """Translate the images of this folder or dataset instead of evaluating, for a GAN whose
    conditions are images, to PNG files in RUN/eval/translated.
    """
    to: str | None = None
    """With --translate and a GAN of two domains: the domain to translate to, a (that of dataset) or
    b (that of unpaired, the default).
    """
    export: pathlib.Path | None = None
    """Write the samples to this new folder as a TFDS dataset to train on, instead of evaluating."""
    export_model: pathlib.Path | None = None
    """Write the GAN to this new folder: weights as safetensors, the generator as a StableHLO
    program with a loader that only needs jax, and a model card. gan_jax.load reads it.
    """
    export_images: pathlib.Path | None = None
    """Write one PNG file per seed of --seeds to this new folder."""
    interpolation: pathlib.Path | None = None
    """Write an animated interpolation to this .gif or .webp file, replacing an existing one."""
    seeds: str = "0-99"
    """With --export-images: seeds such as 0-99 or 3,5,10-19; each determines a latent vector."""
    classes: str | None = None
    """With --export-images: draw every seed in each of these classes, such as 3,5; by default the
    classes alternate over the seeds. With --interpolation: the classes to show.
    """
    min_confidence: float | None = None
    """With --export: keep samples to whose label the classifier gives at least this probability."""
    rejection: float | None = None
    """With --export: discriminator rejection sampling (Azadi et al. 2019) with gamma at this
    percentile: 80 keeps the best few, 0 nearly all.
    """


BESIDE = ("latents", "captions", "translate")
"""Options that write to the run's folder instead of evaluating."""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: evaluated, or --watch was stopped by a signal; 2: wrong input, and nothing was
    written; 130: stopped by a signal.
    """
    with command_line.running("eval"):
        argv = sys.argv[1:] if argv is None else argv
        program = f"{command_line.called('eval')} RUN"
        notes = {"metrics": f"Choose from {', '.join(parts.names()['metrics'])}."}
        (options,) = arguments.parse(program, __doc__, argv, Options, groups=GROUPS, choices=notes)
        check(options)
        command_line.loading()
        code = 0 if options.watch else interrupts.EXIT_CODE
        with interrupts.ends_with("Stopped; finished evaluations are kept.", code):
            command_line.fast_cpu()
            command_line.keep_compilations()
            return run(options)


def check(options: Options) -> None:
    """Checks everything that can be checked without jax."""
    text, exporting = options.checkpoint, exports(options)
    if text not in (LATEST, ALL, BEST) and not re.fullmatch("0|[1-9][0-9]*", text):
        raise ConfigError(
            f"checkpoint {text!r} is unknown; use latest, best, all or a step such as 1000."
        )
    if len(exporting) > 1:
        raise ConfigError(f"{' and '.join(exporting)} cannot be combined; use one of them.")
    (export,) = exporting or ("export",)
    if options.watch and exporting:
        option = "--" + export.replace("_", "-")
        raise ConfigError(
            f"watch conflicts with {option}, which evaluates nothing; use one of them."
        )
    if options.watch and text != LATEST:
        raise ConfigError(
            f"watch evaluates every checkpoint and conflicts with --checkpoint {text}; drop one."
        )
    if exporting and text == ALL:
        raise ConfigError(
            f"{export} needs a single checkpoint; use --checkpoint latest, best or a step."
        )
    if options.images is not None and options.latents is None:
        raise ConfigError("images can only be used with --latents.")
    if options.to is not None and options.translate is None:
        raise ConfigError("to can only be used with --translate.")
    given = options.metrics, options.features, options.held_out
    if exporting and given != (None, Options.features, None):
        raise ConfigError(
            f"{export} writes without evaluating; drop --metrics, --features and --held-out."
        )
    if options.export is None and (options.min_confidence, options.rejection) != (None, None):
        raise ConfigError("min_confidence and rejection can only be used with --export.")
    if options.export_images is None and options.seeds != Options.seeds:
        raise ConfigError("seeds can only be used with --export-images.")
    if options.classes is not None and export not in ("export_images", "interpolation"):
        raise ConfigError("classes can only be used with --export-images or --interpolation.")


def exports(options: Options) -> tuple[str, ...]:
    """The export options that are given."""
    names = (*BESIDE, "export", "export_model", "export_images", "interpolation")
    return tuple(name for name in names if getattr(options, name) not in (None, ()))


def run(options: Options) -> int:
    from gan_jax.evaluation import checkpoints as evaluate_checkpoints
    from gan_jax.evaluation.settings import Settings

    if exports(options):
        return export(options)
    settings = Settings(
        options.num_samples, options.seed, options.metrics, options.features, options.truncation,
        options.standing_statistics, options.temperature, options.held_out,
    )  # fmt: skip
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
    """The step to evaluate; None for the latest checkpoint."""
    return None if options.checkpoint == LATEST else int(options.checkpoint)


def tell(line: str) -> None:
    print(line, flush=True)


def written(files: list[pathlib.Path]) -> None:
    for file in files:
        print(f"written:     {file}")


def export(options: Options) -> int:
    import jax

    from gan_jax.engine.trained import with_standing_statistics
    from gan_jax.evaluation import checkpoints as evaluate_checkpoints
    from gan_jax.runs import folder as run_folder
    from gan_jax.runs import restore
    from gan_jax.sampling import export as exporting

    (name,) = exports(options)
    if name == "latents":
        kinds_of(options)
    elif name not in ("interpolation", *BESIDE):
        exporting.check(getattr(options, name), name)
    run = run_folder.read(options.workdir)
    if not run.single:
        raise ConfigError(
            f"{name} needs the run of a single GAN, but {options.workdir} holds a population."
        )
    if options.checkpoint == BEST:
        evaluator = evaluate_checkpoints.of_run(options.workdir)
        step = evaluate_checkpoints.best(
            evaluator, tell, among=lambda step: step in evaluator.steps()
        )
    else:
        step = step_of(options)
    gan, state = restore.load(options.workdir, step)
    if options.standing_statistics:
        state = with_standing_statistics(gan, state, jax.random.key(options.seed))
    write = {
        "export": export_dataset, "export_model": export_model, "export_images": export_images,
        "interpolation": export_interpolation, "latents": explore_latents,
        "captions": draw_captions, "translate": translate,
    }  # fmt: skip
    write[name](options, run.config, gan, state)
    if name not in BESIDE:
        print(f"written:     {getattr(options, name)}")
    return 0


def kinds_of(options: Options) -> tuple[str, ...] | None:
    from gan_jax.evaluation import latents

    return latents.kinds_from_text(options.latents)


def explore_latents(options: Options, config: Config, gan: Gan, state: GanState) -> None:
    from gan_jax.evaluation import latents
    from gan_jax.evaluation.settings import Settings

    found = latents.explore(
        gan, state, config, kinds_of(options), seed=options.seed, truncation=options.truncation,
        images=options.images, num_images=options.num_samples,
    )  # fmt: skip
    settings = Settings(
        seed=options.seed,
        truncation=options.truncation,
        standing_statistics=options.standing_statistics,
    )
    for own in found.values():
        for picture in own.pictures.values():
            print(f"{picture.title}: {picture.caption}")
    written(latents.save(options.workdir, int(state.step), found, settings))


def draw_captions(options: Options, config: Config, gan: Gan, state: GanState) -> None:
    from gan_jax.runs import folder
    from gan_jax.sampling import captioned

    path = options.workdir / folder.EVAL / "captions.png"
    captioned.draw_captions(gan, state, config, options.captions, path, options.seed)
    written([path])


def translate(options: Options, config: Config, gan: Gan, state: GanState) -> None:
    from gan_jax.evaluation.one_way import one_way
    from gan_jax.modality import DOMAINS, Domains
    from gan_jax.runs import folder
    from gan_jax.sampling import translated

    if isinstance(gan.modality, Domains):
        gan, config = one_way(gan, config, options.to or DOMAINS[1])
    elif options.to is not None:
        raise ConfigError(f"to {options.to!r} needs a GAN of two domains, not of {gan.modality}.")
    path = options.workdir / folder.EVAL / "translated"
    n = translated.translate(gan, state, config, options.translate, path, options.seed)
    print(f"{n:,} images were translated.")
    written([path])


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
    folder = shlex.quote(str(options.export.absolute()))
    print(f"to train on: {command_line.called('train')} --dataset {folder}")


def export_model(options: Options, config: Config, gan: Gan, state: GanState) -> None:
    from gan_jax.evaluation.model_card import model_card
    from gan_jax.sampling import model

    if options.truncation is not None:
        raise ConfigError(
            "truncation has no effect with --export-model, whose users draw the latents; drop it."
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
