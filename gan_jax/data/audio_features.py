"""Sounds of TensorFlow Datasets without TensorFlow."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
from tensorflow_datasets.core.features import audio_feature, feature

_MODULES = audio_feature, feature
"""Those that use TensorFlow to make and to describe such a feature."""


@contextlib.contextmanager
def without_tensorflow() -> Iterator[None]:
    """A context in which TFDS can make and store its feature ``Audio`` where TensorFlow is absent.

    The feature asks TensorFlow only for its own name of a dtype, which reading and writing arrays
    does not use (github.com/tensorflow/datasets/issues/11233). Where TensorFlow is present, nothing
    is changed.
    """
    if importlib.util.find_spec("tensorflow"):
        yield
        return
    before = [module.tf for module in _MODULES]
    for module in _MODULES:
        module.tf = SimpleNamespace(dtypes=SimpleNamespace(as_dtype=np.dtype))
    try:
        yield
    finally:
        for module, own in zip(_MODULES, before, strict=True):
            module.tf = own
