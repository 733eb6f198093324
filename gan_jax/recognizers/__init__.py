"""Image classifiers, trained here on real images: the feature networks of the metrics.

A new architecture is a file of this folder and a line of `RECOGNIZERS`.
"""

from gan_jax.recognizers.inception_weights import load_inception
from gan_jax.recognizers.library import (
    RECOGNIZERS,
    SMALL_CNN,
    RecognizerConfig,
    real_sample,
    recognizer,
    train_and_test,
)
from gan_jax.recognizers.recognizer import FeatureNetwork, Pixels, Recognizer

__all__ = [
    "RECOGNIZERS",
    "SMALL_CNN",
    "FeatureNetwork",
    "Pixels",
    "Recognizer",
    "RecognizerConfig",
    "load_inception",
    "real_sample",
    "recognizer",
    "train_and_test",
]
