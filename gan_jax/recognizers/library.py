"""Trained recognizers and the features of real images, made once and kept in the user's cache
folder.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import json
import math
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import flax.traverse_util
import numpy as np

from gan_jax.config import Framing
from gan_jax.data import Dataset, batch_at, describe, frame_of, load, order
from gan_jax.data.cache import cache_folder, writing
from gan_jax.data.splits import train_and_test
from gan_jax.errors import ConfigError, fits_memory, is_seed
from gan_jax.files import replacing
from gan_jax.metrics import Gaussian, Sample, covariance, frechet, gaussian_of, streaming
from gan_jax.modality import Images, Modality, Sounds, seen, to_float
from gan_jax.nn import conv, conv_cpu, conv_ops, window, winograd
from gan_jax.recognizers import (
    architectures,
    augment,
    cnn,
    fitting,
    hearing,
    networks,
    resnet,
    training,
)
from gan_jax.recognizers.architectures import classifier
from gan_jax.recognizers.networks import FeatureNetwork, Recognizer
from gan_jax.recognizers.recipes import SMALL_CNN, RecognizerConfig
from gan_jax.sound import spectra

TRAINING_CODE = (
    *(architectures, augment, cnn, fitting, hearing, resnet, spectra, training),
    *(conv, conv_cpu, conv_ops, winograd, window, order, batch_at, Sounds.to_network, seen),
    to_float,
)
"""Modules and functions that determine the weights that result from a recipe."""
REFERENCE_CODE = (networks, streaming, covariance, frechet)
"""Modules that compute the cached features of real images from a network, whose own code is in its
key.
"""


def recognizer(
    dataset: str,
    framing: Framing | int | None = None,
    config: RecognizerConfig = SMALL_CNN,
    test_on: str | None = None,
) -> Recognizer:
    """The classifier of a data set: from the cache, or trained on its training split and tested on
    the rest.

    Args:
      dataset, framing: as for `gan_jax.data.load`.
      config: its recipe. A different config, data set, framing or code gives another classifier.
      test_on: train on the whole training split and test on the test split of another data set: the
        classification accuracy score of Ravuri & Vinyals 2019, if ``dataset`` was generated and
        ``test_on`` is real.

    Raises:
      ConfigError: for a data set without labels, two sets that do not fit together, or an unknown
        architecture.
    """
    about = describe(dataset)
    if not about.num_classes and config.task == "labels":
        raise ConfigError(f"dataset {dataset} has no labels, which training a classifier requires.")
    if not isinstance(about.modality, (Images, Sounds)):
        raise ConfigError(
            f"dataset {dataset} contains {about.modality.name}, but classifiers need images or "
            "sounds."
        )
    is_seed("recognizer.seed", config.seed)
    modality = frame_of(about, framing).modality
    classes = augment.turns_of(modality.shape) if config.task == "turns" else about.num_classes
    _check_memory(config, modality, classes)
    network = classifier(config, classes, modality).network
    data = _data(dataset, framing, test_on)
    key = _key(data, config, getattr(modality, "rate", None))
    path = kept(key)
    arrays = _read(path)
    if arrays is None:
        arrays = _trained(data, classes, config, modality, key)
        _write(path, arrays)
    about = json.loads(str(arrays.pop("about")))
    return Recognizer(network, flax.traverse_util.unflatten_dict(arrays, sep="/"), key, about)


def _check_memory(config: RecognizerConfig, modality: Modality, classes: int) -> None:
    """Refuses configs whose largest layers or batch alone exceed the memory."""
    copies = 4 * 4  # bytes of a weight, its average and AdamW's moments
    width, features, batch = config.width or 0, config.features, config.batch_size
    fits_memory("recognizer.width", f"a network of width {width:,}", copies * 9 * width**2)
    weights = features * classes
    fits_memory("recognizer.features", f"a layer of {features:,} units", copies * weights)
    numbers = batch * math.prod(modality.shape)
    fits_memory("recognizer.batch_size", f"a batch of {batch:,} {modality.name}", 4 * numbers)


def kept(key: str) -> Path:
    """The file of the classifier with a key."""
    return _folder(key) / "network.npz"


def _data(dataset: str, framing: Framing | int | None, test_on: str | None) -> dict[str, Dataset]:
    """The training data, then the test data, by split."""
    splits = describe(dataset).splits or load(dataset, "train", framing).description.splits
    learn, test = train_and_test(splits)
    if test_on is None:
        return {split: load(dataset, split, framing) for split in (learn, test)}
    _, test = train_and_test(
        describe(test_on).splits or load(test_on, "train", framing).description.splits
    )
    data = {"train": load(dataset, "train", framing), test: load(test_on, test, framing)}
    shapes = [(*part.examples.shape[1:], part.description.num_classes) for part in data.values()]
    if shapes[0] != shapes[1]:
        own, other = (f"{h}x{w}x{c} of {classes} classes" for h, w, c, classes in shapes)
        raise ConfigError(
            f"test_on: the images of {dataset} are {own}, but those of {test_on} are {other}; "
            "both must be equal."
        )
    names = [part.description.class_names for part in data.values()]
    if all(names) and names[0] != names[1]:
        own, other = (", ".join(part[:3]) for part in names)
        raise ConfigError(
            f"test_on: the classes of {dataset} are {own}, ..., but those of {test_on} are "
            f"{other}, ...; both must be equal."
        )
    return data


def real_sample(
    network: FeatureNetwork, dataset: str, split: str, framing: Framing | int | None = None
) -> Sample:
    """The outputs of a feature network for a split of real images, with the Gaussian of the
    features, computed once and cached.

    The key of the file covers data set, version, split, images, network and code. A damaged file is
    reported on stderr and computed again.

    Raises:
      ConfigError: as `gan_jax.data.load`, or if the cache cannot be written.
    """
    data = load(dataset, split, framing)
    about, code = data.description, _digests(REFERENCE_CODE)
    content = [about.name, about.version, split, _content(data), network.key, code]
    path = _folder(network.key) / f"features-{_digest(*content)}.npz"
    arrays = _read(path)
    if arrays is None:
        features, logits = network.features(data.examples)
        arrays = {"features": features} | ({} if logits is None else {"logits": logits})
        if len(features) > 1 and np.isfinite(features).all():
            arrays |= gaussian_of(features)._asdict()
        _write(path, arrays)
    labels = data.labels if data.labels.min() >= 0 else None
    gaussian = Gaussian(arrays["mean"], arrays["factor"]) if "mean" in arrays else None
    return Sample(arrays["features"], arrays.get("logits"), labels, gaussian=gaussian)


@functools.cache
def _digests(code: tuple[Any, ...]) -> list[str]:
    return [hashlib.sha256(inspect.getsource(part).encode()).hexdigest() for part in code]


def _trained(
    data: dict[str, Dataset],
    classes: int,
    config: RecognizerConfig,
    modality: Modality,
    key: str,
) -> dict[str, np.ndarray]:
    """Arrays of a newly trained network by path, and its provenance as JSON in ``about``."""
    for split, part in data.items():
        if part.labels.min() < 0 and config.task == "labels":
            raise ConfigError(
                f"dataset {part.description.name} has unlabelled {modality.name} in {split}; a "
                "classifier needs a label for each."
            )
    (train_split, train_data), (test_split, test_data) = data.items()
    about, n = train_data.description, len(train_data.labels)
    print(
        f"Training a classifier on {about.name}, {train_split} ({n:,} {modality.name}), once.",
        file=sys.stderr,
        flush=True,
    )
    from tqdm import tqdm

    start = time.perf_counter()
    title = f"classifier of {about.name}"
    with tqdm(total=config.steps, desc=title, unit=" steps", leave=False, disable=None) as bar:

        def told(steps: int, metrics: dict[str, float]) -> None:
            bar.set_postfix(
                {name: f"{value:.3f}" for name, value in metrics.items()}, refresh=False
            )
            bar.update(steps)

        images = np.asarray(train_data.examples)
        checkpoints = _folder(key) / "checkpoints"
        new = fitting.fit(
            config, images, train_data.labels, classes, modality, told=told, checkpoints=checkpoints
        )
    provenance = {
        **dataclasses.asdict(config),
        "dataset": about.name,
        "version": about.version,
        "train_split": train_split,
        "train_images": n,
        "test_dataset": test_data.description.name,
        "test_split": test_split,
        "test_images": len(test_data.labels),
        "test_accuracy": _accuracy(new, config, test_data),
        **new.about,
        "training_seconds": round(time.perf_counter() - start, 1),
        "key": key,
    }
    return {
        **flax.traverse_util.flatten_dict(new.variables, sep="/"),
        "about": np.array(json.dumps(provenance)),
    }


def _accuracy(network: Recognizer, config: RecognizerConfig, data: Dataset) -> float:
    """Fraction of images whose label, or rotation, is classified correctly."""
    if config.task == "labels":
        return fitting.accuracy(network, data.examples, data.labels)
    x = np.asarray(data.examples)
    turns = range(augment.turns_of(x.shape[1:]))
    return float(np.mean([fitting.accuracy(network, augment.turned(x, t), t) for t in turns]))


def _key(data: dict[str, Dataset], config: RecognizerConfig, rate: int | None = None) -> str:
    """The key of a classifier: a digest of data, rate of sounds, recipe and code."""
    content = {
        split: [part.description.name, part.description.version, _content(part)]
        for split, part in data.items()
    }
    return _digest(content, rate, dataclasses.asdict(config), _digests(TRAINING_CODE))


def _content(data: Dataset) -> str:
    """Digest of all labels and about a thousand images, so that it depends on the content, not only
    on the name.
    """
    digest = hashlib.sha256(repr(data.examples.shape).encode() + data.labels.tobytes())
    digest.update(data.examples[:: len(data.labels) // 1000 + 1].tobytes())
    return digest.hexdigest()


def _digest(*values: object) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def _folder(key: str) -> Path:
    return cache_folder() / "recognizers" / key


def _read(path: Path) -> dict[str, np.ndarray] | None:
    """The arrays of a file; None if it is absent or damaged, which is reported on stderr."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        print(f"{path} is damaged ({error}) and is computed again.", file=sys.stderr, flush=True)
        return None


def _write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes the file atomically.

    Raises:
      ConfigError: if it cannot be written.
    """
    with writing(), replacing(path) as unfinished:
        np.savez(unfinished, **arrays)
