"""Random changes of what D sees, against what they are said to be."""

import jax
import jax.numpy as jnp
import numpy as np
import players
import pytest
import scipy.stats

from gan_jax import Augmentation, Config, ConfigError, Feedback, Network, Schedule, build
from gan_jax.parts.augment import AUGMENTS, random_flip, random_shift, rotation, translation
from gan_jax.parts.regularizers import bcr, cr


def test_translation_moves_by_whole_pixels():
    image = np.random.default_rng(0).uniform(-1, 1, (8, 8, 2)).astype(np.float32)
    moved = np.asarray(
        translation(jax.random.key(0), jnp.asarray(np.stack([image] * 300)), jnp.float32(1 / 8))
    )
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)), constant_values=-1)
    accepted = np.stack([padded[i : i + 8, j : j + 8] for i in range(3) for j in range(3)])
    distances = np.abs(moved[:, None] - accepted).max((2, 3, 4))
    assert distances.min(1).max() < 1e-6 and set(distances.argmin(1)) == set(range(9))
    same = translation(jax.random.key(0), jnp.asarray(image[None]), jnp.float32(0))
    np.testing.assert_allclose(same[0], image, atol=1e-6)


@pytest.mark.parametrize("along", ["vertical", "horizontal"])
def test_translation_along_one_side_leaves_the_other(along):
    """All rows, or all columns, of these images are equal: a shift along them changes nothing but
    the edge.
    """
    values = np.random.default_rng(0).uniform(-1, 1, (8, 1, 1)).astype(np.float32)
    rows = np.broadcast_to(values, (8, 8, 1))
    image = rows.swapaxes(0, 1) if along == "vertical" else rows
    other = {"vertical": "horizontal", "horizontal": "vertical"}[along]
    moved = np.asarray(
        translation(
            jax.random.key(0), jnp.asarray(np.stack([image] * 300)), jnp.float32(1 / 4),
            **{other: False},
        )
    )  # fmt: skip
    moved = moved if along == "vertical" else moved.swapaxes(1, 2)
    image = rows.swapaxes(0, 1)
    inside = moved[:, 2:6]
    np.testing.assert_allclose(inside, np.broadcast_to(image[2:6], inside.shape), atol=1e-6)
    left = (moved[:, 0] == -1).all((1, 2)).mean()  # shifted down, by one or two of five draws
    assert (
        0.25 < left < 0.55 and np.abs(moved[:, 0] - image[0])[moved[:, 0, 0, 0] != -1].max() < 1e-6
    )


def blob(side, angle):
    """``[n, side, side, 1]``: an oval Gaussian, off the middle, turned about it by angles ``[n]``
    in radians, clockwise.
    """
    place = np.arange(side) - (side - 1) / 2
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    right, up = place[None, None, :], -place[None, :, None]
    along, across = cos * right - sin * up, cos * up + sin * right
    return 2 * np.exp(-(((along - 4) / 5) ** 2) - ((across - 2) / 2.5) ** 2)[..., None] - 1


def test_rotation_is_that_of_the_plane():
    key, n = jax.random.key(1), 50
    angles = np.deg2rad(30) * np.asarray(jax.random.uniform(key, (n,), minval=-1.0, maxval=1.0))
    assert angles.min() < -0.4 and angles.max() > 0.4
    images = jnp.asarray(blob(33, np.zeros(n)), jnp.float32)
    turned = np.asarray(rotation(key, images, jnp.float32(30)))
    errors = np.abs(turned - blob(33, angles)).max((1, 2, 3))
    unturned, backwards = (
        np.abs(turned - blob(33, a)).max((1, 2, 3)) for a in (0 * angles, -angles)
    )
    far = np.abs(angles) > 0.1
    assert (
        errors.max() < 3 * 0.08
    )  # each shear is linear between pixels: at most an eighth of |f''| <= 2 * 2 / 2.5^2
    assert backwards[far].min() > 0.3 and (errors < unturned)[far].all()


def test_rotation_by_nothing_and_by_a_right_angle(monkeypatch):
    image = np.random.default_rng(0).uniform(-1, 1, (1, 9, 9, 2)).astype(np.float32)
    np.testing.assert_allclose(rotation(jax.random.key(0), image, jnp.float32(0)), image, atol=1e-6)
    disc = (
        np.hypot(*np.mgrid[-4:5, -4:5])[None, ..., None] <= 2
    )  # what a shear does not move out of the image
    inner = np.where(disc, image, -1)
    monkeypatch.setattr(jax.random, "uniform", lambda key, shape, **_: jnp.ones(shape))
    quarter = rotation(jax.random.key(0), jnp.asarray(inner), jnp.float32(90))
    np.testing.assert_allclose(quarter, np.rot90(inner, -1, axes=(1, 2)), atol=1e-5)


@pytest.mark.parametrize("name", ["translation", "rotation"])
def test_moves_have_the_derivative_of_a_linear_map(name):
    """That of x + 1 is the map's transpose: <T u, v> = <u, T^t v>, at any x."""
    key, (u, v) = (
        jax.random.key(2),
        np.random.default_rng(0).normal(size=(2, 3, 8, 8, 1)).astype(np.float32),
    )
    strength = jnp.float32(0.2 if name == "translation" else 40.0)
    change = lambda x: AUGMENTS[name].apply(key, x, strength)
    (back,) = jax.vjp(change, jnp.asarray(u))[1](jnp.asarray(v))
    linear = np.asarray(change(jnp.asarray(u))) - np.asarray(change(jnp.zeros_like(u)))
    np.testing.assert_allclose(np.vdot(linear, v), np.vdot(u, back), rtol=1e-4)
    np.testing.assert_allclose(change(-jnp.ones_like(u)), -1, atol=1e-6)


@pytest.mark.parametrize("name", ["translation", "rotation"])
def test_points_are_not_moved(name):
    config = Config(
        dataset="ring8",
        generator=Network("mlp"),
        discriminator=Network("mlp"),
        augmentations=(Augmentation("instance_noise", 0.1), Augmentation(name, 0.1)),
    )
    with pytest.raises(
        ConfigError,
        match=rf"^augmentations\.1: {name} is for images and cannot be applied to vectors\.$",
    ):
        build(config)


@pytest.mark.parametrize(
    ("name", "strength"),
    [
        ("translation", 1.5),
        ("rotation", 91.0),
        ("rotation", Schedule(0.0, 180.0, 10)),
        ("instance_noise", -0.1),
    ],
)
def test_strengths_out_of_range_are_refused(name, strength):
    with pytest.raises(
        ConfigError, match=r"^augmentations\.0\.strength must be in \[0, (1|90|inf)[\])], not .*\.$"
    ):
        build(Config(augmentations=(Augmentation(name, strength),)))


MLP = dict(generator=Network("mlp", width=8), discriminator=Network("mlp", width=8))


def test_ada_by_name_follows_the_sign_of_the_scores():
    """By 1 within 500,000 real images, whatever D sees in a step."""
    gan = build(Config(augmentations=(Augmentation("ada"),), batch_size=50, d_steps=2, **MLP))
    expected = Feedback("d/sign_real", 0.6, rate=4 * 100 / 500_000, every=4)
    assert gan.augments[0].strength == expected
    assert [(term.name, term.weight) for term in gan.discriminator.terms] == [("sign_real", 0.0)]
    plain = build(Config(**MLP))
    assert plain.discriminator.terms == ()


def test_equal_options_give_equal_augmentations():
    made = lambda *strength, **options: build(
        Config(augmentations=(Augmentation("diffaugment", *strength, **options),), **MLP)
    ).augments[0]
    assert made() == made(1.0, cutout=True) and made().strength == 1.0
    assert made(cutout=False).apply is made(0.5, cutout=False).apply is not made().apply
    x = jnp.zeros((40, 8, 8, 1))
    still = made(colour=False).apply(jax.random.key(0), x, jnp.float32(1))
    np.testing.assert_array_equal(still, x)  # moves and squares bring in what is there


def test_consistency_under_cutout_alone_is_the_squared_change_by_a_grey_square():
    """Of one of the 81 squares of side 4 that can lie in an 8 x 8 image or stick out of it, all
    equally likely, for a D that is linear; for bcr, of both kinds.
    """
    w = np.random.default_rng(0).normal(size=(8, 8)).astype(np.float32)
    x = jnp.asarray(np.random.default_rng(1).normal(size=(8, 8, 1)), jnp.float32)
    context = players.d_context(
        lambda x: jnp.einsum("bhwc,hw->b", x, w), jnp.tile(x, (2_000, 1, 1, 1))
    )
    numbers = {"shift": 0.0, "flip": 0.0, "cutout": 0.5}
    found = np.asarray(cr(**numbers).apply((), context)[0])
    inside = np.array([[abs(i - o + 0.5) < 2 for i in range(8)] for o in range(9)])
    removed = np.einsum("ri,cj,ij,ij->rc", inside, inside, w, x[..., 0]).ravel()
    distance = np.abs(found[:, None] - removed[None] ** 2)
    assert distance.min(1).max() < 1e-3
    counts = np.bincount(distance.argmin(1), minlength=81)
    assert scipy.stats.chisquare(counts).pvalue > 1e-3
    pairs = np.sort(np.add.outer(removed**2, removed**2), axis=None)
    both = np.asarray(bcr(**numbers).apply((), context)[0])
    place = np.clip(np.searchsorted(pairs, both), 1, len(pairs) - 1)
    assert np.minimum(both - pairs[place - 1], pairs[place] - both).max() < 1e-3
    assert both.mean() == pytest.approx(2 * np.mean(removed**2), rel=0.1)


def test_augmentations_reach_every_shift_and_mirror_half_of_the_images():
    """Each pixel holds its own place, so that the shift can be read off the result."""
    image = jnp.arange(8 * 16.0).reshape(1, 8, 16, 1)
    x = jnp.tile(image, (512, 1, 1, 1))
    shifted = np.asarray(random_shift(jax.random.key(0), x, 0.125))
    centres = shifted[:, 4, 8, 0]
    offsets, counts = np.unique(
        np.stack([centres // 16 - 4, centres % 16 - 8]), axis=1, return_counts=True
    )
    assert offsets.shape[1] == 3 * 5 and np.abs(offsets).max(1).tolist() == [1, 2]
    assert scipy.stats.chisquare(counts).pvalue > 0.01
    flipped = np.asarray(random_flip(jax.random.key(1), x, 0.25))
    mirrored = flipped[:, 0, 0, 0] == 15
    np.testing.assert_array_equal(flipped[mirrored], np.asarray(x[mirrored, :, ::-1]))
    np.testing.assert_array_equal(flipped[~mirrored], np.asarray(x[~mirrored]))
    assert 90 < mirrored.sum() < 166  # 128 expected, standard deviation 10
