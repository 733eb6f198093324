"""Trained recognizers and the features of real images, made once and kept in the user's cache folder."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import flax.linen as nn
import flax.traverse_util
import jax
import numpy as np
import optax

from gan_jax.config import Config, ConfigError, one_of
from gan_jax.data import Dataset, batches, describe, load
from gan_jax.data.cache import cache_folder
from gan_jax.metrics import Sample, label_agreement
from gan_jax.recognizers import training
from gan_jax.recognizers.cnn import Cnn
from gan_jax.recognizers.recognizer import FeatureNetwork, Recognizer

RECOGNIZERS: dict[str, Callable[..., nn.Module]] = {"cnn": Cnn}
"""Architectures: ``(num_classes, features=...)`` gives a module ``(x, *, train) -> (features, logits)``."""


@dataclasses.dataclass(frozen=True)
class RecognizerConfig:
    """How a recognizer is made: a network of `RECOGNIZERS`, trained by AdamW at a rate that decays as a cosine.

    ``features``: units of the last hidden layer. ``lr``, ``weight_decay``: of AdamW (Loshchilov & Hutter 2019).
    ``shift``, ``noise``: of the augmentation, see `training.Classifier`.
    """

    network: str = "cnn"
    features: int = 64
    steps: int = 2_000
    batch_size: int = 128
    lr: float = 3e-3
    weight_decay: float = 0.01
    shift: int = 1
    noise: float = 0.5
    seed: int = 0


SMALL_CNN = RecognizerConfig()
CODE = Path(__file__).parent


def recognizer(dataset: str, size: int | None = None, config: RecognizerConfig = SMALL_CNN) -> Recognizer:
    """The recognizer of a labelled data set: from the cache, or trained on its training split and tested on the rest.

    Args:
      dataset, size: as for `gan_jax.data.load`.
      config: how it is made. Another config, data set, size or code makes another recognizer.

    Raises:
      ConfigError: for a data set without labels, or an unknown architecture.
    """
    make = RECOGNIZERS[one_of("recognizer.network", config.network, RECOGNIZERS)]
    about = describe(dataset)
    if not about.num_classes:
        raise ConfigError(
            f"dataset: {dataset} has no labels, so no recognizer can learn from it; accepted: labelled ones."
        )
    if len(about.shape) != 3:
        raise ConfigError(f"dataset: {dataset} holds vectors, which no recognizer looks at; accepted: sets of images.")
    splits = train_and_test(about.splits or load(dataset, "train", size).description.splits)
    data = {split: load(dataset, split, size) for split in splits}
    network = make(about.num_classes, features=config.features)
    key = _key(data, dataset, size, config)
    path = _folder(key) / "network.npz"
    arrays = _read(path)
    if arrays is None:
        arrays = _trained(data, size, config, network, key)
        _write(path, arrays)
    about = json.loads(str(arrays.pop("about")))
    return Recognizer(network, flax.traverse_util.unflatten_dict(arrays, sep="/"), key, about)


def train_and_test(splits: dict[str, int]) -> tuple[str, str]:
    """The splits to learn from and to test on: the data set's own, or the first nine tenths and the last one.

    Raises:
      ConfigError: for a data set without a split named train.
    """
    if "train" not in splits:
        raise ConfigError(f"split: the data set has {', '.join(splits)}; one named train is needed.")
    for name in ("test", "validation"):
        if name in splits:
            return "train", name
    return "train[:90%]", "train[90%:]"


def real_sample(network: FeatureNetwork, dataset: str, split: str, size: int | None = None) -> Sample:
    """What a feature network sees in a split of real images, computed once and cached.

    Raises:
      ConfigError: as `gan_jax.data.load`.
    """
    data = load(dataset, split, size)
    path = _folder(network.key) / f"features-{_digest(split, size, _content(data))}.npz"
    arrays = _read(path)
    if arrays is None:
        features, logits = network.features(data.examples)
        arrays = {"features": features} | ({} if logits is None else {"logits": logits})
        _write(path, arrays)
    return Sample(arrays["features"], arrays.get("logits"), data.labels if data.labels.min() >= 0 else None)


def _trained(
    data: dict[str, Dataset], size: int | None, config: RecognizerConfig, network: nn.Module, key: str
) -> dict[str, np.ndarray]:
    """Arrays of a newly trained network by path, and its provenance as JSON in ``about``."""
    for split, part in data.items():
        if part.labels.min() < 0:
            raise ConfigError(
                f"dataset: {part.description.name} has images without labels in {split}; accepted: none such."
            )
    (train_split, train_data), (test_split, test_data) = data.items()
    about, n = train_data.description, len(train_data.labels)
    print(f"Training a recognizer on {about.name}, {train_split} ({n:,} images), once.", file=sys.stderr, flush=True)
    start = time.perf_counter()
    optimizer = optax.adamw(optax.cosine_decay_schedule(config.lr, config.steps), weight_decay=config.weight_decay)
    classifier = training.Classifier(network, optimizer, config.shift, config.noise)
    state = training.init_state(classifier, jax.random.key(config.seed), train_data.examples.shape[1:])
    order = Config(dataset=about.name, split=train_split, size=size, batch_size=config.batch_size, seed=config.seed)
    # The recognizer's minibatches are the GAN's, without the axis of discriminator steps.
    minibatches = (jax.tree.map(lambda a: a[0], batch) for batch in batches(order))
    state = training.train(classifier, state, minibatches, config.steps, f"recognizer of {about.name}")
    variables = jax.device_get({"params": state.network.params, **state.network.stats})
    seconds = time.perf_counter() - start
    _, logits = Recognizer(network, variables, key, {}).features(test_data.examples)
    provenance = {
        **dataclasses.asdict(config),
        "dataset": about.name,
        "version": about.version,
        "train_split": train_split,
        "train_images": n,
        "test_split": test_split,
        "test_images": len(test_data.labels),
        "test_accuracy": label_agreement(logits, test_data.labels),
        "training_seconds": round(seconds, 1),
        "key": key,
    }
    return {**flax.traverse_util.flatten_dict(variables, sep="/"), "about": np.array(json.dumps(provenance))}


def _key(data: dict[str, Dataset], dataset: str, size: int | None, config: RecognizerConfig) -> str:
    """Names a recognizer by what it is made from: the data, the recipe, and the code of this folder."""
    content = {split: [part.description.version, _content(part)] for split, part in data.items()}
    code = [hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(CODE.glob("*.py"))]
    return _digest(dataset, size, content, dataclasses.asdict(config), code)


def _content(data: Dataset) -> str:
    """Digest of all labels and of some thousand images: a set of another content has another, whatever its name."""
    digest = hashlib.sha256(repr(data.examples.shape).encode() + data.labels.tobytes())
    digest.update(data.examples[:: len(data.labels) // 1000 + 1].tobytes())
    return digest.hexdigest()


def _digest(*values: object) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def _folder(key: str) -> Path:
    return cache_folder() / "recognizers" / key


def _read(path: Path) -> dict[str, np.ndarray] | None:
    """The arrays of a file; None where it is absent or, with a sentence on stderr, damaged."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        print(f"{path} is damaged ({error}) and is made again.", file=sys.stderr, flush=True)
        return None


def _write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes the file so that it appears whole or not at all."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as temporary:
            np.savez(temporary, **arrays)
        os.replace(temporary.name, path)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary.name)
        raise ConfigError(f"GAN_JAX_CACHE: the cache {cache_folder()} cannot be written ({error}).") from error
