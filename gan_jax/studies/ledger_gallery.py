"""The gallery: the samples of every recipe whose evaluation was added to the ledger."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image

from gan_jax.files import replacing
from gan_jax.recipes import RECIPES
from gan_jax.sound import wav
from gan_jax.studies.ledger_results import Result, evaluations_of, recipe_of

PAGE = "gallery.md"
FOLDER, SOUNDS = "images", "sounds"
KINDS = ("translations", "samples")
"""Pictures of an evaluation, of which the gallery shows the first that there is."""
BYTES = 60_000
"""A picture is compressed without loss up to this size, so that the repository stays small."""
CLIPS = 10
"""Sounds that are kept, or a few more, so that all classes have equally many."""
WITHIN = {"mnist_sgan_top": "mnist_sgan"}
"""Recipes whose samples are no examples of their data set, and those that make them from these."""
ABOUT = """# Gallery

After reading this page you have seen what the recipes draw, say and write. Each picture shows
samples that were drawn at random with the last weights of a training, as `eval.py` draws them; each
sound and each text is one of the first samples. [results.md](results.md) has the scores.

`uv run gan-jax study ledger RUN ...` adds the samples of evaluated runs, and writes this page.
"""


def keep(workdir: Path, folder: Path, suffix: str = "") -> Path | None:
    """Writes the picture of a training of a recipe, as WebP, and its sounds, as FLAC, into the
    folder of the ledger.

    Returns:
      The picture, of the first member of a population; None if the run deviates from its recipe, or
      if its evaluation has none.

    Raises:
      ConfigError: as `gan_jax.studies.ledger_results.collect`.
    """
    _, config, inside, values = next(evaluations_of(workdir, suffix))
    name, changes = recipe_of(config, workdir)
    kinds = [kind for kind in KINDS if kind in values.get("pictures", {})]
    if changes or not kinds:
        return None
    path = folder / FOLDER / f"{name}.webp"
    with replacing(path) as unfinished:
        unfinished.write_bytes(compressed(inside / values["pictures"][kinds[0]]))
    sounds = values.get("sounds", {}).items()
    classes = [inside / own for kind, own in sounds if kind != wav.BESIDE_REAL]
    if classes and config.length:
        with replacing(folder / SOUNDS / f"{name}.flac") as unfinished:
            unfinished.write_bytes(heard(classes, config.length))
    return path


def heard(paths: Sequence[Path], length: int) -> bytes:
    """The first clips of the WAV files of an evaluation, as many of each, as one FLAC file.

    Args:
      length: samples in a clip.
    """
    each, clips = -(-CLIPS // len(paths)), []
    for path in paths:
        wave, rate = soundfile.read(path, dtype="int16")
        clips.append(wave.reshape(-1, length + wav.gap(rate))[:each])
    into = io.BytesIO()
    soundfile.write(into, np.concatenate(clips).ravel(), rate, format="FLAC")
    return into.getvalue()


def compressed(path: Path) -> bytes:
    """A picture as WebP, with loss if it would be larger than `BYTES`."""
    options: list[dict[str, Any]] = [{"lossless": True, "method": 6}, {"quality": 80, "method": 6}]
    found = b""
    for each in options:
        into = io.BytesIO()
        Image.open(path).convert("RGB").save(into, "WEBP", **each)
        found = into.getvalue()
        if len(found) <= BYTES:
            break
    return found


def gallery(results: Iterable[Result], folder: Path) -> str:
    """The Markdown page of the pictures in a folder, and of the texts in the results."""
    texts = {r.recipe: r.texts for r in results if r.texts and not r.variant}
    sections, without = [], []
    for name in RECIPES:
        paths = [f"{FOLDER}/{name}.{ending}" for ending in ("webp", "png")]
        path = next((path for path in paths if (folder / path).exists()), None)
        shown = f"![Samples of {name}]({path})" if path else _lines(texts.get(name, []))
        if (folder / (sounds := f"{SOUNDS}/{name}.flac")).exists():
            shown += f"\n\n[Samples of {name}, to be heard]({sounds})"
        if name in WITHIN:
            shown = f"Its samples are inputs of [`{WITHIN[name]}`](#{WITHIN[name]})."
        if shown:
            sections.append(f"## {name}\n\n{shown}\n")
        else:
            without.append(f"[`{name}`](results.md#{name})")
    rest = f"Not shown, because no evaluation was added: {', '.join(without)}.\n"
    return "\n".join([ABOUT, *sections, *([rest] if without else [])])


def _lines(texts: Iterable[str]) -> str:
    return "\n".join(["```text", *texts, "```"]) if texts else ""
