"""Classification as an auxiliary task of both players (AC-GAN), or of D alone with few labels
(semi-supervised GANs).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax
from jax.nn import logsumexp, softmax

from gan_jax.devices import batch_axis
from gan_jax.errors import ConfigError, within
from gan_jax.modality import Images
from gan_jax.parts.augment import random_cutout
from gan_jax.parts.regularizers.making import memoryless
from gan_jax.types import Array, Context, Critique


@memoryless
def d_classes(context: Context):
    """Cross entropy of D's class logits on real and on generated images: -L_C of Odena et al. 2017,
    equation 3.
    """
    return _class_loss(context.real_critique, context.real) + _class_loss(
        context.fake_critique, context.fake
    )


@memoryless
def g_classes(context: Context):
    """Cross entropy of D's class logits on generated images, the part of -L_C that depends on G."""
    return _class_loss(context.fake_critique, context.fake)


@memoryless
def labelled_classes(context: Context, *, share: float = 1.0):
    """Cross entropy of D's class logits on the real examples that have a label, y >= 0:
    L_supervised of Salimans et al. 2016, section 5.

    Args:
      share: fraction of labelled examples in a minibatch, in (0, 1]. All losses are divided by it,
        so that the mean over a minibatch, also with micro-batches or several devices, is the mean
        over its labelled examples.
    """
    within("classes.share", share, "(0, 1]")
    y, logits = context.real.y, _class_logits("classes", context.real_critique)
    loss = optax.softmax_cross_entropy_with_integer_labels(logits, jnp.maximum(y, 0))
    return jnp.where(y >= 0, loss, 0) / share


@memoryless
def entropy(context: Context):
    """Entropy, in nats, of D's class probabilities for each real example: the conditional entropy
    of Dai et al. 2017, section 4.

    It keeps the decision boundaries away from dense regions of the data. Labels are not used.
    """
    logits = _class_logits("entropy", context.real_critique)
    return logsumexp(logits, axis=-1) - jnp.sum(softmax(logits) * logits, axis=-1)


@memoryless
def class_balance(context: Context):
    """``log k - H(mean p(y|x))``, in nats: how far D's class probabilities, averaged over the real
    examples of a minibatch, are from equal ones for all ``k`` classes; the same for each example.

    The marginal entropy of CatGAN (Springenberg 2016, equation 7), for a data set whose classes are
    equally frequent. Labels are not used.
    """
    logits = batch_axis.whole(_class_logits("class_balance", context.real_critique))
    mean = softmax(logits).mean(0)
    entropy = -jnp.sum(mean * jnp.log(mean + 1e-12))
    return jnp.broadcast_to(
        jnp.log(logits.shape[-1]) - entropy, context.real_critique.score.shape[:1]
    )


@memoryless
def class_consistency(context: Context):
    """``|p(y|x') - p(y|x'')|^2`` for the class probabilities of D in two views of each real
    example.

    Views differ in augmentation and in the noise of D's hidden layers. The consistency of Laine &
    Aila 2017 ("Temporal ensembling for semi-supervised learning", the Pi-model), applied to
    semi-supervised GANs by Wei et al. 2018. Labels are not used. Without augmentation and noise,
    both views are equal and the regularizer is 0.
    """
    other = context.discriminate(context.real.x, context.real.y)
    one = softmax(_class_logits("class_consistency", context.real_critique))
    other = softmax(_class_logits("class_consistency", other))
    return jnp.sum(jnp.square(one - other), axis=-1)


@memoryless
def fixmatch(context: Context, *, threshold: float = 0.95, cutout: float = 0.5):
    """Cross entropy of D's class probabilities for a second view of each real example with the
    class of which D is sure in the first view: FixMatch, Sohn et al. 2020, equation 4.

    It is 0 where the largest probability in the first view is below ``threshold``. Views differ as
    in `class_consistency`; in the second one, a square is grey whose sides are ``cutout`` of those
    of the image. Gradients go through the second view alone. Labels are not used.
    """
    within("threshold", threshold, "[0, 1]")
    within("cutout", cutout, "[0, 1]")
    x = context.real.x
    if cutout:
        if not isinstance(context.modality, Images):
            raise ConfigError(
                f"fixmatch cuts squares out of images and not out of {context.modality.name}; use "
                "fixmatch:WEIGHT:cutout=0."
            )
        x = random_cutout(jax.random.split(context.key), x, cutout)
    first = jax.lax.stop_gradient(softmax(_class_logits("fixmatch", context.real_critique)))
    other = _class_logits("fixmatch", context.discriminate(x, context.real.y))
    loss = optax.softmax_cross_entropy_with_integer_labels(other, first.argmax(axis=-1))
    return jnp.where(first.max(axis=-1) >= threshold, loss, 0)


def _class_loss(critique, batch):
    return optax.softmax_cross_entropy_with_integer_labels(
        _class_logits("classes", critique), batch.y
    )


def _class_logits(name: str, critique: Critique) -> Array:
    return critique.extra("class_logits", wanted_by=name)
