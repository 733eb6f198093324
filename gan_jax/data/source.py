"""Opens a TFDS builder by name and reads parts of its splits without TensorFlow."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import functools
import importlib.util
import json
import operator
import os
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core import registered

from gan_jax.data import cache, preparing, tfrecords
from gan_jax.data.audio_features import without_tensorflow
from gan_jax.data.cache import Chunk
from gan_jax.data.description import Description
from gan_jax.data.embedded import DATASETS
from gan_jax.data.file_kinds import SUFFIXES
from gan_jax.data.folders import PREPARED
from gan_jax.data.framing import Form, decode
from gan_jax.data.slices import Part
from gan_jax.errors import ConfigError, either, one_of
from gan_jax.modality import Images, Modality, Sounds, Text, Vectors, of_feature

READ = {preparing.FORMAT, tfrecords.FORMAT}
"""File formats that can be read."""
FEATURES = "features.json"
"""The file in a prepared folder that describes its examples."""

Load = Callable[[str, str], Any]
"""Reads the examples and labels of a data set by its name and split, like `gan_jax.data.load`."""


@dataclasses.dataclass(frozen=True)
class Source:
    """A data set opened by TFDS; ``root`` is the folder of all data sets.

    ``label_key`` is None without class labels.
    """

    name: str
    root: Path
    builder: tfds.core.DatasetBuilder
    description: Description
    example_key: str
    label_key: str | None

    @property
    def folder(self) -> Path:
        """The folder of its prepared files, which may not exist yet."""
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
        """Whether name, version and the installed code determine the examples, as for the sets of
        TFDS and ours.
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
        """The source with its examples on disk; sets of TFDS may be downloaded for that.

        Args:
          load: reads the sets from which one of ours is made.

        Raises:
          ConfigError: immediately, if TensorFlow or internet access is missing.
        """
        source = self
        if not self.prepared:
            if self.name in DATASETS:
                for other in _made_from(self.builder):
                    load(other, "train")  # its own error, if it is missing
                with preparing.quiet():
                    preparing.prepare_embedded(lambda: _builder(self.name, self.root, load))
            else:
                preparing.download_and_prepare(self.description.name, self.builder)
            source = open_source(self.name, self.root)
        if not source.prepared:
            raise ConfigError(
                f"dataset folder {self.folder} is incomplete; delete it to prepare "
                f"{self.name!r} again."
            )
        if not source._formats & READ:
            raise ConfigError(
                f"dataset folder {self.folder} has {' and '.join(sorted(source._formats))} files, "
                f"but only {' and '.join(sorted(READ))} can be read without TensorFlow; prepare "
                "the dataset in another folder (TFDS_DATA_DIR)."
            )
        return source

    def parts(self, parts: Sequence[Part], frame: Form) -> Callable[[int, int], Chunk]:
        """As `gan_jax.data.dataset.Source`."""
        examples = self.examples(parts)

        def read(start: int, end: int) -> Chunk:
            with self.reading():
                found = examples.__getitems__(range(start, end))
                x = [example[self.example_key] for example in found]
                y = [example[self.label_key] if self.label_key else -1 for example in found]
                return Chunk(self.framed(x, start, frame), np.array(y, np.int32))

        return read

    def examples(self, parts: Sequence[Part]) -> Any:
        """The examples of these parts: ``examples.__getitems__(numbers)`` is a list of dicts."""
        split = functools.reduce(
            operator.add, (tfds.core.ReadInstruction(p.split, p.start, p.end) for p in parts)
        )
        decoders = {self.example_key: tfds.decode.SkipDecoding()} if self._files else None
        with self.reading():
            if preparing.FORMAT in self._formats:
                return self.builder.as_data_source(
                    split, file_format=preparing.FORMAT, decoders=decoders
                )
            return tfrecords.TfRecordSource(self.builder.info, split, decoders)

    @property
    def _files(self) -> bool:
        """Whether TFDS returns undecoded files: images of different sizes."""
        about = self.description
        return None in about.shape and isinstance(about.modality, Images)

    def framed(self, x: list[Any], start: int, frame: Form) -> np.ndarray:
        """Examples as TFDS returns them, the first of which has the number ``start``, in the given
        form.
        """
        if isinstance(self.description.modality, Sounds):
            return frame.examples(x)
        if self._files:
            names = [str(start + i) for i in range(len(x))]
            images, _, broken = decode(frame, names, lambda name: x[int(name) - start])
            if broken:
                raise ValueError(f"image {broken[0]}")
            return images
        modality, stacked = self.description.modality, np.stack(x)
        if stacked.shape[1:] != modality.shape or stacked.dtype != modality.stored:
            raise ValueError(f"{stacked.dtype} {stacked.shape[1:]} instead of {modality}")
        return frame.examples(stacked)

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """A context for reading the prepared files.

        Raises:
          ConfigError: if they cannot be read.
        """
        try:
            with preparing.quiet():
                yield
        except Exception as error:  # readers and decoders of TFDS raise all kinds
            raise ConfigError(
                f"dataset folder {self.folder} cannot be read ({preparing.reason(error)}); "
                "delete it to prepare it again."
            ) from error


def open_source(name: str, root: Path) -> Source:
    """Finds the data set ``name``. Ours are prepared immediately, as this is quick, unless they are
    made from other sets.

    Raises:
      ConfigError: if it does not exist, or contains neither images, vectors, sounds nor texts.
    """
    with preparing.quiet(), without_tensorflow():
        builder = _builder(name, root)
        if name in DATASETS and not builder.is_prepared() and not _made_from(builder):
            builder = preparing.prepare_embedded(lambda: _builder(name, root))
        _check_features(builder)
        example_key, label_key = _keys(name, builder.info)
        about = _describe(builder, example_key, label_key)
        return Source(name, root, builder, about, example_key, label_key)


def _made_from(builder: tfds.core.DatasetBuilder) -> tuple[str, ...]:
    """Names of the sets from which one of ours is made; they may not be prepared yet."""
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
        return _of_tfds(name, root)
    except ConfigError:
        raise
    except Exception as error:  # an invalid name or version, or unreadable files
        raise ConfigError(
            f"dataset {name!r} cannot be opened by TFDS: {preparing.reason(error)}."
        ) from error


def _of_tfds(name: str, root: Path) -> tfds.core.DatasetBuilder:
    """The builder of a name; of its prepared files, if its code needs TensorFlow, which is absent.

    Raises:
      ConfigError: if such a set is not prepared.
    """
    try:
        return tfds.builder(name, data_dir=root)
    except ImportError as error:
        if importlib.util.find_spec("tensorflow"):
            raise
        try:
            return tfds.core.read_only_builder.builder_from_files(name, data_dir=root)
        except registered.DatasetNotFoundError:
            raise ConfigError(
                f"dataset {name!r} is not prepared in {root} (set by TFDS_DATA_DIR); "
                f"{preparing.BY_TENSORFLOW}"
            ) from error


def _is_folder(name: str) -> bool:
    """Whether a name is the path of a prepared data set: it begins like a path, or exists."""
    return name.startswith(("/", ".", "~")) or (
        "/" in name and os.path.isfile(os.path.join(name, PREPARED))
    )


def _in_folder(folder: Path) -> tfds.core.DatasetBuilder:
    if not os.path.isdir(folder):
        raise ConfigError(f"dataset folder {folder.absolute()} does not exist.")
    if not (folder / PREPARED).is_file():
        raise ConfigError(
            f"dataset folder {folder.absolute()} has neither images or sounds "
            f"({', '.join(SUFFIXES)}) nor {PREPARED}, which TFDS writes."
        )
    try:
        return tfds.builder_from_directory(folder)
    except Exception as error:  # files that TFDS cannot read
        raise ConfigError(
            f"dataset folder {folder} cannot be opened by TFDS: {preparing.reason(error)}."
        ) from error


def _check_config(set_name: str, config: str) -> None:
    configs = {config.name for config in tfds.builder_cls(set_name).BUILDER_CONFIGS}
    if not configs:
        raise ConfigError(
            f"dataset '{set_name}/{config}' does not exist because {set_name} has no variants."
        )
    one_of(f"dataset {set_name}", config, configs)


def _unknown(name: str, known: list[str]) -> ConfigError:
    near = difflib.get_close_matches(name, [*DATASETS, *known], n=1)
    near = [f"./{name}"] if os.path.isdir(name) else near
    use = f"did you mean {near[0]!r}? Use" if near else "use"
    return ConfigError(
        f"dataset {name!r} is unknown; {use} the name of a TFDS dataset such as mnist, the path of "
        f"a folder, or one of {', '.join(DATASETS)}."
    )


def _check_features(builder: tfds.core.DatasetBuilder) -> None:
    """Refuses prepared files whose description TFDS could not read.

    Raises:
      ConfigError: if the description is damaged or missing.
    """
    path = Path(builder.data_dir, FEATURES)
    if not builder.is_prepared():
        return
    try:
        json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"dataset file {path} is missing or damaged ({preparing.reason(error)}); delete the "
            "folder to prepare it again."
        ) from error


def _keys(name: str, info: tfds.core.DatasetInfo) -> tuple[str, str | None]:
    """The keys of the example and the class label: the supervised ones, otherwise the only image
    (or sound, or vector, or the first text) and the only class label.
    """
    features = dict(info.features)
    if info.supervised_keys and all(isinstance(key, str) for key in info.supervised_keys):
        features = {key: features[key] for key in info.supervised_keys[:2]}
    kinds = {k: _kind(f) for k, f in features.items()}
    labels = [k for k, f in features.items() if isinstance(f, tfds.features.ClassLabel)]
    of_kind = lambda kind: [k for k, found in kinds.items() if found is kind]
    examples = next(filter(None, map(of_kind, (Images, Sounds, Vectors))), [])
    if not examples and (texts := of_kind(Text)):
        return texts[0], labels[0] if len(labels) == 1 else None
    if len(examples) != 1:
        wanted = {Images: "8-bit images", Sounds: "sounds", Vectors: "vectors of 32-bit floats"}
        kind = wanted[kinds[examples[0]]] if examples else either([*wanted.values(), "texts"])
        raise ConfigError(
            f"dataset {name!r} has {len(examples)} features that are {kind}; exactly one is needed."
        )
    return examples[0], labels[0] if len(labels) == 1 else None


def _kind(feature: tfds.features.FeatureConnector) -> type[Modality] | None:
    """The kind of example that a feature can be; None if it can be none."""
    if isinstance(feature, tfds.features.Audio):
        return Sounds
    if isinstance(feature, tfds.features.Text):
        return Text
    return of_feature(feature.shape, feature.np_dtype) if type(feature.shape) is tuple else None


def _describe(
    builder: tfds.core.DatasetBuilder, example_key: str, label_key: str | None
) -> Description:
    features = builder.info.features
    shape, rate = _shape_and_rate(builder.name, features[example_key])
    config = builder.builder_config.name if builder.builder_config else None
    return Description(
        name=f"{builder.name}/{config}" if config else builder.name,
        version=str(builder.version),
        shape=shape,
        num_classes=features[label_key].num_classes if label_key else 0,
        class_names=tuple(features[label_key].names) if label_key else (),
        splits={name: split.num_examples for name, split in builder.info.splits.items()},
        fit="crop" if None in shape else "pad",
        rate=rate,
    )


def _shape_and_rate(name: str, feature: tfds.features.FeatureConnector) -> tuple[tuple, int]:
    """As `Description.shape` and `Description.rate`.

    Raises:
      ConfigError: for sounds of an unknown rate.
    """
    if _kind(feature) is Text:
        return (), 0
    *sides, last = feature.shape
    if not isinstance(feature, tfds.features.Audio):
        return (*sides, last or 3), 0  # if the number of channels varies, images become RGB
    if not feature.sample_rate:
        raise ConfigError(
            f"dataset {name!r} does not state the rate of its sounds; use a dataset whose Audio "
            "feature has a sample_rate."
        )
    return (feature.shape[0], 1), feature.sample_rate
