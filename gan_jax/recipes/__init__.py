"""Recipes: one file each, whose docstring gives the command, the time it takes, the hardware and
the expected scores; ``time`` and ``score`` are for the table of ``gan-jax recipes``.
"""

from typing import NamedTuple

from gan_jax.config import Config
from gan_jax.errors import one_of
from gan_jax.recipes import (
    captions_stackgan,
    captions_stackgan1,
    cifar10_biggan,
    cifar10_r3gan,
    cifar10_sngan,
    cifar10_stylegan2_ada,
    digits_dcgan,
    digits_infogan,
    digits_to_mnist,
    emoji64_stylegan2_ada,
    fashion_dcgan,
    fashion_edges,
    fashion_r3gan,
    fashion_ssl1000,
    fashion_stylegan2,
    folder32_dcgan,
    folder256_stylegan2,
    folder_wavegan,
    grid25_mlp,
    mnist_biggan,
    mnist_dcgan,
    mnist_mlp,
    mnist_sgan,
    mnist_sgan_joint,
    mnist_sgan_top,
    mnist_ssl100,
    names_gan,
    ring8_mlp,
    scan_gan,
    spoken_digit_specgan,
    spoken_digit_vocoder,
    spoken_digit_wavegan,
    stacked_dcgan,
    stacked_r3gan,
)

_MODULES = (
    digits_dcgan,
    digits_infogan,
    mnist_mlp,
    mnist_dcgan,
    mnist_biggan,
    mnist_sgan_top,
    mnist_sgan,
    mnist_sgan_joint,
    mnist_ssl100,
    fashion_ssl1000,
    fashion_dcgan,
    fashion_r3gan,
    fashion_stylegan2,
    fashion_edges,
    digits_to_mnist,
    spoken_digit_specgan,
    spoken_digit_wavegan,
    spoken_digit_vocoder,
    names_gan,
    scan_gan,
    captions_stackgan1,
    captions_stackgan,
    cifar10_sngan,
    cifar10_r3gan,
    cifar10_stylegan2_ada,
    cifar10_biggan,
    folder32_dcgan,
    emoji64_stylegan2_ada,
    folder256_stylegan2,
    folder_wavegan,
    ring8_mlp,
    grid25_mlp,
    stacked_dcgan,
    stacked_r3gan,
)

RECIPES: dict[str, Config] = {
    module.__name__.rsplit(".", 1)[1]: module.config for module in _MODULES
}


class Note(NamedTuple):
    """The measured training time and hardware of a recipe, and its scores."""

    time: str
    score: str


NOTES: dict[str, Note] = {
    module.__name__.rsplit(".", 1)[1]: Note(
        getattr(module, "time", "not measured"), getattr(module, "score", "not measured")
    )
    for module in _MODULES
}


def recipe(name: str) -> Config:
    """The config of a recipe; `dataclasses.replace` changes it.

    Raises:
      ConfigError: for an unknown name, with the nearest known one.
    """
    return RECIPES[one_of("recipe", name, RECIPES)]
