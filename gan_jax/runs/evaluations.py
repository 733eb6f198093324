"""The evaluations in a run folder: a JSON file for each evaluated step, of a population also in a
folder for each member.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple


class Evaluations(NamedTuple):
    """``by_step``: what the JSON files hold, oldest step first. ``unreadable``: names of files that
    hold nothing of use.
    """

    by_step: dict[int, dict[str, Any]]
    unreadable: tuple[str, ...]


def stem(step: int, suffix: str = "") -> str:
    """What the names of the files of an evaluated step begin with; ``suffix`` tells settings apart
    (`gan_jax.evaluation.settings.Settings.suffix`).
    """
    return f"step_{step:06}{suffix}"


def of_member(folder: Path, number: int) -> Path:
    """The folder of a member's evaluations, in that of its population's."""
    return folder / f"member_{number:02}"


def read(folder: Path, suffix: str = "") -> Evaluations:
    """The evaluations in a folder whose files have this suffix."""
    found, unreadable = {}, []
    name = re.compile(rf"step_(\d+){re.escape(suffix)}\.json")
    for path in sorted(folder.glob("step_*.json")):
        if not (step := name.fullmatch(path.name)):
            continue
        try:
            found[int(step[1])] = {**json.loads(path.read_text()), "step": int(step[1])}
        except (OSError, ValueError, TypeError):
            unreadable.append(path.name)
    return Evaluations(dict(sorted(found.items())), tuple(unreadable))
