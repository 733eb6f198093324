"""Classification as a second task of both players (AC-GAN)."""

from __future__ import annotations

import optax

from gan_jax.config import ConfigError
from gan_jax.regularizers.making import memoryless
from gan_jax.types import DContext, GContext


@memoryless
def d_classes(context: DContext):
    """Cross entropy of D's class logits on real and on generated images: -L_C of Odena et al. 2017, equation 3."""
    return _class_loss(context.real_critique, context.real) + _class_loss(context.fake_critique, context.fake)


@memoryless
def g_classes(context: GContext):
    """Cross entropy of D's class logits on generated images, the part of -L_C that G can change."""
    return _class_loss(context.fake_critique, context.fake)


def _class_loss(critique, batch):
    if critique.class_logits is None:
        raise ConfigError("classes: this discriminator has no class logits; accepted: one with a head that classifies.")
    return optax.softmax_cross_entropy_with_integer_labels(critique.class_logits, batch.y)
