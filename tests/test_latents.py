"""Latent spaces against closed forms, with linear generators whose geometry is known."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gans import SHAPE, small_mlp, state_of

from gan_jax import ConfigError, latents
from gan_jax.modality import Tokens
from gan_jax.models import mlp, stylegan2
from gan_jax.parts.priors import Normal, Nothing
from gan_jax.types import PlayerState

LAYERS, STYLE = 3, 5


class Linear(nn.Module):
    """A generator with ``w`` for each layer, linear in ``w``; ``w`` is affine in z."""

    def setup(self):
        self.to_w = nn.Dense(STYLE)
        self.layers = [nn.Dense(np.prod(SHAPE), name=f"layer{i}") for i in range(LAYERS)]

    def __call__(self, z, y, *, train):
        return self.synthesis(self.mapping(z, y, train=train), y, train=train)

    def mapping(self, z, y, *, train):
        return jnp.repeat(self.to_w(z)[:, None], LAYERS, axis=1)

    def synthesis(self, w, y, *, train):
        w = w if w.ndim == 3 else jnp.repeat(w[:, None], LAYERS, axis=1)
        return sum(layer(w[:, i]) for i, layer in enumerate(self.layers)).reshape(-1, *SHAPE) / 9


class Plain(nn.Module):
    """An MLP with a single linear layer on the latents, and nonlinear ones behind it."""

    @nn.compact
    def __call__(self, z, y, *, train):
        h = jnp.tanh(nn.Dense(7, name="first")(z))
        return nn.Dense(np.prod(SHAPE))(h).reshape(-1, *SHAPE)


def made(network):
    gan = small_mlp({"network": network}, prior=Normal(4))
    init = jax.jit(network.init, static_argnames="train")
    key = {"params": jax.random.key(1)}
    variables = init(key, jnp.zeros((1, 4)), jnp.zeros(1, int), train=False)
    rest = {name: own for name, own in variables.items() if name != "params"}
    return gan, state_of(gan).replace(generator=PlayerState(variables["params"], rest, ()))


def kernel(state, name):
    return np.asarray(state.generator.params[name]["kernel"])


@pytest.fixture(scope="module")
def linear():
    return made(Linear())


@pytest.fixture(scope="module")
def styled():
    return made(stylegan2.Generator(SHAPE, width=2, widest=2, base=4, style=STYLE))


def normal(*shape, seed=0):
    return jax.random.normal(jax.random.key(seed), shape)


# Paths


def test_slerp_turns_evenly_from_norm_to_norm():
    a, b, t = normal(6, 50), 3 * normal(6, 50, seed=1), jnp.linspace(0, 1, 9)
    path = np.asarray(latents.slerp(a, b, t), np.float64)
    norms = np.linalg.norm(path, axis=-1)
    ends = np.linalg.norm(a, axis=1), np.linalg.norm(b, axis=1)
    np.testing.assert_allclose(norms, np.linspace(*ends, 9).T, rtol=1e-5)
    unit = path / norms[..., None]
    turned = np.arccos(np.sum(unit * unit[:, :1], axis=-1).clip(-1, 1))
    whole = np.arccos(np.sum(unit[:, 0] * unit[:, -1], axis=-1))
    np.testing.assert_allclose(turned, whole[:, None] * np.linspace(0, 1, 9), atol=1e-3)
    np.testing.assert_allclose(path[:, [0, -1]], np.stack([a, b], axis=1), rtol=1e-4, atol=1e-5)


def test_slerp_of_equal_directions_is_a_line_and_a_line_is_straight():
    a, t = normal(2, 3, 4), jnp.array([0.0, 0.25, 1.0])
    expected = np.stack([a, 1.25 * a, 2 * a], axis=1)
    np.testing.assert_allclose(latents.slerp(a, 2 * a, t), expected, atol=1e-6)
    np.testing.assert_allclose(latents.line(a, 2 * a, t), expected, atol=1e-6)


# Spaces


def test_a_generator_has_the_spaces_whose_methods_it_offers(linear):
    assert latents.spaces_of(*linear) == ("z", "w", "w+")
    assert latents.spaces_of(*made(mlp.Generator(SHAPE, width=4))) == ("z",)
    gan = dataclasses.replace(linear[0], prior=Nothing())
    with pytest.raises(ConfigError, match=r"prior of vectors \[n, size\], not Nothing"):
        latents.spaces_of(gan, linear[1])
    captions = dataclasses.replace(linear[0], condition=Tokens((3,), 5))
    for function in (latents.spaces_of, latents.first_weights):
        with pytest.raises(ConfigError, match="conditions of this GAN are not class labels; pass"):
            function(captions, linear[1])


def test_every_space_gives_the_same_image(linear):
    z, y = normal(3, 4), jnp.zeros(3, jnp.int32)
    images = [
        latents.to_images(*linear, latents.to_points(*linear, z, y, space), y, space)
        for space in latents.spaces_of(*linear)
    ]
    np.testing.assert_allclose(images[1], images[0], atol=1e-6)
    np.testing.assert_allclose(images[2], images[0], atol=1e-6)
    with pytest.raises(ConfigError, match="space 'v' is unknown"):
        latents.to_points(*linear, z, y, "v")


def test_the_spread_is_that_of_an_affine_map(linear):
    mean, std = latents.spread(*linear, jax.random.key(0), "w", n=20_000)
    a = kernel(linear[1], "to_w")
    np.testing.assert_allclose(mean, 0, atol=0.03)
    np.testing.assert_allclose(std, np.sqrt(np.square(a).sum(axis=0)), rtol=0.02)


# Truncation and mixing


def test_truncation_moves_to_the_centre_in_the_first_layers():
    w, centre = normal(4, LAYERS, STYLE), normal(STYLE, seed=1)
    np.testing.assert_array_equal(
        latents.truncated(w, centre, 0.0), np.broadcast_to(centre, w.shape)
    )
    np.testing.assert_allclose(latents.truncated(w, centre, 1.0), w, atol=1e-6)
    half = np.asarray(latents.truncated(w, centre, 0.5, cutoff=1))
    np.testing.assert_allclose(half[:, 0], (w[:, 0] + centre[None]) / 2, atol=1e-6)
    np.testing.assert_array_equal(half[:, 1:], w[:, 1:])
    own = normal(4, STYLE, seed=2)
    np.testing.assert_array_equal(latents.truncated(w[:, 0], own, 0.0), own)


def test_truncation_is_that_of_stylegan2(styled):
    gan, state = styled
    mean, z, y = normal(STYLE, seed=3), normal(2, 4), jnp.zeros(2, jnp.int32)
    variables = state.generator.variables()
    buffers = variables["buffers"] | {"w_mean": mean}
    of = lambda **more: gan.generator.network.apply(
        variables | {"buffers": buffers}, z, y, train=False, method="mapping", **more
    )
    ours = latents.truncated(of(), mean, 0.3, cutoff=2)
    np.testing.assert_allclose(ours, of(truncation=0.3, cutoff=2), atol=1e-6)


def test_centres_are_means_of_classes():
    points, labels = normal(9, 2, 3), jnp.array([0, 0, 3, 3, 3, 1, 1, 1, 1])
    own = np.asarray(latents.centres(points, labels, 4))
    for k in (0, 1, 3):
        np.testing.assert_allclose(own[k], np.asarray(points)[labels == k].mean(axis=0), atol=1e-6)
    assert np.isnan(own[2]).all()


def test_mixing_takes_coarse_from_rows_and_fine_from_columns(linear):
    w = normal(5, LAYERS, STYLE)
    grid = np.asarray(latents.mixed(w[:2], w[2:], 1)).reshape(2, 3, LAYERS, STYLE)
    for r in range(2):
        for c in range(3):
            np.testing.assert_array_equal(grid[r, c, :1], w[r, :1])
            np.testing.assert_array_equal(grid[r, c, 1:], w[2 + c, 1:])
    same, y = latents.mixed(w[:1], w[:1], 2), jnp.zeros(1, jnp.int32)
    of = lambda w: np.asarray(latents.to_images(*linear, w, y, "w+"))
    np.testing.assert_array_equal(of(same), of(w[:1]))


# Directions


def test_first_weights_are_the_layers_that_take_the_points_in(linear):
    gan, state = made(Plain())
    expected = kernel(state, "first").T
    np.testing.assert_allclose(latents.first_weights(gan, state, "z"), expected, atol=1e-6)
    expected = np.concatenate([kernel(linear[1], f"layer{i}").T for i in range(LAYERS)])
    np.testing.assert_allclose(latents.first_weights(*linear, "w"), expected, atol=1e-6)


def test_normalized_latents_have_no_first_weights_but_styles_have(styled):
    gan, state = styled
    with pytest.raises(ConfigError, match="no dense layer of Generator takes z in directly"):
        latents.first_weights(gan, state, "z")
    styles = latents.first_weights(gan, state, "w")
    assert styles.shape == (5 * 2, STYLE)  # of three convolutions and two images of 2 channels
    layers = state.generator.params["to_x"]
    own = [own["affine"]["kernel"] for name, own in layers.items() if name != "constant"]
    own = np.concatenate(own, axis=1).T / np.sqrt(STYLE)
    np.testing.assert_allclose(np.sort(styles, axis=0), np.sort(own, axis=0), atol=1e-6)


def test_sefa_is_the_singular_value_decomposition():
    a = np.asarray(normal(30, 6))
    found = latents.sefa(a, 4)
    _, values, vectors = np.linalg.svd(a.astype(np.float64))
    np.testing.assert_allclose(found.strengths, values[:4], rtol=1e-6)
    np.testing.assert_allclose(np.abs(found.vectors @ vectors[:4].T), np.eye(4), atol=1e-6)
    assert all(vector[np.abs(vector).argmax()] > 0 for vector in found.vectors)


def test_pca_finds_the_axes_of_a_linear_map():
    """Of x = U S V^T z: U and S, and V where the directions are wanted in z."""
    rng = np.random.default_rng(0)
    u, _ = np.linalg.qr(rng.normal(size=(8, 3)))
    v, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    deviations, z = np.array([5.0, 2.0, 0.5]), rng.normal(size=(20_000, 3))
    x = z @ v * deviations @ u.T + 7
    found = latents.pca(x, 3)
    np.testing.assert_allclose(found.strengths, deviations, rtol=0.02)
    np.testing.assert_allclose(np.abs(found.vectors @ u), np.eye(3), atol=0.02)
    within = latents.pca(x, 3, latents=z)
    np.testing.assert_allclose(np.abs(within.vectors @ v), np.eye(3), atol=0.02)


def test_a_strip_moves_all_layers_along_a_direction():
    w, vector = normal(2, LAYERS, STYLE), normal(STYLE, seed=1)
    moved = np.asarray(latents.strip(w, vector, jnp.array([-1.0, 0.0, 2.0])))
    np.testing.assert_array_equal(moved[:, 1], w)
    expected = np.broadcast_to(2 * vector, w.shape)
    np.testing.assert_allclose(moved[:, 2] - w, expected, atol=1e-6)


# Attributes


def test_attributes_of_separable_points_are_the_normals():
    rng = np.random.default_rng(0)
    normal, points = np.array([3.0, 4.0, 0, 0]) / 5, rng.normal(size=(4_000, 4)) * [1, 1, 9, 1]
    labels = np.where(points @ normal > 0.5, 1, 0)
    found = latents.attributes(points, labels, 3)
    assert sorted(found) == [0, 1]  # none of class 2
    assert found[1].vector @ normal > 0.99 and found[0].vector @ normal < -0.99
    assert found[1].accuracy.value > 0.97 and found[1].scale == pytest.approx(1, rel=0.1)
    assert found[1].held_out == 2 * int(min(labels.sum(), (1 - labels).sum()) / 4)


def test_labels_at_random_are_predicted_by_chance():
    rng = np.random.default_rng(0)
    (own, _) = latents.attributes(rng.normal(size=(4_000, 4)), rng.random(4_000) < 0.1, 2).values()
    assert own.accuracy.low < 0.5 < own.accuracy.high  # though nine tenths have one label


# Inversion


def inverted(gan_state, space, images, **options):
    z, y = normal(64, 4, seed=9), np.zeros(64, np.int32)
    points = latents.to_points(*gan_state, z, jnp.asarray(y), space)
    samples = np.asarray(latents.to_images(*gan_state, points, jnp.asarray(y), space))
    labels = np.zeros(len(images), np.int32)
    starts = latents.nearest_starts(images, labels, np.asarray(points), samples, y, 2)
    around = latents.spread(*gan_state, jax.random.key(0), space, n=1_000)
    objective = latents.Objective(**{"anchor": 0.0, "steps": 300, "rate": 0.1} | options)
    return latents.invert(
        *gan_state, images, labels, starts, around, space=space, objective=objective,
        look=None,
    )  # fmt: skip


def test_images_of_a_linear_generator_are_inverted_to_their_w(linear):
    w = latents.to_points(*linear, normal(3, 4), jnp.zeros(3, jnp.int32), "w")
    images = np.asarray(latents.to_images(*linear, w, jnp.zeros(3, jnp.int32), "w"))
    found = inverted(linear, "w", images)
    np.testing.assert_allclose(found.points, w, atol=0.02)
    assert latents.psnr(found.images, images).min() > 40 and found.losses.shape == (3, 2)


def test_images_of_an_mlp_are_inverted_in_z_and_the_best_restart_counts():
    gan_state = made(Plain())
    z = normal(4, 4)
    images = np.asarray(latents.to_images(*gan_state, z, jnp.zeros(4, jnp.int32), "z"))
    found = inverted(gan_state, "z", images)
    error = np.square(found.images - images).reshape(4, -1).mean(axis=1)
    np.testing.assert_allclose(error, found.losses.min(axis=1), rtol=1e-3, atol=1e-7)
    assert np.all(10 * np.log10(4 / error) > 40)


def test_an_anchor_draws_w_plus_to_the_mean(linear):
    noise = np.asarray(normal(2, *SHAPE)).clip(-1, 1)
    free, held = (inverted(linear, "w+", noise, anchor=a, steps=60) for a in (0.0, 1e3))
    mean, std = latents.spread(*linear, jax.random.key(0), "w+", n=1_000)
    far = lambda found: np.square((found.points - mean[None]) / std[None]).mean()
    assert free.points.shape == (2, LAYERS, STYLE)
    assert far(held) < 0.05 < far(free)
    assert np.all(latents.psnr(free.images, noise) > latents.psnr(held.images, noise))


def test_starts_are_the_nearest_samples_of_the_label():
    points = np.arange(6, dtype=np.float32)[:, None]
    samples = points.reshape(6, 1, 1, 1)
    own = latents.nearest_starts(
        np.float32([2.2, 2.2]).reshape(2, 1, 1, 1), np.array([0, 1]), points, samples,
        np.array([0, 1, 0, 1, 0, 1]), 2,
    )  # fmt: skip
    np.testing.assert_array_equal(own[..., 0], [[2, 4], [3, 1]])


def test_psnr_is_in_decibels_of_the_range():
    target = np.zeros((2, *SHAPE), np.float32)
    np.testing.assert_allclose(latents.psnr(target + 0.02, target), 40, atol=1e-4)
    assert np.isinf(latents.psnr(target + 2, target + 1)).all()  # clipped


@pytest.mark.parametrize("field, value", [("steps", 0), ("rate", 0.0), ("anchor", -1.0)])
def test_numbers_of_the_objective_are_checked(field, value):
    with pytest.raises(ConfigError, match=f"inversion.{field} must be"):
        latents.Objective(**{field: value}).check()
