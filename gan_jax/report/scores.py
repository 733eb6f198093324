"""The scores of an evaluation as text for a terminal and a page: titles, numbers, intervals, and
notes on the comparison.

Evaluations are given in their JSON form; those written by other versions may lack any field.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from gan_jax.metrics import SCORES

PLAIN_CLASSES = 20
"""Maximum number of classes in an open list; longer lists are folded."""
Cell = tuple[str, str]
"""A score and its interval as text; empty if there is none."""


class Row(NamedTuple):
    """A score of samples and the same score of real images, the real-vs-real baseline.

    ``images``: the number of samples, if not all of them were used. ``real``: None if there is no
    comparable score.
    """

    name: str
    images: int | None
    sample: Cell
    real: Cell | None

    @property
    def title(self) -> str:
        of = "" if self.images is None else f" (n = {self.images:,})"
        return score_title(self.name) + of


def score_title(name: str) -> str:
    """A score's title, after its metric if the name is ``METRIC.SCORE``; unknown names are returned
    with spaces.
    """
    protocol, _, score = name.rpartition(".")
    title = SCORES[score].title if score in SCORES else score.replace("_", " ")
    return f"{protocol} {title}".strip()


def shown(name: str, value: Any) -> str:
    """A score with four digits, or a fraction in percent; a dash if it is not a number."""
    if not isinstance(value, (int, float)):
        return "-"
    score = SCORES.get(name.rpartition(".")[2])
    return f"{100 * value:.1f}%" if score is not None and score.share else f"{value:,.4g}"


def interval(name: str, ends: Any) -> str:
    """Both ends ``[low, high]``, with a dash for an unknown end; empty if neither is known."""
    if not isinstance(ends, (list, tuple)) or len(ends) != 2:
        return ""
    if not any(isinstance(end, (int, float)) for end in ends):
        return ""
    return f"{shown(name, ends[0])} to {shown(name, ends[1])}"


def with_interval(name: str, value: Any, ends: Any) -> str:
    """``VALUE (LOW to HIGH)``."""
    within = interval(name, ends)
    return f"{shown(name, value)} ({within})" if within else shown(name, value)


def numbers(evaluation: dict) -> dict[str, float | None]:
    """The scalar scores by name."""
    scores = evaluation.get("scores") or {}
    return {name: value for name, value in scores.items() if not isinstance(value, dict)}


def score_rows(evaluation: dict) -> list[Row]:
    """The rows of scalar scores. A score that depends on the number of images is only compared with
    the baseline at equal numbers: if there are fewer held-out images than samples, in a second row
    with as many samples as real images.
    """

    def cell(name: str, scores: str, intervals: str) -> Cell:
        value, ends = ((evaluation.get(part) or {}).get(name) for part in (scores, intervals))
        return shown(name, value), interval(name, ends)

    rows, matched = [], evaluation.get("matched") or {}
    for name in numbers(evaluation):
        real = (
            cell(name, "real", "real_intervals") if name in (evaluation.get("real") or {}) else None
        )
        alike = comparable(name, evaluation)
        rows.append(Row(name, None, cell(name, "scores", "intervals"), real if alike else None))
        if name in matched and not alike:
            own, found = cell(name, "matched", "matched_intervals"), image_numbers(evaluation)
            rows.append(Row(name, found[1][0] if found else None, own, real))
    return rows


def comparable(name: str, evaluation: dict) -> bool:
    """Whether a score can be compared with the baseline: it does not depend on the number of
    images, or the numbers are known to be equal.
    """
    score, found = SCORES.get(name), image_numbers(evaluation)
    if score is not None and not score.sized:
        return True
    return bool(found) and found[0] == found[1]


def image_numbers(evaluation: dict) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """The numbers of compared images and reference images, of the samples and of the baseline; None
    if the evaluation does not record them.
    """
    about = evaluation.get("provenance") or {}
    try:
        samples, real = (
            (about[whose]["images"], about[whose]["reference"]["images"])
            for whose in ("samples", "real")
        )
    except (KeyError, TypeError):
        return None
    return samples, real


def protocols(evaluation: dict) -> list[tuple[str, str, Cell]]:
    """Rows of metric name, score title and score."""
    rows = []
    for protocol, scores in (evaluation.get("protocols") or {}).items():
        for name, found in scores.items() if isinstance(scores, dict) else ():
            value, *ends = found if isinstance(found, (list, tuple)) else [found]
            if not isinstance(value, dict):
                cell = shown(name, value), interval(name, ends)
                rows.append((protocol, score_title(name), cell))
    return rows


def by_class(evaluation: dict) -> dict[str, Any] | None:
    """The titles, and rows of ``(class, [(samples, real images) per title])``; each cell is a text
    and its percentage of the score's largest value.
    """
    scores, real = (
        {k: v for k, v in (evaluation.get(part) or {}).items() if isinstance(v, dict) and v}
        for part in ("scores", "real")
    )
    if not scores:
        return None
    known = lambda values: [value for value in values.values() if isinstance(value, (int, float))]
    most = {
        name: max([0.0, *known(scores[name]), *known(real.get(name, {}))]) or 1.0 for name in scores
    }
    cell = lambda name, value: (shown(name, value), 100 * max(value or 0.0, 0.0) / most[name])
    row = lambda label: [
        [cell(name, part.get(name, {}).get(label)) for part in (scores, real)] for name in scores
    ]
    rows = [(label, row(label)) for label in next(iter(scores.values()))]
    return {
        "titles": [score_title(name) for name in scores],
        "rows": rows,
        "folded": len(rows) > PLAIN_CLASSES,
    }


def ladder(evaluation: dict) -> dict[str, Any] | None:
    """The scores of texts beside those of samplers that count n-grams: the names of the columns,
    and rows of a title and the texts of the cells; None for everything else.
    """
    counted = evaluation.get("ladder") or {}
    if not counted:
        return None
    scores, real = evaluation.get("scores") or {}, evaluation.get("real") or {}
    columns = {"samples": scores, **counted, "real": real}
    rows = [
        (score_title(name), [shown(name, own.get(name)) for own in columns.values()])
        for name in scores
    ]
    return {"columns": list(columns), "rows": rows}


def left_out(evaluation: dict) -> list[tuple[str, str]]:
    """The titles of missing scores, and the reasons."""
    reasons = evaluation.get("left_out") or {}
    return list(dict.fromkeys((score_title(name), str(why)) for name, why in reasons.items()))


def compared(evaluation: dict) -> list[tuple[str, str]]:
    """Notes on the compared images and the features: a label and a sentence each."""
    about = evaluation.get("provenance") or {}
    classes = lambda p: f" ({p['classes']:,} classes)" if p.get("classes") else ""
    part = lambda p: f"{p['images']:,} examples of {p['split']}{classes(p)}"
    found = []
    try:
        samples, real = about["samples"], about["real"]
        truncation, temperature = about.get("truncation"), about.get("temperature")
        within = "" if truncation is None else f", latents within {truncation:g}"
        within += "" if temperature is None else f", at temperature {temperature:g}"
        found.append(
            (
                "samples",
                f"{samples['images']:,} of step {evaluation['step']:,}, "
                f"against {part(samples['reference'])}{within}.",
            )
        )
        found.append(
            (
                "real examples",
                f"{part(real)}, against {part(real['reference'])}: the real-vs-real baseline.",
            )
        )
        if evaluation.get("matched"):
            found.append(
                (
                    "compared",
                    f"{real['images']:,} samples with {real['images']:,} real examples, for scores "
                    "that depend on the number of images.",
                )
            )
        network = about["feature_network"]  # not of texts
        network_text = f"{network['features']} of {network['network']}"
        found.append(("features", f"{network_text}{_accuracy(network)}."))
    except (KeyError, TypeError):
        pass  # written by another version; the provenance is shown too
    return found


def _accuracy(network: dict) -> str:
    """The accuracy of a classifier, as a clause; empty for a network without a test."""
    if network.get("test_accuracy") is None:
        return ""
    task = "the turns of " if network.get("task") == "turns" else ""
    images = f"{network['test_images']:,} examples of {network['test_split']}"
    return f", test accuracy {network['test_accuracy']:.2%} on {task}{images}"
