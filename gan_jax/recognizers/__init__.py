"""Image classifiers: feature extractors of the metrics, and classifiers trained on generated
images.

    uv run python -m gan_jax.recognizers mnist

A new architecture is a file of this folder and an entry of `RECOGNIZERS`.
"""

from gan_jax.recognizers.fitting import accuracy, fit
from gan_jax.recognizers.inception_weights import load_inception
from gan_jax.recognizers.library import kept, real_sample, recognizer
from gan_jax.recognizers.networks import FeatureNetwork, Pixels, Recognizer
from gan_jax.recognizers.recipes import RECIPES, RECOGNIZERS, SMALL_CNN, RecognizerConfig, recipe
from gan_jax.recognizers.training import Augmentation

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
