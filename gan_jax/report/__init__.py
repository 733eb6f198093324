"""The report of a run: one self-contained page for a browser, a phone or a printer.

``reading.py`` reads the files of a run folder. ``page.py`` is a pure function from these files to
the page and leaves out what is missing. ``charts.py`` lays out curves as SVG; the markup is in
``templates/``.
"""

from __future__ import annotations

from pathlib import Path

from gan_jax.files import write
from gan_jax.report.page import population_page, run_page
from gan_jax.report.reading import PopulationFiles, RunFiles, read
from gan_jax.runs import folder as run_folder
from gan_jax.runs.evaluations import of_member

__all__ = ["PopulationFiles", "RunFiles", "population_page", "read", "run_page", "write_report"]


def write_report(workdir: str | Path, suffix: str = "") -> Path:
    """Writes ``eval/report.html`` for the newest evaluated step; a population also gets one page
    per member.

    Args:
      suffix: the suffix of the evaluations' files (`gan_jax.evaluation.settings.Settings.suffix`),
        which the name of the page gets too.

    Returns:
      The page of the run.

    Raises:
      ConfigError: if this is not a run folder, nothing was evaluated yet, or the folder cannot be
        written.
    """
    folder, name = Path(workdir) / run_folder.EVAL, f"report{suffix}.html"
    found = read(workdir, suffix)
    if isinstance(found, RunFiles):
        write(folder / name, run_page(found))
        return folder / name
    for number, member in found.members.items():
        write(of_member(folder, number) / name, run_page(member))
    write(folder / name, population_page(found))
    return folder / name
