"""Writes generated images, sounds or texts as a TensorFlow Datasets (TFDS) dataset, without
TensorFlow.
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from gan_jax.config import Config, to_dict
from gan_jax.data import describe, frame_of, load
from gan_jax.engine.gan import Gan
from gan_jax.errors import ConfigError, at_least, either, fits_memory, is_seed
from gan_jax.files import replacing
from gan_jax.modality import Images, Modality, Sounds, Text
from gan_jax.recognizers import recognizer
from gan_jax.runs.provenance import provenance
from gan_jax.sampling.conditions import in_turn, num_classes_of
from gan_jax.sampling.draw import draw
from gan_jax.sampling.filters import ALL, Filters, accepting
from gan_jax.types import GanState, PyTree

SPLIT = "train"
DRAWN = "drawn from a generator"
"""What exported examples are, in the description of their dataset."""
WRITER_BLOCK = 1_000
"""Examples per call of the writer."""


def export(
    gan: Gan,
    state: GanState,
    config: Config,
    folder: Path,
    *,
    num_samples: int,
    seed: int = 0,
    filters: Filters = ALL,
    run: str | None = None,
) -> dict[str, Any]:
    """Draws images, sounds or texts and atomically writes them as a TFDS dataset.

    Padding of the real images is cropped. The classes of a conditional GAN are balanced and have
    the names of the real dataset.

    Args:
      gan, state, config: the GAN, state and config of a run.
      folder: the folder of the dataset, new or empty; ``tfds.builder_from_directory(folder)`` and
        ``train.py --dataset folder`` read it. In ``TFDS_DATA_DIR/NAME/1.0.0`` it can be loaded by
        its name.
      num_samples: number of examples to write.
      seed: determines the latents and the random choices of the filters.
      filters: the samples to draw and keep. Confidence is computed by the classifier from which
        `gan_jax.evaluate` takes features.
      run: the origin of the GAN, for the provenance.

    Returns:
      The provenance that was written as ``builder.info.metadata``.

    Raises:
      ConfigError: for a folder in use, a number out of range, a GAN of another kind of example, or
        filters that are too strict; nothing is written then.
    """
    check(folder)
    at_least("num_samples", num_samples, 1)
    size = np.dtype(gan.modality.stored).itemsize * math.prod(gan.modality.stored_shape)
    fits_memory("num_samples", f"{num_samples:,} samples", num_samples * size)
    is_seed("seed", seed)
    filters.check(num_classes_of(gan, config))
    scored = gan.condition is None and gan.modality.from_stored
    if filters.rejection is not None and not scored:
        raise ConfigError(
            f"rejection {filters.rejection} needs a GAN whose conditions are class labels, and "
            "whose D sees examples as they are stored; leave it out."
        )
    about, kind = describe(config.dataset), content(config)
    _format(config.dataset, kind)
    asked = in_turn(gan, config, num_samples, seed)
    labels = np.zeros(num_samples, np.int32) if asked.labels is None else asked.labels
    examples, metadata = _drawn(gan, state, config, labels, asked.y, seed, filters)
    metadata |= {"run": run, "config": to_dict(config), **provenance()}
    names = about.class_names if asked.labels is not None else ()
    if isinstance(kind, Images):
        examples = cropped(examples, kind.shape)
    write(folder, examples, kind, labels if names else None, names, metadata)
    return metadata


def _drawn(
    gan: Gan,
    state: GanState,
    config: Config,
    labels: np.ndarray,
    y: PyTree,
    seed: int,
    filters: Filters,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Examples of the labels and conditions, and their provenance."""

    def real() -> tuple[np.ndarray, np.ndarray]:
        data = load(config.dataset, config.split, config.framing)
        return data.examples, data.labels

    confident = filters.min_confidence is not None
    network = recognizer(config.dataset, config.framing) if confident else None
    accepts = accepting(filters, gan, state, seed, real=real, recognizer=lambda: network)
    n = len(labels)
    with tqdm(total=n, desc="drawing", unit=" images", leave=False, disable=None) as bar:
        images, drawn = draw(
            gan,
            state,
            labels,
            seed,
            y=y,
            truncation=filters.truncation,
            accepts=accepts,
            progress=bar.update,
        )
    return images, {
        "program": "gan_jax",
        "step": int(state.step),
        "weights": "last" if state.generator.average is None else "moving average",
        "seed": seed,
        **dataclasses.asdict(filters),
        "recognizer": None if network is None else network.about,
        "drawn": drawn,
        "kept": n,
    }


def content(config: Config) -> Modality:
    """The kind of a dataset's examples, without the padding of the config."""
    about = describe(config.dataset)
    frame = frame_of(about, config.framing)
    return dataclasses.replace(frame.modality, shape=frame.content(about.shape))


def content_shape(config: Config) -> tuple[int, ...]:
    """The shape of `content`."""
    return content(config).shape


def cropped(images: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Crops images ``[n, H, W, c]`` centrally to a shape (h, w, c), which removes their padding."""
    (height, width), (h, w) = images.shape[1:3], shape[:2]
    top, left = (height - h) // 2, (width - w) // 2
    return images[:, top : top + h, left : left + w]


def check(folder: Path, option: str = "export") -> None:
    """Refuses a folder that cannot be created or replaced; ``option`` is the option that names it.

    Raises:
      ConfigError: if the folder is not empty or cannot be written.
    """
    nearest = next(
        path for path in (folder.absolute(), *folder.absolute().parents) if path.exists()
    )
    if not nearest.is_dir():
        raise ConfigError(f"{option}: {nearest} is a file; use a new folder.")
    if nearest == folder.absolute() and any(folder.iterdir()):
        raise ConfigError(f"{option}: {folder} is not empty; use a new folder.")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise ConfigError(f"{option}: {nearest} cannot be written; use another folder.")


def write(
    folder: Path,
    examples: np.ndarray,
    kind: Modality,
    labels: np.ndarray | None,
    names: tuple[str, ...],
    metadata: dict[str, Any],
    origin: str = DRAWN,
) -> None:
    """Writes examples ``[n, *kind.stored_shape]``, as stored, and labels ``[n]`` as the training
    split of a TFDS dataset.

    Args:
      names: the class names; () with labels None.
      metadata: any JSON values.
      origin: what the examples are, for the description of the dataset.

    Raises:
      ConfigError: if the folder is in use or cannot be written.
    """
    check(folder)
    try:
        with replacing(folder) as unfinished:
            unfinished.mkdir()
            about = (*_name_and_version(folder), origin)
            _write(unfinished, about, examples, kind, labels, names, metadata)
            # If the machine crashes after the renaming, no file may be left blank.
            for file in unfinished.iterdir():
                with file.open("rb") as stream:
                    os.fsync(stream.fileno())
    except OSError as error:
        raise ConfigError(f"export: {folder} cannot be written ({error.strerror}).") from error


@dataclasses.dataclass(frozen=True)
class Format:
    """The form of one kind of example in a TFDS dataset.

    ``feature(kind)`` returns the TFDS feature called ``name``; ``encoded(kind, example)`` returns
    its input.
    """

    name: str
    feature: Callable[[Any], Any]
    encoded: Callable[[Any, np.ndarray], Any]


def _png(kind: Images) -> Any:
    import tensorflow_datasets as tfds  # takes about a second

    return tfds.features.Image(shape=kind.shape, encoding_format="png")


def _pillow(_: Images, image: np.ndarray) -> Any:
    from PIL import Image

    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)


def _audio(kind: Sounds) -> Any:
    import tensorflow_datasets as tfds

    return tfds.features.Audio(shape=kind.shape[:1], dtype=np.int64, sample_rate=kind.rate)


def _samples(_: Sounds, sound: np.ndarray) -> np.ndarray:
    """TFDS stores and returns the numbers of 16-bit files as int64."""
    return sound[:, 0].astype(np.int64)


def _text(_: Text) -> Any:
    import tensorflow_datasets as tfds

    return tfds.features.Text()


def _string(kind: Text, tokens: np.ndarray) -> str:
    (text,) = kind.texts(tokens[None])
    return text


PNG_CHANNELS = (1, 3, 4)
FORMATS: dict[type[Modality], Format] = {
    Images: Format("image", _png, _pillow),
    Sounds: Format("audio", _audio, _samples),
    Text: Format("text", _text, _string),
}
"""The kinds of examples that can be exported."""


def _format(dataset: str, kind: Modality) -> Format:
    if type(kind) not in FORMATS:
        kinds = either(known.name for known in FORMATS)
        raise ConfigError(f"export supports only {kinds}, but {dataset} holds {kind.name}.")
    if isinstance(kind, Images) and kind.shape[-1] not in PNG_CHANNELS:
        raise ConfigError(
            f"export supports images of {either(PNG_CHANNELS)} channels, but those of {dataset} "
            f"have {kind.shape[-1]}."
        )
    return FORMATS[type(kind)]


def _write(
    folder: Path,
    about: tuple[str, str, str],
    examples: np.ndarray,
    kind: Modality,
    labels: np.ndarray | None,
    names: tuple[str, ...],
    metadata: dict[str, Any],
) -> None:
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core.dataset_info import DatasetIdentity
    from tensorflow_datasets.core.sequential_writer import SequentialWriter

    from gan_jax.data.audio_features import without_tensorflow
    from gan_jax.data.preparing import quiet

    name, version, origin = about
    form = _format(name, kind)
    identity = DatasetIdentity(name, tfds.core.Version(version), os.fspath(folder), "gan_jax")
    with quiet(), without_tensorflow():
        features = {form.name: form.feature(kind)}
        if labels is not None:
            features["label"] = tfds.features.ClassLabel(names=list(names))
        info = tfds.core.DatasetInfo(
            builder=identity,
            description=f"{len(examples):,} {kind.name} {origin}; metadata.json holds their "
            "provenance.",
            features=tfds.features.FeaturesDict(features),
            supervised_keys=None if labels is None else (form.name, "label"),
            metadata=tfds.core.MetadataDict(json.loads(json.dumps(metadata))),
        )
        writer = SequentialWriter(info, len(examples), file_format="array_record")
        writer.initialize_splits([SPLIT])
        with tqdm(total=len(examples), desc="writing", leave=False, disable=None) as bar:
            for start in range(0, len(examples), WRITER_BLOCK):
                part = range(start, min(start + WRITER_BLOCK, len(examples)))
                label = lambda i: {} if labels is None else {"label": int(labels[i])}
                rows = [{form.name: form.encoded(kind, examples[i])} | label(i) for i in part]
                writer.add_examples({SPLIT: rows})
                bar.update(len(part))
        writer.close_all()


def _name_and_version(folder: Path) -> tuple[str, str]:
    """The name and version of the dataset for TFDS: from the folder's name, or from its parent's
    name if the folder is named by a version.
    """
    path = folder.absolute()
    version = "1.0.0"
    if re.fullmatch(r"\d+\.\d+\.\d+", path.name):
        version, path = path.name, path.parent
    name = re.sub(r"\W+", "_", path.name.lower(), flags=re.ASCII).strip("_")
    return name if re.match("[a-z]", name) else f"generated_{name}".rstrip("_"), version
