"""Minibatch standard deviation against numpy, and in the discriminators."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gans import OF_LABELS

from gan_jax.errors import ConfigError
from gan_jax.models.options import options_of
from gan_jax.nn.heads import UnconditionalHead
from gan_jax.nn.minibatch_std import minibatch_std
from gan_jax.nn.norms import NORMS


def test_members_may_stand_apart():
    """The first of one group, the first of the next, and so on."""
    x = np.random.default_rng(0).normal(size=(8, 5)).astype(np.float32)
    order = np.arange(8).reshape(4, 2).T.ravel()  # 0, 2, 4, 6, 1, 3, 5, 7
    neighbours = minibatch_std(jnp.array(x[order]), 4)
    np.testing.assert_allclose(
        np.asarray(minibatch_std(jnp.array(x), 4, apart=True))[order], neighbours, rtol=1e-6
    )


@pytest.mark.parametrize("shape, group", [((8, 5), 4), ((6, 4, 4, 3), 2), ((3, 5), 4)])
def test_each_group_has_the_mean_of_its_deviations(shape, group):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    y = np.asarray(minibatch_std(jnp.array(x), group))
    np.testing.assert_array_equal(y[..., :-1], x)
    for start in range(0, len(x), group):
        members = slice(start, start + group)
        np.testing.assert_allclose(y[members, ..., -1], x[members].std(axis=0).mean(), rtol=1e-5)


def test_gradients_are_finite_where_examples_are_equal():
    collapsed = jnp.ones((4, 3))
    assert np.isfinite(jax.grad(lambda x: minibatch_std(x, 4)[:, -1].sum())(collapsed)).all()
    assert minibatch_std(collapsed.astype(jnp.bfloat16), 4).dtype == jnp.bfloat16


@pytest.mark.parametrize(
    "b, group, words",
    [
        (4, 1, "needs groups of 2 or more examples, not 1"),
        (6, 4, "minibatch_std 4 must divide the batch of 6 examples"),
    ],
)
def test_groups_that_do_not_fit_are_refused(b, group, words):
    with pytest.raises(ConfigError, match=words):
        minibatch_std(jnp.zeros((b, 2)), group)


@pytest.mark.parametrize(
    "name",
    [name for name, a in OF_LABELS.items() if "minibatch_std" in options_of(a.discriminator)],
)
def test_discriminators_see_what_other_examples_of_the_group_are_like(name):
    """Nothing else lets examples meet: a score changes with the other example of its group and with
    none of another group.
    """
    options = (
        {"width": 2}
        | ({} if name == "mlp" else {"base": 4})
        | ({"norm": NORMS["none"]} if name == "dcgan" else {})
    )
    d = OF_LABELS[name].discriminator(UnconditionalHead(), minibatch_std=2, **options)
    x, y = jax.random.normal(jax.random.key(0), (4, 8, 8, 1)), jnp.zeros(4, jnp.int32)

    @jax.jit
    def scores(x):
        return d.init_with_output(jax.random.key(1), x, y, train=False)[0].score

    before, after = (np.asarray(scores(x)) for x in (x, x.at[0].add(1.0)))
    groups = [[0, 2], [1, 3]] if name == "stylegan2" else [[0, 1], [2, 3]]
    assert before[groups[0][1]] != after[groups[0][1]]
    np.testing.assert_array_equal(before[groups[1]], after[groups[1]])
