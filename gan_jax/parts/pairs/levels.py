"""Pairs of the levels of a stacked GAN (Huang et al. 2017, "Stacked generative adversarial
networks"): an encoder ``x -> h -> label`` is a hidden layer of a recognizer. The upper level makes
``h`` from a label, the lower one ``x`` from ``h``. With three levels, the logits are another hidden
layer, and the level between makes the last hidden layer from them.
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

from gan_jax.errors import ConfigError, one_of
from gan_jax.modality import Images, Modality, Vectors
from gan_jax.parts.pairs.pairing import NO_VARIABLES, Known, Pairing, Read
from gan_jax.parts.regularizers.levels import CLASSIFIER, ENCODER
from gan_jax.types import Array, Batch, Frozen, PyTree

IMAGE_ENCODER = "image_encoder"
"""Name of the frozen network ``x -> h`` where `ENCODER` is that of the examples, ``h``."""
LAYERS = {"features": lambda features, logits: features, "logits": lambda features, logits: logits}
"""The hidden layers of a recognizer: the last one, and the logits ``[b, k]``."""


@dataclasses.dataclass(frozen=True)
class Levels(Modality):
    """``{"hidden": [..., n], "image": [..., h, w, c]}`` float32: images with the hidden layer of a
    recognizer. They are stored as the images; ``shape`` is that of one.

    Attributes:
      hidden: number of units of the hidden layer.
    """

    hidden: int

    name, axes, stored, bounded = "images with hidden layers", 3, np.uint8, True
    from_stored = False

    @property
    def represented(self) -> Images:
        return Images(self.shape)

    @property
    def fields(self) -> dict[str, Any]:
        return super().fields | {"hidden": self.hidden}

    def check(self, field: str, x: PyTree) -> None:
        if not isinstance(x, dict) or set(x) != {"hidden", "image"}:
            raise ConfigError(f"{field} must be {self.name}, a dictionary of hidden and image.")
        Vectors((self.hidden,)).check(f"{field}['hidden']", x["hidden"])
        self.represented.check(f"{field}['image']", x["image"])

    def restored(self, x: PyTree) -> Array:
        return x["image"]

    def to_stored(self, x: PyTree) -> np.ndarray:
        return self.represented.to_stored(x["image"] if isinstance(x, dict) else x)

    def layout(self, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
        return self.represented.layout(num_classes)

    def picture(self, samples: PyTree, real: np.ndarray | None = None) -> np.ndarray:
        return self.represented.picture(self.to_stored(samples))


class Encoder(nn.Module):
    """A hidden layer ``[b, f]`` of a recognizer, one of `LAYERS`, in evaluation mode."""

    recognizer: nn.Module
    layer: str = "features"

    def __call__(self, x: Array) -> Array:
        return LAYERS[self.layer](*self.recognizer(x, train=False))


class Identity(nn.Module):
    """Returns its input."""

    def __call__(self, x: Array) -> Array:
        return x


@dataclasses.dataclass(frozen=True)
class Above:
    """The run of the level above, which makes the conditions of samples."""

    run: Any

    def draw(self, labels: Array, key: Array) -> Array:
        """Conditions ``[n, f]`` of samples of given classes ``[n]``."""
        given = labels
        if (upper := getattr(self.run.gan.prepare, "draw", None)) is not None:
            given = upper(labels, jax.random.fold_in(key, 1))
        return self.run.sample(given, key)


@dataclasses.dataclass(frozen=True)
class OfFeatures:
    """The condition of an example is its encoding."""

    def __call__(self, batch: Batch, frozen: Mapping[str, Callable], key: Array) -> Batch:
        return batch._replace(y=jax.lax.stop_gradient(frozen[ENCODER](batch.x)))


@dataclasses.dataclass(frozen=True)
class BelowLevel(Above, OfFeatures):
    """`OfFeatures`, but the conditions of samples are made by the generator of the level above."""


@dataclasses.dataclass(frozen=True)
class AsHidden:
    """The example is the encoding of what was read."""

    def __call__(self, batch: Batch, frozen: Mapping[str, Callable], key: Array) -> Batch:
        return batch._replace(x=jax.lax.stop_gradient(frozen[ENCODER](batch.x)))


@dataclasses.dataclass(frozen=True)
class WithHidden:
    """The example is the image with its encoding."""

    def __call__(self, batch: Batch, frozen: Mapping[str, Callable], key: Array) -> Batch:
        h = jax.lax.stop_gradient(frozen[ENCODER](batch.x))
        return batch._replace(x={"hidden": h, "image": batch.x})


@dataclasses.dataclass(frozen=True)
class Between:
    """The example is an encoding of what was read, and the condition the layer after it."""

    def __call__(self, batch: Batch, frozen: Mapping[str, Callable], key: Array) -> Batch:
        h = jax.lax.stop_gradient(frozen[IMAGE_ENCODER](batch.x))
        return Batch(h, frozen[ENCODER](h))


@dataclasses.dataclass(frozen=True)
class BetweenLevels(Above, Between):
    """`Between`, but the conditions of samples are made by the generator of the level above."""


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
    upper, (encoder, size, _) = _below(read, network, task, above, above_digest)
    prepare = OfFeatures() if upper is None else BelowLevel(upper)
    return Pairing(Vectors((size,)), prepare=prepare, frozen=(encoder,))


def hidden(
    read: Read,
    network: str = "resnet_half",
    task: str = "labels",
    layer: str = "features",
) -> Pairing:
    """A label -> a hidden layer of a recognizer. ``network``, ``task``: of the recognizer.
    ``layer``: features, which is the last hidden layer, or logits.
    """
    one_of("pairs.layer", layer, LAYERS)
    encoder, size, last = _encoder(read, network, task, layer)
    classifier = Frozen(CLASSIFIER, *_classifier(layer, last))
    return Pairing(
        example=Vectors((size,)),
        prepare=AsHidden(),
        frozen=(encoder, classifier),
    )


def between(
    read: Read,
    network: str = "resnet_half",
    task: str = "labels",
    above: str = "",
    above_digest: str = "",
) -> Pairing:
    """The logits of a recognizer -> its last hidden layer. ``network``, ``task``: of the
    recognizer. ``above``: run folder of the upper level, from which samples get their conditions.
    """
    upper, (encoder, size, last) = _below(read, network, task, above, above_digest)
    to_logits, known = _classifier("features", last)
    return Pairing(
        Vectors((to_logits.features,)),
        example=Vectors((size,)),
        prepare=Between() if upper is None else BetweenLevels(upper),
        frozen=(
            dataclasses.replace(encoder, name=IMAGE_ENCODER),
            Frozen(ENCODER, to_logits, known),
        ),
    )


def recognizing(name: str, trained: Any, layer: str) -> Frozen:
    """The frozen network ``x -> [b, f]`` that returns one of `LAYERS` of a recognizer."""
    variables = _under("recognizer", trained.variables)
    return Frozen(name, Encoder(trained.network, layer), Known(trained.key, variables))


def levels(read: Read, network: str = "resnet_half", task: str = "labels") -> Pairing:
    """A label -> the image with the hidden layer of a recognizer: both levels in one game.
    ``network``, ``task``: of the recognizer.
    """
    encoder, size, last = _encoder(read, network, task)
    return Pairing(
        example=Levels(read.modality.shape, size),
        prepare=WithHidden(),
        frozen=(encoder, Frozen(CLASSIFIER, *_classifier("features", last))),
    )


def _below(
    read: Read, network: str, task: str, above: str, digest: str
) -> tuple[Any, tuple[Frozen, int, Known]]:
    """The run of the level above, None without one, and `_encoder` of the same recognizer. A
    missing run is refused before a recognizer is trained.
    """
    upper, found = _upper(read, above, digest), _encoder(read, network, task)
    if upper is not None:
        _check_encoder(above, upper, found[0])
    return upper, found


def _upper(read: Read, above: str, digest: str) -> Any:
    """The run of the upper level; None without one.

    Raises:
      ConfigError: for a run whose samples need conditions that no run makes.
    """
    if not above:
        return None
    run = read.trained.generator("pairs.above", above, digest)
    if run.gan.condition is not None and not hasattr(run.gan.prepare, "draw"):
        raise ConfigError(
            f"pairs.above: the run {above!r} needs {run.gan.condition} as conditions, which no run "
            "above it makes; train it with pairs.above."
        )
    return run


def _check_encoder(above: str, run: Any, own: Frozen) -> None:
    """Refuses an upper level whose hidden layers are of another recognizer."""
    encoders = run.state.frozen.get(IMAGE_ENCODER, run.state.frozen.get(ENCODER))
    ours, theirs = (jax.tree.leaves(v) for v in (own.trained.variables, encoders))
    same = len(ours) == len(theirs) and all(
        np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True)
    )
    if not same:
        raise ConfigError(
            f"pairs.above: the run {above!r} makes hidden layers of another classifier; train it "
            "anew with pairs 'hidden' and the same network and task."
        )


def _encoder(
    read: Read, network: str, task: str, layer: str = "features"
) -> tuple[Frozen, int, Known]:
    """The encoder, the size of its layer, and the variables of the layer of the logits."""
    if not isinstance(read.modality, Images):
        raise ConfigError(f"pairs needs images, but the examples are {read.modality}.")
    trained = read.trained.classifier("", network, task)
    encoder = recognizing(ENCODER, trained, layer)
    last = _last_layer(trained.variables["params"])
    known = Known(f"last-layer-{trained.key}", {"params": last})
    return encoder, last["kernel"].shape[layer == "logits"], known


def _classifier(layer: str, last: Known) -> tuple[nn.Module, Known]:
    """The network from a hidden layer to logits, and its variables."""
    if layer == "logits":
        return Identity(), NO_VARIABLES
    return nn.Dense(last.variables["params"]["bias"].shape[0]), last


def _under(name: str, variables: PyTree) -> PyTree:
    """The variables of a module that has the network as its submodule ``name``."""
    return {collection: {name: own} for collection, own in variables.items()}


def _last_layer(params: PyTree) -> dict[str, Array]:
    """Kernel and bias of the layer of the logits: the last one with a bias and a matrix."""
    flat = flatten_dict(params)
    dense = [path[:-1] for path, own in flat.items() if path[-1] == "kernel" and own.ndim == 2]
    (path,) = [path for path in dense if (*path, "bias") in flat]
    return {name: jnp.asarray(flat[(*path, name)]) for name in ("kernel", "bias")}
