"""StackGAN (Zhang et al. 2017, "StackGAN: text to photo-realistic image synthesis with stacked
generative adversarial networks"): images from captions in two stages. The first GAN draws a small
image from latents and the caption; the generator of the second draws a larger one from the small
one, whose generator is no longer trained, and the caption.

Conditions are captions, tokens ``[b, length]`` int32, see `gan_jax.data.captions`. Each network
has a text encoder of its own, which is trained with the GAN; the paper's encoder is pretrained.
The discriminators are made for the term ``matching``, the generators for ``kl``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import flax.linen as nn
import jax
import jax.numpy as jnp

from gan_jax.data.captions import PADDING
from gan_jax.devices import batch_axis
from gan_jax.errors import ConfigError
from gan_jax.models.options import SPECTRAL, option
from gan_jax.models.projected import FROZEN
from gan_jax.models.sides import halvings, widths
from gan_jax.nn.broadcast import broadcast
from gan_jax.nn.conv import Conv, UpConv
from gan_jax.nn.norms import NORMS, BatchNorm
from gan_jax.nn.spectral import spectral_norm
from gan_jax.types import Array, Critique, Fake, PyTree

_WIDTH = "Channels of the layer next to the image; they double each time the side halves."
_WIDEST = "Largest number of channels."
_BASE = "Smallest side of the feature maps."
_NORM = "Normalization of the layers."
_ENCODER = (
    "Text encoder: mean (of the embeddings of the words, then a hidden layer) or gru (gated "
    "recurrent units, Cho et al. 2014)."
)
_TEXT = "Size of the embeddings of words and captions."
_CONDITION = "Size of the condition that the image is drawn from, made from the caption."
_COMPARED = "Size of the caption's embedding beside the last feature maps."
_AUGMENTATION = (
    "Conditioning augmentation: the condition is drawn from a Gaussian that depends on the "
    "caption; otherwise it is its mean."
)
_BLOCKS = "Residual blocks at the smallest feature maps."
_FIRST = "Run folder of the first stage, whose generator is used as it is and not trained further."
_DIGEST = "Digest of its newest checkpoint; set when training begins."
_init = nn.initializers.he_normal()


class Stage(Protocol):
    """A trained generator of the first stage: a module ``(z, y, *, train) -> x`` or `Fake`; ``key``
    names its content.
    """

    network: nn.Module
    variables: PyTree
    key: str


def loaded(options: Mapping[str, Any], trained: Any) -> dict[str, Stage]:
    """The field of `Refiner` that holds the first stage, from the values of its options."""
    if "first" not in options:
        return {}
    own = options["first"], options["first_digest"]
    return {"stage": trained.generator("generator.first", *own)}


class MeanOfWords(nn.Module):
    """Captions ``[b, length]`` -> the mean of the embeddings of their words -> dense, leaky ReLU:
    ``[b, features]``. The order of the words has no effect.
    """

    words: int
    features: int

    @nn.compact
    def __call__(self, tokens: Array) -> Array:
        embedded, there = embedded_words(self.words, self.features, tokens)
        total = jnp.sum(embedded * there[..., None], axis=1)
        mean = total / jnp.maximum(there.sum(1, keepdims=True), 1)
        return _leaky(nn.Dense(self.features)(mean))


class Gru(nn.Module):
    """Captions ``[b, length]`` -> embeddings of the words -> the state of gated recurrent units
    after the last word: ``[b, features]``.
    """

    words: int
    features: int

    @nn.compact
    def __call__(self, tokens: Array) -> Array:
        embedded, there = embedded_words(self.words, self.features, tokens)
        lengths = there.sum(1).astype(jnp.int32)
        reader = nn.RNN(nn.GRUCell(self.features), return_carry=True)
        return reader(embedded, seq_lengths=lengths)[0]


def embedded_words(words: int, features: int, tokens: Array) -> tuple[Array, Array]:
    """A vector for each word ``[b, length, features]``, of a table that is trained in the module
    that calls this, and 1 where a word is, 0 after the last: ``[b, length]``.

    Raises:
      ConfigError: for conditions that are not captions.
    """
    if tokens.ndim != 2 or not jnp.issubdtype(tokens.dtype, jnp.integer):
        raise ConfigError(
            "stackgan needs captions as conditions, tokens of the shape [b, length], not "
            f"{tokens.dtype}{list(tokens.shape)}."
        )
    table = nn.Embed(words, features, embedding_init=nn.initializers.normal(1.0))
    return table(tokens), (tokens != PADDING).astype(jnp.float32)


ENCODERS: dict[str, Callable[[int, int], nn.Module]] = {"mean": MeanOfWords, "gru": Gru}


class Condition(nn.Module):
    """The condition ``c [b, size]`` of an image: from an embedding of its caption ``[b, text]``,
    the mean and the log standard deviation of a Gaussian, from which it is drawn (conditioning
    augmentation, section 3.2). Returns ``c`` and the extras of the fakes: ``kl``, see
    `gan_jax.parts.regularizers.kl`.

    Without the random stream ``noise``, as in evaluation, ``c`` is the mean. If not ``drawn``, it
    always is, and there is no ``kl``.
    """

    size: int
    drawn: bool

    @nn.compact
    def __call__(self, text: Array, *, train: bool) -> tuple[Array, dict[str, Array]]:
        mean = nn.Dense(self.size, name="mean")(text)
        if not self.drawn:
            return mean, {}
        log_deviation = nn.Dense(self.size, name="log_deviation")(text)
        c, deviation = mean, jnp.exp(log_deviation)
        if train or self.has_rng("noise"):
            noise = batch_axis.draw(jax.random.normal, self.make_rng("noise"), c.shape, c.dtype)
            c = mean + deviation * noise
        nats = 0.5 * (jnp.square(mean) + jnp.square(deviation) - 1) - log_deviation
        return c, {"kl": nats.mean(1)}


class ResidualBlock(nn.Module):
    """3x3, norm, activation, 3x3, norm, beside the identity, then the activation."""

    norm: Callable[[], nn.Module]
    activation: Callable[[Array], Array] = nn.relu
    spectral: bool = False
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array, *, train: bool) -> Array:
        normalized = spectral_norm(self.spectral)
        options = {"use_bias": False, "kernel_init": _init, "dtype": self.dtype}
        h = normalized(Conv(x.shape[-1], (3, 3), **options))(x)
        h = self.activation(self.norm()(h, train=train))
        h = normalized(Conv(x.shape[-1], (3, 3), **options))(h)
        return self.activation(x + self.norm()(h, train=train))


class Generator(nn.Module):
    """The first stage: latents and condition -> dense to the smallest feature map -> residual
    blocks -> layers that double the side (nearest neighbour, 3x3) -> 3x3 -> tanh if examples are
    bounded.

    Attributes:
      words: number of words of the language, with the padding.
    """

    shape: tuple[int, ...]
    words: int
    width: int = option(64, 1, _WIDTH)
    widest: int = option(1024, 1, _WIDEST)
    base: int = option(4, 1, _BASE)
    blocks: int = option(1, 0, _BLOCKS)
    norm: Callable[..., nn.Module] = option(BatchNorm, NORMS, _NORM)
    encoder: Callable[..., nn.Module] = option(MeanOfWords, ENCODERS, _ENCODER)
    text: int = option(128, 1, _TEXT)
    condition: int = option(128, 1, _CONDITION)
    augmentation: bool = option(True, bool, _AUGMENTATION)
    bounded: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, latents: Array, y: Array, *, train: bool) -> Fake:
        norm = functools.partial(self.norm, dtype=self.dtype)
        n = halvings(self.shape, self.base)
        h, w, _ = self.shape
        features = widths(n, self.width, self.widest)
        text = self.encoder(self.words, self.text, name="text")(y)
        c, extras = Condition(self.condition, self.augmentation)(text, train=train)
        x = nn.Dense(
            (h >> n) * (w >> n) * features[0], use_bias=False, kernel_init=_init, dtype=self.dtype
        )(jnp.concatenate([latents, c], axis=-1))
        x = x.reshape(-1, h >> n, w >> n, features[0])
        x = nn.relu(norm()(x, train=train))
        for _ in range(self.blocks):
            x = ResidualBlock(norm, dtype=self.dtype)(x, train=train)
        x = _enlarged(x, features[1:], norm, train, self.dtype)
        return Fake(_image(x, self.shape[2], self.bounded, self.dtype), extras=extras)


class Refiner(nn.Module):
    """The generator of the second stage: the image of the first -> 3x3 -> layers that halve the
    side down to ``base`` -> concatenated with a condition of its own, everywhere the same -> 3x3 ->
    residual blocks -> as `Generator`, up to a larger image. Latents reach it only through the first
    stage.

    Attributes:
      stage: the generator of the first stage. Its variables are in the collection `FROZEN`, which
        no optimizer sees, and it runs in evaluation mode.
      words: as in `Generator`.
    """

    shape: tuple[int, ...]
    words: int
    stage: Stage
    first: str = option("", str, _FIRST)
    first_digest: str = option("", str, _DIGEST)
    width: int = option(64, 1, _WIDTH)
    widest: int = option(512, 1, _WIDEST)
    base: int = option(8, 1, _BASE)
    blocks: int = option(4, 0, _BLOCKS)
    norm: Callable[..., nn.Module] = option(BatchNorm, NORMS, _NORM)
    encoder: Callable[..., nn.Module] = option(MeanOfWords, ENCODERS, _ENCODER)
    text: int = option(128, 1, _TEXT)
    condition: int = option(128, 1, _CONDITION)
    augmentation: bool = option(True, bool, _AUGMENTATION)
    bounded: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, latents: Array, y: Array, *, train: bool) -> Fake:
        norm = functools.partial(self.norm, dtype=self.dtype)
        options = {"use_bias": False, "kernel_init": _init, "dtype": self.dtype}
        small = self._first(latents, y, train)
        n, downs = halvings(self.shape, self.base), self._downs(small)
        features = widths(n, self.width, self.widest)
        x = nn.relu(Conv(features[downs], (3, 3), kernel_init=_init, dtype=self.dtype)(small))
        for own in reversed(features[:downs]):
            x = Conv(own, (4, 4), (2, 2), **options)(x)
            x = nn.relu(norm()(x, train=train))
        text = self.encoder(self.words, self.text, name="text")(y)
        c, extras = Condition(self.condition, self.augmentation)(text, train=train)
        x = Conv(features[0], (3, 3), **options)(_beside(x, c))
        x = nn.relu(norm()(x, train=train))
        for _ in range(self.blocks):
            x = ResidualBlock(norm, dtype=self.dtype)(x, train=train)
        x = _enlarged(x, features[1:], norm, train, self.dtype)
        return Fake(_image(x, self.shape[2], self.bounded, self.dtype), extras=extras)

    def _first(self, latents: Array, y: Array, train: bool) -> Array:
        """The image of the first stage, with a condition drawn for it if there is ``noise``."""
        given = lambda: jax.tree.map(jnp.asarray, self.stage.variables)
        variables = self.variable(FROZEN, "stage", given).value
        drawn = train or self.has_rng("noise")
        rngs = {"noise": self.make_rng("noise")} if drawn else None
        made = self.stage.network.apply(variables, latents, y, train=False, rngs=rngs)
        return jax.lax.stop_gradient(made.x if isinstance(made, Fake) else made)

    def _downs(self, small: Array) -> int:
        """How often the image of the first stage is halved."""
        (h, w, _), n = self.shape, halvings(self.shape, self.base)
        sides = [(h >> n) << i for i in range(n)]
        if small.shape[1] not in sides or small.shape[2] * h != small.shape[1] * w:
            accepted = ", ".join(f"{side}x{side * w // h}" for side in sides)
            raise ConfigError(
                f"stage: the images of the first stage are {small.shape[1]}x{small.shape[2]}; "
                f"those of {h}x{w} with base {self.base} are made from {accepted}."
            )
        return sides.index(small.shape[1])


class Discriminator(nn.Module):
    """Convolutions of kernel 4, each halving the side, with leaky ReLU 0.2, all but the first
    normalized -> a residual block -> the head, with an embedding of the caption. A second stage,
    whose images are twice as large, thereby has one layer more.

    Attributes:
      words: as in `Generator`.
    """

    head: nn.Module
    words: int
    width: int = option(64, 1, _WIDTH)
    widest: int = option(512, 1, _WIDEST)
    base: int = option(4, 1, _BASE)
    blocks: int = option(1, 0, _BLOCKS)
    norm: Callable[..., nn.Module] = option(BatchNorm, NORMS, _NORM)
    spectral: bool = option(False, bool, SPECTRAL)
    encoder: Callable[..., nn.Module] = option(MeanOfWords, ENCODERS, _ENCODER)
    text: int = option(128, 1, _TEXT)
    compared: int = option(128, 1, _COMPARED)
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array, y: Array, *, train: bool) -> Critique:
        norm = functools.partial(self.norm, dtype=self.dtype)
        normalized = spectral_norm(self.spectral)
        for i in range(halvings(x.shape[1:], self.base)):
            own = min(self.width * 2**i, self.widest)
            options = {"use_bias": i == 0, "kernel_init": _init, "dtype": self.dtype}
            x = normalized(Conv(own, (4, 4), (2, 2), **options))(x)
            x = _leaky(norm()(x, train=train) if i else x)
        for _ in range(self.blocks):
            x = ResidualBlock(norm, _leaky, self.spectral, dtype=self.dtype)(x, train=train)
        text = self.encoder(self.words, self.text, name="text")(y)
        text = _leaky(nn.Dense(self.compared, name="compared")(text))
        return normalized(self.head)(x.astype(jnp.float32), text)


class Head(nn.Module):
    """The score, from feature maps ``[b, h, w, c]`` and the embedding of a caption ``[b, n]``: the
    embedding is concatenated at every place, 1x1, leaky ReLU 0.2, and the score is linear in all
    places. The batch normalization of the authors' code after the 1x1 is left out.
    """

    @nn.compact
    def __call__(self, maps: Array, text: Array) -> Critique:
        joint = Conv(maps.shape[-1], (1, 1), kernel_init=_init)(_beside(maps, text))
        features = _leaky(joint).reshape(len(maps), -1)
        return Critique(nn.Dense(1)(features)[:, 0], {"features": features})


def _leaky(x: Array) -> Array:
    return nn.leaky_relu(x, 0.2)


def _beside(x: Array, c: Array) -> Array:
    """``c [b, n]`` concatenated to the channels of ``x [b, h, w, c]``, everywhere the same."""
    tiled = broadcast(c[:, None, None], (*x.shape[:-1], c.shape[-1]), x.dtype)
    return jnp.concatenate([x, tiled], axis=-1)


def _enlarged(
    x: Array, features: tuple[int, ...], norm: Callable[[], nn.Module], train: bool, dtype: Any
) -> Array:
    """Layers of the module that calls this, each doubling the side."""
    for own in features:
        x = UpConv(own, use_bias=False, kernel_init=_init, dtype=dtype)(x)
        x = nn.relu(norm()(x, train=train))
    return x


def _image(x: Array, channels: int, bounded: bool, dtype: Any) -> Array:
    """The last layer of the module that calls this: 3x3, and tanh if examples are bounded."""
    x = Conv(channels, (3, 3), dtype=dtype)(x).astype(jnp.float32)
    return nn.tanh(x) if bounded else x
