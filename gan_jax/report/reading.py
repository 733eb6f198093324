"""What a report is made of, as it lies in the files of a run folder."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

from gan_jax.config import to_dict
from gan_jax.errors import ConfigError
from gan_jax.runs import folder as run_folder
from gan_jax.runs import logs

MEMBER = "member_"


@dataclasses.dataclass(frozen=True)
class Run:
    """The files of a single GAN, or of one member of a population.

    ``config``: as JSON has it. ``starts``: of run.json. ``lines``: of metrics.jsonl, numbers and
    events. ``evaluations``: of all steps, ascending. ``pictures``: of the newest one, PNG files by
    name. ``missing``: files that should be there and could not be read.
    """

    name: str
    config: dict[str, Any]
    starts: list[dict[str, Any]]
    lines: list[dict[str, Any]]
    evaluations: list[dict[str, Any]]
    pictures: dict[str, bytes]
    missing: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Members:
    """The files of a population: as those of a `Run`, where ``evaluations`` holds verdicts, and its
    evaluated members by number.
    """

    name: str
    config: dict[str, Any]
    starts: list[dict[str, Any]]
    lines: list[dict[str, Any]]
    evaluations: list[dict[str, Any]]
    members: dict[int, Run]
    missing: tuple[str, ...] = ()


def read(workdir: str | Path, suffix: str = "") -> Run | Members:
    """All that the report of a run tells, of the evaluations whose files have this suffix.

    Raises:
      ConfigError: if this is no run folder, or nothing was evaluated yet.
    """
    workdir = Path(workdir)
    config, population = run_folder.read_config(workdir), run_folder.read_population(workdir)
    name, starts = workdir.absolute().name, _starts(workdir)
    lines, folder = logs.lines(workdir / run_folder.METRICS), workdir / run_folder.EVAL
    if population is None:
        return _run(folder, suffix, name, to_dict(config), starts, lines)
    evaluations, missing = _evaluations(folder, suffix)
    told, members = logs.lines(workdir / run_folder.MEMBERS), {}
    for number, own in enumerate(population.members(config)):
        path = folder / f"{MEMBER}{number:02}"
        if _files(path, suffix):
            title = f"{name}, member {number}"
            members[number] = _run(
                path, suffix, title, to_dict(own), starts, _of_member(told, number)
            )
    return Members(name, to_dict(config), starts, lines, evaluations, members, missing)


def _run(
    folder: Path, suffix: str, name: str, config: dict[str, Any], starts: list, lines: list
) -> Run:
    evaluations, missing = _evaluations(folder, suffix)
    files, pictures = evaluations[-1].get("pictures") or {}, {}
    for picture, file in files.items():
        try:
            pictures[picture] = (folder / Path(file).name).read_bytes()
        except OSError:
            missing = (*missing, file)
    return Run(name, config, starts, lines, evaluations, pictures, missing)


def _files(folder: Path, suffix: str) -> list[Path]:
    name = re.compile(rf"step_\d+{re.escape(suffix)}\.json")
    return sorted(path for path in folder.glob("step_*.json") if name.fullmatch(path.name))


def _evaluations(folder: Path, suffix: str) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """The evaluations in a folder by step, and the names of files that are none."""
    found, missing = [], []
    for path in _files(folder, suffix):
        try:
            values = json.loads(path.read_text())
            found.append((int(values["step"]), values))
        except (OSError, ValueError, KeyError, TypeError):
            missing.append(path.name)
    if not found:
        raise ConfigError(
            f"workdir: {folder.parent} was not evaluated yet; accepted: a run that eval.py has judged."
        )
    return [values for _, values in sorted(found, key=lambda pair: pair[0])], tuple(missing)


def _starts(workdir: Path) -> list[dict[str, Any]]:
    try:
        return list(json.loads((workdir / run_folder.RUN).read_text())["starts"])
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _of_member(lines: list[dict[str, Any]], number: int) -> list[dict[str, Any]]:
    """A member's own numbers of members.jsonl, where each is a list of all members', and its
    failure as an event.
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
