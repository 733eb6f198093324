"""The evaluations in a run folder: one JSON file per evaluated step; a population also has a folder
per member.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple


class Evaluations(NamedTuple):
    """``by_step``: the contents of the JSON files, oldest step first. ``unreadable``: files that
    could not be read.
    """

    by_step: dict[int, dict[str, Any]]
    unreadable: tuple[str, ...]


def stem(step: int, suffix: str = "") -> str:
    """The beginning of the file names of an evaluated step; ``suffix`` names the settings
    (`gan_jax.evaluation.settings.Settings.suffix`).
    """
    return f"step_{step:06}{suffix}"


LATENTS = "_latents"
"""Ends the stem of the files about the latent space (`gan_jax.evaluation.latents`)."""


def read_latents(folder: Path, step: int, suffix: str = "") -> dict[str, Any]:
    """What is known of the latent space at a step, by kind; empty if nothing can be read."""
    try:
        text = (folder / f"{stem(step, suffix)}{LATENTS}.json").read_text()
        found = json.loads(text)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def of_member(folder: Path, number: int) -> Path:
    """The folder of a member's evaluations, inside the population's."""
    return folder / f"member_{number:02}"


def read(folder: Path, suffix: str = "") -> Evaluations:
    """Reads the evaluations in a folder whose file names have this suffix."""
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
