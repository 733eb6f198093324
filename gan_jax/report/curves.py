"""Which numbers of a run are drawn together, as which curves."""

from __future__ import annotations

from typing import Any

from gan_jax.metrics import SCORES
from gan_jax.report.charts import Chart, Series, chart
from gan_jax.report.reading import PopulationFiles, RunFiles
from gan_jax.report.scores import numbers, score_title, shown


def score_charts(evaluations: list[dict]) -> list[Chart]:
    """A chart a score over the steps; none where one step alone was evaluated."""
    if len(evaluations) < 2:
        return []
    charts = []
    for name in dict.fromkeys(name for evaluation in evaluations for name in numbers(evaluation)):
        series = []
        for whose, key, within in (
            ("samples", "scores", "intervals"),
            ("real images", "real", "real_intervals"),
        ):
            values = [(e.get(key) or {}).get(name) for e in evaluations]
            ends = [(e.get(within) or {}).get(name) or (None, None) for e in evaluations]
            low, high = ([end[i] for end in ends] for i in (0, 1))
            series.append(
                Series(
                    whose, [e["step"] for e in evaluations], values, low, high, dashed=key == "real"
                )
            )
        charts.append(chart(score_title(name), series, share=name in SCORES and SCORES[name].share))
    return [each for each in charts if each is not None]


def training_charts(lines: list[dict], marks: list[tuple[float, str]]) -> list[Chart]:
    """Of a population, whose lines have ``failed``, curves are means with a band of one standard
    deviation.
    """
    logged = [line for line in lines if "event" not in line]
    names = list(dict.fromkeys(name for line in logged for name in line))
    spread = {f"{name}_std" for name in names} if "failed" in names else set()
    parts = [name for name in names if name[:2] in ("d/", "g/") and name not in spread]
    scores = [name for name in parts if name.startswith("d/score")]
    accuracies = [
        name for name in names if name.startswith("diagnostics/d_accuracy") and name not in spread
    ]
    losses = [name for name in parts if name.endswith("/loss")]

    def series(name: str) -> Series:
        rows = [line for line in logged if name in line]
        values = [line[name] for line in rows]
        deviations = [line.get(f"{name}_std") if spread else None for line in rows]
        around = [
            (None, None)
            if value is None or deviation is None
            else (value - deviation, value + deviation)
            for value, deviation in zip(values, deviations, strict=True)
        ]
        return Series(
            _curve_name(name), [line["step"] for line in rows], values, *zip(*around, strict=True)
        )

    groups = {
        "losses": (losses, False),
        "scores of D": (scores, False),
        "penalties and other terms": (
            [name for name in parts if name not in (*losses, *scores)],
            False,
        ),
        "examples that D is right on": (accuracies, True),
        "diversity (1: as the data)": ([n for n in names if n == "diagnostics/diversity"], False),
        "images per second": ([name for name in names if name == "images_per_second"], False),
        "members failed": ([name for name in names if name == "failed"], False),
    }
    made = (
        chart(title, map(series, chosen), marks, share=share)
        for title, (chosen, share) in groups.items()
    )
    return [each for each in made if each is not None]


def _curve_name(name: str) -> str:
    if name in ("images_per_second", "failed", "diagnostics/diversity"):
        return name.removeprefix("diagnostics/").replace("_", " ")
    player, _, rest = name.partition("/")
    plain = rest.removeprefix("d_accuracy_").removeprefix("score_").replace("_", " ")
    return plain if rest.startswith(("d_accuracy_", "score_")) else f"{plain} of {player.upper()}"


def events(run: RunFiles | PopulationFiles) -> list[dict[str, Any]]:
    """Events of the record, and where training was resumed, by step."""
    found = [
        {
            "step": line["step"],
            "what": str(line["event"]),
            "why": (f"from step {line['from']:,}: " if isinstance(line.get("from"), int) else "")
            + str(line.get("reason", "")),
        }
        for line in run.lines
        if "event" in line
    ]
    found += [
        {"step": start["step"], "what": "resumed", "why": str(start.get("time", ""))}
        for start in run.starts
        if start.get("step")
    ]
    return sorted(found, key=lambda event: event["step"])


def truncation(evaluation: dict) -> dict[str, Any] | None:
    """Of the truncation curve the charts, and rows of ``(bound, [score])``."""
    curve = evaluation.get("truncation") or []
    if not curve:
        return None
    bounds = ["none" if point.get("psi") is None else f"{point['psi']:g}" for point in curve]

    def series(name: str) -> Series:
        ends = [(point.get("intervals") or {}).get(name) or (None, None) for point in curve]
        values = [point.get(name) for point in curve]
        return Series(name.replace("_", " "), range(len(curve)), values, *zip(*ends, strict=True))

    names = ("frechet_distance", "precision", "recall")
    charts = [
        chart(
            "precision and recall",
            [series("precision"), series("recall")],
            x_names=bounds,
            share=True,
        ),
        chart("Frechet distance", [series("frechet_distance")], x_names=bounds),
    ]
    return {
        "samples": curve[0].get("samples"),
        "charts": [each for each in charts if each is not None],
        "titles": [score_title(name) for name in names],
        "rows": [
            (bound, [shown(name, point.get(name)) for name in names])
            for bound, point in zip(bounds, curve, strict=True)
        ],
    }
