"""Generated images as a data set of TensorFlow Datasets (TFDS), written without TensorFlow."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from gan_jax.config import Config, to_dict
from gan_jax.data import describe, load
from gan_jax.engine.gan import Gan
from gan_jax.errors import ConfigError
from gan_jax.recognizers import FeatureNetwork, recognizer
from gan_jax.runs.folder import provenance
from gan_jax.sampling import draw as sampling
from gan_jax.types import GanState

SPLIT = "train"
_CHUNK = 1_000
"""Images handed to the writer at once."""


def export(
    gan: Gan,
    state: GanState,
    config: Config,
    folder: Path,
    *,
    num_samples: int,
    seed: int = 0,
    filters: sampling.Filters = sampling.ALL,
    run: str | None = None,
) -> dict[str, Any]:
    """Draws images and writes them as a TFDS data set, which appears whole or not at all.

    The padding that the config added to the real images is cut off; a conditional GAN's classes
    have equal shares and the names that the real data set gives them.

    Args:
      gan, state, config: of a run.
      folder: of the data set, new or empty; ``tfds.builder_from_directory(folder)`` and ``train.py
        --dataset folder`` read it. As ``TFDS_DATA_DIR/NAME/1.0.0`` it is known by its name.
      num_samples: images to write.
      seed: determines the latents, and chance where a filter needs it.
      filters: which samples are drawn and kept. Confidence is that of the recognizer which
        `evaluate` judges by.
      run: where the GAN came from, for the provenance.

    Returns:
      The provenance that was written, as ``builder.info.metadata``.

    Raises:
      ConfigError: for a folder in use, a number out of range, or filters that keep next to nothing;
        nothing is written then.
    """
    check(folder)
    if num_samples < 1:
        raise ConfigError(f"num_samples: {num_samples} is too small; accepted: 1 or more.")
    if not 0 <= seed < 2**32:
        raise ConfigError(f"seed: {seed} is none; accepted: 0 to {2**32 - 1}.")
    filters.check(gan.num_classes)
    about = describe(config.dataset)
    if len(about.shape) != 3:
        raise ConfigError(f"export: {config.dataset} holds vectors; accepted: GANs of images.")
    labels = np.arange(num_samples, dtype=np.int32) % max(gan.num_classes, 1)
    judge = recognizer(config.dataset, config.size) if filters.min_confidence is not None else None
    accepts = accepted_by(gan, state, config, filters, seed, judge)
    with tqdm(total=num_samples, desc="drawing", unit=" images", leave=False, disable=None) as bar:
        images, drawn = sampling.draw(
            gan,
            state,
            labels,
            seed,
            truncation=filters.truncation,
            accepts=accepts,
            told=bar.update,
        )
    metadata = {
        "program": "gan_jax",
        "run": run,
        "step": int(state.step),
        "weights": "last" if state.ema is None else "moving average",
        "seed": seed,
        "truncation": filters.truncation,
        "min_confidence": filters.min_confidence,
        "rejection": filters.rejection,
        "recognizer": None if judge is None else judge.about,
        "drawn": drawn,
        "kept": num_samples,
        "config": to_dict(config),
        **provenance(),
    }
    images = cropped(images, about.shape)
    names = about.class_names if gan.num_classes else ()
    write(folder, images, labels if names else None, names, metadata)
    return metadata


def accepted_by(
    gan: Gan,
    state: GanState,
    config: Config,
    filters: sampling.Filters,
    seed: int,
    judge: FeatureNetwork | None,
) -> tuple[sampling.Accept, ...]:
    """The filters that decide on an image, the cheap one first; real images are those of the GAN's
    training split.
    """
    accepts = []
    if filters.rejection is not None:
        real = load(config.dataset, config.split, config.size)
        of_rule = seed ^ 0x5EED  # other latents than those of the images that it decides on
        accepts.append(
            sampling.by_discriminator(
                gan,
                state,
                (real.examples, real.labels),
                filters.rejection,
                of_rule,
                filters.truncation,
            )
        )
    if filters.min_confidence is not None:
        accepts.append(sampling.confident(judge, filters.min_confidence))
    return tuple(accepts)


def cropped(images: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """The middle of images ``[n, H, W, c]`` in a shape (h, w, c): what `gan_jax.data.load` pads
    them from.
    """
    (height, width), (h, w) = images.shape[1:3], shape[:2]
    top, left = (height - h) // 2, (width - w) // 2
    return images[:, top : top + h, left : left + w]


def check(folder: Path) -> None:
    """
    Raises:
      ConfigError: if the folder holds anything, or cannot be written.
    """
    nearest = next(
        path for path in (folder.absolute(), *folder.absolute().parents) if path.exists()
    )
    if not nearest.is_dir():
        raise ConfigError(f"export: {nearest} is a file; accepted: a new folder.")
    if nearest == folder.absolute() and any(folder.iterdir()):
        raise ConfigError(f"export: {folder} holds something already; accepted: a new folder.")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise ConfigError(f"export: {nearest} cannot be written; accepted: a new folder.")


def write(
    folder: Path,
    images: np.ndarray,
    labels: np.ndarray | None,
    names: tuple[str, ...],
    metadata: dict[str, Any],
) -> None:
    """Writes images ``[n, h, w, c]`` uint8 and labels ``[n]`` as the training split of a TFDS data
    set.

    It is made in a hidden folder beside, and renamed when all is on disk.

    Args:
      names: of the classes; () with labels None.
      metadata: any JSON.

    Raises:
      ConfigError: if the folder is in use or cannot be written.
    """
    check(folder)
    try:
        with _unfinished(folder) as unfinished:
            _write(unfinished, _name_and_version(folder), images, labels, names, metadata)
            for file in (
                unfinished.iterdir()
            ):  # a machine that dies after the renaming must not leave blank files
                with file.open("rb") as stream:
                    os.fsync(stream.fileno())
            os.replace(unfinished, folder)
    except OSError as error:
        raise ConfigError(f"export: {folder} cannot be written ({error.strerror}).") from error


def _write(
    folder: Path,
    name_and_version: tuple[str, str],
    images: np.ndarray,
    labels: np.ndarray | None,
    names: tuple[str, ...],
    metadata: dict[str, Any],
) -> None:
    import tensorflow_datasets as tfds  # takes about a second
    from PIL import Image
    from tensorflow_datasets.core.dataset_info import DatasetIdentity
    from tensorflow_datasets.core.sequential_writer import SequentialWriter

    name, version = name_and_version
    features = {"image": tfds.features.Image(shape=images.shape[1:], encoding_format="png")}
    if labels is not None:
        features["label"] = tfds.features.ClassLabel(names=list(names))
    identity = DatasetIdentity(name, tfds.core.Version(version), os.fspath(folder), "gan_jax")
    info = tfds.core.DatasetInfo(
        builder=identity,
        description=f"{len(images):,} images drawn from a generator; metadata.json says from which, and how.",
        features=tfds.features.FeaturesDict(features),
        supervised_keys=None if labels is None else ("image", "label"),
        metadata=tfds.core.MetadataDict(json.loads(json.dumps(metadata))),
    )
    writer = SequentialWriter(info, max_examples_per_shard=len(images), file_format="array_record")
    writer.initialize_splits([SPLIT])
    pixels = images[..., 0] if images.shape[-1] == 1 else images
    with tqdm(total=len(images), desc="writing", unit=" images", leave=False, disable=None) as bar:
        for start in range(0, len(images), _CHUNK):
            part = range(start, min(start + _CHUNK, len(images)))
            examples = [{"image": Image.fromarray(pixels[i])} for i in part]
            if labels is not None:
                examples = [
                    example | {"label": int(labels[i])}
                    for example, i in zip(examples, part, strict=True)
                ]
            writer.add_examples({SPLIT: examples})
            bar.update(len(part))
    writer.close_all()


def _name_and_version(folder: Path) -> tuple[str, str]:
    """What TFDS shall call the set: the folder's name, or that of its parent if it is named by a
    version.
    """
    path = folder.absolute()
    version = "1.0.0"
    if re.fullmatch(r"\d+\.\d+\.\d+", path.name):
        version, path = path.name, path.parent
    name = re.sub(r"\W+", "_", path.name.lower(), flags=re.ASCII).strip("_")
    return name if re.match("[a-z]", name) else f"generated_{name}".rstrip("_"), version


@contextlib.contextmanager
def _unfinished(beside: Path) -> Iterator[Path]:
    beside.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=beside.parent, prefix=f".{beside.name}.unfinished-"))
    folder.chmod(0o777 & ~_umask())
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
