"""The page of a run, as a pure function of its files. All shown strings go through the template,
which escapes them.
"""

from __future__ import annotations

import base64
import functools
import importlib.resources
import json
import math
import re
import shlex
from collections.abc import Iterable
from typing import Any

import jinja2

from gan_jax.report import hyperparameters
from gan_jax.report.curves import events, health, score_charts, training_charts, truncation
from gan_jax.report.reading import PopulationFiles, Progress, RunFiles
from gan_jax.report.scores import (
    PLAIN_CLASSES,
    by_class,
    compared,
    interval,
    ladder,
    left_out,
    numbers,
    protocols,
    score_rows,
    score_title,
    shown,
)
from gan_jax.sound.wav import BESIDE_REAL

PICTURES = {
    "samples": ("Samples", "{classes}"),
    "translations": (
        "Translations",
        "In turn, rows of conditions, of the samples made from them, and, if there are, of the "
        "real images that the conditions belong to.",
    ),
    "interpolation": (
        "Interpolation",
        "Each row follows an arc from one latent vector to another, with everything else fixed.",
    ),
    "neighbours": (
        "Nearest training examples",
        "Each row shows a sample, its nearest training examples by features, and the nearest ones "
        "by pixels or, for sounds, by mel bands. A sample that equals its neighbour was memorized.",
    ),
}
HEARD = {BESIDE_REAL: "Samples, each before its nearest training sound by mel bands"}
"""Titles of sounds that are not those of a class."""
ENDS = {
    "worst_by_discriminator": (
        "Worst by D",
        "The samples with the lowest discriminator scores",
    ),
    "best_by_discriminator": (
        "Best by D",
        "The samples with the highest discriminator scores",
    ),
    "worst_by_recognizer": (
        "Worst by classifier",
        "The samples with the lowest classifier confidence",
    ),
    "best_by_recognizer": (
        "Best by classifier",
        "The samples with the highest classifier confidence",
    ),
}
"""Titles and captions of pictures by their name in the evaluation. Other pictures are shown under
their name.
"""


def run_page(run: RunFiles) -> str:
    """The report of one GAN as self-contained HTML."""
    newest, marks = run.evaluations[-1], events(run)
    return template("page.html").render(
        title=f"{run.config.get('dataset', 'GAN')}: {run.name}",
        step=newest["step"],
        facts=_facts(run.config, run.lines, run.starts, newest),
        hyperparameters=hyperparameters.groups(run.config),
        health=health(run.lines),
        progress=_progress(run.progress),
        scores=score_rows(newest),
        compared=compared(newest),
        classes=by_class(newest),
        ladder=ladder(newest),
        texts=newest.get("texts") or [],
        protocols=protocols(newest),
        left_out=left_out(newest),
        missing=run.missing,
        score_charts=score_charts(run.evaluations),
        training_charts=training_charts(run.lines, [(e["step"], e["what"]) for e in marks]),
        events=marks,
        pictures=[
            _picture(name, run, PICTURES.get(name)) for name in run.pictures if name not in ENDS
        ],
        sounds=[
            {"title": HEARD.get(name, name), "source": data_uri("audio/wav", wav)}
            for name, wav in run.sounds.items()
        ],
        ends=[_picture(name, run, text) for name, text in ENDS.items() if name in run.pictures],
        latents=[
            {"title": own["title"], "caption": own["caption"], "source": png_uri(own["png"])}
            for own in run.latents
        ],
        truncation=truncation(newest),
        **_provenance(run.config, run.starts, newest),
    )


def population_page(found: PopulationFiles) -> str:
    """The report of a population: means with intervals, failures, and one line per member."""
    newest, lines = found.evaluations[-1], [line for line in found.lines if "event" not in line]
    members = {
        number: {
            "step": run.evaluations[-1]["step"],
            "seed": run.config.get("seed"),
            "scores": {
                name: shown(name, value) for name, value in numbers(run.evaluations[-1]).items()
            },
            "picture": _picture("samples", run, PICTURES["samples"])
            if "samples" in run.pictures
            else None,
        }
        for number, run in found.members.items()
    }
    return template("population.html").render(
        title=f"{found.config.get('dataset', 'GAN')}: {found.name}",
        step=newest["step"],
        facts=_facts(found.config, lines, found.starts, newest),
        hyperparameters=hyperparameters.groups(found.config),
        progress=_progress(found.progress),
        settings=[_setting(setting) for setting in newest.get("settings") or []],
        level=newest.get("level"),
        criterion=newest.get("criterion"),
        columns=list(
            dict.fromkeys(name for member in members.values() for name in member["scores"])
        ),
        score_title=score_title,
        members=members,
        missing=found.missing,
        training_charts=training_charts(
            found.lines, [(e["step"], e["what"]) for e in events(found)]
        ),
        events=events(found),
        **_provenance(found.config, found.starts, newest),
    )


def _setting(setting: dict) -> dict[str, Any]:
    """A `gan_jax.evaluation.members.Aggregate` of the JSON, as text."""
    share, *ends = (f"{100 * value:.1f}%" for value in setting["share"])
    scores = [
        (
            score_title(name),
            shown(name, score.get("mean")),
            interval(name, [score.get("low"), score.get("high")]),
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
    shape = f", {config['size']}x{config['size']}" if config.get("size") else ""
    shape += f", {config['length']:,} samples" if config.get("length") else ""
    shape += f" at {config['rate']:,} Hz" if config.get("rate") else ""
    seconds = next(
        (line["seconds"] for line in reversed(lines) if "seconds" in line and "event" not in line),
        None,
    )
    facts = {
        "Dataset": f"{config.get('dataset')}{version}, {config.get('split')}{shape}",
        "Step": f"{newest['step']:,} of {config.get('steps', 0):,}",
        "Training time": None
        if seconds is None
        else " on ".join(filter(None, (duration(seconds), device(starts)))),
        "Weights": about.get("weights"),
    }
    return [(name, text) for name, text in facts.items() if text]


def duration(seconds: float) -> str:
    """Seconds as ``1 h 5 min`` or ``5 min 12 s``."""
    minutes, seconds = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def device(starts: list) -> str:
    """The devices of a run's starts, such as ``1 x cpu``."""
    found = (f"{start.get('devices')} x {start['device']}" for start in starts if "device" in start)
    return ", ".join(dict.fromkeys(found))


# Pictures


def _picture(name: str, run: RunFiles, text: tuple[str, str] | None) -> dict[str, str]:
    """Title, caption and data URI of a picture."""
    evaluation = run.evaluations[-1]
    title, caption = text or (name.replace("_", " "), "")
    if caption == "{classes}":
        caption = _rows_of(evaluation, run.config)
    values = (evaluation.get("extremes") or {}).get(name)
    if values and text:
        ranked = "D's scores" if name.endswith("discriminator") else "Confidence"
        ends = f"{_finite(values[0])} to {_finite(values[-1])}"
        caption += f", the most extreme one first. {ranked}: {ends}."
    return {"title": title, "caption": caption, "source": png_uri(run.pictures[name])}


def _progress(progress: Progress) -> list[dict[str, str]]:
    return [
        {
            "title": f"Step {step:,}{name and ', ' + name}",
            "caption": "samples drawn during training, from the same latents at each step",
            "source": png_uri(png),
        }
        for step, pictures in progress.items()
        for name, png in pictures.items()
    ]


def png_uri(png: bytes) -> str:
    """A PNG file as a data URI."""
    return data_uri("image/png", png)


def data_uri(kind: str, content: bytes) -> str:
    """A file of a media type as a data URI."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _rows_of(evaluation: dict, config: dict) -> str:
    labelled = config.get("conditioning", "none") != "none"
    classes = next(
        (list(v) for v in (evaluation.get("scores") or {}).values() if isinstance(v, dict) and v),
        None,
    )
    if labelled and classes and len(classes) <= PLAIN_CLASSES:
        return f"One row per class: {', '.join(classes)}."
    return "One row per class." if labelled else "Random samples, not selected."


def _finite(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, (int, float)) and math.isfinite(value) else "-"


# Provenance


def _provenance(config: dict, starts: list, evaluation: dict) -> dict[str, Any]:
    about = evaluation.get("provenance") or {}
    commands = [("Training", start.get("command")) for start in starts] + [
        ("Evaluation", about.get("command"))
    ]
    lines = [
        (what, "uv run " + shlex.join(map(str, command))) for what, command in commands if command
    ]
    return {
        "commands": list(dict.fromkeys(lines)),
        "provenance": list(_flat(about)),
        "starts": [list(_flat(start)) for start in starts],
        "config": _readable(config),
        "evaluation": _readable(
            {k: v for k, v in evaluation.items() if k not in ("extremes", "texts")}
        ),
    }


def _readable(values: dict) -> str:
    """JSON with lists of numbers or strings on one line."""
    text = json.dumps(values, indent=2, ensure_ascii=False)
    return re.sub(r"\[\n[^][{}]*\]", lambda found: re.sub(r"\n\s*", " ", found[0]), text)


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
def template(name: str) -> jinja2.Template:
    """A template of this folder with escaping enabled."""
    folder = importlib.resources.files("gan_jax.report") / "templates"
    loader = jinja2.DictLoader(
        {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()}
    )
    options = {"undefined": jinja2.StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    return jinja2.Environment(loader=loader, autoescape=True, **options).get_template(name)
