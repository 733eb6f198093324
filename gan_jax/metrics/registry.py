"""`METRICS`: every metric by its name in `gan_jax.metrics.protocols`.

A new metric is a function in a file of this folder and an entry here, with its requirements and the
titles of its scores.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from gan_jax.metrics import labels, mixtures
from gan_jax.metrics.birthday_test import duplicates
from gan_jax.metrics.classes import class_count, class_divergence, effective_classes
from gan_jax.metrics.data_copying import membership, memorization
from gan_jax.metrics.estimate import Estimate, share
from gan_jax.metrics.extrapolation import frechet_infinity, smallest_count
from gan_jax.metrics.frechet import frechet_by_class, frechet_estimate
from gan_jax.metrics.inception import inception_score
from gan_jax.metrics.kernel import (
    SUBSET_SIZE,
    draw_subsets,
    kernel_distance,
    kernel_distance_of_subsets,
)
from gan_jax.metrics.manifold import density_coverage, precision_recall
from gan_jax.metrics.metric import Inputs, Metric, Score, obstacle
from gan_jax.metrics.texts import TEXT_SCORES
from gan_jax.metrics.two_sample import logistic_test, nearest_neighbour_test


def _features(inputs: Inputs) -> tuple[np.ndarray, np.ndarray]:
    return inputs.images.features, inputs.reference.features


def _by_class(inputs: Inputs) -> tuple[Estimate, Estimate]:
    images, reference = inputs.images, inputs.reference
    classes = images.logits.shape[1]
    return frechet_by_class(
        images.features, images.labels, reference.features, reference.labels, classes
    )


def _subsets(inputs: Inputs) -> Estimate:
    a, b = _features(inputs)
    return kernel_distance_of_subsets(a, b, draw_subsets(len(a), len(b), seed=inputs.seed))


def _memorization(inputs: Inputs) -> tuple[Estimate, Estimate]:
    return memorization(inputs.images.features, inputs.training.features, inputs.held_out.features)


def _membership(inputs: Inputs) -> Estimate:
    return membership(inputs.images.features, inputs.training.features, inputs.held_out.features)


def _modes(inputs: Inputs) -> tuple[Estimate, Estimate, Estimate]:
    """For known modes, with the definitions of `mixtures`."""
    modes = inputs.images.modes
    covered = Estimate(float(mixtures.modes_covered(modes)))
    good = share(float(np.asarray(modes.good).mean()), len(modes.good))
    return covered, good, class_divergence(np.asarray(modes.nearest), np.asarray(modes.weights))


def _classes(inputs: Inputs) -> tuple[Estimate, Estimate, Estimate]:
    """The true frequencies are those that the classifier finds in real images, so that its bias
    cancels.
    """
    classes, k = inputs.images.logits.argmax(axis=1), inputs.images.logits.shape[1]
    real = np.bincount(inputs.reference.logits.argmax(axis=1), minlength=k)
    counted = class_count(classes, k), class_divergence(classes, real)
    return *counted, effective_classes(classes, k)


def _labels(inputs: Inputs) -> tuple[Estimate, Estimate]:
    images, k = inputs.images, inputs.images.logits.shape[1]
    each = labels.label_agreement_by_class(images.logits, images.labels)
    numbers = np.bincount(images.labels, minlength=k)
    by_class = [
        share(right, n) if n else Estimate(np.nan) for right, n in zip(each, numbers, strict=True)
    ]
    agreement = labels.label_agreement(images.logits, images.labels)
    return share(agreement, len(images.labels)), Estimate(
        *map(np.array, zip(*by_class, strict=True))
    )


def _accuracy(inputs: Inputs) -> Estimate:
    """On real images, with an interval over them, not over other trainings."""
    learned = inputs.learned
    return share(labels.label_agreement(learned.logits, learned.labels), len(learned.labels))


def _shares(inputs: Inputs) -> Estimate:
    logits = inputs.images.logits
    return Estimate(
        *map(
            np.array,
            zip(*(share(p, len(logits)) for p in labels.class_shares(logits)), strict=True),
        )
    )


def _metric(function, title: str, scores: dict[str, Score], **options) -> Metric:
    """A metric from a function that returns one estimate, or a tuple in the order of ``scores``."""

    def named(inputs: Inputs) -> dict[str, Estimate]:
        found = function(inputs)
        return dict(zip(scores, [found] if isinstance(found, Estimate) else found, strict=True))

    return Metric(named, title, scores, **options)


# With f images or fewer the covariance is singular, and the distance depends more on their number
# than on the images.
_FULL_RANK = lambda features: features + 1

METRICS: dict[str, Metric] = {
    "fid": _metric(
        lambda inputs: frechet_estimate(
            *_features(inputs), inputs.images.gaussian, inputs.reference.gaussian
        ),
        "Fréchet distance",
        {"frechet_distance": Score("Fréchet distance", sized=True)},
        min_images=_FULL_RANK,
    ),
    "fid_inf": _metric(
        lambda inputs: frechet_infinity(*_features(inputs), seed=inputs.seed),
        "Fréchet distance of infinitely many images",
        {"frechet_infinity": Score("Fréchet distance, n -> inf")},
        min_images=smallest_count,
        min_reference=_FULL_RANK,
    ),
    "class_fid": _metric(
        _by_class,
        "Fréchet distance by class",
        {
            "frechet_by_class_mean": Score("Fréchet distance, mean class", sized=True),
            "frechet_by_class": Score("Fréchet distance", by_class=True, sized=True),
        },
        needs=("logits", "own_classes", "labels", "reference_labels"),
        min_images=_FULL_RANK,
        per_class=True,
    ),
    "kid": _metric(
        lambda inputs: kernel_distance(*_features(inputs)),
        "kernel distance",
        {"kernel_distance": Score("kernel distance")},
        min_images=lambda features: 2,
    ),
    "kid_blocks": _metric(
        _subsets,
        "kernel distance of subsets",
        {"kernel_distance_of_subsets": Score("kernel distance, subsets")},
        min_images=lambda features: SUBSET_SIZE,
    ),
    "is": _metric(
        lambda inputs: inception_score(inputs.images.logits),
        "inception score",
        {"inception_score": Score("inception score", sized=True)},
        needs=("logits", "unknown_modes"),
        min_images=lambda features: 500,  # fewer lower it by more than a percent with ten classes
    ),
    "pr": _metric(
        lambda inputs: precision_recall(*_features(inputs)),
        "precision and recall",
        {
            "precision": Score("precision", share=True, sized=True),
            "recall": Score("recall", share=True, sized=True),
        },
        min_images=lambda features: 4,
        balanced=True,
    ),
    "dc": _metric(
        lambda inputs: density_coverage(*_features(inputs)),
        "density and coverage",
        {
            "density": Score("density", sized=True),
            "coverage": Score("coverage", share=True, sized=True),
        },
        min_images=lambda features: 6,
        balanced=True,
    ),
    "c2st": _metric(
        lambda inputs: nearest_neighbour_test(*_features(inputs)),
        "two-sample test by nearest neighbours",
        {
            "nearest_neighbour_test": Score("told apart, neighbours", share=True, sized=True),
            "nearest_neighbour_test_images": Score(
                "told apart, the images", share=True, sized=True
            ),
            "nearest_neighbour_test_reference": Score(
                "told apart, the real ones", share=True, sized=True
            ),
        },
        min_images=lambda features: 2,
        balanced=True,
    ),
    "c2st_linear": _metric(
        lambda inputs: logistic_test(*_features(inputs), seed=inputs.seed).all,
        "two-sample test by logistic regression",
        {"logistic_test": Score("told apart, linearly", share=True, sized=True)},
        min_images=lambda features: max(4, features),
        balanced=True,
    ),
    "cas": _metric(
        _accuracy,
        "classification accuracy score",
        {"classification_accuracy_score": Score("accuracy, trained on samples", share=True)},
        needs=("labels", "learned"),
        usual=60_000,  # as many as MNIST has training images
    ),
    "memorization": _metric(
        _memorization,
        "memorization",
        {
            "nearer_than_held_out": Score("nearer than held-out images", share=True),
            "copies": Score("closest copies (1 % by chance)", share=True),
        },
        needs=("training", "held_out"),
        min_images=lambda features: 100,  # of which the closest one marks the limit
    ),
    "membership": _metric(
        _membership,
        "membership inference",
        {"membership": Score("training images told from held-out ones", share=True)},
        needs=("training", "held_out"),
    ),
    "duplicates": _metric(
        lambda inputs: duplicates(*_features(inputs)),
        "number of different images",
        {
            "duplicate_pairs": Score("duplicate pairs", sized=True),
            "support_size": Score("different images", sized=True),
        },
        min_images=lambda features: 1_000,  # of which the closest one marks the limit
        balanced=True,
    ),
    "classes": _metric(
        _classes,
        "classes",
        {
            "class_count": Score("classes found", sized=True),
            "class_divergence": Score("KL of the class frequencies", sized=True),
            "effective_classes": Score("effective number of classes", sized=True),
        },
        needs=("logits",),
    ),
    "modes": _metric(
        _modes,
        "modes",
        {
            "modes_covered": Score("modes covered", sized=True),
            "high_quality_share": Score("high-quality samples", share=True),
            "mode_divergence": Score("KL of the mode frequencies", sized=True),
        },
        needs=("modes",),
    ),
    "labels": _metric(
        _labels,
        "agreement with labels",
        {
            "label_agreement": Score("recognized as their label", share=True),
            "label_agreement_by_class": Score(
                "recognized as their label", share=True, by_class=True
            ),
        },
        needs=("logits", "own_classes", "labels"),
    ),
    "shares": _metric(
        _shares,
        "shares of classes",
        {"class_shares": Score("share of the images", share=True, by_class=True)},
        needs=("logits", "own_classes"),
    ),
}

SCORES: dict[str, Score] = {
    **{name: score for metric in METRICS.values() for name, score in metric.scores.items()},
    "test_error": Score(
        "test error of D", share=True
    ),  # of real images, by `gan_jax.evaluation.classifying`
    "l1": Score("L1 distance to the target"),  # of `gan_jax.metrics.paired`
    "psnr": Score("PSNR in dB to the target"),
    **TEXT_SCORES,
}
"""The display of each score by its name."""

BASIC = ("fid", "labels", "shares", "modes")
"""The metrics of every evaluation: cheap, and defined if there are more images than features."""


def measure(inputs: Inputs, names: Iterable[str] = BASIC) -> dict[str, Estimate]:
    """The scores, by name, of the metrics ``names`` of `METRICS` that can be computed."""
    chosen = (METRICS[name] for name in names)
    return {
        name: score
        for metric in chosen
        if obstacle(metric, inputs) is None
        for name, score in metric.measure(inputs).items()
    }


def left_out(inputs: Inputs, names: Iterable[str] = BASIC) -> dict[str, str]:
    """The reason, as a clause, for each score that `measure` leaves out."""
    reasons = {name: obstacle(METRICS[name], inputs) for name in names}
    return {
        score: why
        for name, why in reasons.items()
        if why is not None
        for score in METRICS[name].scores
    }
