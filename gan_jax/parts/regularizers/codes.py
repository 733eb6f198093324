"""The codes of an InfoGAN, which D learns to recover from the fakes and G to make recoverable (Chen
et al. 2016, "InfoGAN: interpretable representation learning by information maximizing generative
adversarial nets").

With ``Q(c|x)`` predicted by D for the fake ``x = G(z, c)``, the mean of each regularizer is ``-L_I
= -(E[log Q(c|x)] + H(c))`` (equation 5), in nats: at most the mutual information of code and sample
with the sign reversed. Both players minimize it. The codes are the last columns of the latents, in
the order of D's predictions, as in `gan_jax.parts.priors.Codes`.
"""

from __future__ import annotations

import math

import jax.numpy as jnp
import numpy as np
import optax

from gan_jax.parts.regularizers.making import memoryless
from gan_jax.types import Array, Context, PyTree


@memoryless
def categorical_codes(context: Context):
    """Cross entropy of each one-hot code less its entropy, ``log k``, summed over the codes."""
    seen, codes, _ = _codes("categorical_codes", context)
    return sum(
        optax.softmax_cross_entropy(logits, code) - math.log(code.shape[1])
        for logits, code in zip(seen["logits"], codes, strict=True)
    )


@memoryless
def continuous_codes(context: Context):
    """Negative log-density of each code under the predicted Gaussian, less the entropy of the
    uniform distribution on [-1, 1], ``log 2``, summed over the codes.
    """
    seen, _, code = _codes("continuous_codes", context)
    log_deviation = seen["log_deviation"]
    distance = jnp.square((code - seen["mean"]) * jnp.exp(-log_deviation))
    nats = 0.5 * distance + log_deviation + 0.5 * math.log(2 * math.pi) - math.log(2)
    return jnp.sum(nats, axis=1)


@memoryless
def recovered_latents(context: Context):
    """Mean squared error of D's prediction of all latents ``[b, n]`` (Huang et al. 2017, "Stacked
    generative adversarial networks", equation 5).
    """
    seen = context.fake_critique.extra("codes", wanted_by="recovered_latents")
    return jnp.mean(jnp.square(context.latents - seen["mean"]), axis=1)


def _codes(name: str, context: Context) -> tuple[PyTree, list[Array], Array]:
    """D's predictions for the fakes, and their codes: each categorical one ``[b, k]``, one-hot, and
    the continuous ones ``[b, c]``.
    """
    seen = context.fake_critique.extra("codes", wanted_by=name)
    sizes = [a.shape[1] for a in (*seen["logits"], seen["mean"])]
    ends = np.cumsum(sizes)[:-1].tolist()
    *categorical, continuous = jnp.split(context.latents[:, -sum(sizes) :], ends, axis=1)
    return seen, categorical, continuous
