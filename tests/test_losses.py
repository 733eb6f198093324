"""Objectives against closed forms, invariants and limits."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gans import GAMES

from gan_jax.parts.losses import none

PARTS = [(name, player) for name in GAMES for player in ("d", "g")]
SHIFT_INVARIANT = ("relativistic", "relativistic_average", "dual_contrastive")


def sigmoid(s):
    return 1 / (1 + np.exp(-s))


def log_share(one, others):
    """How improbable a softmax finds each of ``one`` among all ``others``."""
    return np.array([-np.log(np.exp(s) / (np.exp(s) + np.exp(others).sum())) for s in one])


CLOSED_FORMS = {
    "minimax": (
        lambda r, f: -np.log(sigmoid(r)) - np.log(1 - sigmoid(f)),
        lambda r, f: np.log(1 - sigmoid(f)),
    ),
    "nonsaturating": (
        lambda r, f: -np.log(sigmoid(r)) - np.log(1 - sigmoid(f)),
        lambda r, f: -np.log(sigmoid(f)),
    ),
    "hinge": (lambda r, f: np.maximum(0, 1 - r) + np.maximum(0, 1 + f), lambda r, f: -f),
    "least_squares": (lambda r, f: ((r - 1) ** 2 + f**2) / 2, lambda r, f: (f - 1) ** 2 / 2),
    "wasserstein": (lambda r, f: -(r - f), lambda r, f: -f),
    "relativistic": (lambda r, f: -np.log(sigmoid(r - f)), lambda r, f: -np.log(sigmoid(f - r))),
    "relativistic_average": (
        lambda r, f: -np.log(sigmoid(r - f.mean())) - np.log(1 - sigmoid(f - r.mean())),
        lambda r, f: -np.log(sigmoid(f - r.mean())) - np.log(1 - sigmoid(r - f.mean())),
    ),
    "dual_contrastive": (
        lambda r, f: log_share(r, f) + log_share(-f, -r),
        lambda r, f: log_share(f, r) + log_share(-r, -f),
    ),
}


@pytest.mark.parametrize("name, player", PARTS)
def test_losses_are_their_closed_forms(x64, name, player):
    real, fake = np.array([-3.0, 0.1, 2.0]), np.array([1.5, -0.2, -4.0])
    expected = CLOSED_FORMS[name]["dg".index(player)](real, fake)
    np.testing.assert_allclose(
        getattr(GAMES[name], player)(jnp.array(real), jnp.array(fake)), expected, rtol=1e-12
    )


@pytest.mark.parametrize("name, player", PARTS)
@pytest.mark.parametrize("size", [100.0, 1e4])
def test_losses_and_their_gradients_are_finite_at_extreme_logits(name, player, size):
    part = getattr(GAMES[name], player)
    gradient = jax.value_and_grad(lambda r, f: part(r, f).sum(), argnums=(0, 1))
    signs = [(1, -1), (-1, 1), (1, 1), (-1, -1)]
    batches = [([r], [f]) for r, f in signs] + [tuple(np.transpose(signs).tolist())]
    for real, fake in batches:
        value, gradients = gradient(size * jnp.array(real), size * jnp.array(fake))
        assert value.dtype == jnp.float32 and np.isfinite(value) and np.isfinite(gradients).all()


def test_without_a_game_neither_player_learns_from_the_scores():
    real, fake = jax.random.normal(jax.random.key(0), (2, 7))
    for part in (none.d, none.g):
        value, slopes = jax.value_and_grad(lambda r, f: part(r, f).sum(), argnums=(0, 1))(
            real, fake
        )
        assert part(real, fake).shape == (7,) and value == 0 and not np.any(slopes)


@pytest.mark.parametrize("name, player", PARTS)
def test_losses_are_per_example(name, player):
    real, fake = jax.random.normal(jax.random.key(0), (2, 7))
    assert getattr(GAMES[name], player)(real, fake).shape == (7,)


@pytest.mark.parametrize("name", GAMES)
def test_d_parts_the_scores_and_g_raises_its_own(name):
    """Descent raises D's scores of real examples and lowers those of fakes, wherever neither has
    reached its target; G opposes.
    """
    real, fake = jax.random.uniform(jax.random.key(0), (2, 7), minval=0.1, maxval=0.9)
    slopes = jax.grad(lambda r, f: GAMES[name].d(r, f).sum(), argnums=(0, 1))(real, fake)
    assert (slopes[0] < 0).all() and (slopes[1] > 0).all()
    assert (jax.grad(lambda f: GAMES[name].g(real, f).sum())(fake) < 0).all()


@pytest.mark.parametrize("name", SHIFT_INVARIANT)
def test_relativistic_losses_see_differences_alone(x64, name):
    real, fake = jax.random.normal(jax.random.key(0), (2, 5))
    for part in (GAMES[name].d, GAMES[name].g):
        np.testing.assert_allclose(part(real + 3.7, fake + 3.7), part(real, fake), rtol=1e-12)
        assert not np.allclose(part(real + 3.7, fake), part(real, fake))


def test_wasserstein_is_shift_invariant_to_d_and_in_its_gradient_to_g(x64):
    real, fake = jax.random.normal(jax.random.key(0), (2, 5))
    d, g = GAMES["wasserstein"].d, GAMES["wasserstein"].g
    np.testing.assert_allclose(d(real + 3.7, fake + 3.7), d(real, fake), rtol=1e-12)
    slope = jax.grad(lambda f: g(real, f).sum())
    np.testing.assert_array_equal(slope(fake + 3.7), slope(fake))


@pytest.mark.parametrize(
    "name, value",
    [
        ("minimax", math.log(4)),  # Goodfellow et al. 2014, theorem 1
        ("nonsaturating", math.log(4)),
        ("hinge", 2),
        ("wasserstein", 0),
        ("relativistic", math.log(2)),
        ("relativistic_average", math.log(4)),
        ("dual_contrastive", 2 * math.log(6)),  # one among its five opponents, twice
    ],
)
def test_value_where_d_cannot_tell_real_from_fake(name, value):
    np.testing.assert_allclose(GAMES[name].d(jnp.zeros(5), jnp.zeros(5)), value, rtol=1e-6)


def test_least_squares_optima():
    """D's best response to equal densities is 1/2, the mean of its targets, with value 1/4; at
    their targets both losses vanish.
    """
    d, g = GAMES["least_squares"].d, GAMES["least_squares"].g
    half = jnp.array([0.5])
    assert d(half, half)[0] == 0.25 and jax.grad(lambda s: d(s, s).sum())(half)[0] == 0
    assert d(jnp.ones(1), jnp.zeros(1))[0] == 0 and g(jnp.zeros(1), jnp.ones(1))[0] == 0


@pytest.mark.parametrize("name", ["relativistic_average", "dual_contrastive"])
def test_with_one_of_each_kind_losses_over_the_minibatch_are_twice_the_paired_one(x64, name):
    real, fake = jnp.array([0.3]), jnp.array([1.1])
    for player in ("d", "g"):
        paired = getattr(GAMES["relativistic"], player)(real, fake)
        np.testing.assert_allclose(getattr(GAMES[name], player)(real, fake), 2 * paired, rtol=1e-12)


def test_contrastive_gradient_goes_to_the_hardest_opponent():
    """Of two fakes, the one whose score is near the real one's is pushed down, the far one is left
    alone.
    """
    slope = jax.grad(lambda f: GAMES["dual_contrastive"].d(jnp.array([10.0, 10.0]), f).sum())(
        jnp.array([9.0, -20.0])
    )
    assert slope[0] > 0.5 and slope[1] < 1e-6


@pytest.mark.parametrize("name", ["nonsaturating", "wasserstein", "hinge", *SHIFT_INVARIANT])
def test_g_is_taught_where_d_rejects_its_samples_with_confidence(name):
    slope = jax.grad(lambda f: GAMES[name].g(jnp.full(3, 10.0), f).mean())(jnp.full(3, -10.0))
    assert slope.sum() < -0.99


def test_minimax_gradient_vanishes_there():
    """Section 3 of Goodfellow et al. 2014: early on, D rejects samples with confidence."""
    slope = jax.grad(lambda f: GAMES["minimax"].g(jnp.full(1, 10.0), f).mean())(jnp.full(1, -10.0))
    assert float(slope[0]) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("name", ["minimax", "nonsaturating", "hinge", *SHIFT_INVARIANT])
def test_d_learns_no_more_once_the_scores_are_far_apart(name):
    slopes = jax.grad(lambda r, f: GAMES[name].d(r, f).sum(), argnums=(0, 1))(
        jnp.full(3, 20.0), jnp.full(3, -20.0)
    )
    np.testing.assert_allclose(slopes, 0, atol=1e-6)


def test_hinge_saturates_beyond_its_margins():
    """``max(0, 1 - real) + max(0, 1 + fake)``: the slope is one within the margins and zero beyond;
    G's is one everywhere.
    """
    real, fake = (
        jnp.array([-100.0, -3.0, 0.5, 2.0, 100.0]),
        jnp.array([100.0, 0.5, -0.25, -3.0, -100.0]),
    )
    hinge = GAMES["hinge"]
    np.testing.assert_allclose(hinge.d(real, fake), [202, 5.5, 1.25, 0, 0])
    slopes = jax.grad(lambda r, f: hinge.d(r, f).sum(), argnums=(0, 1))(real, fake)
    np.testing.assert_array_equal(slopes, [[-1, -1, -1, 0, 0], [1, 1, 1, 0, 0]])
    np.testing.assert_array_equal(hinge.g(real, fake), -fake)
