"""Penalties on the players by name.

An entry is a function ``make(**numbers) -> Regularizer`` (see `gan_jax.types.Regularizer`): keyword
arguments with defaults are the penalty's own numbers, and equal ones give the same object.
Penalties of D read a `DContext`, those of G a `GContext`. What a penalty needs and does not find in
its context (class logits, image sides) it refuses by a `ConfigError` when it is traced, like a
number out of range. Where a penalty is one number for a minibatch, each example has it; with a
minibatch in parts, it is that of the part.
"""

from collections.abc import Callable

from gan_jax.parts.regularizers.classes import (
    class_consistency,
    d_classes,
    entropy,
    g_classes,
    labelled_classes,
)
from gan_jax.parts.regularizers.consistency import bcr, cr, g_zcr, zcr
from gan_jax.parts.regularizers.features import feature_matching, pull_away
from gan_jax.parts.regularizers.gradients import (
    dragan,
    gp,
    gp_one_sided,
    max_gp,
    r1,
    r2,
    zero_centred,
)
from gan_jax.parts.regularizers.scores import drift, lecam, sign_real
from gan_jax.parts.regularizers.weights import orthogonal
from gan_jax.types import Regularizer

__all__ = [
    "G_REGULARIZERS",
    "MEASURES",
    "REGULARIZERS",
    "bcr",
    "class_consistency",
    "cr",
    "d_classes",
    "dragan",
    "drift",
    "entropy",
    "feature_matching",
    "g_classes",
    "g_zcr",
    "gp",
    "gp_one_sided",
    "labelled_classes",
    "lecam",
    "max_gp",
    "orthogonal",
    "pull_away",
    "r1",
    "r2",
    "sign_real",
    "zcr",
    "zero_centred",
]

REGULARIZERS: dict[str, Callable[..., Regularizer]] = {
    "r1": r1,
    "r2": r2,
    "gp": gp,
    "gp_one_sided": gp_one_sided,
    "zero_centred": zero_centred,
    "max_gp": max_gp,
    "dragan": dragan,
    "lecam": lecam,
    "drift": drift,
    "cr": cr,
    "bcr": bcr,
    "zcr": zcr,
    "orthogonal": orthogonal,
    "entropy": entropy,
    "class_consistency": class_consistency,
}
G_REGULARIZERS: dict[str, Callable[..., Regularizer]] = {
    "feature_matching": feature_matching,
    "pull_away": pull_away,
    "zcr": g_zcr,
    "orthogonal": orthogonal,
}
MEASURES: dict[str, Callable[..., Regularizer]] = {"sign_real": sign_real}
"""What terms of D, of weight 0, measure for a feedback that follows ``d/NAME``."""
