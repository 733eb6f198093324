"""A language whose probabilities are known: the random LSTM of SeqGAN (Yu et al. 2017, "SeqGAN",
section 5.1), from which texts are drawn and which scores the texts of a generator.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator

import numpy as np

from gan_jax.errors import ConfigError, at_least, is_seed

LENGTH, WORDS, SIZE = 20, 5_000, 32
"""Tokens of a text, words of the language, and numbers of an embedding and of the LSTM's state."""
START = 0
"""The token that the LSTM sees before a text begins; it is a word like the others."""
BLOCK = 1_000
"""Texts that are drawn or scored at once."""


@dataclasses.dataclass(frozen=True)
class Oracle:
    """An LSTM of one layer whose parameters, biases included, are drawn from N(0, 1) by the seed.

    There is no token of the end: every text has the same length, and any word may be anywhere.

    Raises:
      ConfigError: for less than two words, or a seed that is none.
    """

    words: int = WORDS
    seed: int = 0

    def __post_init__(self):
        at_least("oracle.words", self.words, 2)
        is_seed("oracle.seed", self.seed)

    def draw(self, n: int, seed: int, length: int = LENGTH, temperature: float = 1.0) -> np.ndarray:
        """Texts ``[n, length]`` int32.

        Args:
          n: number of texts.
          seed: determines them, with the oracle.
          length: tokens of each.
          temperature: divides the logits; 1 draws from the language.
        """
        rng = np.random.default_rng([seed, self.seed, self.words])
        chosen = rng.random((n, length, 1), np.float32)

        def choose(t: int, rows: slice, logits: np.ndarray) -> np.ndarray:
            total = np.cumsum(_exp(logits / np.float32(temperature)), axis=1)
            return np.argmax(total > chosen[rows, t] * total[:, -1:], axis=1)

        return np.concatenate([self._read(rows, length, choose)[0] for rows in _blocks(n)])

    def log_prob(self, texts: np.ndarray) -> np.ndarray:
        """The log-probability in nats of each token given the earlier ones, ``[n, length]``
        float64, of texts ``[n, length]`` int.

        Raises:
          ConfigError: for tokens outside of the language.
        """
        if texts.min(initial=0) < 0 or texts.max(initial=0) >= self.words:
            raise ConfigError(f"texts must have tokens from 0 to {self.words - 1}.")
        given = lambda t, rows, logits: texts[rows, t]
        found = [self._read(rows, texts.shape[1], given)[1] for rows in _blocks(len(texts))]
        return np.concatenate(found)

    def _read(
        self, rows: slice, length: int, next_token: Callable
    ) -> tuple[np.ndarray, np.ndarray]:
        """Texts and their log-probabilities, token by token by ``next_token(t, rows, logits)``."""
        weights, n = self._weights, rows.stop - rows.start
        token = np.full(n, START)
        c = h = np.zeros((n, SIZE), np.float32)
        tokens, found = np.zeros((n, length), np.int32), np.zeros((n, length))
        for t in range(length):
            gates = weights["embedding"][token] @ weights["x"] + h @ weights["h"] + weights["bias"]
            i, f, o, new = np.split(gates, 4, axis=1)
            c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(new)
            h = _sigmoid(o) * np.tanh(c)
            logits = h @ weights["out"] + weights["out_bias"]
            token = tokens[:, t] = next_token(t, rows, logits)
            found[:, t] = logits[np.arange(n), token] - _log_sum(logits)
        return tokens, found

    @functools.cached_property
    def _weights(self) -> dict[str, np.ndarray]:
        rng = np.random.default_rng([self.seed, self.words])
        shapes = {
            "embedding": (self.words, SIZE),
            "x": (SIZE, 4 * SIZE),
            "h": (SIZE, 4 * SIZE),
            "bias": (4 * SIZE,),
            "out": (SIZE, self.words),
            "out_bias": (self.words,),
        }
        return {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}


def _blocks(n: int) -> Iterator[slice]:
    return (slice(i, min(i + BLOCK, n)) for i in range(0, n, BLOCK))


def _exp(logits: np.ndarray) -> np.ndarray:
    return np.exp(logits - logits.max(axis=1, keepdims=True))


def _log_sum(logits: np.ndarray) -> np.ndarray:
    most = logits.max(axis=1)
    return most + np.log(_exp(logits).sum(axis=1, dtype=np.float64))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return (1 + np.tanh(x / 2)) / 2
