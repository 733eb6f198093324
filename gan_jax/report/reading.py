"""Reads the files of a run folder for a report."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np

from gan_jax.config import to_dict
from gan_jax.errors import ConfigError
from gan_jax.runs import evaluations as run_evaluations
from gan_jax.runs import folder as run_folder
from gan_jax.runs import logs

Progress = dict[int, dict[str, bytes]]
"""PNG files by step and name; the name is empty for the only picture of a step."""
PROGRESS = 8
"""Maximum number of steps whose samples are shown, evenly spaced and including the last step."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Files:
    """The files of a run folder.

    ``config``: the JSON form of the config. ``starts``: from run.json. ``lines``: from
    metrics.jsonl, metrics and events. ``evaluations``: of all steps, ascending. ``missing``: files
    that could not be read. ``progress``: samples over training, PNG files by step and name.
    """

    name: str
    config: dict[str, Any]
    starts: list[dict[str, Any]]
    lines: list[dict[str, Any]]
    evaluations: list[dict[str, Any]]
    missing: tuple[str, ...] = ()
    progress: Progress = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunFiles(Files):
    """The files of a single GAN, or of one member of a population.

    ``pictures``: PNG files of the newest evaluation by name. ``sounds``: its WAV files of samples,
    by class. ``latents``: pictures of the latent space at the newest evaluated step, each with
    ``title``, ``caption`` and ``png``.
    """

    pictures: dict[str, bytes]
    sounds: dict[str, bytes] = dataclasses.field(default_factory=dict)
    latents: list[dict[str, Any]] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PopulationFiles(Files):
    """The files of a population: ``evaluations`` holds the aggregates over members, and ``members``
    the evaluated members by number.
    """

    members: dict[int, RunFiles]


def read(workdir: str | Path, suffix: str = "") -> RunFiles | PopulationFiles:
    """Reads the files of a run, with the evaluations whose file names have this suffix.

    Raises:
      ConfigError: if this is not a run folder, or nothing was evaluated yet.
    """
    workdir = Path(workdir)
    run = run_folder.read(workdir)
    name, starts = workdir.absolute().name, run_folder.starts(workdir) or []
    lines, folder = logs.lines(workdir / run_folder.METRICS), workdir / run_folder.EVAL
    if run.single:
        files = _run(folder, suffix, name, run.to_dict(), starts, lines)
        return dataclasses.replace(files, progress=progress(workdir))
    evaluations, missing = _evaluations(folder, suffix)
    of_members, members = logs.lines(workdir / run_folder.MEMBERS), {}
    for number, own in enumerate(run.configs):
        path = run_evaluations.of_member(folder, number)
        if any(run_evaluations.read(path, suffix)):
            title, own_lines = f"{name}, member {number}", _of_member(of_members, number)
            members[number] = _run(path, suffix, title, to_dict(own), starts, own_lines)
    return PopulationFiles(
        name=name,
        config=to_dict(run.config),
        starts=starts,
        lines=lines,
        evaluations=evaluations,
        members=members,
        missing=missing,
        progress=progress(workdir),
    )


def progress(workdir: Path) -> Progress:
    """The samples drawn in training, for at most `PROGRESS` steps."""
    found: dict[int, dict[str, Path]] = {}
    for path in sorted((workdir / run_folder.SAMPLES).glob("step_*.png")):
        if step := re.fullmatch(r"step_(\d+)(?:_(\w+))?", path.stem):
            found.setdefault(int(step[1]), {})[step[2] or ""] = path
    steps = sorted(found)
    places = np.linspace(len(steps) - 1, 0, min(PROGRESS, len(steps))).round().astype(int)
    chosen = [steps[i] for i in reversed(places)]
    return {step: {n: p.read_bytes() for n, p in found[step].items()} for step in chosen}


def _run(
    folder: Path, suffix: str, name: str, config: dict[str, Any], starts: list, lines: list
) -> RunFiles:
    evaluations, missing = _evaluations(folder, suffix)
    kinds = [evaluations[-1].get(kind) or {} for kind in ("pictures", "sounds")]
    known = run_evaluations.read_latents(folder, evaluations[-1]["step"], suffix)
    shown = [own for kind in known.values() for own in (kind.get("pictures") or {}).values()]
    found: dict[str, bytes] = {}
    files = [file for kind in kinds for file in kind.values()]
    for file in [*files, *(own["file"] for own in shown)]:
        try:
            found[file] = (folder / Path(file).name).read_bytes()
        except OSError:
            missing = (*missing, file)
    pictures, sounds = (
        {name: found[file] for name, file in kind.items() if file in found} for kind in kinds
    )
    latents = [own | {"png": found[own["file"]]} for own in shown if own["file"] in found]
    return RunFiles(
        name=name,
        config=config,
        starts=starts,
        lines=lines,
        evaluations=evaluations,
        pictures=pictures,
        sounds=sounds,
        missing=missing,
        latents=latents,
    )


def _evaluations(folder: Path, suffix: str) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """The evaluations in a folder, oldest first, and the names of files that could not be read."""
    found = run_evaluations.read(folder, suffix)
    if not found.by_step:
        raise ConfigError(
            f"workdir: {folder.parent} is not evaluated yet; run gan-jax eval {folder.parent}."
        )
    return list(found.by_step.values()), found.unreadable


def _of_member(lines: list[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    """The values of one member in members.jsonl, whose lists hold all members, and its failure as
    an event.
    """
    own = []
    for line in lines:
        values = {
            name: value[number]
            for name, value in line.items()
            if isinstance(value, list) and number < len(value)
        }
        if values:
            own.append({"step": line["step"], **values})
        elif line.get("member") == number:
            own.append({"step": line["step"], "event": "failed", "reason": line.get("failed")})
    return own
