"""Recipes for accelerators: their settings fit together, and a small form of them trains."""

import dataclasses
import sys

import jax
import numpy as np
import pytest
from gans import arrays, random_batch

from gan_jax.build import build
from gan_jax.data import describe
from gan_jax.engine.gan import init_state
from gan_jax.engine.train_step import train_step
from gan_jax.recipes import recipe

SMALL = {
    "cifar10_r3gan": ({"width": 4, "widest": 8, "group": 4, "blocks": 1},) * 2,
    "cifar10_stylegan2_ada": (
        {"width": 4, "widest": 8, "style": 8, "layers": 1},
        {"width": 4, "widest": 8, "minibatch_std": 2},
    ),
    "cifar10_biggan": ({"width": 4, "base": 4}, {"width": 4, "base": 4}),
    "folder256_stylegan2": (
        {"width": 4, "widest": 8, "style": 8, "layers": 1},
        {"width": 4, "widest": 8, "minibatch_std": 2},
    ),
}
TERMS = {
    "cifar10_r3gan": {"d/r1", "d/r2"},
    "cifar10_stylegan2_ada": {"d/r1", "feedback/augments/ada/strength"},
    "cifar10_biggan": set(),
    "folder256_stylegan2": {"d/r1", "g/path_length"},
}


def test_the_settings_fit_images_of_a_folder(monkeypatch):
    """Of 32x32, to save time; `cifar10_r3gan` has a data set of its own."""
    description = dataclasses.replace(describe("digits"), shape=(32, 32, 3), num_classes=0)
    module = sys.modules[build.__wrapped__.__module__]
    monkeypatch.setattr(module, "describe", lambda name: description)
    config = dataclasses.replace(recipe("folder256_stylegan2"), batch_size=8)
    assert build(config).generator.copied == ("buffers",)


@pytest.mark.parametrize("name", SMALL)
def test_a_small_form_trains(name):
    """Two steps in bf16; the schedules of the recipe begin at their first values."""
    config = recipe(name)
    change = lambda network, options: dataclasses.replace(
        network, options=(*network.options, *options.items())
    )
    g_options, d_options = SMALL[name]
    config = dataclasses.replace(
        config,
        dataset="digits",
        flip=False,
        batch_size=4,
        latents=8,
        generator=change(config.generator, g_options),
        discriminator=change(config.discriminator, d_options),
    )
    gan, batches = build(config), [random_batch(i, config.minibatches, b=4) for i in range(2)]
    state = init_state(gan, jax.random.key(0), batches[0])
    first = arrays([player.params for player in state.players])
    for batch in batches:
        state, metrics = train_step(gan, state, batch)
        assert all(np.isfinite(value) for value in metrics.values())
    assert TERMS[name] <= metrics.keys() and metrics.get("d/r1", 1.0) > 0
    after = arrays([player.params for player in state.players])
    moved = [(a != b).any() for a, b in zip(first, after, strict=True)]
    assert np.mean(moved) > 0.9 and all(np.isfinite(a).all() for a in after)
