"""The latent spaces of a trained generator: paths, truncation, style mixing, directions, inversion.

Points are arrays ``[n, ...]``; `spaces` turns latents into points of z, w or w+, and points into
images. All other functions are pure functions of points.
"""

from gan_jax.latents.attributes import Attribute, attributes
from gan_jax.latents.directions import Directions, first_weights, pca, sefa, strip
from gan_jax.latents.inversion import Inversion, Objective, invert, nearest_starts
from gan_jax.latents.mixing import mixed
from gan_jax.latents.paths import arc, line, slerp
from gan_jax.latents.spaces import Spread, spaces_of, spread, to_images, to_points
from gan_jax.latents.truncation import centres, truncated
from gan_jax.metrics.paired import psnr

__all__ = [
    "Attribute", "Directions", "Inversion", "Objective", "Spread", "arc", "attributes", "centres",
    "first_weights", "invert", "line", "mixed", "nearest_starts", "pca", "psnr", "sefa", "slerp",
    "spaces_of", "spread", "strip", "to_images", "to_points", "truncated",
]  # fmt: skip
