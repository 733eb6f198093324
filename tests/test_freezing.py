"""Layers of D that are not trained (FreezeD)."""

import dataclasses

import jax
import numpy as np
import pytest

import gan_jax
from gan_jax import Config, ConfigError, Network, Optimizer
from gan_jax.build import build_members
from gan_jax.models import MODELS
from gan_jax.nn.depth import layers
from gan_jax.nn.heads import ProjectionHead

CONFIG = Config(
    dataset="ring8",
    conditioning="projection",
    latents=4,
    generator=Network("mlp", width=8, depth=1),
    discriminator=Network("mlp", width=8, depth=3),
    d_optimizer=Optimizer("adamw", 1e-2, weight_decay=0.1),
    d_ema=10.0,
    lookahead=2,
    batch_size=16,
    freeze_d=2,
)


def depth(name, side, **options):
    head = ProjectionHead(10)
    module = MODELS[name].discriminator(head=head, **options)
    return layers(module, np.zeros((2, side, side, 3), np.float32), np.zeros(2, np.int32))


def test_layers_follow_the_depth_and_keep_their_norms():
    assert depth("mlp", 4, depth=11)[9:] == (("Dense_9",), ("Dense_10",), ("head",))
    assert depth("dcgan", 32, width=2) == (
        ("Conv_0",), ("Conv_1", "BatchNorm_0"), ("Conv_2", "BatchNorm_1"), ("head",),
    )  # fmt: skip
    assert depth("dcgan", 16, width=2, spectral=True)[0] == ("Conv_0",)
    assert depth("sngan", 16, width=2) == tuple(
        (name,) for name in ("DownBlock_0", "DownBlock_1", "DownBlock_2", "head")
    )


@pytest.mark.parametrize("dynamics", ["alternating", "extragradient"])
def test_frozen_layers_stay_and_the_others_learn(dynamics):
    config = dataclasses.replace(CONFIG, dynamics=gan_jax.config.Dynamics(dynamics))
    gan, data = gan_jax.build(config), gan_jax.batches(config)
    state = gan_jax.init_state(gan, jax.random.key(0), next(data))
    before = jax.device_get(state.discriminator.params)
    for _ in range(3):
        state, _ = gan_jax.train_step(gan, state, next(data))
    after = jax.device_get(state.discriminator.params)
    changed = {
        name: any(
            np.any(a != b)
            for a, b in zip(
                jax.tree.leaves(before[name]), jax.tree.leaves(after[name]), strict=True
            )
        )
        for name in before
    }
    assert changed == {"Dense_0": False, "Dense_1": False, "Dense_2": True, "head": True}
    moments = [leaf.shape for leaf in jax.tree.leaves(state.discriminator.opt_state)]
    assert (2, 8) not in moments and (8, 8) in moments  # none is kept of the first layer


def test_numbers_of_the_optimizer_may_still_vary_among_members():
    other = dataclasses.replace(
        CONFIG, d_optimizer=Optimizer("adamw", 1e-3, weight_decay=0.1), seed=1
    )
    assert len(build_members([CONFIG, other])) == 2
    with pytest.raises(ConfigError, match="differ in freeze_d"):
        build_members([CONFIG, dataclasses.replace(CONFIG, freeze_d=1)])


def test_wrong_numbers_are_refused():
    refused = lambda **changes: gan_jax.build(dataclasses.replace(CONFIG, **changes))
    with pytest.raises(ConfigError, match=r"freeze_d must be from 0 to 3, not 4: D has 4 layers"):
        refused(freeze_d=4)
    with pytest.raises(ConfigError, match="freeze_d must be at least 0, not -1"):
        refused(freeze_d=-1)
    with pytest.raises(ConfigError, match="freeze_d 2 conflicts with clip"):
        refused(clip=0.1)
