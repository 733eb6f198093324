"""Tables of the results, as Markdown: a page of their own, or a section of another page.

A section stands between two comments, of which the first names the results, relative to the page:
``<!-- results: benchmarks/cpu.json -->`` and ``<!-- end of results -->``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from gan_jax.benchmarks.suite.plan import NETS
from gan_jax.errors import ConfigError
from gan_jax.files import write

Line = dict[str, Any]
_SECTION = re.compile(r"(<!-- results: (?P<file>\S+) -->\n).*?(<!-- end of results -->)", re.DOTALL)
_KEYS = ("net", "batch", "precision")


def whole(results: dict[str, Any]) -> str:
    """The page of results, as `Suite` writes them."""
    return f"# Results of the suite {results['settings']['name']}\n\n{tables(results, '##')}"


def update(page: Path) -> list[str]:
    """Writes the tables of all results that a page names into it; returns the names.

    Raises:
      ConfigError: for a page or results that cannot be read, or a page without sections.
    """
    names = []

    def section(found: re.Match) -> str:
        names.append(found["file"])
        return f"{found[1]}\n{tables(_read(page.parent / found['file']), '###')}\n{found[3]}"

    try:
        text = _SECTION.sub(section, page.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"tables: {page} cannot be read ({error.strerror}).") from error
    if not names:
        raise ConfigError(
            f"tables: {page} has no section; put <!-- results: FILE.json --> and "
            "<!-- end of results --> where the tables belong."
        )
    write(page, text)
    return names


def tables(results: dict[str, Any], heading: str) -> str:
    """What the results were measured on, a table for each part, and what was not measured.

    ``heading``: the marks of a heading, such as ``##``.
    """
    blocks = [_measured_on(results)]
    for part, (title, make) in PARTS.items():
        lines = [line for line in results["lines"] if line["part"] == part and "values" in line]
        if lines and (text := make(lines, results["lines"])):
            blocks.append(f"{heading} {title}\n\n{text}")
    failed = [f"- {line['name']}: {line['error']}" for line in results["lines"] if "error" in line]
    if failed:
        blocks.append(f"{heading} Failed or skipped\n\n" + "\n".join(failed))
    if results["missing"]:
        names = [f"- {line['name']}" for line in results["missing"]]
        blocks.append(f"{heading} Not measured yet\n\n" + "\n".join(names))
    return "\n\n".join(blocks) + "\n"


def told(line: Line) -> str:
    """A result in one line."""
    if "error" in line:
        return f"{line['name']}: {line['error']}"
    values = line["values"]
    for key, form in _TOLD.items():
        if key in values:
            return f"{line['name']}: {form(values)} ({line['seconds']} s)"
    return f"{line['name']}: made ({line['seconds']} s)"


def number(value: Any) -> str:
    """Three significant digits, and thousands separated; - for a missing value."""
    if value is None:
        return "-"
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    if value and abs(value) < 1e-3:
        return f"{value:.1e}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def table(titles: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table in which columns of numbers, written as ``>title``, are aligned to the right."""
    ends = ["---:" if title.startswith(">") else "---" for title in titles]
    cells = [[title.lstrip(">") for title in titles], ends]
    cells += [[number(value) for value in row] for row in rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"tables: {path} cannot be read ({error}).") from None


def _measured_on(results: dict[str, Any]) -> str:
    versions = ", ".join(
        f"{name} {results[name]}" for name in ("jax", "jaxlib", "flax", "optax", "orbax-checkpoint")
    )
    revision = f", revision {results['git_revision'][:7]}" if results.get("git_revision") else ""
    return (
        f"Measured on {results['device']} ({results['backend']}), {results['cores']} cores of "
        f"{results['processor']}, Python {results['python']}, {versions}{revision}, "
        f"{results['time']}."
    )


def _checks(lines: list[Line], _: list[Line]) -> str:
    rows = []
    for line in lines:
        for own in line["values"].get("found", [line["values"]]):
            name = ", ".join([line["name"], *([own["name"]] if "name" in own else [])])
            verdict = "passed" if own["passed"] else "**failed**"
            rows.append((name, own["error"], own["limit"], verdict))
    return table(("check", ">relative error", ">limit", "result"), rows)


def _steps(lines: list[Line], others: list[Line]) -> str:
    peers = {_key(line): line["values"] for line in others
             if line["part"] == "peers" and "values" in line}  # fmt: skip
    rows = []
    for line in sorted(lines, key=lambda line: (*_order(line), line["values"]["steps_per_call"])):
        own, peer = line["values"], peers.get(_key(line), {})
        theirs = peer.get("images_per_s")
        rows.append((
            f"`{own['net']}`", own["batch"], own["precision"], own["steps_per_call"],
            own["ms_median"], own["images_per_s"], own["pct_of_matmul_peak"], own["peak_mib"],
            own["compile_s"], theirs, peer.get("mode", "-"),
            own["images_per_s"] / theirs if theirs else None,
        ))  # fmt: skip
    titles = (
        "net", ">batch", "precision", ">steps/call", ">ms/step", ">images/s", ">% of peak", ">MiB",
        ">compile s", ">PyTorch images/s", "mode", ">relative speed",
    )  # fmt: skip
    return table(titles, rows)


def _key(line: Line) -> tuple:
    return tuple(line["options"][key] for key in _KEYS)


def _order(line: Line) -> tuple:
    """Sorts by network in the order of the suite, then by batch and precision."""
    net, batch, precision = _key(line)
    return NETS.index(net), batch, precision


def _populations(lines: list[Line], _: list[Line]) -> str:
    values = [line["values"] for line in lines]
    rows = [
        (f"`{own['net']}`", own["batch"], own["steps_per_call"], *own["ms"], own["ratio"])
        for own in values
    ]
    counts = [f">{n} seed{'s' * (n > 1)} (ms per step and seed)" for n in values[0]["seeds"]]
    return table(("net", ">batch", ">steps/call", *counts, ">ratio"), rows)


def _loop(lines: list[Line], _: list[Line]) -> str:
    titles = (
        "recipe", ">loop (images/s)", ">bare steps (images/s)", ">loop / bare (%)", ">smallest",
        ">largest",
    )  # fmt: skip
    keys = ("loop_images_per_s", "bare_images_per_s", "pct_of_bare", "pct_of_bare_min",
            "pct_of_bare_max")  # fmt: skip
    rows = [(f"`{line['values']['recipe']}`", *(line["values"][key] for key in keys))
            for line in lines]  # fmt: skip
    return table(titles, rows)


def _training(lines: list[Line], _: list[Line]) -> str:
    rows = []
    for own in (line["values"] for line in lines):
        single = {
            name: value for name, value in own["scores"].items() if not isinstance(value, dict)
        }
        scores = ", ".join(f"{name} {number(value)}" for name, value in single.items())
        rows.append((f"`{own['recipe']}`", own["step"], own["steps"], own["train_s"], scores))
    return table(("recipe", ">step", ">of", ">training (s)", "scores"), rows)


def _curve(key: str) -> Callable[[list[Line], list[Line]], str]:
    def rows(lines: list[Line], _: list[Line]) -> str:
        values = [line["values"] for line in lines]
        cells = [
            (f"`{own['net']}`", own[key], own["ms_median"], own["images_per_s"], own["gflops"],
             own["peak_mib"], own["compile_s"]) for own in values
        ]  # fmt: skip
        titles = ("net", f">{key}", ">ms/step", ">images/s", ">GFLOP/s", ">MiB", ">compile s")
        return table(titles, cells)

    return rows


def _evaluation(lines: list[Line], _: list[Line]) -> str:
    values = [line["values"] for line in lines]
    rows = [(own["score"], own["samples"], own["seconds"]) for own in values]
    return table(("score", ">samples", ">seconds"), rows)


def _compilation(lines: list[Line], _: list[Line]) -> str:
    values = [line["values"] for line in lines]
    rows = [(f"`{own['recipe']}`", own["first_s"], own["second_s"]) for own in values]
    return table(("recipe", ">first (s)", ">second (s)"), rows)


PARTS: dict[str, tuple[str, Callable[[list[Line], list[Line]], str]]] = {
    "checks": ("Correctness", _checks),
    "steps": ("Steps", _steps),
    "populations": ("Many seeds at once", _populations),
    "loop": ("The training loop", _loop),
    "training": ("Trainings", _training),
    "batch": ("Batch size", _curve("batch")),
    "width": ("Width", _curve("width")),
    "side": ("Side of the images", _curve("side")),
    "seeds": ("Seeds", _curve("seeds")),
    "examples": ("Examples of the training set", _curve("examples")),
    "evaluation": ("Evaluation", _evaluation),
    "compilation": ("Compilation of the recipes", _compilation),
}
"""The heading and the table of each part: a function of its lines and of all lines."""
_TOLD: dict[str, Callable[[Line], str]] = {
    "passed": lambda v: "passed" if v["passed"] else "FAILED",
    "images_per_s": lambda v: f"{number(v['images_per_s'])} images/s",
    "ratio": lambda v: f"ratio {v['ratio']}",
    "pct_of_bare": lambda v: f"{v['pct_of_bare']}% of bare steps",
    "scores": lambda v: f"step {v['step']:,} of {v['steps']:,}",
    "seconds": lambda v: f"{v['seconds']} s",
    "first_s": lambda v: f"{v['first_s']} s, then {v['second_s']} s",
}
