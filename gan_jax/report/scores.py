"""What an evaluation's scores say, as it is shown: text and intervals, by the titles of
`gan_jax.metrics.SCORES`.
"""

from __future__ import annotations

from typing import Any

from gan_jax.metrics import SCORES

PLAIN = 20
"""Classes that are listed openly; longer lists are folded."""
Cell = tuple[str, str]
"""A score and its interval, as they are shown; empty where there is none."""


def numbers(evaluation: dict) -> dict[str, float | None]:
    """The scores that are one number, by name."""
    scores = evaluation.get("scores") or {}
    return {name: value for name, value in scores.items() if not isinstance(value, dict)}


def score_rows(evaluation: dict) -> list[tuple[str, Cell, Cell]]:
    """Title, samples, real images."""
    real = evaluation.get("real") or {}
    samples_within, real_within = (
        evaluation.get(name) or {} for name in ("intervals", "real_intervals")
    )
    return [
        (
            score_title(name),
            (shown(name, value), interval(name, samples_within.get(name))),
            (shown(name, real.get(name)), interval(name, real_within.get(name))),
        )
        for name, value in numbers(evaluation).items()
    ]


def protocols(evaluation: dict) -> list[tuple[str, str, Cell]]:
    """Name of the protocol, title of the score, the score."""
    rows = []
    for protocol, scores in (evaluation.get("protocols") or {}).items():
        for name, found in scores.items() if isinstance(scores, dict) else ():
            value, *ends = found if isinstance(found, (list, tuple)) else [found]
            if not isinstance(value, dict):
                rows.append(
                    (protocol, score_title(name), (shown(name, value), interval(name, ends)))
                )
    return rows


def by_class(evaluation: dict) -> dict[str, Any] | None:
    """Titles, and rows of ``(class, [samples and real images, by title])``, each a text and its
    percentage of the score's largest value.
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
    rows = [
        (
            label,
            [
                [cell(name, part.get(name, {}).get(label)) for part in (scores, real)]
                for name in scores
            ],
        )
        for label in next(iter(scores.values()))
    ]
    return {
        "titles": [score_title(name) for name in scores],
        "rows": rows,
        "folded": len(rows) > PLAIN,
    }


def left_out(evaluation: dict) -> list[tuple[str, str]]:
    """Title of a score that is missing, and why."""
    told = evaluation.get("left_out") or {}
    return list(dict.fromkeys((score_title(name), str(why)) for name, why in told.items()))


def compared(about: dict) -> list[str]:
    """What was compared with what, in sentences."""
    part = lambda p: f"{p['images']:,} images of {p['split']}"
    sentences, network = [], about.get("feature_network") or {}
    try:
        samples, real = about["samples"], about["real"]
        sentences.append(f"Samples: {samples['images']:,}, against {part(samples['reference'])}.")
        sentences.append(
            f"Real images: {part(real)}, against {part(real['reference'])}. They are the yardstick."
        )
        right = (
            f", right on {network['test_accuracy']:.2%} of the test images"
            if "test_accuracy" in network
            else ""
        )
        sentences.append(f"Features: {network['features']} of {network['network']}{right}.")
    except (KeyError, TypeError):
        pass  # of an evaluation by other means: the provenance below tells what there is
    return sentences


def score_title(name: str) -> str:
    """As people call the score; its name, where it is not known here."""
    return SCORES[name].title if name in SCORES else name.replace("_", " ")


def shown(name: str, value: Any) -> str:
    """A score in four digits, or a share in percent; a dash for what is no number."""
    if not isinstance(value, (int, float)):
        return "-"
    return f"{100 * value:.1f} %" if name in SCORES and SCORES[name].share else f"{value:,.4g}"


def interval(name: str, ends: Any) -> str:
    """Both ends ``[low, high]``; empty where they are not known."""
    known = (
        isinstance(ends, (list, tuple))
        and len(ends) == 2
        and all(isinstance(end, (int, float)) for end in ends)
    )
    return f"{shown(name, ends[0])} to {shown(name, ends[1])}" if known else ""
