"""The page of a run, as a pure function of what was read. A string that is shown goes through the template, which escapes it."""

from __future__ import annotations

import base64
import functools
import importlib.resources
import json
import math
import shlex
from collections.abc import Iterable
from typing import Any

import jinja2

from gan_jax.metrics import SCORES
from gan_jax.report.charts import Chart, Series, chart
from gan_jax.report.reading import Members, Run

PICTURES = {
    "samples": ("Samples", "{classes}"),
    "interpolation": ("Interpolation", "In each row from one latent vector to another along an arc, all else equal."),
    "neighbours": (
        "Nearest training images",
        "In each row a sample, then the training images nearest to it by features, then those nearest by pixels. A sample that equals its "
        "neighbour was learned by heart.",
    ),
}
ENDS = {
    "worst_by_discriminator": ("Worst by D", "The samples that the discriminator takes least for real"),
    "best_by_discriminator": ("Best by D", "The samples that the discriminator takes most for real"),
    "worst_by_recognizer": ("Worst by recognizer", "The samples that the recognizer is least sure of"),
    "best_by_recognizer": ("Best by recognizer", "The samples that the recognizer is most sure of"),
}
"""What a picture shows, by its name in the evaluation. One that is not here is shown under its name."""

PLAIN = 20
"""Classes that are listed openly; longer lists are folded."""
Cell = tuple[str, str]
"""A score and its interval, as they are shown."""


def page(run: Run) -> str:
    """The report of one GAN as HTML; it refers to nothing outside of itself."""
    newest, events = run.evaluations[-1], _events(run)
    about = newest.get("provenance") or {}
    return _template("page.html").render(
        title=f"{run.config.get('dataset', 'GAN')}: {run.name}",
        step=newest["step"],
        facts=_facts(run.config, run.lines, run.starts, newest),
        scores=_scores(newest),
        compared=_compared(about),
        classes=_by_class(newest),
        protocols=_protocols(newest),
        left_out=_left_out(newest),
        missing=run.missing,
        score_charts=_score_charts(run.evaluations),
        training_charts=_training_charts(run.lines, [(e["step"], e["what"]) for e in events]),
        events=events,
        pictures=[_picture(name, run, PICTURES.get(name)) for name in run.pictures if name not in ENDS],
        ends=[_picture(name, run, told) for name, told in ENDS.items() if name in run.pictures],
        truncation=_truncation(newest),
        **_provenance(run.config, run.starts, newest),
    )


def population_page(found: Members) -> str:
    """The report of a population: means with their intervals, failures, and a line a member."""
    newest, lines = found.evaluations[-1], [line for line in found.lines if "event" not in line]
    members = {
        number: {
            "step": run.evaluations[-1]["step"],
            "seed": run.config.get("seed"),
            "scores": {name: _shown(name, value) for name, value in _numbers(run.evaluations[-1]).items()},
            "picture": _picture("samples", run, PICTURES["samples"]) if "samples" in run.pictures else None,
        }
        for number, run in found.members.items()
    }
    return _template("population.html").render(
        title=f"{found.config.get('dataset', 'GAN')}: {found.name}",
        step=newest["step"],
        facts=_facts(found.config, lines, found.starts, newest),
        settings=[_setting(setting) for setting in newest.get("settings") or []],
        level=newest.get("level"),
        criterion=newest.get("criterion"),
        columns=list(dict.fromkeys(name for member in members.values() for name in member["scores"])),
        score_title=_score_title,
        members=members,
        missing=found.missing,
        training_charts=_training_charts(found.lines, [(e["step"], e["what"]) for e in _events(found)]),
        events=_events(found),
        **_provenance(found.config, found.starts, newest),
    )


def _setting(setting: dict) -> dict[str, Any]:
    """A verdict of `gan_jax.evaluate_members`, as it is shown."""
    share, *ends = (f"{100 * value:.1f} %" for value in setting["share"])
    scores = [
        (
            _score_title(name),
            _shown(name, score.get("mean")),
            _interval(name, [score.get("low"), score.get("high")]),
            score.get("members"),
        )
        for name, score in (setting.get("scores") or {}).items()
    ]
    failed = list((setting.get("failed") or {}).items())
    return {
        "name": setting.get("name"),
        "members": setting["members"],
        "failed": failed,
        "failed_share": share,
        "failed_interval": " to ".join(ends),
        "scores": scores,
    }


# The head


def _facts(config: dict, lines: list, starts: list, newest: dict) -> list[tuple[str, str]]:
    about = newest.get("provenance") or {}
    version = f" {about['version']}" if about.get("version") else ""
    side = f", padded to {config['size']}" if config.get("size") else ""
    seconds = next((line["seconds"] for line in reversed(lines) if "seconds" in line and "event" not in line), None)
    facts = {
        "Data set": f"{config.get('dataset')}{version}, {config.get('split')}{side}",
        "Conditioning": config.get("conditioning"),
        "Generator": _network(config.get("generator")),
        "Discriminator": _network(config.get("discriminator")),
        "Loss": str(config.get("loss", "")).replace("_", " "),
        "Penalties": _penalties(config.get("penalties")) or "none",
        "Penalties of G": _penalties(config.get("g_penalties")),
        "Augmentations": ", ".join(f"{a['name']} {_text(a['strength'])}" for a in config.get("augmentations") or []),
        "Optimizers": _optimizers(config.get("g_optimizer"), config.get("d_optimizer")),
        "Step": f"{newest['step']:,} of {config.get('steps', 0):,}, {config.get('batch_size')} images each",
        "Training time": None if seconds is None else _duration(seconds) + _device(starts),
        "Weights": about.get("weights"),
    }
    return [(name, text) for name, text in facts.items() if text]


def _network(network: dict | None) -> str:
    if not network:
        return ""
    rest = ", ".join(f"{key} {_text(value)}" for key, value in network.items() if key != "name" and value is not None)
    return f"{network.get('name')} ({rest})" if rest else str(network.get("name"))


def _penalties(penalties: list | None) -> str:
    told = []
    for penalty in penalties or []:
        every = f" every {penalty['every']} updates" if penalty.get("every", 1) != 1 else ""
        numbers = "".join(f", {name} {_text(value)}" for name, value in penalty.get("numbers") or [])
        told.append(f"{penalty['name']}, weight {_text(penalty['weight'])}{every}{numbers}")
    return "; ".join(told)


def _optimizers(g: dict | None, d: dict | None) -> str:
    told = [_network(each) for each in (g, d)]
    return told[0] if told[0] == told[1] else "; ".join(f"{side}: {t}" for side, t in zip("GD", told, strict=True) if t)


def _text(value: Any) -> str:
    """A config's value as the command line writes it."""
    if isinstance(value, dict) and "start" in value:
        return "/".join(map(_text, (value.get("shape"), value["start"], value.get("end"), value.get("steps"))))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {seconds} s"


def _device(starts: list) -> str:
    devices = list(
        dict.fromkeys(f"{start.get('devices')} x {start['device']}" for start in starts if "device" in start)
    )
    return f" on {', '.join(devices)}" if devices else ""


# Scores


def _numbers(evaluation: dict) -> dict[str, float | None]:
    scores = evaluation.get("scores") or {}
    return {name: value for name, value in scores.items() if not isinstance(value, dict)}


def _scores(evaluation: dict) -> list[tuple[str, Cell, Cell]]:
    """Title, samples, real images."""
    real = evaluation.get("real") or {}
    samples_within, real_within = (evaluation.get(name) or {} for name in ("intervals", "real_intervals"))
    return [
        (
            _score_title(name),
            (_shown(name, value), _interval(name, samples_within.get(name))),
            (_shown(name, real.get(name)), _interval(name, real_within.get(name))),
        )
        for name, value in _numbers(evaluation).items()
    ]


def _protocols(evaluation: dict) -> list[tuple[str, str, Cell]]:
    """Name of the protocol, title of the score, the score."""
    rows = []
    for protocol, scores in (evaluation.get("protocols") or {}).items():
        for name, found in scores.items() if isinstance(scores, dict) else ():
            value, *ends = found if isinstance(found, (list, tuple)) else [found]
            if not isinstance(value, dict):
                rows.append((protocol, _score_title(name), (_shown(name, value), _interval(name, ends))))
    return rows


def _by_class(evaluation: dict) -> dict[str, Any] | None:
    """Columns, and rows of ``(class, [(text, percent of the column's largest)])``."""
    real, columns = evaluation.get("real") or {}, []
    for name, by_class in (evaluation.get("scores") or {}).items():
        if isinstance(by_class, dict) and by_class:
            columns += [(f"{_score_title(name)}: samples", name, by_class)]
            columns += [("real images", name, real[name])] if isinstance(real.get(name), dict) else []
    if not columns:
        return None
    labels = list(columns[0][2])
    most = {}
    for _, name, values in columns:
        most[name] = max([most.get(name, 0.0), *(value for value in values.values() if value is not None)])
    cell = lambda name, value: (_shown(name, value), 100 * max(value or 0.0, 0.0) / (most[name] or 1.0))
    rows = [(label, [cell(name, values.get(label)) for _, name, values in columns]) for label in labels]
    return {"columns": [title for title, *_ in columns], "rows": rows, "folded": len(rows) > PLAIN}


def _left_out(evaluation: dict) -> list[tuple[str, str]]:
    told = evaluation.get("left_out") or {}
    return list(dict.fromkeys((_score_title(name), str(why)) for name, why in told.items()))


def _compared(about: dict) -> list[str]:
    """What was compared with what, in sentences."""
    part = lambda p: f"{p['images']:,} images of {p['split']}"
    sentences, network = [], about.get("feature_network") or {}
    try:
        samples, real = about["samples"], about["real"]
        sentences.append(f"Samples: {samples['images']:,}, against {part(samples['reference'])}.")
        sentences.append(f"Real images: {part(real)}, against {part(real['reference'])}. They are the yardstick.")
        right = f", right on {network['test_accuracy']:.2%} of the test images" if "test_accuracy" in network else ""
        sentences.append(f"Features: {network['features']} of {network['network']}{right}.")
    except (KeyError, TypeError):
        pass  # of an evaluation by other means: the provenance below tells what there is
    return sentences


def _score_title(name: str) -> str:
    return SCORES[name].title if name in SCORES else name.replace("_", " ")


def _shown(name: str, value: Any) -> str:
    if not isinstance(value, (int, float)):
        return "-"
    return f"{100 * value:.1f} %" if name in SCORES and SCORES[name].share else f"{value:,.4g}"


def _interval(name: str, ends: Any) -> str:
    numbers = isinstance(ends, (list, tuple)) and len(ends) == 2 and all(isinstance(end, (int, float)) for end in ends)
    return f"{_shown(name, ends[0])} to {_shown(name, ends[1])}" if numbers else ""


# Curves


def _score_charts(evaluations: list[dict]) -> list[Chart]:
    """A chart a score over the steps; none where one step alone was evaluated."""
    if len(evaluations) < 2:
        return []
    charts = []
    for name in dict.fromkeys(name for evaluation in evaluations for name in _numbers(evaluation)):
        series = []
        for whose, key, within in (("samples", "scores", "intervals"), ("real images", "real", "real_intervals")):
            values = [(e.get(key) or {}).get(name) for e in evaluations]
            ends = [(e.get(within) or {}).get(name) or (None, None) for e in evaluations]
            low, high = ([end[i] for end in ends] for i in (0, 1))
            series.append(Series(whose, [e["step"] for e in evaluations], values, low, high, dashed=key == "real"))
        charts.append(chart(_score_title(name), series, share=name in SCORES and SCORES[name].share))
    return [each for each in charts if each is not None]


def _training_charts(lines: list[dict], marks: list[tuple[float, str]]) -> list[Chart]:
    """Of a population, whose lines have ``failed``, curves are means with a band of one standard deviation."""
    told = [line for line in lines if "event" not in line]
    names = list(dict.fromkeys(name for line in told for name in line))
    spread = {f"{name}_std" for name in names} if "failed" in names else set()
    parts = [name for name in names if name[:2] in ("d/", "g/") and name not in spread]
    scores = [name for name in parts if name.startswith("d/score")]
    accuracies = [name for name in names if name.startswith("diagnostics/d_accuracy") and name not in spread]
    losses = [name for name in parts if name.endswith("/loss")]

    def series(name: str) -> Series:
        rows = [line for line in told if name in line]
        values = [line[name] for line in rows]
        around = [(v - s, v + s) if s is not None and v is not None else (None, None)
                  for v, s in zip(values, (line.get(f"{name}_std") if spread else None for line in rows), strict=True)]  # fmt: skip
        return Series(_curve_name(name), [line["step"] for line in rows], values, *zip(*around, strict=True))

    groups = {
        "losses": (losses, False),
        "scores of D": (scores, False),
        "penalties and other terms": ([name for name in parts if name not in (*losses, *scores)], False),
        "examples that D is right on": (accuracies, True),
        "diversity of the samples, relative to the data": ([n for n in names if n == "diagnostics/diversity"], False),
        "images per second": ([name for name in names if name == "images_per_second"], False),
        "members failed": ([name for name in names if name == "failed"], False),
    }
    made = (chart(title, map(series, chosen), marks, share=share) for title, (chosen, share) in groups.items())
    return [each for each in made if each is not None]


def _curve_name(name: str) -> str:
    if name in ("images_per_second", "failed", "diagnostics/diversity"):
        return name.removeprefix("diagnostics/").replace("_", " ")
    player, _, rest = name.partition("/")
    plain = rest.removeprefix("d_accuracy_").removeprefix("score_").replace("_", " ")
    return plain if rest.startswith(("d_accuracy_", "score_")) else f"{plain} of {player.upper()}"


def _events(run: Run | Members) -> list[dict[str, Any]]:
    """Events of the record, and where training was resumed, by step."""
    told = [
        {
            "step": line["step"],
            "what": str(line["event"]),
            "why": (f"from step {line['from']:,}: " if isinstance(line.get("from"), int) else "")
            + str(line.get("reason", "")),
        }
        for line in run.lines
        if "event" in line
    ]
    told += [
        {"step": start["step"], "what": "resumed", "why": str(start.get("time", ""))}
        for start in run.starts
        if start.get("step")
    ]
    return sorted(told, key=lambda event: event["step"])


def _truncation(evaluation: dict) -> dict[str, Any] | None:
    """Charts, and rows of ``(bound, [score])``."""
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
        chart("precision and recall", [series("precision"), series("recall")], x_names=bounds, share=True),
        chart("Frechet distance", [series("frechet_distance")], x_names=bounds),
    ]
    return {
        "samples": curve[0].get("samples"),
        "charts": [each for each in charts if each is not None],
        "titles": [_score_title(name) for name in names],
        "rows": [
            (bound, [_shown(name, point.get(name)) for name in names])
            for bound, point in zip(bounds, curve, strict=True)
        ],
    }


# Pictures


def _picture(name: str, run: Run, told: tuple[str, str] | None) -> dict[str, str]:
    """Title, caption and data URI of a picture."""
    evaluation = run.evaluations[-1]
    title, caption = told or (name.replace("_", " "), "")
    if caption == "{classes}":
        caption = _rows_of(evaluation, run.config)
    values = (evaluation.get("extremes") or {}).get(name)
    if values and told:
        ranked = "D's scores" if name.endswith("discriminator") else "Confidence"
        caption += f", the most extreme one first. {ranked}: {_finite(values[0])} to {_finite(values[-1])}."
    data = base64.b64encode(run.pictures[name]).decode()
    return {"title": title, "caption": caption, "source": f"data:image/png;base64,{data}"}


def _rows_of(evaluation: dict, config: dict) -> str:
    labelled = config.get("conditioning", "none") != "none"
    classes = next((list(v) for v in (evaluation.get("scores") or {}).values() if isinstance(v, dict) and v), None)
    if labelled and classes and len(classes) <= PLAIN:
        return f"A row a class: {', '.join(classes)}."
    return "A row a class." if labelled else "As they come, none chosen."


def _finite(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, (int, float)) and math.isfinite(value) else "-"


# Provenance


def _provenance(config: dict, starts: list, evaluation: dict) -> dict[str, Any]:
    about = evaluation.get("provenance") or {}
    commands = [("Training", start.get("command")) for start in starts] + [("Evaluation", about.get("command"))]
    told = [(what, "uv run " + shlex.join(map(str, command))) for what, command in commands if command]
    return {
        "commands": list(dict.fromkeys(told)),
        "provenance": list(_flat(about)),
        "starts": [list(_flat(start)) for start in starts],
        "config": json.dumps(config, indent=2, ensure_ascii=False),
        "evaluation": json.dumps(
            {k: v for k, v in evaluation.items() if k != "extremes"}, indent=2, ensure_ascii=False
        ),
    }


def _flat(values: dict[str, Any], before: str = "") -> Iterable[tuple[str, str]]:
    """Nested values by dotted names, as text."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{before}{key}.")
        elif isinstance(value, list) and all(isinstance(part, str) for part in value):
            yield f"{before}{key}", shlex.join(value)
        else:
            yield f"{before}{key}", "-" if value is None else str(value)


@functools.cache
def _template(name: str) -> jinja2.Template:
    folder = importlib.resources.files("gan_jax.report") / "templates"
    names = ("page.html", "population.html", "parts.html", "style.css")
    loader = jinja2.DictLoader({name: (folder / name).read_text(encoding="utf-8") for name in names})
    options = {"undefined": jinja2.StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    return jinja2.Environment(loader=loader, autoescape=True, **options).get_template(name)
