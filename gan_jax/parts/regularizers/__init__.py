"""Regularizers of the players by name.

An entry is a function ``make(**numbers) -> Regularizer`` (see `gan_jax.types.Regularizer`): its
keyword arguments with defaults are the numbers of the regularizer, and equal numbers give the same
object. Regularizers of D read a `DContext`, those of G a `GContext`. If the context lacks something
(class logits, image sides), or a number is out of range, tracing raises a `ConfigError`. A
regularizer that is one number per minibatch returns it for each example; with gradient
accumulation, it is computed per micro-batch.
"""

from collections.abc import Callable

from gan_jax.parts.regularizers.classes import (
    class_balance,
    class_consistency,
    d_classes,
    entropy,
    fixmatch,
    g_classes,
    labelled_classes,
)
from gan_jax.parts.regularizers.codes import categorical_codes, continuous_codes
from gan_jax.parts.regularizers.conditions import kl, matching
from gan_jax.parts.regularizers.consistency import bcr, cr, g_zcr, zcr
from gan_jax.parts.regularizers.features import (
    feature_matching,
    layer_features,
    low_density,
    pull_away,
)
from gan_jax.parts.regularizers.gradients import (
    dragan,
    gp,
    gp_one_sided,
    max_gp,
    r1,
    r2,
    zero_centred,
)
from gan_jax.parts.regularizers.levels import classified, encoded, levels
from gan_jax.parts.regularizers.paths import path_length
from gan_jax.parts.regularizers.scores import drift, lecam, sign_real
from gan_jax.parts.regularizers.sounds import mel
from gan_jax.parts.regularizers.texts import likelihood, reinforce, rollouts
from gan_jax.parts.regularizers.translation import cycle, identity, l1, l2, semantic
from gan_jax.parts.regularizers.weights import orthogonal
from gan_jax.types import Regularizer

__all__ = [
    "G_REGULARIZERS",
    "MEASURES",
    "REGULARIZERS",
    "bcr",
    "categorical_codes",
    "class_balance",
    "class_consistency",
    "classified",
    "continuous_codes",
    "cr",
    "cycle",
    "d_classes",
    "dragan",
    "drift",
    "encoded",
    "entropy",
    "feature_matching",
    "fixmatch",
    "g_classes",
    "g_zcr",
    "gp",
    "gp_one_sided",
    "identity",
    "kl",
    "l1",
    "l2",
    "labelled_classes",
    "layer_features",
    "lecam",
    "levels",
    "likelihood",
    "low_density",
    "matching",
    "max_gp",
    "mel",
    "orthogonal",
    "path_length",
    "pull_away",
    "r1",
    "r2",
    "reinforce",
    "rollouts",
    "semantic",
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
    "class_balance": class_balance,
    "class_consistency": class_consistency,
    "fixmatch": fixmatch,
    "matching": matching,
}
G_REGULARIZERS: dict[str, Callable[..., Regularizer]] = {
    "feature_matching": feature_matching,
    "pull_away": pull_away,
    "low_density": low_density,
    "zcr": g_zcr,
    "orthogonal": orthogonal,
    "path_length": path_length,
    "kl": kl,
    "encoded": encoded,
    "levels": levels,
    "classified": classified,
    "l1": l1,
    "l2": l2,
    "cycle": cycle,
    "identity": identity,
    "semantic": semantic,
    "layer_features": layer_features,
    "mel": mel,
    "reinforce": reinforce,
    "rollouts": rollouts,
    "likelihood": likelihood,
}
MEASURES: dict[str, Callable[..., Regularizer]] = {"sign_real": sign_real}
"""What terms of D, of weight 0, measure for a feedback that follows ``d/NAME``."""
