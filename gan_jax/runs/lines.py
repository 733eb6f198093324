"""A folder of results that take long: their settings, and one line for each result so far."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gan_jax.errors import ConfigError
from gan_jax.files import check_folder, write
from gan_jax.runs.provenance import provenance

SETTINGS, RESULTS = "settings.json", "results.jsonl"

Line = dict[str, Any]


def check(folder: Path, option: str = "workdir") -> None:
    """Refuses a folder that cannot hold results: one that contains other files, or that cannot be
    written. Leaves nothing behind.

    Args:
      option: the option that names the folder, for messages.

    Raises:
      ConfigError: naming the option and the folder.
    """
    if folder.is_dir():
        _refuse_other_files(folder, option)
    check_folder(option, folder)


def _refuse_other_files(folder: Path, option: str) -> None:
    if not (folder / SETTINGS).exists() and folder.exists() and any(folder.iterdir()):
        raise ConfigError(
            f"{option} {folder} contains other files than these results; use a new folder."
        )


class Lines:
    """The results so far, in memory (``lines``) and on disk.

    Args:
      folder: a new folder, or one with results of the same settings.
      settings: the settings that determine the results, JSON-serializable.
      option: the option that names the folder, for messages.
      about: what a new folder says of its origin; by default the `provenance`.

    Raises:
      ConfigError: if the folder contains other files, or results with other settings.
    """

    def __init__(
        self,
        folder: Path,
        settings: dict[str, Any],
        option: str = "workdir",
        about: Line | None = None,
    ):
        self.folder, self._option, self._about = folder, option, about
        settings = json.loads(json.dumps(settings))
        try:
            self._begin(settings)
            self.lines = _read_lines(folder / RESULTS)
        except (OSError, KeyError, json.JSONDecodeError) as error:
            raise ConfigError(f"{option} {folder} cannot be used ({error}).") from error

    def _begin(self, settings: dict[str, Any]) -> None:
        path = self.folder / SETTINGS
        if path.exists():
            before = json.loads(path.read_text())["settings"]
            different = [name for name in settings if before.get(name) != settings[name]]
            if different:
                raise ConfigError(
                    f"{self._option} {self.folder} has results with different settings "
                    f"({', '.join(different)}); use the same settings, or another "
                    f"--{self._option}."
                )
        else:
            _refuse_other_files(self.folder, self._option)
            self.folder.mkdir(parents=True, exist_ok=True)
            about = provenance() if self._about is None else self._about
            values = {"settings": settings, **about}
            write(path, json.dumps(values, indent=2) + "\n")

    def add(self, line: Line) -> None:
        """Adds a line."""
        with (self.folder / RESULTS).open("a") as file:
            file.write(json.dumps(line) + "\n")
        self.lines.append(line)


def _read_lines(path: Path) -> list[Line]:
    """Complete lines; a truncated last one, left by a kill, is also removed from the file."""
    if not path.exists():
        return []
    lines = []
    for text in path.read_text().splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    write(path, "".join(json.dumps(line) + "\n" for line in lines))
    return lines
