"""What generators share that write a text token by token: sampling, the probability of a text, and
how gradients reach them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.errors import ConfigError
from gan_jax.models.options import Option, option
from gan_jax.nn.dense import Dense
from gan_jax.nn.heads import ClassEmbedding
from gan_jax.nn.sequences import MASKED, scanned
from gan_jax.types import Fake, PyTree

END = 0
"""The token after which a text has ended."""


class Estimator(NamedTuple):
    """How a gradient of D reaches the logits of the tokens.

    ``noise(key, (length, words)) -> [length, ...]`` is drawn for each text; ``choose(logits [...,
    words], noise) -> [...]`` are tokens from the distribution of the logits; ``seen(logits, noise,
    tokens, softness) -> [..., words]`` is what D sees of them.
    """

    noise: Callable[..., jax.Array]
    choose: Callable[..., jax.Array]
    seen: Callable[..., jax.Array]


def _inverse(logits: jax.Array, noise: jax.Array) -> jax.Array:
    """The first token whose cumulative probability exceeds the noise, uniform on [0, 1)."""
    total = jnp.cumsum(nn.softmax(logits), axis=-1)
    return jnp.argmax(total > noise[..., None] * total[..., -1:], axis=-1)


def _one_hot(logits: jax.Array, noise: jax.Array, tokens: jax.Array, softness: Any) -> jax.Array:
    return jax.nn.one_hot(tokens, logits.shape[-1], dtype=logits.dtype)


def _relaxed(logits: jax.Array, noise: jax.Array, tokens: jax.Array, softness: Any) -> jax.Array:
    return nn.softmax((logits + noise) / softness)


def _straight_through(
    logits: jax.Array, noise: jax.Array, tokens: jax.Array, softness: Any
) -> jax.Array:
    soft = _relaxed(logits, noise, tokens, softness)
    return soft + jax.lax.stop_gradient(_one_hot(logits, noise, tokens, softness) - soft)


def _largest(logits: jax.Array, noise: jax.Array) -> jax.Array:
    return jnp.argmax(logits + noise, axis=-1)


ESTIMATORS = {
    "reinforce": Estimator(
        lambda key, shape: jax.random.uniform(key, shape[:1]), _inverse, _one_hot
    ),
    "straight_through": Estimator(jax.random.gumbel, _largest, _straight_through),
    "relaxed": Estimator(jax.random.gumbel, _largest, _relaxed),
}
ESTIMATOR = (
    "How gradients pass the tokens. reinforce: not at all, D sees one-hot vectors, and a term such "
    "as reinforce trains G; relaxed: D sees the Gumbel-softmax of the tokens (Jang et al. 2017); "
    "straight_through: one-hot vectors with its gradient."
)
NUMBERS = {
    "temperature": Option(
        1.0, "(0, inf)", "Divides the logits of samples outside of training; 0.5 sharpens."
    ),
    "softness": Option(
        1.0, "(0, inf)", "Temperature of the Gumbel-softmax in training, often a schedule."
    ),
}


class Writer(nn.Module):
    """A generator that writes from left to right; a subclass has the network that reads what is
    written so far.

    The latents are the only source of randomness: the first two numbers of each text are the key of
    its noise, so the same latents give the same text, and similar ones give unrelated texts. Labels
    are embedded and added to each input. The next input is always the token, never what D sees of
    it, as in RelGAN.

    ``extras["log_prob"]``: ``[b, length]`` float32, log-probabilities of the tokens in nats.
    """

    shape: tuple[int, ...]
    num_classes: int = 0
    estimator: Estimator = option(ESTIMATORS["reinforce"], ESTIMATORS, ESTIMATOR)
    embedding: int = option(32, 1, "Size of the embeddings of the tokens.")
    tied: bool = option(False, bool, "Predict tokens by the embeddings of the inputs.")
    ends: bool = option(True, bool, "After token 0, a text has ended: only 0 follows.")
    bounded: bool = False
    dtype: Any = jnp.float32

    NUMBERS = NUMBERS

    def network(self) -> nn.Module:
        """The network of `gan_jax.nn.sequences`."""
        raise NotImplementedError

    def setup(self) -> None:
        words = self.shape[1]
        self.table = nn.Embed(words + 1, self.embedding)  # the last one begins a text
        if self.num_classes:
            self.classes = ClassEmbedding(self.num_classes, self.embedding)
        self.reader = self.network()
        self.last = Dense(self.embedding if self.tied else words, dtype=self.dtype)
        if self.tied:
            self.bias = self.param("bias", nn.initializers.zeros, (words,))

    def __call__(
        self,
        latents: jax.Array,
        y: jax.Array,
        *,
        train: bool,
        temperature: Any = 1.0,
        softness: Any = 1.0,
    ) -> Fake:
        """One-hot texts ``[b, length, words]``, or what D sees of them in training."""
        noise = self._noise(latents)
        tokens = self._written(noise, y, 1.0 if train else temperature)
        logits = self._logits(tokens, y, 1.0 if train else temperature)
        extras = {"log_prob": _log_prob(logits, tokens)}
        if not train:
            return Fake(jax.nn.one_hot(tokens, self.shape[1], dtype=jnp.float32), extras=extras)
        return Fake(self.estimator.seen(logits, noise, tokens, softness), extras=extras)

    def log_prob(
        self,
        x: jax.Array,
        y: jax.Array,
        *,
        train: bool,
        temperature: Any = 1.0,
        softness: Any = 1.0,
    ) -> jax.Array:
        """The log-probability in nats of each token given the earlier ones, ``[b, length]``, of
        one-hot texts ``[b, length, words]``; outside of training at the temperature.
        """
        tokens = x.argmax(-1)
        return _log_prob(self._logits(tokens, y, 1.0 if train else temperature), tokens)

    def completed(
        self,
        given: tuple[jax.Array, jax.Array, jax.Array],
        y: jax.Array,
        *,
        train: bool,
        temperature: Any = 1.0,
        softness: Any = 1.0,
    ) -> jax.Array:
        """One-hot texts ``[b, length, words]`` that begin as others: ``given`` are latents, other
        texts ``[b, length, words]``, and how many of their tokens are kept, ``[b]`` int32.
        """
        latents, x, kept = given
        temperature = 1.0 if train else temperature
        tokens = self._written(self._noise(latents), y, temperature, (x.argmax(-1), kept))
        return jax.nn.one_hot(tokens, self.shape[1], dtype=jnp.float32)

    def step(self, memory: PyTree, noise: jax.Array, given: jax.Array, position: jax.Array):
        """Writes a token. ``given``: the token ``[b]`` that must be written; -1: any."""
        own, token, classes, temperature = memory
        own, features = self.reader.step(own, self.table(token) + classes, position)
        logits = _possible(self._to_words(features) / temperature, token, self.ends)
        token = jnp.where(given >= 0, given, self.estimator.choose(logits, noise))
        return (own, token, classes, temperature), token

    def _noise(self, latents: jax.Array) -> jax.Array:
        return jax.vmap(lambda key: self.estimator.noise(key, self.shape))(keys(latents))

    def _written(
        self, noise: jax.Array, y: jax.Array, temperature: Any, begun: tuple | None = None
    ) -> jax.Array:
        """Tokens ``[b, length]``. ``begun``: tokens of other texts and how many are kept."""
        b, length = len(noise), self.shape[0]
        given = jnp.full((b, length), -1)
        if begun is not None:
            tokens, kept = begun
            given = jnp.where(jnp.arange(length)[None] < kept[:, None], tokens, -1)
        first = jnp.full(b, self.shape[1]), self._classes(y), jnp.asarray(temperature)
        return scanned(self, (self.reader.begin(b), *first), noise, given)[1]

    def _logits(self, tokens: jax.Array, y: jax.Array, temperature: Any) -> jax.Array:
        """Logits ``[b, length, words]`` of each token given the earlier ones."""
        before = jnp.pad(tokens[:, :-1], ((0, 0), (1, 0)), constant_values=self.shape[1])
        features = self.reader.whole(self.table(before) + self._classes(y)[:, None])
        return _possible(self._to_words(features) / temperature, before, self.ends)

    def _to_words(self, features: jax.Array) -> jax.Array:
        made = self.last(features)
        made = made.astype(jnp.promote_types(made.dtype, jnp.float32))
        if not self.tied:
            return made
        own = self.table.embedding[: self.shape[1]]
        return made @ own.T + jnp.expand_dims(self.bias, range(made.ndim - 1))

    def _classes(self, y: jax.Array) -> jax.Array:
        """The embedded labels, ``[b, embedding]``; zeros without labels."""
        if not self.num_classes:
            return jnp.zeros((len(y), self.embedding))
        return self.classes(y)


def keys(latents: jax.Array) -> jax.Array:
    """A random key for each of the latents ``[b, n]``, made of the bits of its first two numbers.

    Raises:
      ConfigError: for latents that are not two numbers or more.
    """
    if not isinstance(latents, jax.Array) or latents.ndim != 2 or latents.shape[1] < 2:
        raise ConfigError(
            "latents: a generator that samples tokens needs at least 2 latents; use latents 2 and "
            "prior normal or uniform."
        )
    bits = jax.lax.bitcast_convert_type(latents[:, :2].astype(jnp.float32), jnp.uint32)
    return jax.random.wrap_key_data(bits, impl="threefry2x32")


def _possible(logits: jax.Array, before: jax.Array, ends: bool) -> jax.Array:
    """Logits ``[..., words]``, of which only the end is possible after the end."""
    if not ends:
        return logits
    only = jnp.where(jnp.arange(logits.shape[-1]) == END, 0.0, MASKED).astype(logits.dtype)
    only = jnp.expand_dims(only, range(before.ndim))
    return jnp.where((before == END)[..., None], only, logits)


def _log_prob(logits: jax.Array, tokens: jax.Array) -> jax.Array:
    every = nn.log_softmax(logits)
    return jnp.take_along_axis(every, tokens[..., None], axis=-1)[..., 0]
