"""The results in the ledger: one line of `RESULTS` for each training of a recipe that was
evaluated.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gan_jax.config import Config, differences
from gan_jax.errors import ConfigError
from gan_jax.evaluation import files as evaluation_files
from gan_jax.evaluation import members
from gan_jax.files import write
from gan_jax.grammar import Scalar, scalar_to_text
from gan_jax.recipes import RECIPES
from gan_jax.runs import evaluations as run_evaluations
from gan_jax.runs import folder as run_folder
from gan_jax.runs import logs

RESULTS = "results.jsonl"
KEPT = (
    "test_error", "mode_divergence", "modes_covered", "frechet_distance", "label_agreement",
    "high_quality_share", "valid", "held_out_found", "reverse_bits", "recognized", "copied",
    "distinct", "l1", "psnr",
)  # fmt: skip
"""The scores that the ledger keeps, besides those of metrics that were asked for."""
EQUAL = "at equal numbers"
"""Before the name of a score of as many samples as there are real test examples."""
FREE = (
    "seed", "label_seed", "log_every", "diagnose_every", "diagnose_modes", "eval_every",
    "sample_every", "checkpoint_every", "keep",
)  # fmt: skip
"""Fields of a config that may differ between trainings of one recipe."""
FOLDERS = ("pairs.above", "generator.first")
"""Options that name run folders, which may lie anywhere; their digests follow from them."""
FAMILY = ("generator.name", "discriminator.name", "pairs.name", "conditioning")
"""Fields that tell recipes apart: with other ones, a run is not a training of a recipe."""

TEXTS = 16
"""Samples that are kept, if they are texts."""

Interval = list[float | None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """A training of a recipe, and its scores.

    Attributes:
      recipe: the name of the recipe.
      changes: fields and options in which its config differs from the recipe, with their values.
      seed, label_seed: of the training.
      images: real images that D saw.
      samples: samples that were evaluated.
      scores: ``[value, low, high]`` by name; the ends of the 95% interval over samples, None if
        they are unknown. Empty if the training failed.
      real: the same scores of real test examples, values only.
      counts: of texts, the held-out bits per token of samplers that count n-grams.
      texts: the first samples, if they are texts.
      failed: why the training has no scores; None if it has.
      hardware: such as "2 cores of AMD EPYC".
      seconds: wall time, of all seeds that were trained together.
      cpu_seconds: CPU time of the process; None if it was not recorded.
      together: the number of seeds that were trained in one process.
      command, evaluated: the commands of the training and of the evaluation.
      revision: the git revision; None if it is unknown.
      origin: where the numbers come from.
    """

    recipe: str
    seed: int
    images: int
    scores: dict[str, Interval]
    command: str
    evaluated: str
    hardware: str
    origin: str
    changes: dict[str, str] = dataclasses.field(default_factory=dict)
    label_seed: int = 0
    samples: int | None = None
    real: dict[str, float] = dataclasses.field(default_factory=dict)
    counts: dict[str, float] = dataclasses.field(default_factory=dict)
    texts: list[str] = dataclasses.field(default_factory=list)
    failed: str | None = None
    seconds: float | None = None
    cpu_seconds: float | None = None
    together: int = 1
    revision: str | None = None

    @property
    def variant(self) -> str:
        """The changes as text; empty for the recipe itself."""
        return ", ".join(f"{path} {text}" for path, text in sorted(self.changes.items()))

    @property
    def key(self) -> tuple[Any, ...]:
        """What a newer result of the same training shares with the older one."""
        return self.recipe, self.variant, self.seed, self.label_seed


def read(folder: Path) -> list[Result]:
    """The results in a folder; none if it has no `RESULTS`.

    Raises:
      ConfigError: for a folder that does not exist, and for a line that is damaged or of an unknown
        recipe.
    """
    path, results = folder / RESULTS, []
    if not folder.is_dir():
        raise ConfigError(f"folder: {folder} is not a folder; use one for {RESULTS} and the page.")
    for number, text in enumerate(path.read_text().splitlines() if path.exists() else (), 1):
        try:
            result = Result(**json.loads(text))
            RECIPES[result.recipe]
        except (ValueError, TypeError, KeyError) as error:
            raise ConfigError(
                f"{path}: line {number} is not a result of a recipe ({error})."
            ) from error
        results.append(result)
    return results


def save(folder: Path, results: list[Result]) -> None:
    """Writes `RESULTS`, in the order of the recipes, without fields that have their defaults."""
    order = {name: i for i, name in enumerate(RECIPES)}
    lines = []
    for result in sorted(results, key=lambda r: (order[r.recipe], *r.key)):
        given = {
            f.name: getattr(result, f.name)
            for f in dataclasses.fields(Result)
            if getattr(result, f.name) not in (f.default, {}, [])
        }
        lines.append(json.dumps(given | {"seed": result.seed}, ensure_ascii=False) + "\n")
    write(folder / RESULTS, "".join(lines))


def merged(old: list[Result], new: list[Result]) -> list[Result]:
    """The results of both; a new one takes the place of an old one of the same training."""
    return list(({r.key: r for r in old} | {r.key: r for r in new}).values())


def collect(workdir: Path, suffix: str = "", hardware: str | None = None) -> list[Result]:
    """The results of a run folder, one for each member of a population.

    Args:
      suffix: of the evaluation's file names, see `gan_jax.evaluation.settings.Settings`.
      hardware: for runs of earlier versions, which did not record it.

    Raises:
      ConfigError: if the folder is not a finished and evaluated run of a recipe.
    """
    run = run_folder.read(workdir)
    evaluated = {i: values for i, *_, values in evaluations_of(workdir, suffix)}
    failed = {} if run.single else members.failures(workdir, run.config.steps)
    shared = _of_training(workdir, hardware) | {"together": len(run.configs)}
    results = []
    for i, config in enumerate(run.configs):
        name, changes = recipe_of(config, workdir)
        values = evaluated.get(i)
        own = _scores(values, name, workdir) if values else {"scores": {}}
        missing = None if values else failed.get(i, "it was not evaluated")
        about = {"recipe": name, "changes": changes, "failed": missing} | own | shared
        about = {"evaluated": about["command"]} | about
        about |= {"seed": config.seed, "label_seed": config.label_seed or 0}
        results.append(Result(**about, images=images_seen(config), origin="run folder"))
    return results


def evaluations_of(
    workdir: Path, suffix: str = ""
) -> Iterator[tuple[int, Config, Path, dict[str, Any]]]:
    """The number, the config, the folder and the values of the evaluation of the last step, for
    each member of a run that has one.

    Raises:
      ConfigError: if there is no such evaluation.
    """
    run = run_folder.read(workdir)
    steps, folder = run.config.steps, workdir / run_folder.EVAL
    values = run_evaluations.read(folder, suffix).by_step.get(steps)
    if values is None:
        raise ConfigError(
            f"runs: {workdir} has no evaluation of its last step, {steps:,}"
            f"{f', with the suffix {suffix}' if suffix else ''}; train and evaluate it first."
        )
    if not members.of_population(values):
        yield 0, run.config, folder, values
        return
    for number, name in values["members"].items():
        path = folder / name
        yield int(number), run.configs[int(number)], path.parent, json.loads(path.read_text())


def images_seen(config: Config) -> int:
    """The real examples that D sees in a training; those drawn anew for G are not counted."""
    return config.steps * config.d_steps * config.batch_size


def recipe_of(config: Config, workdir: Path) -> tuple[str, dict[str, str]]:
    """The recipe that a config is nearest to, and the changes.

    Raises:
      ConfigError: if it differs from every recipe in its data set or in a field of `FAMILY`.
    """
    found = {}
    for name, recipe in RECIPES.items():
        open_dataset = recipe.dataset.startswith("./")  # the recipe is for any folder
        free = (*FREE, *FOLDERS, *(f"{path}_digest" for path in FOLDERS))
        free += ("dataset",) if open_dataset else ()
        paths = [path for path in differences(recipe, config) if path not in free]
        if not {"dataset", *FAMILY} & set(paths):
            found[name] = paths
    if not found:
        raise ConfigError(
            f"runs: {workdir} is not a training of a recipe: no recipe has its data set, networks, "
            "pairs and conditioning."
        )
    name = min(found, key=lambda name: len(found[name]))
    return name, {path: _text(config, path) for path in found[name]}


def _text(config: Config, path: str) -> str:
    """The value of a field or of an option, as it is written on a command line."""
    field, _, option = path.partition(".")
    value = getattr(config, field)
    if option:
        value = dict(value.options).get(option, value.DEFAULTS.get(option))
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "none"
    return str(value) if value is None or not isinstance(value, Scalar) else scalar_to_text(value)


def _scores(values: dict[str, Any], recipe: str, workdir: Path) -> dict[str, Any]:
    """The fields of a `Result` that an evaluation has."""
    kept = lambda name: name in KEPT or "." in name
    numbers = evaluation_files.scalars(values)
    alike = {"scores": values.get("matched", {}), "intervals": values.get("matched_intervals", {})}
    numbers |= {
        f"{EQUAL}.{name}": own
        for name, own in evaluation_files.scalars(alike).items()
        if name in KEPT
    }
    about = values.get("provenance", {})
    argv = [str(argument) for argument in about.get("command") or ()]
    ladder = values.get("ladder", {})
    fields = {
        "scores": {
            name: [_rounded(n) for n in own]
            for name, own in numbers.items()
            if kept(name) and own[0] is not None
        },
        "real": {
            name: _rounded(value)
            for name, value in values.get("real", {}).items()
            if kept(name) and value is not None
        },
        "counts": {rung: _rounded(own["reverse_bits"]) for rung, own in ladder.items()},
        "samples": about.get("samples", {}).get("images"),
        "texts": [own["text"] for own in values.get("texts", [])[:TEXTS]],
    }
    if argv and Path(argv[0]).stem != "train" and argv[1:2] != ["train"]:
        rest = [a for a in argv[1:] if a != "eval" and Path(a).name != workdir.name]
        fields["evaluated"] = shlex.join(["uv", "run", "eval.py", f"runs/{recipe}", *rest])
    return fields


def _of_training(workdir: Path, hardware: str | None) -> dict[str, Any]:
    """The fields of a `Result` that run.json and metrics.jsonl have."""
    starts = run_folder.starts(workdir) or [{}]
    last, logged = starts[-1], logs.lines(workdir / run_folder.METRICS)
    used = [start.get("process_cpu_seconds") for start in starts]
    revision = last.get("git_revision")
    return {
        "hardware": hardware or _hardware(last, workdir),
        "seconds": logged[-1]["seconds"] if logged else None,
        "cpu_seconds": None if None in used else round(sum(used), 1),
        "command": _command(starts[0].get("command") or ["train.py"]),
        "revision": revision and revision[:7] + ("+" if last.get("git_dirty") else ""),
    }


def _hardware(start: dict[str, Any], workdir: Path) -> str:
    if start.get("device", "cpu") != "cpu":
        number = start.get("devices", 1)
        return start["device"] if number == 1 else f"{number} x {start['device']}"
    if not start.get("processor"):
        raise ConfigError(
            f'hardware: {workdir} does not record it; give it, such as --hardware "1 core of AMD '
            'EPYC".'
        )
    cores = start["cores"]
    return f"{cores} core{'s' * (cores > 1)} of {start['processor']}"


def _command(argv: list[str]) -> str:
    """The command of a training without the folder of the run."""
    rest, kept = [a for a in argv[1:] if a != "train"], []
    for i, argument in enumerate(rest):
        if argument != "--workdir" and rest[max(i - 1, 0)] != "--workdir":
            kept.append(argument)
    return shlex.join(["uv", "run", "train.py", *kept])


def _rounded(value: float | None) -> float | None:
    """Six significant digits."""
    return None if value is None else float(f"{value:.6g}")
