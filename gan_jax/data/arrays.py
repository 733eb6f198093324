"""Data sets from arrays in memory; their names are accepted wherever a data set name is."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gan_jax.data import cache
from gan_jax.data.cache import Chunk
from gan_jax.data.description import Description
from gan_jax.data.framing import Form
from gan_jax.data.slices import Part
from gan_jax.data.sounds import SoundFrame, check_rate
from gan_jax.data.texts import LINE, counted
from gan_jax.errors import ConfigError
from gan_jax.files import replacing
from gan_jax.modality import KINDS, Images

ABOUT = "arrays.json"
"""The description in the folder of such a data set, next to a folder for each split."""


@dataclasses.dataclass(frozen=True)
class Arrays:
    """Arrays that `dataset` stored in a folder."""

    path: Path
    description: Description
    digest: str
    versioned, infos = False, None

    def ready(self, _: Callable) -> Arrays:
        """Itself: nothing has to be prepared."""
        return self

    def parts(self, parts: Sequence[Part], frame: Form) -> Callable[[int, int], Chunk]:
        """As `gan_jax.data.dataset.Source`."""
        found = [(self.split(p.split), p) for p in parts]
        x = [examples[p.start : p.end] for (examples, _), p in found]
        y = np.concatenate([labels[p.start : p.end] for (_, labels), p in found])
        begins = np.cumsum([0, *map(len, x)])

        def read(start: int, end: int) -> Chunk:
            cut = lambda own, begin: own[max(start - begin, 0) : max(end - begin, 0)]
            own = np.concatenate([cut(a, b) for a, b in zip(x, begins, strict=False)])
            return Chunk(frame.examples(own), y[start:end])

        return read

    def split(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Examples, memory-mapped, and labels.

        Raises:
          ConfigError: if the files are damaged.
        """
        arrays = cache.read(self.path / name)
        if arrays is None:
            raise ConfigError(
                f"dataset {self.path} is damaged; call gan_jax.dataset again to restore it."
            )
        return arrays


def dataset(
    examples: np.ndarray | Sequence[str],
    labels: np.ndarray | None = None,
    test: tuple[np.ndarray | Sequence[str], np.ndarray] | np.ndarray | Sequence[str] | None = None,
    class_names: Sequence[str] | None = None,
    name: str = "arrays",
    rate: int | None = None,
    unlabelled: np.ndarray | None = None,
) -> str:
    """Stores arrays in the user's cache as a data set.

    Equal arrays give the same name in every process, so that a run can be resumed and evaluated
    wherever this cache is available. Later, examples are memory-mapped, not copied.

    Args:
      examples: images ``[n, h, w]`` or ``[n, h, w, c]`` uint8 in [0, 255], or vectors ``[n, d]``
        float32: the split ``train``. With ``rate``, sounds ``[n, length]`` or
        ``[n, length, channels]``, int16 or floats in [-1, 1]; channels are averaged. Strings, as a
        list or an array ``[n]``, are texts.
      labels: ``[n]`` integers in [0, number of classes).
      test: the split ``test`` of held-out examples; with labels, a pair ``(examples, labels)``.
        Without it, a tenth of each class is held out where scores need it.
      class_names: one for each class; by default the numbers up to the largest label.
      name: the name of the data set in reports: letters, digits, ``_`` and ``-``.
      rate: samples per second, if the examples are sounds.
      unlabelled: further training examples, which get the label -1 (see `gan_jax.enlarge`).

    Returns:
      A path for `Config.dataset`, `describe`, or ``--dataset``.

    Raises:
      ConfigError: for an unsupported dtype or shape, arrays that do not fit together, or a cache
        that cannot be written.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise ConfigError(f"name must be 1 to 64 letters, digits, _ or -, not {name!r}.")
    if rate is not None:
        check_rate(rate)
    splits = {"train": (_examples("examples", examples, rate), labels)}
    if test is not None:
        splits["test"] = _test(test, labels is not None, rate)
    shapes = [x.shape[1:] for x, _ in splits.values()]
    if shapes[-1] != shapes[0]:
        raise ConfigError(f"test examples must have the shape {shapes[0]}, not {shapes[1]}.")
    classes = _class_names(splits, class_names)
    arrays = {
        split: (x, _labels(split, y, len(x), len(classes))) for split, (x, y) in splits.items()
    }
    if unlabelled is not None:
        arrays["train"] = _with_unlabelled(*arrays["train"], unlabelled, rate)
    about = {
        "name": name,
        "shape": shapes[0],
        "class_names": classes,
        "splits": {split: len(x) for split, (x, _) in arrays.items()},
    } | _kind(arrays, rate)
    about["version"] = _digest(about, arrays)
    folder = cache.cache_folder() / "arrays" / f"{name}-{about['version']}"
    _write(folder, about, arrays)
    return str(folder.absolute())


def is_arrays(name: str) -> bool:
    """Whether a name is one that `dataset` returned."""
    return os.path.isfile(os.path.join(os.path.expanduser(name), ABOUT))


def open_arrays(name: str) -> Arrays:
    """Opens what `dataset` stored.

    Raises:
      ConfigError: if it is damaged.
    """
    path = Path(os.path.expanduser(name))
    try:
        about = json.loads((path / ABOUT).read_text())
        about = Description.of_json(about | {"num_classes": len(about["class_names"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"dataset file {path / ABOUT} cannot be read ({error}); delete the folder and call "
            "gan_jax.dataset again."
        ) from error
    return Arrays(path, about, about.version)


def _kind(arrays: dict[str, tuple[np.ndarray, np.ndarray]], rate: int | None) -> dict[str, Any]:
    """The fields of the description that are those of sounds, or of texts."""
    if rate is not None:
        return {"rate": rate}
    texts = {split: x.tolist() for split, (x, _) in arrays.items() if x.dtype.kind == "U"}
    if not texts:
        return {}
    known = {unit: dataclasses.asdict(own) for unit, own in counted(texts).items()}
    return {"texts": {LINE: known}, "field": LINE}


def _examples(field: str, x: Any, rate: int | None) -> np.ndarray:
    """Images ``[n, h, w, c]``, vectors ``[n, d]``, texts ``[n]`` or, with a rate, sounds
    ``[n, length, 1]``.
    """
    try:
        x = np.asarray(x)
    except ValueError as error:
        raise ConfigError(
            f"{field} must be one array, but the shapes of its parts differ; bring them to one "
            "shape."
        ) from error
    if rate is not None:
        return _sounds(field, x, rate)
    if x.dtype.kind == "U" and x.ndim == 1:
        return _texts(field, x)
    if x.ndim == 3 and x.dtype == np.uint8:
        x = x[..., None]
    if not any(x.ndim == kind.axes + 1 and x.dtype == kind.stored for kind in KINDS):
        raise ConfigError(
            f"{field} must be images [n, h, w] or [n, h, w, c] uint8 in [0, 255], vectors "
            f"[n, d] float32, or texts [n], not {x.dtype} of shape {x.shape}."
        )
    if 0 in x.shape:
        raise ConfigError(f"{field} must not be empty, but has the shape {x.shape}.")
    if x.ndim != Images.axes + 1 and not np.isfinite(x).all():
        raise ConfigError(f"{field} must be finite, but has NaN or infinite values.")
    return x


def _with_unlabelled(
    x: np.ndarray, y: np.ndarray, unlabelled: Any, rate: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """The examples and their labels, followed by unlabelled examples with the label -1."""
    more = _examples("unlabelled", unlabelled, rate)
    if (more.shape[1:], more.dtype.kind) != (x.shape[1:], x.dtype.kind):
        raise ConfigError(f"unlabelled must have the shape {x.shape[1:]}, not {more.shape[1:]}.")
    return np.concatenate([x, more]), np.concatenate([y, np.full(len(more), -1, np.int32)])


def _texts(field: str, x: np.ndarray) -> np.ndarray:
    blank = np.flatnonzero(np.char.strip(x) == "")
    if not len(x) or len(blank):
        where = f", but number {blank[0]} is" if len(blank) else ""
        raise ConfigError(f"{field} must not be empty{where}.")
    return x


def _sounds(field: str, x: np.ndarray, rate: int) -> np.ndarray:
    known = x.dtype == np.int16 or np.issubdtype(x.dtype, np.floating)
    if x.ndim not in (2, 3) or not known:
        raise ConfigError(
            f"{field} must be sounds [n, length] or [n, length, channels], int16 or floats in "
            f"[-1, 1], because rate is {rate}, not {x.dtype} of shape {x.shape}."
        )
    if 0 in x.shape:
        raise ConfigError(f"{field} must not be empty, but has the shape {x.shape}.")
    if x.dtype != np.int16 and not np.abs(x).max() <= 1:
        raise ConfigError(f"{field} must be in [-1, 1], but has other or NaN values.")
    return SoundFrame((x.shape[1], 1), rate, rate, normalize=False).examples(x)


def _test(test: Any, labelled: bool, rate: int | None) -> tuple[np.ndarray, Any]:
    texts = isinstance(test, list) and all(isinstance(own, str) for own in test)
    if not labelled and (texts or not isinstance(test, (tuple, list))):
        return _examples("test", test, rate), None
    if not isinstance(test, (tuple, list)) or len(test) != 2:
        raise ConfigError("test must be a pair (examples, labels).")
    x, y = test
    if labelled != (y is not None):
        raise ConfigError(
            f"test {'lacks labels' if labelled else 'has labels'} but the training examples "
            f"{'have' if labelled else 'lack'} them; give labels for both or for neither."
        )
    return _examples("test", x, rate), y


def _class_names(splits: dict[str, tuple], class_names: Sequence[str] | None) -> tuple[str, ...]:
    labels = [_integers(split, y) for split, (_, y) in splits.items() if y is not None]
    if not labels:
        if class_names is not None:
            raise ConfigError("class_names must be None because there are no labels.")
        return ()
    most = max(int(y.max(initial=0)) for y in labels) + 1
    if class_names is None:
        return tuple(map(str, range(most)))
    names = tuple(map(str, class_names))
    if len(set(names)) != len(names) or len(names) < most:
        raise ConfigError(
            f"class_names must be at least {most} different names for labels up to {most - 1}, "
            f"not {len(names)} with {len(set(names))} different ones."
        )
    return names


def _field(split: str) -> str:
    return "labels" if split == "train" else "test labels"


def _integers(split: str, y: Any) -> np.ndarray:
    y = np.asarray(y)
    if y.ndim != 1 or not np.issubdtype(y.dtype, np.integer):
        raise ConfigError(
            f"{_field(split)} must be integers [n], not {y.dtype} of shape {y.shape}."
        )
    return y


def _labels(split: str, y: Any, n: int, classes: int) -> np.ndarray:
    if y is None:
        return np.full(n, -1, np.int32)
    y = _integers(split, y)
    if len(y) != n:
        raise ConfigError(f"{_field(split)} must be {n}, one per example, not {len(y)}.")
    if y.min() < 0:
        raise ConfigError(f"{_field(split)} must be between 0 and {classes - 1}, not {y.min()}.")
    return y.astype(np.int32)


def _digest(about: dict[str, Any], arrays: dict[str, tuple[np.ndarray, np.ndarray]]) -> str:
    """A digest of everything that is stored."""
    digest = hashlib.sha256(json.dumps([cache.FORMAT, about]).encode())
    for x, y in arrays.values():
        digest.update(x.dtype.str.encode())
        for start in range(0, len(x), 4096):
            digest.update(np.ascontiguousarray(x[start : start + 4096]))
        digest.update(y)
    return digest.hexdigest()[:16]


def _is_whole(folder: Path, about: dict[str, Any]) -> bool:
    return (folder / ABOUT).is_file() and all(
        cache.read(folder / split) is not None for split in about["splits"]
    )


def _write(
    folder: Path, about: dict[str, Any], arrays: dict[str, tuple[np.ndarray, np.ndarray]]
) -> None:
    if _is_whole(folder, about):
        return
    with cache.writing(), replacing(folder, keep=lambda there: _is_whole(there, about)) as new:
        for split, (x, y) in arrays.items():
            chunks = (Chunk(x[i : i + 4096], y[i : i + 4096]) for i in range(0, len(x), 4096))
            cache.write(new / split, x.shape, x.dtype, chunks)
        (new / ABOUT).write_text(json.dumps(about))
