"""CycleGAN (Zhu et al. 2017, "Unpaired image-to-image translation using cycle-consistent
adversarial networks"): two generators translate between two domains, and two discriminators each
score the patches of one.

Examples and their conditions are the same pytree ``{"a": [b, h, w, c], "b": [b, h, w, c]}``,
float32 in [-1, 1]: one image of each domain, unpaired. The paper trains with the loss
``least_squares``, the terms ``cycle`` and ``identity`` of G with the weights 10 and 5, Adam with
``b1`` 0.5, a batch of 1, and D's memory `gan_jax.parts.pools.image_pool`.
"""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax.numpy as jnp

from gan_jax.errors import ConfigError, one_of
from gan_jax.modality import DOMAINS
from gan_jax.models.options import option
from gan_jax.models.pix2pix import PATCH_LAYERS, PATCH_WIDTH, Patches, check_condition, init
from gan_jax.nn.conv import Conv, ConvTranspose
from gan_jax.nn.norms import InstanceNorm
from gan_jax.types import Array, Critique, Fake, PyTree

HALVINGS = 2
SMALLEST = 8
"""Side of an image whose innermost map can be padded by reflection."""


class ResNet(nn.Module):
    """Translates images ``[b, h, w, c] -> [b, *shape]``: a convolution of 7x7, two that halve the
    side, residual blocks, two transposed convolutions and one of 7x7; tanh if examples are bounded.

    Maps are padded by reflection, and layers are normalized per image (the paper's appendix, 7.2).
    """

    shape: tuple[int, ...]
    width: int
    blocks: int
    bounded: bool = True
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Array) -> Array:
        fields = {"kernel_init": init, "dtype": self.dtype}
        same = lambda x, features, side: Conv(features, (side, side), padding="VALID", **fields)(
            _reflected(x, side // 2)
        )
        norm = lambda x: InstanceNorm(self.dtype)(x, train=True)
        x = nn.relu(norm(same(x, self.width, 7)))
        for i in range(1, HALVINGS + 1):
            x = Conv(self.width * 2**i, (3, 3), (2, 2), padding=1, **fields)(x)
            x = nn.relu(norm(x))
        for _ in range(self.blocks):
            inner = nn.relu(norm(same(x, x.shape[-1], 3)))
            x = x + norm(same(inner, x.shape[-1], 3))
        for i in reversed(range(HALVINGS)):
            # That of PyTorch with padding 1 and output_padding 1.
            up = ConvTranspose(
                self.width * 2**i, (3, 3), (2, 2), padding=((1, 2), (1, 2)), **fields
            )
            x = nn.relu(norm(up(x)))
        x = same(x, self.shape[-1], 7).astype(jnp.float32)
        return nn.tanh(x) if self.bounded else x


class Generator(nn.Module):
    """Both generators: ``to_a`` translates images of domain b to domain a, and ``to_b`` those of a
    to b. ``shape`` is that of an image of either domain.

    With ``to``, a or b, the conditions are images of the other domain, and only their translation
    is returned.

    ``extras["back"]`` has each condition after the whole cycle, and ``extras["same"]``, if it is
    wanted, each after the generator of its own domain.

    Raises:
      ConfigError: if the conditions are not a pair of such images, or the sides are not multiples
        of 4 of at least 8.
    """

    shape: tuple[int, ...]
    width: int = option(64, 1, "Channels next to the image; 4 times as many in the blocks.")
    blocks: int = option(6, 0, "Residual blocks; the paper has 9 for images of 256x256 and more.")
    same: bool = option(
        False, bool, "Also translate images into their own domain, as the term identity requires."
    )
    bounded: bool = True
    to: str = ""
    dtype: Any = jnp.float32

    def setup(self) -> None:
        h, w, _ = self.shape
        if h % 2**HALVINGS or w % 2**HALVINGS or min(h, w) < SMALLEST:
            raise ConfigError(
                f"cyclegan requires images whose sides are multiples of {2**HALVINGS}, at least "
                f"{SMALLEST}, not {h}x{w}."
            )
        fields = (self.shape, self.width, self.blocks, self.bounded, self.dtype)
        self.to_a, self.to_b = ResNet(*fields), ResNet(*fields)

    def __call__(self, z: PyTree, y: PyTree, *, train: bool) -> Fake:
        if self.to:
            return Fake(self.translate(y, self.to))
        y = _both(y, self.shape)
        a, b = self.to_a(y["b"]), self.to_b(y["a"])
        extras = {"back": {"a": self.to_a(b), "b": self.to_b(a)}}
        if self.same:
            extras["same"] = {"a": self.to_a(y["a"]), "b": self.to_b(y["b"])}
        return Fake({"a": a, "b": b}, extras=extras)

    def translate(self, x: Array, to: str) -> Array:
        """Images ``[b, h, w, c]`` of the other domain, translated to the domain ``to``, a or b."""
        networks = {"a": self.to_a, "b": self.to_b}
        return networks[one_of("domain", to, DOMAINS)](x)


class Discriminator(nn.Module):
    """`Patches` of both domains, each with its own network; conditions are not looked at. Scores
    are ``[b, 2, h', w']``; with ``only``, a or b, the examples are images of this domain, and
    scores are ``[b, h', w']``.

    Raises:
      ConfigError: if the examples are not a pair of images of the same sides, and for more layers
        than these allow.
    """

    width: int = option(64, 1, PATCH_WIDTH)
    layers: int = option(3, 1, PATCH_LAYERS)
    only: str = ""
    dtype: Any = jnp.float32

    def setup(self) -> None:
        fields = (self.width, self.layers, InstanceNorm, self.dtype)
        self.a, self.b = Patches(*fields), Patches(*fields)

    def __call__(self, x: PyTree, y: PyTree, *, train: bool) -> Critique:
        if self.only:
            return Critique(getattr(self, self.only)(x, train=train))
        score = lambda name: getattr(self, name)(x[name], train=train)
        return Critique(jnp.stack([score(name) for name in DOMAINS], axis=1))


def _both(y: PyTree, shape: tuple[int, ...]) -> PyTree:
    """The images of both domains.

    Raises:
      ConfigError: for anything else.
    """
    if not isinstance(y, dict) or set(y) != set(DOMAINS):
        raise ConfigError(
            "conditions must be images of two domains, a dictionary of a and b, not "
            f"{', '.join(sorted(y)) if isinstance(y, dict) else type(y).__name__}."
        )
    for name in DOMAINS:
        image = check_condition(y[name], shape)
        if image.shape[1:] != shape:
            raise ConfigError(
                f"conditions: the images of domain {name} must have the shape {list(shape)}, not "
                f"{list(image.shape[1:])}."
            )
    return y


def _reflected(x: Array, n: int) -> Array:
    """Maps with ``n`` more pixels on each side, mirrored at the outermost ones."""
    return jnp.pad(x, ((0, 0), (n, n), (n, n), (0, 0)), mode="reflect")
