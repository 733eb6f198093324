"""Checks of single fields of a config."""

from __future__ import annotations

import dataclasses

from gan_jax.config import Config
from gan_jax.errors import ConfigError, at_least, either, is_seed
from gan_jax.grammar import check_scalar, scalar_to_text
from gan_jax.parts.conditioning import CONDITIONINGS
from gan_jax.types import Term

_LEAST = dict.fromkeys(
    ("latents", "d_steps", "batch_size", "micro_batches", "steps", "log_every", "sample_every",
     "checkpoint_every", "keep"), 1,
) | dict.fromkeys(
    ("lookahead", "freeze_d", "pool", "diagnose_every", "diagnose_modes", "eval_every"), 0,
)  # fmt: skip
"""The smallest value of each field that is a count."""
_INTERVALS = {
    "ema": "[0, inf)",
    "d_ema": "[0, inf)",
    "class_weight": "[0, inf)",
    "g_loss_weight": "[0, inf)",
    "ema_warm_up": "(0, inf)",
    "g_steps": "[1, inf)",
    "clip": "(0, inf)",
    "top_k": "(0, 1]",
    "lookahead_rate": "[0, 1]",
}
"""The interval of each field that is a `Scalar` of the training step."""


def check_numbers(config: Config) -> None:
    for field, least in _LEAST.items():
        at_least(field, getattr(config, field), least)
    is_seed("seed", config.seed)
    for field, interval in _INTERVALS.items():
        if getattr(config, field) is not None:
            check_scalar(field, getattr(config, field), interval)


def class_terms(config: Config) -> tuple[Term, ...]:
    """The terms of G's objective that the conditioning adds, with their weight."""
    terms = CONDITIONINGS[config.conditioning].g_terms
    if config.class_weight is None:
        return terms
    if not terms:
        known = [name for name, own in CONDITIONINGS.items() if own.g_terms]
        raise ConfigError(
            f"class_weight {scalar_to_text(config.class_weight)} has no effect with conditioning "
            f"{config.conditioning!r}; leave it out or use conditioning {either(known)}."
        )
    return tuple(dataclasses.replace(term, weight=config.class_weight) for term in terms)


def check_labels(config: Config, num_classes: int) -> None:
    """Refuses the label options where the conditioning ignores them, and impossible numbers of
    labels.
    """
    if not config.labels and not config.labelled_batch and not config.label_seed:
        if CONDITIONINGS[config.conditioning].unlabelled:
            raise ConfigError(
                f"labelled_batch must be at least 1 with conditioning {config.conditioning!r}, in "
                "which only the scores of unlabelled examples count; without it, there are none."
            )
        return
    known = [name for name, conditioning in CONDITIONINGS.items() if conditioning.few]
    if config.conditioning not in known:
        raise ConfigError(
            f"labels, label_seed and labelled_batch have no effect with conditioning "
            f"{config.conditioning!r}; leave them at 0 or use conditioning {either(known)}."
        )
    least = 0 if config.labelled_batch else 1  # 0: the labels that the dataset knows
    if config.labels < least or config.labels % num_classes:
        raise ConfigError(
            f"labels must be a positive multiple of the {num_classes} classes, not {config.labels}."
        )
    if not 1 <= config.labelled_batch < config.batch_size:
        raise ConfigError(
            f"labelled_batch must be from 1 to {config.batch_size - 1} (batch_size - 1), not "
            f"{config.labelled_batch}."
        )
    is_seed("label_seed", config.label_seed)
