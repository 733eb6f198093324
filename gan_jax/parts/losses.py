"""Losses of the two-player game, per example and from logits.

With D(x) = sigmoid(score), ``log D = -softplus(-score)`` and ``log(1 - D) = -softplus(score)``;
both are finite for any logit. For hinge, least squares and Wasserstein, a score is not a log-odds
but a real number that is larger for real examples. The relativistic and contrastive losses depend
only on differences of scores, so that D's score is determined up to a constant.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax.nn import logsumexp, relu, softplus

from gan_jax.devices import batch_axis
from gan_jax.types import Loss


def _d_cross_entropy(real, fake):
    return softplus(-real) + softplus(fake)


def _d_paired(real, fake):
    return softplus(fake - real)


def _d_average(real, fake):
    mean = lambda scores: batch_axis.whole(scores).mean()
    return softplus(mean(fake) - real) + softplus(fake - mean(real))


def _d_contrastive(real, fake):
    return _rank_loss(real, fake) + _rank_loss(-fake, -real)


def _rank_loss(one, others):
    """``-log(e^one / (e^one + sum_j e^others_j))`` for each of ``one [b]``: the cross entropy of
    identifying it among all ``others [b]``.
    """
    return softplus(logsumexp(batch_axis.whole(others)) - one)


minimax = Loss(d=_d_cross_entropy, g=lambda real, fake: -softplus(fake))
"""Goodfellow et al. 2014, equation 1: D ascends log D(x) + log(1 - D(G(z))), G descends log(1 -
D(G(z))).
"""

nonsaturating = Loss(d=_d_cross_entropy, g=lambda real, fake: softplus(-fake))
"""Goodfellow et al. 2014, section 3: D as in `minimax`, G ascends log D(G(z)), whose gradient does
not vanish early.
"""

hinge = Loss(d=lambda real, fake: relu(1 - real) + relu(1 + fake), g=lambda real, fake: -fake)
"""Lim & Ye 2017; Miyato et al. 2018, equations 16 and 17: D separates the scores by a
margin, G follows the slope of D.
"""

least_squares = Loss(
    d=lambda real, fake: 0.5 * (jnp.square(real - 1) + jnp.square(fake)),
    g=lambda real, fake: 0.5 * jnp.square(fake - 1),
)
"""Mao et al. 2017, "Least squares generative adversarial networks", equation 9: D's targets are 1
and 0, G's is 1.
"""

wasserstein = Loss(d=lambda real, fake: fake - real, g=lambda real, fake: -fake)
"""Arjovsky et al. 2017, "Wasserstein GAN", algorithm 1: the difference of the mean scores,
which estimates the distance if D is 1-Lipschitz.

The loss does not bound D: use a gradient penalty, spectral normalization or weight clipping.
"""

relativistic = Loss(d=_d_paired, g=lambda real, fake: _d_paired(fake, real))
"""Relativistic GAN, paired: each fake against the real example at the same position.

Jolicoeur-Martineau 2018, "The relativistic discriminator", section 4.1 (RSGAN); also the loss
RpGAN of R3GAN (Huang et al. 2024).
"""

relativistic_average = Loss(d=_d_average, g=lambda real, fake: _d_average(fake, real))
"""Relativistic average GAN (Jolicoeur-Martineau 2018, section 4.2, RaSGAN): each example against
the mean score of the other kind.

The means are over the minibatch, on all devices.
"""

dual_contrastive = Loss(d=_d_contrastive, g=lambda real, fake: _d_contrastive(fake, real))
"""Yu et al. 2021, "Dual contrastive loss and attention for GANs", section 3: D finds each real
among all fakes, each fake among all reals.

The opponents are those of the minibatch, on all devices, and the hardest weigh most; with one
example of each kind, the loss is twice `relativistic`. G has the same loss with the kinds
exchanged: the gradient of the negative D loss would vanish once D separates them.
"""

none = Loss(d=lambda real, fake: jnp.zeros_like(fake), g=lambda real, fake: jnp.zeros_like(fake))
"""No game: the terms alone train, such as ``likelihood``."""

LOSSES = {
    "minimax": minimax,
    "nonsaturating": nonsaturating,
    "hinge": hinge,
    "least_squares": least_squares,
    "wasserstein": wasserstein,
    "relativistic": relativistic,
    "relativistic_average": relativistic_average,
    "dual_contrastive": dual_contrastive,
    "none": none,
}
