"""WaveGAN against its layer lists, its filter and phase shuffle against their definitions."""

import dataclasses
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gans import arrays

import gan_jax
from gan_jax.config import Config, Network, Penalty
from gan_jax.engine.train_step import train_step
from gan_jax.errors import ConfigError
from gan_jax.models import wavegan
from gan_jax.nn.conv import Conv
from gan_jax.nn.heads import ProjectionHead, UnconditionalHead
from gan_jax.parts.conditioning import CONDITIONINGS

LABELS = jnp.zeros(2, jnp.int32)


def traced(network, *inputs):
    """The abstract output and the number of parameters."""
    init = lambda *own: network.init_with_output(jax.random.key(0), *own, train=False)
    made, variables = jax.eval_shape(init, *inputs)
    return made, sum(math.prod(leaf.shape) for leaf in jax.tree.leaves(variables["params"]))


def test_the_published_networks_have_these_parameters():
    """16,384 samples, width 64; the layers of the paper's appendix D, written out."""
    channels = [1024, 512, 256, 128, 64, 1]
    layers = sum(25 * i * o + o for i, o in itertools.pairwise(channels))
    made, count = traced(wavegan.Generator((16_384, 1)), jnp.zeros((2, 100)), LABELS)
    assert made.shape == (2, 16_384, 1) and count == 100 * 16_384 + 16_384 + layers == 19_065_345
    layers = sum(25 * i * o + o for o, i in itertools.pairwise(channels))
    seen, count = traced(
        wavegan.Discriminator(UnconditionalHead()), jnp.zeros((2, 16_384, 1)), LABELS
    )
    assert seen.score.shape == (2,) and count == layers + 16 * 1024 + 1 == 17_427_969


@pytest.mark.parametrize(("length", "base"), [(4096, 16), (5120, 16), (64, 4), (8, 2)])
def test_lengths_that_can_be_divided_by_four(length, base):
    made, _ = traced(
        wavegan.Generator((length, 1), 3, width=2, base=base), jnp.zeros((2, 4)), LABELS
    )
    assert made.shape == (2, length, 1)
    head = ProjectionHead(3)
    d = wavegan.Discriminator(head, width=2, base=base, shuffle=1)
    seen, _ = traced(d, jnp.zeros((2, length, 1)), LABELS)
    assert seen.score.shape == (2,)


def test_phase_shuffle_moves_the_batch_by_one_step_for_all():
    x = np.random.default_rng(0).normal(size=(3, 7, 2)).astype(np.float32)
    padded = np.pad(x, ((0, 0), (2, 2), (0, 0)), mode="reflect")
    possible = [padded[:, i : i + 7] for i in range(5)]
    found = set()
    for key in jax.random.split(jax.random.key(0), 40):
        moved = np.asarray(wavegan.shuffled(key, jnp.asarray(x), 2))
        (same,) = [i for i, other in enumerate(possible) if np.array_equal(moved, other)]
        found.add(same)
    assert found == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("taps", [5, 8])
def test_the_filter_is_a_convolution(taps):
    x = jax.random.normal(jax.random.key(1), (2, 20, 1))
    filtered = wavegan.PostFilter(taps)
    variables = filtered.init(jax.random.key(2), x)
    plain = Conv(1, taps, use_bias=False).apply(variables, x)
    np.testing.assert_allclose(filtered.apply(variables, x), plain, atol=1e-5)


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    rng = np.random.default_rng(0)
    clips = rng.integers(-9_000, 9_000, (12, 64)).astype(np.int16)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAN_JAX_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield Config(
            dataset=gan_jax.dataset(clips, np.arange(12) % 3, rate=8_000),
            generator=Network("wavegan", width=2, base=4, post_filter=8),
            discriminator=Network("wavegan", width=2, base=4),
            prior="uniform",
            latents=4,
            batch_size=4,
        )


@pytest.mark.parametrize("conditioning", [name for name, c in CONDITIONINGS.items() if not c.few])
@pytest.mark.parametrize("norm", ["none", "batch", "instance"])
def test_every_conditioning_and_norm_traces(config, conditioning, norm):
    changed = {
        field: Network("wavegan", width=2, base=4, norm=norm)
        for field in ("generator", "discriminator")
    }
    gan = gan_jax.build(dataclasses.replace(config, conditioning=conditioning, **changed))
    assert gan.modality.shape == (64, 1)


def test_two_steps_of_the_published_settings(config):
    """WGAN-GP with five D updates, and R1 beside it, on shorter sounds and narrower networks."""
    recipe = gan_jax.recipe("folder_wavegan")
    small = dataclasses.replace(
        recipe, dataset=config.dataset, length=None, rate=None, latents=4, batch_size=4,
        generator=Network("wavegan", width=2, base=4, post_filter=8),
        discriminator=Network("wavegan", width=2, base=4),
        penalties=(*recipe.penalties, Penalty("r1", 1.0)),
    )  # fmt: skip
    gan, batches = gan_jax.build(small), gan_jax.batches(small)
    state = gan_jax.init_state(gan, jax.random.key(0), next(batches))
    players = [player.params for player in state.players]
    names = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(players)]
    first = arrays(players)
    for _ in range(2):
        state, metrics = train_step(gan, state, next(batches))
    assert metrics["d/gp"] > 0 and metrics["d/r1"] > 0
    assert all(np.isfinite(value) for value in metrics.values())
    after = arrays([player.params for player in state.players])
    still = [name for a, b, name in zip(first, after, names, strict=True) if (a == b).all()]
    assert len(still) == 1 and "head" in still[0] and "bias" in still[0]  # differences lack it


def test_derivatives_of_gradients_are_those_of_plain_convolutions():
    """Of the squared gradient that R1 penalizes, in all weights."""
    d = wavegan.Discriminator(UnconditionalHead(), width=2, base=4)
    x = jax.random.normal(jax.random.key(0), (2, 64, 1))
    params = d.init(jax.random.key(1), x, LABELS, train=False)["params"]

    def plain(params, x):
        """The layers of the paper."""
        for name in ("Conv_0", "Conv_1"):
            x = jax.lax.conv_general_dilated(
                x, params[name]["kernel"], (4,), "SAME", dimension_numbers=("NWC", "WIO", "NWC")
            )
            x = jax.nn.leaky_relu(x + params[name]["bias"][None, None], 0.2)
        dense = params["head"]["Dense_0"]
        return (x.reshape(2, -1) @ dense["kernel"])[:, 0] + dense["bias"]

    def ours(params, x):
        return d.apply({"params": params}, x, LABELS, train=False).score

    def penalty(scores):
        squares = lambda p: jnp.square(jax.grad(lambda x: scores(p, x).sum())(x)).sum()
        return jax.jit(jax.value_and_grad(squares))(params)

    same = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    same(ours(params, x), plain(params, x))
    jax.tree.map(same, penalty(ours), penalty(plain))


def test_what_cannot_be_made_is_refused(config):
    with pytest.raises(ConfigError, match="base 16 does not fit a length of 50 samples"):
        traced(wavegan.Generator((50, 1)), jnp.zeros((2, 4)), LABELS)
    with pytest.raises(ConfigError, match=r"shuffle must be at most 3, the .* not 4"):
        wavegan.shuffled(jax.random.key(0), jnp.zeros((2, 4, 1)), 4)
    with pytest.raises(ConfigError, match="'wavegan' is for sounds, but the examples of"):
        gan_jax.build(Config(generator=Network("wavegan")))
    with pytest.raises(ConfigError, match=r"'dcgan' is for images.*use mlp, wavegan or vocoder"):
        gan_jax.build(dataclasses.replace(config, generator=Network("dcgan")))
