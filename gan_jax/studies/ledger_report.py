"""The page of the ledger: a row for each recipe, and then how each number was made."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from gan_jax.metrics import SCORES
from gan_jax.metrics.estimate import Estimate, mean
from gan_jax.recipes import RECIPES
from gan_jax.report.scores import score_title, shown, with_interval
from gan_jax.studies.ledger_results import KEPT, Result
from gan_jax.studies.ledger_targets import TARGETS

PAGE = "results.md"
MOST = 2
"""Scores in a row of the table; the section of a recipe has all."""
ABOUT = """# Results

After reading this page you know what every recipe reached, on what hardware and in which time, and
what was published for the method.

- *Reached* is the mean over seeds with Student's 95% interval. With a single seed, it is the score
  of that seed; an interval is then over samples and says nothing about other seeds.
- FD is the Fréchet distance in the features of a small classifier of the data set. **It is not
  FID.** Real Inception weights never were at hand, so FID was never measured in this project:
  wherever a published number is an FID, there is nothing to compare it with.
  `--features inception` computes FID if you have the weights ([inception.md](inception.md)).
- *Images* are the real images (sounds, texts, points) that D sees in a training.
- Published numbers of other data sets, networks or protocols are no targets; the sections below say
  what differs.

`uv run gan-jax study ledger RUN ...` adds evaluated runs of recipes to `results.jsonl` and writes
this page. Without a run, it only writes the page.
"""


def page(results: Iterable[Result]) -> str:
    """The Markdown page of all recipes."""
    by_recipe = {name: [r for r in results if r.recipe == name] for name in RECIPES}
    heads = "recipe", "published", "reached", "seeds", "images", "time", "hardware"
    rows = [heads, ("---", "---", "---", "---:", "---:", "---:", "---")]
    rows += [_row(name, own) for name, own in by_recipe.items()]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    sections = "\n".join(_section(name, own) for name, own in by_recipe.items())
    return f"{ABOUT}\n{table}\n\n## How each number was made\n\n{sections}"


def groups(results: Iterable[Result]) -> list[list[Result]]:
    """The results of equal configs, which differ only in their seeds; the recipe itself first."""
    found: dict[str, list[Result]] = {}
    for result in results:
        found.setdefault(result.variant, []).append(result)
    return [found[variant] for variant in sorted(found)]


def means(results: Sequence[Result]) -> dict[str, Estimate]:
    """The scores of a group by name: the mean over its seeds, with an interval that is clipped to
    the range of the score; of a single seed, its own score and interval. In the order of `KEPT`.
    """
    trained = [r for r in results if r.failed is None]
    number = lambda end: math.nan if end is None else end
    found = {}
    names = dict.fromkeys(name for r in trained for name in r.scores)
    for name in sorted(names, key=lambda name: KEPT.index(name) if name in KEPT else len(KEPT)):
        own = [r.scores[name] for r in trained if name in r.scores]
        if len(own) == 1:
            found[name] = Estimate(*map(number, own[0]))
            continue
        value, low, high = mean([value for value, *_ in own])
        most = 1.0 if (score := SCORES.get(name.rpartition(".")[2])) and score.share else math.inf
        least = 0.0 if min(value for value, *_ in own) >= 0 else -math.inf
        found[name] = Estimate(value, max(low, least), min(high, most))
    return found


def _row(name: str, results: list[Result]) -> tuple[str, ...]:
    target, link = TARGETS[name], f"[`{name}`](#{name})"
    own = next((group for group in groups(results) if not group[0].variant), [])
    published = target.published or "none"
    if not own:
        needs = f": needs {target.missing}" if target.missing else ""
        return link, published, f"not measured{needs}", "", "", "", ""
    first = own[0]
    scores = "; ".join(_score(name, score) for name, score in list(means(own).items())[:MOST])
    return link, published, scores, _seeds(own), f"{first.images:,}", _time(own), first.hardware


def _section(name: str, results: list[Result]) -> str:
    target = TARGETS[name]
    lines = [
        f"### {name}",
        "",
        f"- Published: {target.published or 'none'} ({target.source}).",
        f"- Deviations: {target.deviations}.",
    ]
    if not any(not r.variant for r in results):
        needs = f" A measurement needs {target.missing}." if target.missing else ""
        lines.append(f"- Not measured.{needs}")
        lines.append(f"- Command: `uv run train.py {name}`")
    for group in groups(results):
        lines += _measured(group)
    return "\n".join([*lines, ""])


def _measured(group: list[Result]) -> list[str]:
    """The lines on the results of one config: its scores, and how they were made."""
    first = group[0]
    lines = [f"- With `{first.variant}`:" if first.variant else "- Reached:"]
    lines += [f"    - {_score(name, score)}" for name, score in means(group).items()]
    real = [f"{_title(name)} {shown(name, value)}" for name, value in first.real.items()]
    lines += [f"    - real examples: {'; '.join(real)}"] if real else []
    counts = [f"{rung} {value:.4g}" for rung, value in first.counts.items()]
    lines += [f"    - held-out bits a token of counts: {', '.join(counts)}"] if counts else []
    lines += [f"    - seed {r.seed} failed: {r.failed}" for r in group if r.failed]
    each = [_seed(r) for r in group if not r.failed]
    lines += [f"    - by seed: {'; '.join(each)}"] if len(each) > 1 else []
    samples = f", {first.samples:,} samples" if first.samples else ""
    made, origins = (r.revision or "unknown" for r in group), (r.origin for r in group)
    return [
        *lines,
        f"    - {_seeds(group)} seed{'s' * (len(group) > 1)}{samples}; {first.images:,} images; "
        f"{_time(group)} on {first.hardware}; commit {_all(made)}; from: {_all(origins)}",
        *(f"    - `{command}`" for command in dict.fromkeys((first.command, first.evaluated))),
    ]


def _seed(result: Result) -> str:
    name, (value, *_) = next(iter(means([result]).items()))
    labels = f", label seed {result.label_seed}" if result.label_seed else ""
    return f"seed {result.seed}{labels}: {_title(name)} {shown(name, value)}"


def _score(name: str, score: Estimate) -> str:
    ends = [None if math.isnan(end) else end for end in score[1:]]
    return f"{_title(name)} {with_interval(name, score.value, ends)}"


def _title(name: str) -> str:
    return score_title(name).replace("Fréchet distance", "FD")


def _seeds(group: list[Result]) -> str:
    failed = sum(r.failed is not None for r in group)
    return f"{len(group)}{f' ({failed} failed)' if failed else ''}"


def _time(group: list[Result]) -> str:
    """Mean wall and CPU time of a training, or of several seeds at once."""
    parts = []
    for kind, own in (
        ("", [r.seconds for r in group]), ("CPU ", [r.cpu_seconds for r in group])
    ):  # fmt: skip
        known = [value for value in own if value is not None]
        if known:
            parts.append(kind + clock(sum(known) / len(known)))
    together = f" for {group[0].together} seeds at once" if group[0].together > 1 else ""
    return (" / ".join(parts) or "not recorded") + together


def clock(seconds: float) -> str:
    """``41 s``, ``4:53 min`` or ``2:05 h``."""
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return f"{rest} s"
    if minutes < 60:
        return f"{minutes}{f':{rest:02}' if rest else ''} min"
    return f"{minutes // 60}:{minutes % 60:02} h"


def _all(texts: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(texts))
