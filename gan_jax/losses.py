"""Objectives of the two-player game, per example and from logits.

With D(x) = sigmoid(score), ``log D = -softplus(-score)`` and ``log(1 - D) = -softplus(score)``; both stay finite at any logit.
To the hinge loss a score is a signed distance from the boundary between real and fake.
"""

from __future__ import annotations

from jax.nn import relu, softplus

from gan_jax.types import Loss


def _d_cross_entropy(real, fake):
    return softplus(-real) + softplus(fake)


minimax = Loss(d=_d_cross_entropy, g=lambda real, fake: -softplus(fake))
"""Goodfellow et al. 2014, equation 1: D ascends log D(x) + log(1 - D(G(z))), G descends log(1 - D(G(z)))."""

nonsaturating = Loss(d=_d_cross_entropy, g=lambda real, fake: softplus(-fake))
"""Goodfellow et al. 2014, section 3: D as in `minimax`, G ascends log D(G(z)), whose gradient does not vanish early."""

hinge = Loss(d=lambda real, fake: relu(1 - real) + relu(1 + fake), g=lambda real, fake: -fake)
"""Lim & Ye 2017; Miyato et al. 2018, equations 16 and 17: D parts the scores by a margin and no further, G follows D's slope."""

LOSSES = {"minimax": minimax, "nonsaturating": nonsaturating, "hinge": hinge}
