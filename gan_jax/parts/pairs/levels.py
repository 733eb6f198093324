"""Pairs of the levels of a stacked GAN (Huang et al. 2017, "Stacked generative adversarial
networks"): an encoder ``x -> h -> label`` is the last hidden layer of a recognizer. The upper level
makes ``h`` from a label, the lower one ``x`` from ``h``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict

from gan_jax.errors import ConfigError
from gan_jax.modality import Images, Vectors
from gan_jax.parts.pairs.pairing import Pairing, Read
from gan_jax.parts.regularizers.levels import CLASSIFIER, ENCODER
from gan_jax.types import Array, Batch, Frozen, PyTree


class Encoder(nn.Module):
    """The features ``[b, f]`` of a recognizer, in evaluation mode."""

    recognizer: nn.Module

    def __call__(self, x: Array) -> Array:
        return self.recognizer(x, train=False)[0]


@dataclasses.dataclass(frozen=True)
class Known:
    """Variables of a network, compared by their ``key``."""

    key: str
    variables: PyTree = dataclasses.field(compare=False)


@dataclasses.dataclass(frozen=True)
class OfFeatures:
    """The condition of an example is its encoding."""

    def __call__(self, batch: Batch, frozen: Mapping[str, Callable], key: Array) -> Batch:
        return batch._replace(y=jax.lax.stop_gradient(frozen[ENCODER](batch.x)))


@dataclasses.dataclass(frozen=True)
class BelowLevel(OfFeatures):
    """`OfFeatures`, but the conditions of samples are made by the generator of the level above."""

    above: Any

    def draw(self, labels: Array, key: Array) -> Array:
        """Conditions ``[n, f]`` of samples of given classes ``[n]``."""
        return self.above.sample(labels, key)


@dataclasses.dataclass(frozen=True)
class AsHidden:
    """The example is the encoding of what was read."""

    def __call__(self, batch: Batch, frozen: Mapping[str, Callable], key: Array) -> Batch:
        return batch._replace(x=jax.lax.stop_gradient(frozen[ENCODER](batch.x)))


def features(
    read: Read,
    network: str = "resnet_half",
    task: str = "labels",
    above: str = "",
    above_digest: str = "",
) -> Pairing:
    """The hidden layer of a recognizer -> the image. ``network``, ``task``: of the recognizer.
    ``above``: run folder of the upper level, from which samples get their conditions.
    """
    # A missing run is refused before a recognizer is trained.
    upper = read.trained.generator("pairs.above", above, above_digest) if above else None
    encoder, size, _ = _encoder(read, network, task)
    prepare = OfFeatures()
    if upper is not None:
        _check_encoder(above, upper.state.frozen, encoder)
        prepare = BelowLevel(upper)
    return Pairing(Vectors((size,)), prepare=prepare, frozen=(encoder,))


def hidden(read: Read, network: str = "resnet_half", task: str = "labels") -> Pairing:
    """A label -> the hidden layer of a recognizer. ``network``, ``task``: of the recognizer."""
    encoder, size, last = _encoder(read, network, task)
    classifier = Frozen(CLASSIFIER, nn.Dense(last.variables["params"]["bias"].shape[0]), last)
    return Pairing(
        example=Vectors((size,)),
        prepare=AsHidden(),
        frozen=(encoder, classifier),
    )


def _check_encoder(above: str, frozen: Mapping[str, PyTree], own: Frozen) -> None:
    """Refuses an upper level whose hidden layers are of another recognizer."""
    ours, theirs = (jax.tree.leaves(v) for v in (own.trained.variables, frozen.get(ENCODER)))
    same = len(ours) == len(theirs) and all(
        np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True)
    )
    if not same:
        raise ConfigError(
            f"pairs.above: the run {above!r} makes hidden layers of another classifier; train it "
            "anew with pairs 'hidden' and the same network and task."
        )


def _encoder(read: Read, network: str, task: str) -> tuple[Frozen, int, Known]:
    """The encoder, the size of its features, and the variables of the layer behind them."""
    if not isinstance(read.modality, Images):
        raise ConfigError(f"pairs needs images, but the examples are {read.modality}.")
    trained = read.trained.classifier("", network, task)
    wrapped = Known(trained.key, _under("recognizer", trained.variables))
    encoder = Frozen(ENCODER, Encoder(trained.network), wrapped)
    last = _last_layer(trained.variables["params"])
    known = Known(f"last-layer-{trained.key}", {"params": last})
    return encoder, last["kernel"].shape[0], known


def _under(name: str, variables: PyTree) -> PyTree:
    """The variables of a module that has the network as its submodule ``name``."""
    return {collection: {name: own} for collection, own in variables.items()}


def _last_layer(params: PyTree) -> dict[str, Array]:
    """Kernel and bias of the layer of the logits: the last one with a bias and a matrix."""
    flat = flatten_dict(params)
    dense = [path[:-1] for path, own in flat.items() if path[-1] == "kernel" and own.ndim == 2]
    (path,) = [path for path in dense if (*path, "bias") in flat]
    return {name: jnp.asarray(flat[(*path, name)]) for name in ("kernel", "bias")}
