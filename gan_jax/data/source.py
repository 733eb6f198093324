"""From a name to a TFDS builder, and from parts of its splits to examples, without TensorFlow."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import functools
import json
import operator
import os
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from absl import logging as absl_logging
from tensorflow_datasets.core import registered

from gan_jax.data import cache, preparing, tfrecords
from gan_jax.data.cache import Chunk
from gan_jax.data.description import Description
from gan_jax.data.embedded import DATASETS
from gan_jax.data.folders import PREPARED, SUFFIXES
from gan_jax.data.framing import Frame, decode
from gan_jax.data.slices import Part
from gan_jax.errors import ConfigError, one_of
from gan_jax.modality import Images, Vectors, of_feature

READ = {preparing.FORMAT, tfrecords.FORMAT}
"""Formats that are read."""
FEATURES = "features.json"
"""In a prepared folder: what its examples are."""

Load = Callable[[str, str], Any]
"""Reads the examples and labels of a data set, by its name and split, as `gan_jax.data.load`."""


@dataclasses.dataclass(frozen=True)
class Source:
    """A data set as TFDS opened it, by its name and the folder above all sets.

    ``label_key`` is None where it has no class labels.
    """

    name: str
    root: Path
    builder: tfds.core.DatasetBuilder
    description: Description
    example_key: str
    label_key: str | None

    @property
    def folder(self) -> Path:
        """Where its prepared files are, or will be."""
        return Path(self.builder.data_dir)

    @property
    def digest(self) -> str | None:
        """Changes with the prepared files."""
        return cache.fingerprint(self.folder)

    @property
    def prepared(self) -> bool:
        return bool(self.description.splits)

    @property
    def versioned(self) -> bool:
        """Whether name, version and the installed code determine the examples: true of TFDS's own
        sets and of ours.
        """
        return type(self.builder).__module__.startswith(
            ("tensorflow_datasets.", "gan_jax.")
        ) and not isinstance(self.builder, tfds.core.read_only_builder.ReadOnlyBuilder)

    @property
    def _formats(self) -> set[str]:
        return {form.value for form in self.builder.info.available_file_formats()}

    @property
    def infos(self) -> Mapping[str, Any]:
        return self.builder.info.splits

    def ready(self, load: Load) -> Source:
        """The source with its examples on disk, which for a set of TFDS's own may mean to download
        it.

        Args:
          load: reads the sets that one of our own is made from.

        Raises:
          ConfigError: at once, where TensorFlow or the network is missing.
        """
        source = self
        if not self.prepared:
            if self.name in DATASETS:
                for other in _made_from(self.builder):
                    load(other, "train")  # refused here, in its own words, where it is missing
                with _quiet():
                    preparing.prepare_embedded(lambda: _builder(self.name, self.root, load))
            else:
                preparing.download_and_prepare(self.description.name, self.builder)
            source = open_source(self.name, self.root)
        if not source.prepared:
            raise ConfigError(
                f"dataset: {self.folder} is no complete data set; delete it to prepare "
                f"{self.name!r} anew."
            )
        if not source._formats & READ:
            raise ConfigError(
                f"dataset: {self.folder} holds {' and '.join(sorted(source._formats))} files, but "
                f"only {' and '.join(sorted(READ))} can be read without TensorFlow; prepare the "
                "set in another folder (TFDS_DATA_DIR)."
            )
        return source

    def parts(self, parts: Sequence[Part], frame: Frame) -> Callable[[int, int], Chunk]:
        """As `gan_jax.data.dataset.Source`."""
        split = functools.reduce(
            operator.add, (tfds.core.ReadInstruction(p.split, p.start, p.end) for p in parts)
        )
        files = None in self.description.shape  # of all sizes, which TFDS hands on as they are
        decoders = {self.example_key: tfds.decode.SkipDecoding()} if files else None
        with self._reading():
            if preparing.FORMAT in self._formats:
                examples = self.builder.as_data_source(
                    split, file_format=preparing.FORMAT, decoders=decoders
                )
            else:
                examples = tfrecords.TfRecordSource(self.builder.info, split, decoders)

        def read(start: int, end: int) -> Chunk:
            with self._reading():
                found = examples.__getitems__(range(start, end))
                x = [example[self.example_key] for example in found]
                y = [example[self.label_key] if self.label_key else -1 for example in found]
                return Chunk(self._framed(x, start, frame), np.array(y, np.int32))

        return read

    def _framed(self, x: list[Any], start: int, frame: Frame) -> np.ndarray:
        if None in self.description.shape:
            names = [str(start + i) for i in range(len(x))]
            images, _, broken = decode(frame, names, lambda name: x[int(name) - start])
            if broken:
                raise ValueError(f"image {broken[0]}")
            return images
        modality, stacked = self.description.modality, np.stack(x)
        if stacked.shape[1:] != modality.shape or stacked.dtype != modality.stored:
            raise ValueError(f"{stacked.dtype} {stacked.shape[1:]} where {modality} were announced")
        return frame.examples(stacked)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Around what reads the prepared files.

        Raises:
          ConfigError: if they cannot be read.
        """
        try:
            with _quiet():
                yield
        except Exception as error:  # readers and decoders of TFDS raise of every kind
            raise ConfigError(
                f"dataset: {self.folder} cannot be read ({preparing.reason(error)}); "
                "delete it to prepare it anew."
            ) from error


def open_source(name: str, root: Path) -> Source:
    """Finds the data set ``name``; our own are prepared at once, as that takes a moment, unless
    made from other sets.

    Raises:
      ConfigError: if there is none, or not of images of one size or of vectors.
    """
    with _quiet():
        builder = _builder(name, root)
        if name in DATASETS and not builder.is_prepared() and not _made_from(builder):
            builder = preparing.prepare_embedded(lambda: _builder(name, root))
        _check_features(builder)
        example_key, label_key = _keys(name, builder.info)
        about = _describe(builder, example_key, label_key)
        return Source(name, root, builder, about, example_key, label_key)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without TFDS's warnings of what is normal here: no OpenCV, a set not yet prepared."""
    before = absl_logging.get_verbosity()
    absl_logging.set_verbosity(absl_logging.ERROR)
    try:
        yield
    finally:
        absl_logging.set_verbosity(before)


def _made_from(builder: tfds.core.DatasetBuilder) -> tuple[str, ...]:
    """Names of the sets that one of our own is made from, which may still have to be prepared."""
    return getattr(builder, "MADE_FROM", ())


def _builder(name: str, root: Path, load: Load | None = None) -> tfds.core.DatasetBuilder:
    if name in DATASETS:
        made = pkgutil.resolve_name(DATASETS[name])(data_dir=root, file_format=preparing.FORMAT)
        if _made_from(made):
            made.load = load
        return made
    if _is_folder(name):
        return _in_folder(Path(os.path.expanduser(name)))
    try:
        set_name, options = tfds.core.naming.parse_builder_name_kwargs(name)
        known = registered.list_imported_builders()
        if set_name.namespace or not (set_name.name in known or (root / set_name.name).is_dir()):
            raise _unknown(name, known)
        if "config" in options and set_name.name in known:
            _check_config(set_name.name, options["config"])
        return tfds.builder(name, data_dir=root)
    except ConfigError:
        raise
    except Exception as error:  # by the name, the version, or files that it cannot read
        raise ConfigError(
            f"dataset: TFDS cannot open {name!r}: {preparing.reason(error)}."
        ) from error


def _is_folder(name: str) -> bool:
    """Whether a name is the path of a prepared data set: it begins like a path, or there is one."""
    return name.startswith(("/", ".", "~")) or (
        "/" in name and os.path.isfile(os.path.join(name, PREPARED))
    )


def _in_folder(folder: Path) -> tfds.core.DatasetBuilder:
    if not os.path.isdir(folder):
        raise ConfigError(f"dataset: there is no folder {folder.absolute()}.")
    if not (folder / PREPARED).is_file():
        raise ConfigError(
            f"dataset: {folder.absolute()} has neither images ({', '.join(SUFFIXES)}) nor "
            f"{PREPARED}, which a data set that TFDS wrote has."
        )
    try:
        return tfds.builder_from_directory(folder)
    except Exception as error:  # files that TFDS cannot read
        raise ConfigError(
            f"dataset: TFDS cannot open {folder}: {preparing.reason(error)}."
        ) from error


def _check_config(set_name: str, config: str) -> None:
    configs = {config.name for config in tfds.builder_cls(set_name).BUILDER_CONFIGS}
    if not configs:
        raise ConfigError(
            f"dataset: {set_name} has no variants, so there is no '{set_name}/{config}'."
        )
    one_of(f"dataset {set_name}", config, configs)


def _unknown(name: str, known: list[str]) -> ConfigError:
    near = difflib.get_close_matches(name, [*DATASETS, *known], n=1)
    near = [f"./{name}"] if os.path.isdir(name) else near
    hint = f"did you mean {near[0]!r}? " if near else ""
    accepted = (
        f"accepted: {', '.join(DATASETS)} and the data sets of TFDS by their names, such as mnist"
    )
    return ConfigError(f"dataset: unknown {name!r}; {hint}{accepted}.")


def _check_features(builder: tfds.core.DatasetBuilder) -> None:
    """Refuses prepared files of which TFDS could not say what they hold.

    Raises:
      ConfigError: where that description is damaged or missing.
    """
    path = Path(builder.data_dir, FEATURES)
    if not builder.is_prepared():
        return
    try:
        json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"dataset: {path} is missing or damaged ({preparing.reason(error)}); delete the folder "
            "to prepare it anew."
        ) from error


def _keys(name: str, info: tfds.core.DatasetInfo) -> tuple[str, str | None]:
    """The features that hold example and class: the supervised ones, otherwise the only image, or
    vector, and the only class.
    """
    features = dict(info.features)
    if info.supervised_keys and all(isinstance(key, str) for key in info.supervised_keys):
        features = {key: features[key] for key in info.supervised_keys[:2]}
    plain = {k: f for k, f in features.items() if type(f.shape) is tuple}
    kinds = {k: of_feature(f.shape, f.np_dtype) for k, f in plain.items()}
    labels = [k for k, f in features.items() if isinstance(f, tfds.features.ClassLabel)]
    of_kind = lambda kind: [k for k, found in kinds.items() if found is kind]
    images, vectors = of_kind(Images), of_kind(Vectors)
    examples = images or vectors
    if len(examples) != 1:
        wanted = "8-bit images" if len(images) > 1 else "8-bit images or vectors of 32-bit floats"
        raise ConfigError(
            f"dataset: {name!r} has {len(examples)} features that are {wanted}; "
            "exactly one is needed."
        )
    return examples[0], labels[0] if len(labels) == 1 else None


def _describe(
    builder: tfds.core.DatasetBuilder, example_key: str, label_key: str | None
) -> Description:
    features = builder.info.features
    *sides, last = features[example_key].shape
    shape = (*sides, last or 3)  # images whose channels vary are made coloured
    config = builder.builder_config.name if builder.builder_config else None
    return Description(
        name=f"{builder.name}/{config}" if config else builder.name,
        version=str(builder.version),
        shape=shape,
        num_classes=features[label_key].num_classes if label_key else 0,
        class_names=tuple(features[label_key].names) if label_key else (),
        splits={name: split.num_examples for name, split in builder.info.splits.items()},
        fit="crop" if None in shape else "pad",
    )
