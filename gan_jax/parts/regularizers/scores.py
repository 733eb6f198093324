"""Regularizers of the scores, which keep them from growing without bound."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from gan_jax.errors import ConfigError
from gan_jax.parts.regularizers.making import memoryless, with_memory
from gan_jax.types import Array, Context


@memoryless
def drift(context: Context):
    """``D(x)^2`` at real examples; with a small weight, it keeps scores near zero (Karras et al.
    2018, appendix A.1, epsilon_drift).
    """
    return jnp.square(context.real_critique.score)


@memoryless
def sign_real(context: Context):
    """The sign of D's score at real examples. Its mean, ``d/sign_real``, is near 0 while real and
    held-out examples look alike to D, and 1 once D has memorized them: what ADA follows (Karras et
    al. 2020, "Training generative adversarial networks with limited data", equation 1, r_t).
    """
    return jnp.sign(context.real_critique.score)


def _nothing_seen() -> dict[str, Array]:
    return {"real": jnp.zeros(()), "fake": jnp.zeros(()), "seen": jnp.zeros(())}


@with_memory(_nothing_seen)
def lecam(memory, context: Context, *, decay: float = 0.99):
    """``(D(x) - a_fake)^2 + (D(G(z)) - a_real)^2``: the scores of each kind are pulled towards
    ``a``, the moving average of the earlier scores of the other kind.

    Tseng et al. 2021, "Regularizing generative adversarial networks under limited data", section 3.
    At each evaluation, an average keeps ``decay`` of its value and takes the rest from the mean
    score of the minibatch. It is corrected for its start at zero ("seen" is the total weight so
    far). The regularizer uses the averages from before the update and is zero the first time; no
    gradient flows through them.
    """
    if not 0 <= decay < 1:
        raise ConfigError(f"decay must be in [0, 1), not {decay}.")
    real, fake = context.real_critique.score, context.fake_critique.score
    seen = jnp.where(memory["seen"] > 0, memory["seen"], 1)
    penalty = jnp.square(real - memory["fake"] / seen) + jnp.square(fake - memory["real"] / seen)
    now = {"real": real.mean(), "fake": fake.mean(), "seen": jnp.ones_like(seen)}
    after = jax.tree.map(
        lambda old, new: decay * old + (1 - decay) * jax.lax.stop_gradient(new), memory, now
    )
    return jnp.where(memory["seen"] > 0, penalty, 0), after
