"""The evaluation of a GAN: scores in the features of a recognizer, and pictures to look at."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from gan_jax import classifying, pictures, run_folder
from gan_jax.config import Config, ConfigError
from gan_jax.data import describe, load, some
from gan_jax.diagnosing import held_out_split
from gan_jax.feature_networks import choose
from gan_jax.gan import Gan
from gan_jax.metrics import BASIC, METRICS, SCORES, Estimate, Inputs, Sample, left_out, measure, nearest_neighbours
from gan_jax.metrics.streaming import stream
from gan_jax.recognizers import SMALL_CNN, FeatureNetwork, RecognizerConfig, real_sample, train_and_test
from gan_jax.train_step import generate
from gan_jax.types import Array, GanState

BLOCK = 500
"""Images generated at once."""
MIN_TEST_IMAGES = 1_000
"""A smaller test split is no reference for the Frechet distance, whose bias goes with 1/n; the training split is."""
ROWS, COLUMNS, NEIGHBOURS = 10, 10, 6
"""Of the pictures: rows and columns of a grid, training images beside a sample."""


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What was measured, of what, and what it looks like.

    ``scores``: of the samples by metric, each a number or one per class name. ``real``: the same of the real test images
    against the training images, the yardstick. ``left_out``: why, by metric, a score is missing. ``pictures``:
    ``[H, W, c]`` uint8 by name.
    """

    step: int
    scores: dict[str, Any]
    real: dict[str, Any]
    left_out: dict[str, str]
    provenance: dict[str, Any]
    pictures: dict[str, np.ndarray]


def evaluate(
    gan: Gan,
    state: GanState,
    config: Config,
    *,
    num_samples: int = 2_000,
    seed: int = 0,
    recognizer_config: RecognizerConfig = SMALL_CNN,
) -> Evaluation:
    """Draws samples from the generator's moving average and compares them with real images.

    On first use this trains a recognizer on the data set's training split, which is then kept in the user's cache.

    Args:
      gan, state: as of `gan_jax.load`.
      config: the GAN's own; says which data it learned from.
      num_samples: samples to draw; a conditional GAN draws its classes in equal shares.
      seed: determines the latents.
      recognizer_config: how the recognizer is made.

    Raises:
      ConfigError: for too few samples or a seed that is none, before anything is trained; or for the data set.
    """
    choice = choose(config.dataset, describe(config.dataset), config.size, recognizer_config)
    _check(num_samples, seed, choice.count)
    load(config.dataset, "train", config.size)  # prepares the set where that is still to be done
    network, about = choice.make(), describe(config.dataset)
    seen_split, held_out_split = train_and_test(about.splits)
    seen, held_out = (real_sample(network, config.dataset, s, config.size) for s in (seen_split, held_out_split))
    if choice.modes is not None:
        seen, held_out = (real._replace(modes=choice.modes(real.features)) for real in (seen, held_out))
    enough = len(held_out.features) >= MIN_TEST_IMAGES
    reference, reference_split = (held_out, held_out_split) if enough else (seen, seen_split)

    latents_key, path_key = jax.random.split(jax.random.key(seed))
    labels = np.arange(num_samples, dtype=np.int32) % max(gan.num_classes, 1)
    images = _images(gan, state, jax.random.normal(latents_key, (num_samples, gan.latents)), labels)
    sample = Sample(*network.features(images), labels if gan.num_classes else None)
    if choice.modes is not None:
        sample = sample._replace(modes=choice.modes(sample.features))
    inputs = Inputs(sample, reference)
    asked = [name for name in BASIC if choice.modes or "modes" not in METRICS[name].needs]
    return Evaluation(
        step=int(state.step),
        scores=_named(measure(inputs) | _test_error(gan, state, config), about.class_names),
        real=_named(measure(Inputs(held_out, seen)), about.class_names),
        left_out=left_out(inputs, asked),
        provenance={
            "dataset": about.name,
            "version": about.version,
            "size": config.size,
            "samples": {"images": num_samples, "reference": _part(reference_split, reference)},
            "real": _part(held_out_split, held_out) | {"reference": _part(seen_split, seen)},
            "neighbours_from": config.split,
            "feature_network": {"features": sample.features.shape[1], **network.about},
            "seed": seed,
            "weights": "last" if state.ema is None else "moving average",
            **run_folder.provenance(),
        },
        pictures=_pictures(gan, state, config, network, images, sample, path_key),
    )


def save(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Writes ``step_XXXXXX.json`` and a PNG a picture: each whole or not at all, the JSON last.

    Returns:
      The files, the JSON first.

    Raises:
      ConfigError: if the folder cannot be written.
    """
    stem = f"step_{evaluation.step:06}"
    files = {name: f"{stem}_{name}.png" for name in evaluation.pictures}
    values = {f.name: getattr(evaluation, f.name) for f in dataclasses.fields(evaluation)} | {"pictures": files}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".") as unfinished:
            for name, pixels in evaluation.pictures.items():
                pictures.save(Path(unfinished, files[name]), pixels)
            Path(unfinished, f"{stem}.json").write_text(json.dumps(values, indent=2, allow_nan=False) + "\n")
            for file in (*files.values(), f"{stem}.json"):
                os.replace(Path(unfinished, file), folder / file)
    except OSError as error:
        raise ConfigError(f"workdir: {folder} cannot be written ({error.strerror}).") from error
    return [folder / f"{stem}.json", *(folder / file for file in files.values())]


def table(evaluation: Evaluation) -> str:
    """The scores of samples and of real images side by side, with what was compared with what, to be read in a terminal."""
    scores, real, about = evaluation.scores, evaluation.real, evaluation.provenance
    lines = [f"{'':28}{'samples':>12}{'real images':>14}"]
    by_class = [name for name, score in scores.items() if isinstance(score, dict)]
    for name in (name for name in scores if name not in by_class):
        lines.append(f"{SCORES[name].title:28}{_shown(name, scores[name]):>12}{_shown(name, real.get(name)):>14}")
    for name in by_class:
        lines += ["", f"{SCORES[name].title}, by class"]
        for label in list(scores[name])[: 2 * ROWS]:
            cells = (_shown(name, part.get(name, {}).get(label)) for part in (scores, real))
            lines.append("  {:26}{:>12}{:>14}".format(label, *cells))
        if len(scores[name]) > 2 * ROWS:
            lines.append(f"  ... {len(scores[name])} classes in all")
    samples, yardstick, network = about["samples"], about["real"], about["feature_network"]
    right = f", right on {network['test_accuracy']:.2%} of {_told(yardstick)}" if "test_accuracy" in network else ""
    lines += [
        "",
        f"samples:     {samples['images']:,} of step {evaluation.step:,}, against {_told(samples['reference'])}.",
        f"real images: {_told(yardstick)}, against {_told(yardstick['reference'])}: the yardstick.",
        f"features:    {network['features']} of {network['network']}{right}.",
    ]
    left_out = dict.fromkeys((SCORES[name].title, why) for name, why in evaluation.left_out.items())
    lines += [f"left out:    {title}, as {why}." for title, why in left_out]
    return "\n".join(lines)


def _test_error(gan: Gan, state: GanState, config: Config) -> dict[str, Estimate]:
    """Of a D that classifies, on a labelled split of which it has seen nothing."""
    split = held_out_split(gan, config)
    if split is None or not classifying.classifies(gan):
        return {}
    data = load(config.dataset, split, config.size)
    return {"test_error": classifying.error(gan, state, data)} if data.labels.max() >= 0 else {}


def _check(num_samples: int, seed: int, features: int) -> None:
    if not 0 <= seed < 2**32:
        raise ConfigError(f"seed: {seed} is none; accepted: 0 to {2**32 - 1}.")
    needed, title = max((METRICS[name].min_images(features), METRICS[name].title) for name in BASIC)
    if num_samples < needed:
        raise ConfigError(
            f"num_samples: {num_samples} samples are too few for the {title} of {features} features; "
            f"accepted: {needed} or more."
        )


def _pictures(
    gan: Gan, state: GanState, config: Config, network: FeatureNetwork, images: np.ndarray, sample: Sample, key: Array
) -> dict[str, np.ndarray]:
    """Of images what `save` names; of vectors the samples alone, over training points."""
    if len(gan.shape) == 1:
        real = some(load(config.dataset, config.split, config.size).examples, len(images))
        return {"samples": pictures.points(images, real)}
    return {
        "samples": _sample_grid(images, gan.num_classes),
        "interpolation": _interpolation(gan, state, key),
        "neighbours": _neighbour_grid(network, images, sample.features, config, gan.num_classes or ROWS),
    }


def _images(gan: Gan, state: GanState, latents: Array, labels: np.ndarray) -> np.ndarray:
    """Generated images ``[n, h, w, c]`` as uint8: what a file would hold, and what the real images are; vectors as they are."""
    stored = pictures.to_uint8 if len(gan.shape) == 3 else np.asarray
    make = lambda z, y: stored(generate(gan, state, z, y))
    return stream(make, np.asarray(latents), labels, block=min(BLOCK, len(labels)))


def _sample_grid(images: np.ndarray, num_classes: int) -> np.ndarray:
    """A row a class, or the first samples of an unconditional GAN."""
    if not num_classes:
        return pictures.grid(images[: ROWS * COLUMNS], COLUMNS)
    rows, columns = min(num_classes, 2 * ROWS, len(images)), max(1, min(COLUMNS, len(images) // num_classes))
    chosen = np.arange(rows)[:, None] + num_classes * np.arange(columns)
    return pictures.grid(images[chosen.ravel()], columns)


def _interpolation(gan: Gan, state: GanState, key: Array) -> np.ndarray:
    """A row a class: from one latent vector to another along an arc."""
    rows = min(gan.num_classes, ROWS) or ROWS
    path = arc(*jax.random.normal(key, (2, rows, gan.latents)), COLUMNS)
    labels = np.repeat(np.arange(rows, dtype=np.int32), COLUMNS) % max(gan.num_classes, 1)
    return pictures.grid(_images(gan, state, path.reshape(rows * COLUMNS, -1), labels), COLUMNS)


def arc(a: Array, b: Array, steps: int) -> Array:
    """From latents ``a`` to ``b``, both ``[n, f]``, in ``[n, steps, f]``: ``cos(t) a + sin(t) b``, t from 0 to pi/2.

    For independent draws from N(0, 1) every point of the arc is one too, which no point inside a straight line is.
    """
    t = jnp.linspace(0, math.pi / 2, steps)[None, :, None]
    return jnp.cos(t) * a[:, None] + jnp.sin(t) * b[:, None]


def _neighbour_grid(
    network: FeatureNetwork, images: np.ndarray, features: np.ndarray, config: Config, rows: int
) -> np.ndarray:
    """A row a sample: itself, its nearest training images by features, and those by pixels."""
    rows = min(rows, ROWS, len(images))
    real = load(config.dataset, config.split, config.size).examples
    real_features = real_sample(network, config.dataset, config.split, config.size).features
    count = min(NEIGHBOURS, len(real))
    by_features, _ = nearest_neighbours(features[:rows], real_features, count)
    by_pixels, _ = nearest_neighbours(images[:rows], real, count)
    blank = np.full_like(images[:rows, None], pictures.GAP_GREY)
    tiles = np.concatenate([images[:rows, None], blank, real[by_features], blank, real[by_pixels]], axis=1)
    return pictures.grid(tiles.reshape(-1, *images.shape[1:]), tiles.shape[1])


def _named(scores: dict[str, Estimate], class_names: tuple[str, ...]) -> dict[str, Any]:
    """Scores as JSON holds them: those of ``[k]`` by class name, None for NaN and infinity."""
    number = lambda value: float(value) if math.isfinite(value) else None
    return {
        name: dict(zip(class_names, map(number, value), strict=True)) if np.ndim(value) else number(value)
        for name, (value, _, _) in scores.items()
    }


def _part(split: str, sample: Sample) -> dict[str, Any]:
    return {"split": split, "images": len(sample.features)}


def _told(part: dict[str, Any]) -> str:
    return f"{part['images']:,} images of {part['split']}"


def _shown(name: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{100 * value:.1f} %" if SCORES[name].share else f"{value:.4g}"
