"""The charts of a run: which metrics are drawn together, and their names."""

from __future__ import annotations

from typing import Any

from gan_jax.health.diagnostics import PREFIX
from gan_jax.health.monitor import findings
from gan_jax.metrics import SCORES
from gan_jax.report.charts import Chart, Series, chart
from gan_jax.report.reading import Files
from gan_jax.report.scores import comparable, image_numbers, numbers, score_title, shown

CURVES = {
    "images_per_second": "images per second",
    "failed": "failed",
    PREFIX + "diversity": "diversity",
    PREFIX + "g_grad_norm": "G",
    PREFIX + "d_grad_norm": "D",
    PREFIX + "d_ranking": "ranking, real above fake",
    PREFIX + "silent_share": "silent samples",
    PREFIX + "clipped_share_fake": "clipped samples",
    PREFIX + "clipped_share_real": "clipped real sounds",
    PREFIX + "rms_fake": "samples",
    PREFIX + "rms_real": "real sounds",
    PREFIX + "centroid_fake": "samples",
    PREFIX + "centroid_real": "real sounds",
}
"""Names of curves that cannot be derived from the names of the metrics."""


def score_charts(evaluations: list[dict]) -> list[Chart]:
    """One chart per score over the steps, with the baseline for equal numbers of images; none if
    only one step was evaluated.
    """
    if len(evaluations) < 2:
        return []
    steps, charts = [e["step"] for e in evaluations], []
    for name in dict.fromkeys(name for evaluation in evaluations for name in numbers(evaluation)):
        alike = [comparable(name, e) for e in evaluations]
        beside = [
            ok or name in (e.get("matched") or {}) for ok, e in zip(alike, evaluations, strict=True)
        ]

        def series(whose: str, key: str, within: str, where: list[bool], **look) -> Series:
            of = lambda e, part: (e.get(part) or {}).get(name)
            kept = [e if ok else {} for e, ok in zip(evaluations, where, strict=True)]
            ends = [of(e, within) or (None, None) for e in kept]
            return Series(
                whose, steps, [of(e, key) for e in kept], *zip(*ends, strict=True), **look
            )

        numbers_of = (image_numbers(e) for e in evaluations if e.get("matched"))
        count = next((f"{found[1][0]:,} " for found in numbers_of if found), "")
        count = count if not all(alike) else ""
        curves = [
            series("samples", "scores", "intervals", [True] * len(steps)),
            series(f"{count}real examples", "real", "real_intervals", beside, dashed=True),
        ]
        if not all(alike):
            curves.append(series(f"{count}samples", "matched", "matched_intervals", beside))
        charts.append(chart(score_title(name), curves, share=name in SCORES and SCORES[name].share))
    return [each for each in charts if each is not None]


def health(lines: list[dict]) -> list[str] | None:
    """The findings of `gan_jax.health.monitor` in the diagnostics of a run, oldest first; None if
    the run has no diagnostics.
    """
    needed = {PREFIX + name for name in ("diversity", "d_ranking", "g_grad_norm")}
    plain = ({k: v for k, v in line.items() if isinstance(v, (int, float))} for line in lines)
    complete = [line for line in plain if needed <= line.keys()]
    if not complete:
        return None
    return [each.text for i in range(len(complete)) for each in findings(complete[: i + 1])]


def training_charts(lines: list[dict], marks: list[tuple[float, str]]) -> list[Chart]:
    """The charts of the training. For a population, whose lines have ``failed``, curves are means
    with a band of one standard deviation.
    """
    logged = [line for line in lines if "event" not in line]
    names = list(dict.fromkeys(name for line in logged for name in line))
    spread = {f"{name}_std" for name in names} if "failed" in names else set()
    kept = [name for name in names if name not in spread]
    starting = lambda *starts: [name for name in kept if name.startswith(starts)]
    parts, scores = starting("d/", "g/"), starting("d/score")
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
        "accuracy of D": (starting(PREFIX + "d_accuracy", PREFIX + "d_ranking"), True),
        "diversity of samples (1: as diverse as the data)": (starting(PREFIX + "diversity"), False),
        "loudness (root mean square; 1: full scale)": (starting(PREFIX + "rms_"), False),
        "silent and clipped sounds": (
            starting(PREFIX + "silent_share", PREFIX + "clipped_share"),
            True,
        ),
        "spectral centroid in Hz": (starting(PREFIX + "centroid_"), False),
        "gradient norms": (starting(PREFIX + "g_grad_norm", PREFIX + "d_grad_norm"), False),
        "scores of D": (scores, False),
        "regularizers and other terms": (
            [name for name in parts if name not in (*losses, *scores)],
            False,
        ),
        "numbers that follow a metric": (starting("feedback/"), False),
        "images per second": (starting("images_per_second"), False),
        "members failed": (starting("failed"), True),
    }
    made = (
        chart(title, map(series, chosen), marks, share=share)
        for title, (chosen, share) in groups.items()
    )
    return [each for each in made if each is not None]


def _curve_name(name: str) -> str:
    if name in CURVES:
        return CURVES[name]
    player, _, rest = name.partition("/")
    if player == "feedback":
        return rest.replace("/", " ").replace("_", " ")
    plain = rest.removeprefix("d_accuracy_").removeprefix("score_").replace("_", " ")
    return plain if rest.startswith(("d_accuracy_", "score_")) else f"{plain} of {player.upper()}"


def events(run: Files) -> list[dict[str, Any]]:
    """Recorded events, and the steps at which training was resumed, by step."""
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
    """The charts of the truncation curve, and rows of ``(bound, [score])``."""
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
        chart("Fréchet distance", [series("frechet_distance")], x_names=bounds),
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
