"""Terms of generators that sample tokens: the score-function estimator, whose reward is what D says
of a token or of completed texts, and the likelihood of real texts.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from gan_jax.devices import batch_axis
from gan_jax.errors import ConfigError, whole, within
from gan_jax.parts.regularizers.making import memoryless, with_memory
from gan_jax.types import Array, Context


@with_memory(lambda: jnp.zeros(()))
def reinforce(memory, context: Context, *, discount: float = 1.0, decay: float = 0.9):
    """``-(R_t - b) log p(token t)``, whose gradient is that of the expected return (Williams 1992),
    of G's own samples; ``[b, length]``, so that the mean is per token.

    ``R_t`` is the discounted sum of the rewards ``2 sigmoid(D) - 1`` of token ``t`` and later ones
    (de Masson d'Autume et al. 2019, section 3.1; there discount is 0.23). A D with one score a text
    rewards its last token. ``b`` is the moving average of earlier returns.

    Args:
      discount: of a reward, for each token that it comes later.
      decay: the share of the average that an update keeps; their code has 0.08.
    """
    within("discount", discount, "[0, 1]")
    within("decay", decay, "[0, 1)")
    log_prob, reward = _log_prob("reinforce", context), _reward(context.fake_critique.score)
    if reward.ndim == 1:
        reward = jnp.pad(reward[:, None], ((0, 0), (log_prob.shape[1] - 1, 0)))
    if reward.shape != log_prob.shape:
        raise ConfigError(
            f"reinforce needs a score of each text or of each of its {log_prob.shape[1]} tokens "
            f"from the discriminator, not {list(reward.shape[1:])} scores."
        )
    length = jnp.arange(reward.shape[1])
    later = length[:, None] - length[None]  # of [the rewarded, the rewarding] token
    weights = jnp.where(later >= 0, jnp.float32(discount) ** jnp.maximum(later, 0), 0)
    return _policy_gradient(memory, reward @ weights, log_prob, decay)


@with_memory(lambda: jnp.zeros(()))
def rollouts(memory, context: Context, *, n: int = 16, decay: float = 0.9):
    """As `reinforce`, with the value of each beginning in place of the return: the mean reward of
    ``n`` texts that G completes from it, or the reward of the text where it is complete (Yu et al.
    2017, "SeqGAN", equation 4; there ``n`` is 16, completed by a delayed copy of G, and without an
    average to subtract).
    """
    whole("n", n, 1)
    within("decay", decay, "[0, 1)")
    log_prob = _log_prob("rollouts", context)
    b, length = log_prob.shape
    repeat = lambda a: jnp.repeat(a, length, axis=0)
    x, y = jax.tree.map(repeat, (context.fake.x, context.fake.y))
    kept = jnp.tile(jnp.arange(1, length + 1), b)

    def value(key: Array) -> Array:
        z = context.prior.draw(key, b * length)
        completed = context.generate((z, x, kept), y, method="completed")
        score = context.discriminate(completed, y).score
        return _reward(score.reshape(b, length, -1)).mean(axis=2)

    values = jax.lax.map(value, jax.random.split(context.key, n)).mean(axis=0)
    return _policy_gradient(memory, values, log_prob, decay)


@memoryless
def likelihood(context: Context):
    """``-log p`` of each token of the real texts given the earlier ones, in nats, ``[b, length]``:
    maximum likelihood. With the loss ``none``, this alone trains G.
    """
    try:
        return -context.generate(context.real.x, context.real.y, method="log_prob")
    except AttributeError as error:
        if "log_prob" not in str(error):
            raise
        raise ConfigError(
            "likelihood needs a generator that knows the probability of a text, such as scratchgan."
        ) from error


def _reward(score: Array) -> Array:
    """``2 sigmoid(score) - 1``, constant."""
    return jax.lax.stop_gradient(jnp.tanh(score / 2))


def _policy_gradient(
    memory: Array, returns: Array, log_prob: Array, decay: float
) -> tuple[Array, Array]:
    returns = jax.lax.stop_gradient(returns)
    mean = batch_axis.whole(returns).mean()
    return -(returns - memory) * log_prob, decay * memory + (1 - decay) * mean


def _log_prob(name: str, context: Context) -> Array:
    """``[b, length]`` of the fakes.

    Raises:
      ConfigError: if the generator does not return it.
    """
    if "log_prob" not in context.fake.extras:
        raise ConfigError(
            f"{name} needs log_prob from the generator; use one that samples tokens, such as "
            "scratchgan."
        )
    return context.fake.extras["log_prob"]
