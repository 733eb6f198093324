"""What did each recipe reach, and what was published?

  uv run train.py digits_dcgan --seeds 3
  uv run eval.py runs/digits_dcgan
  uv run gan-jax study ledger runs/digits_dcgan

Adds the evaluations of run folders to docs/results.jsonl, and writes docs/results.md from it: a row
for each recipe with its published counterpart, the mean and 95% interval over seeds, hardware,
time, images, commands and commits; and docs/gallery.md with samples. A newer result takes the place
of an older one of the same recipe, options and seed. Runs must be trainings of recipes to their
last step; options that differ from the recipe are shown.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from gan_jax import arguments
from gan_jax.studies import command


@dataclasses.dataclass(frozen=True)
class Options:
    """The command line."""

    runs: arguments.Positional[tuple[Path, ...]] = ()
    """Evaluated run folders of recipes; without any, only the page is written."""
    folder: Path = Path("docs")
    """Folder of results.jsonl, results.md and gallery.md."""
    suffix: str = ""
    """Take the evaluations with this file name suffix, such as _n25600."""
    hardware: str | None = None
    """Hardware of runs that did not record it, such as "1 core of AMD EPYC"."""


def main(argv: list[str] | None = None) -> int:
    """Exit code 0: the page was written; 2: wrong input, and nothing was written."""
    with command.asked("ledger", __doc__, argv, Options) as options:
        from gan_jax.files import write
        from gan_jax.studies import ledger_gallery, ledger_report
        from gan_jax.studies.ledger_results import collect, merged, read, save

        new = [
            result
            for workdir in options.runs
            for result in collect(workdir, options.suffix, options.hardware)
        ]
        results = merged(read(options.folder), new)
        if new:
            save(options.folder, results)
        for workdir in options.runs:
            ledger_gallery.keep(workdir, options.folder, options.suffix)
        pages = {
            ledger_report.PAGE: ledger_report.page(results),
            ledger_gallery.PAGE: ledger_gallery.gallery(results, options.folder),
        }
        for name, text in pages.items():
            write(options.folder / name, text)
        print(
            f"{len(new)} result{'s' * (len(new) != 1)} added; written: "
            f"{' and '.join(str(options.folder / name) for name in pages)}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
