"""From a name to a TFDS builder, and from a split to its examples, without TensorFlow."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from absl import logging as absl_logging
from tensorflow_datasets.core import registered

from gan_jax.data import preparing
from gan_jax.data.description import Description
from gan_jax.data.embedded import DATASETS
from gan_jax.errors import ConfigError, one_of
from gan_jax.modality import Images, Vectors, of_feature

INFO = "dataset_info.json"
_CHUNK = 512  # examples decoded at once

Load = Callable[[str, str], Any]
"""Reads the examples and labels of a data set, by its name and split, as `gan_jax.data.load`."""


@dataclasses.dataclass(frozen=True)
class Source:
    """A data set as TFDS opened it. ``label_key`` is None where it has no class labels."""

    builder: tfds.core.DatasetBuilder
    description: Description
    example_key: str
    label_key: str | None

    @property
    def folder(self) -> Path:
        """Where its prepared files are, or will be."""
        return Path(self.builder.data_dir)

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
        example_key, label_key = _keys(name, builder.info)
        return Source(builder, _describe(builder, example_key, label_key), example_key, label_key)


def prepare(source: Source, root: Path, load: Load) -> Source:
    """Returns the source with its examples on disk, which for a set of TFDS's own may mean to
    download it.

    Args:
      source, root: as for `open_source`.
      load: reads the sets that one of our own is made from.

    Raises:
      ConfigError: at once, where TensorFlow or the network is missing.
    """
    name = source.description.name
    if not source.prepared:
        if name in DATASETS:
            for other in _made_from(source.builder):
                load(other, "train")  # refused here, in its own words, where it is missing
            with _quiet():
                preparing.prepare_embedded(lambda: _builder(name, root, load))
        else:
            preparing.download_and_prepare(name, source.builder)
        source = open_source(name, root)
    if not source.prepared:
        raise ConfigError(
            f"dataset: {source.folder} is no complete data set; delete it to prepare {name!r} anew."
        )
    formats = [file_format.value for file_format in source.builder.info.available_file_formats()]
    if preparing.FORMAT not in formats:
        raise ConfigError(
            f"dataset: {source.folder} holds {' and '.join(formats)} files, but only "
            f"{preparing.FORMAT} can be read without TensorFlow; prepare the set in another "
            "folder (TFDS_DATA_DIR)."
        )
    return source


def resolve(source: Source, split: str) -> tuple[list[tuple[str, int, int]], int]:
    """The split as ``[(name, from, to), ...]`` and its number of examples.

    Raises:
      ConfigError: for an unknown split, a malformed slice, or one without examples.
    """
    about = source.description
    accepted = (
        f"{about.name} has {', '.join(about.splits)}, "
        f"and slices such as {next(iter(about.splits))}[:90%]"
    )
    try:
        instructions = tfds.core.ReadInstruction.from_spec(split).to_absolute(
            source.builder.info.splits
        )
    except (ValueError, KeyError, AssertionError, NotImplementedError) as error:
        raise ConfigError(f"split: {split!r} is not a split; {accepted}.") from error
    parts = [
        (p.splitname, p.from_ or 0, about.splits[p.splitname] if p.to is None else p.to)
        for p in instructions
    ]
    if any(start >= end for _, start, end in parts):
        raise ConfigError(f"split: {split!r} holds no example; {accepted}.")
    return parts, sum(end - start for _, start, end in parts)


def read(source: Source, split: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Chunks of images ``[m, h, w, c]`` uint8 or vectors ``[m, d]`` float32 and labels ``[m]``
    int32, in the order of the files.

    Raises:
      ConfigError: if the prepared files cannot be read.
    """
    modality, label_key = source.description.modality, source.label_key
    try:
        with _quiet():
            examples = source.builder.as_data_source(split, file_format=preparing.FORMAT)
            for start in range(0, len(examples), _CHUNK):
                chunk = examples.__getitems__(range(start, min(start + _CHUNK, len(examples))))
                x = np.stack([example[source.example_key] for example in chunk])
                if x.shape[1:] != modality.shape or x.dtype != modality.stored:
                    raise ValueError(f"{x.dtype} {x.shape[1:]} where {modality} were announced")
                y = [example[label_key] if label_key else -1 for example in chunk]
                yield x, np.array(y, np.int32)
    except Exception as error:  # readers and decoders of TFDS raise of every kind
        raise ConfigError(
            f"dataset: {source.folder} cannot be read ({preparing.reason(error)}); "
            "delete it to prepare it anew."
        ) from error


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
    if is_folder(name):
        return _in_folder(Path(name).expanduser())
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


def is_folder(name: str) -> bool:
    """Whether a name is the path of a prepared data set: it begins like a path, or there is one."""
    return name.startswith(("/", ".", "~")) or ("/" in name and Path(name, INFO).is_file())


def _in_folder(folder: Path) -> tfds.core.DatasetBuilder:
    if not (folder / INFO).is_file():
        raise ConfigError(f"dataset: {folder} is no data set that TFDS wrote; it has no {INFO}.")
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
    hint = f"did you mean {near[0]!r}? " if near else ""
    accepted = (
        f"accepted: {', '.join(DATASETS)} and the data sets of TFDS by their names, such as mnist"
    )
    return ConfigError(f"dataset: unknown {name!r}; {hint}{accepted}.")


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
    if None in features[examples[0]].shape:
        raise ConfigError(
            f"dataset: the examples of {name!r} vary in size; so far all must have one size."
        )
    return examples[0], labels[0] if len(labels) == 1 else None


def _describe(
    builder: tfds.core.DatasetBuilder, example_key: str, label_key: str | None
) -> Description:
    features = builder.info.features
    config = builder.builder_config.name if builder.builder_config else None
    return Description(
        name=f"{builder.name}/{config}" if config else builder.name,
        version=str(builder.version),
        shape=tuple(features[example_key].shape),
        num_classes=features[label_key].num_classes if label_key else 0,
        class_names=tuple(features[label_key].names) if label_key else (),
        splits={name: split.num_examples for name, split in builder.info.splits.items()},
    )
