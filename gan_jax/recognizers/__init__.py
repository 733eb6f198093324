"""Image classifiers: feature extractors of the metrics, and classifiers trained on generated
images.

    uv run python -m gan_jax.recognizers mnist

A new architecture is a file of this folder and an entry of `RECOGNIZERS`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gan_jax.recognizers.architectures import RECOGNIZERS
    from gan_jax.recognizers.fitting import accuracy, fit
    from gan_jax.recognizers.inception_weights import load_inception
    from gan_jax.recognizers.library import kept, real_sample, recognizer
    from gan_jax.recognizers.networks import FeatureNetwork, Pixels, Recognizer
    from gan_jax.recognizers.recipes import (
        RECIPES,
        SMALL_CNN,
        Augmentation,
        RecognizerConfig,
        recipe,
    )

__all__ = [
    "RECIPES",
    "RECOGNIZERS",
    "SMALL_CNN",
    "Augmentation",
    "FeatureNetwork",
    "Pixels",
    "Recognizer",
    "RecognizerConfig",
    "accuracy",
    "fit",
    "kept",
    "load_inception",
    "real_sample",
    "recipe",
    "recognizer",
]

_MODULES = {
    "architectures": "RECOGNIZERS",
    "fitting": "accuracy fit",
    "inception_weights": "load_inception",
    "library": "kept real_sample recognizer",
    "networks": "FeatureNetwork Pixels Recognizer",
    "recipes": "RECIPES SMALL_CNN Augmentation RecognizerConfig recipe",
}
"""The public names, by the module that defines them: it is loaded when a name is first used, as the
recipes need no JAX.
"""
_PLACES = {name: module for module, names in _MODULES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """Loads a name on first use (PEP 562)."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
    globals()[name] = value
    return value
