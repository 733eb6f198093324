"""Pairs of a caption and the image that it describes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.data.captions import Language, language_of
from gan_jax.devices import batch_axis
from gan_jax.modality import Tokens
from gan_jax.parts.pairs.pairing import NO_VARIABLES, Pairing, Read
from gan_jax.parts.regularizers.conditions import SIMILAR
from gan_jax.types import Array, Batch, Frozen


@dataclasses.dataclass(frozen=True)
class InWords:
    """The condition of an example is a caption of its label, in one of the phrasings at random:
    tokens ``[b, length]`` int32.
    """

    language: Language

    def __call__(self, batch: Batch, frozen: Mapping[str, Callable], key: Array) -> Batch:
        table = jnp.asarray(self.language.table)
        phrasing = batch_axis.draw(jax.random.randint, key, batch.y.shape, 0, table.shape[1])
        return batch._replace(y=table[batch.y, phrasing])


class OneWordChanged(nn.Module):
    """Captions ``[b, length]`` in each of which one word is replaced by another that describes
    something else, see `Language.exchangeable`. It has no weights.
    """

    language: Language

    def __call__(self, tokens: Array, key: Array) -> Array:
        table = jnp.asarray(self.language.exchangeable)
        draw = lambda i, shape: batch_axis.draw(
            jax.random.gumbel, jax.random.fold_in(key, i), shape, jnp.float32
        )
        choose = lambda i, accepted: jnp.argmax(
            jnp.where(accepted, draw(i, accepted.shape), -jnp.inf), axis=1
        )
        place = choose(0, table.any(1)[tokens])
        word = jnp.take_along_axis(tokens, place[:, None], axis=1)[:, 0]
        changed = jax.nn.one_hot(place, tokens.shape[1], dtype=bool)
        return jnp.where(changed, choose(1, table[word])[:, None], tokens)


def captions(read: Read) -> Pairing:
    """A caption -> the image that it describes, see `gan_jax.data.captions`."""
    language = language_of(read.description)
    words = len(language.words)
    kind = Tokens((language.length,), words)
    similar = Frozen(SIMILAR, OneWordChanged(language), NO_VARIABLES)
    return Pairing(kind, prepare=InWords(language), frozen=(similar,), fields=(("words", words),))
