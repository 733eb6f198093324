"""Scores of images: pure functions of the outputs of a feature network, with 95% intervals.

A new metric is a function in a file of this folder and an entry of `METRICS` in ``registry.py``.
"""

from gan_jax.metrics.birthday_test import duplicates
from gan_jax.metrics.classes import class_count, class_divergence, effective_classes
from gan_jax.metrics.covariance import Moments, merge, moments, moments_of_blocks
from gan_jax.metrics.data_copying import membership, memorization
from gan_jax.metrics.estimate import Estimate
from gan_jax.metrics.extrapolation import frechet_infinity
from gan_jax.metrics.frechet import (
    Gaussian,
    frechet_by_class,
    frechet_distance,
    frechet_distance_of_moments,
    frechet_estimate,
    gaussian_of,
)
from gan_jax.metrics.inception import inception_score
from gan_jax.metrics.kernel import draw_subsets, kernel_distance, kernel_distance_of_subsets
from gan_jax.metrics.labels import class_shares, label_agreement, label_agreement_by_class
from gan_jax.metrics.manifold import density_coverage, precision_recall
from gan_jax.metrics.metric import Inputs, Metric, Sample, Score, obstacle
from gan_jax.metrics.mixtures import Modes, high_quality_share, mode_divergence, modes_covered
from gan_jax.metrics.neighbours import count_within, nearest_neighbours
from gan_jax.metrics.protocols import Protocol, parse
from gan_jax.metrics.registry import BASIC, METRICS, SCORES, left_out, measure
from gan_jax.metrics.two_sample import logistic_test, nearest_neighbour_test

__all__ = [
    "BASIC",
    "METRICS",
    "SCORES",
    "Estimate",
    "Gaussian",
    "Inputs",
    "Metric",
    "Modes",
    "Moments",
    "Protocol",
    "Sample",
    "Score",
    "class_count",
    "class_divergence",
    "class_shares",
    "count_within",
    "density_coverage",
    "draw_subsets",
    "duplicates",
    "effective_classes",
    "frechet_by_class",
    "frechet_distance",
    "frechet_distance_of_moments",
    "frechet_estimate",
    "frechet_infinity",
    "gaussian_of",
    "high_quality_share",
    "inception_score",
    "kernel_distance",
    "kernel_distance_of_subsets",
    "label_agreement",
    "label_agreement_by_class",
    "left_out",
    "logistic_test",
    "measure",
    "membership",
    "memorization",
    "merge",
    "mode_divergence",
    "modes_covered",
    "moments",
    "moments_of_blocks",
    "nearest_neighbour_test",
    "nearest_neighbours",
    "obstacle",
    "parse",
    "precision_recall",
]
