"""Many GANs at once: each member is what it would be alone, and harms no other."""

import dataclasses
import functools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gans import arrays, small_dcgan, small_mlp

import gan_jax
from gan_jax import ConfigError, Network, Optimizer, Penalty, sweeps
from gan_jax.config import Feedback, Schedule
from gan_jax.engine import population
from gan_jax.engine.population import LAYOUTS
from gan_jax.parts.optimizers import tunable
from gan_jax.parts.regularizers import REGULARIZERS
from gan_jax.types import Term

CONFIG = dataclasses.replace(gan_jax.recipe("digits_dcgan"), batch_size=8, d_steps=2)
SEEDS = (3, 4, 5, 6)


def sides(lr, weight):
    """What the players are given."""
    optimizer = {"optimizer": tunable("optimizer", "sgd", {"learning_rate": lr})}
    return optimizer, optimizer | {"terms": (Term("r1", REGULARIZERS["r1"](), weight, every=3),)}


CHANGES = {
    "mlp": lambda lr, weight: small_mlp(*sides(lr, weight), lookahead=2),
    "dcgan": lambda lr, weight: small_dcgan(*sides(lr, weight)),
}


def gans(name):
    """Four that differ in two scalars, one of them a schedule; at higher rates rounding grows."""
    return [CHANGES[name](lr, w) for lr in (0.03, 0.01) for w in (0.5, Schedule(0.0, 1.0, 4))]


def keys():
    return jnp.stack([jax.random.key(seed) for seed in SEEDS])


@functools.cache
def alone(name, steps=7):
    """States and metrics of the members, each trained by `train_steps`."""
    results = []
    for gan, seed in zip(gans(name), SEEDS, strict=True):
        config = dataclasses.replace(CONFIG, seed=seed)
        state = gan_jax.init_state(gan, jax.random.key(seed), next(gan_jax.batches(config)))
        results.append(gan_jax.train_steps(gan, state, gan_jax.resident(config), steps))
    return results


def assert_members_are(name, states, metrics):
    for i, (state, expected) in enumerate(alone(name)):
        own = population.member(states, i)
        assert jax.tree.structure(own) == jax.tree.structure(state)
        for a, b in zip(arrays(own), arrays(state), strict=True):
            assert a.shape == b.shape and a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
        assert set(metrics) == set(expected)
        for key, value in expected.items():
            np.testing.assert_allclose(metrics[key][i], value, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", CHANGES)
def test_members_are_what_they_are_alone(name, layout):
    """With batch norm, lazy R1, two updates of D a step, and scalars and orders of their own:
    within 1e-5 + 1e-4 of the value.
    """
    members = gans(name)
    data = population.with_seeds(gan_jax.resident(CONFIG), SEEDS)
    states = population.init_population(members, keys())
    states, _ = population.train_population(members[0], states, data, 3, layout=layout)
    states, _ = population.train_population(members[0], states, data, 4, layout=layout)
    assert states.step.shape == () and int(states.step) == 7
    again = population.init_population(members, keys())
    again, metrics = population.train_population(members[0], again, data, 7, layout=layout)
    for a, b in zip(
        arrays(states), arrays(again), strict=True
    ):  # where a call ends does not matter
        np.testing.assert_array_equal(a, b)
    assert_members_are(name, again, metrics)


def test_members_are_divided_among_the_devices(monkeypatch):
    members, devices = gans("dcgan"), 4
    real = jax.devices()
    monkeypatch.setattr(population.jax, "devices", lambda: real[:devices])
    mesh = population.members_mesh(len(members))
    assert mesh.size == devices
    states = population.init_population(members, keys())
    shardings = population.shardings(states, mesh)
    states = jax.device_put(states, shardings)
    data = population.with_seeds(jax.device_put(gan_jax.resident(CONFIG), shardings.step), SEEDS)
    states, metrics = population.train_population(members[0], states, data, 7, mesh)
    for leaf, sharding in zip(jax.tree.leaves(states), jax.tree.leaves(shardings), strict=True):
        assert leaf.sharding.is_equivalent_to(sharding, leaf.ndim)
    assert_members_are("dcgan", states, metrics)


@pytest.mark.parametrize("members, devices", [(1, 1), (2, 2), (3, 3), (6, 3), (7, 1), (16, 4)])
def test_as_many_devices_as_divide_the_members(members, devices):
    assert population.members_mesh(members).size == devices


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_branch_stays_a_branch(layout):
    """What is due at every third step only would cost all the time as a selection between both
    outcomes.
    """
    members = gans("mlp")
    states = population.init_population(members, keys())
    data = population.with_seeds(gan_jax.resident(CONFIG), SEEDS)
    train = lambda states: population.train_population(members[0], states, data, 2, layout=layout)
    alone = lambda state: gan_jax.train_steps(members[0], state, gan_jax.resident(CONFIG), 2)
    single = str(jax.make_jaxpr(alone)(population.member(states, 0))).count(" cond[")
    assert (
        str(jax.make_jaxpr(train)(states)).count(" cond[") == single > 1
    )  # of the lazy penalty, its gradient, the lookahead


def test_another_number_does_not_compile_anew():
    data = population.with_seeds(gan_jax.resident(CONFIG), SEEDS[:2])
    sizes = []
    for lr in (0.1, 0.2, 0.3):
        members = [CHANGES["mlp"](lr, w) for w in (lr, 1 - lr)]
        states = population.init_population(members, keys()[:2])
        population.train_population(members[0], states, data, 2)
        sizes.append(population._train_population._cache_size())
    assert sizes[0] == sizes[1] == sizes[2]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_member_that_diverges_harms_no_other(layout):
    members = gans("mlp")
    data = population.with_seeds(gan_jax.resident(CONFIG), SEEDS)
    states = population.init_population(members, keys())
    ill = states.replace(key=states.key)
    poisoned = jax.tree.map(lambda a: a.at[2].set(jnp.nan), states.generator.params)
    ill = ill.replace(generator=states.generator.replace(params=poisoned))
    healthy = population.init_population(members, keys())
    ill, _ = population.train_population(members[0], ill, data, 3, layout=layout)
    healthy, _ = population.train_population(members[0], healthy, data, 3, layout=layout)
    assert population.finite_members(healthy).tolist() == [True] * 4
    assert population.finite_members(ill).tolist() == [True, True, False, True]
    for i in (0, 1, 3):
        for a, b in zip(
            arrays(population.member(ill, i)), arrays(population.member(healthy, i)), strict=True
        ):
            np.testing.assert_array_equal(a, b)


def test_the_same_order_for_all_where_the_data_have_one_seed():
    members = [small_mlp()] * 2
    states = population.init_population(members, jnp.stack([jax.random.key(0)] * 2))
    states, _ = population.train_population(members[0], states, gan_jax.resident(CONFIG), 2)
    for a, b in zip(
        arrays(population.member(states, 0)), arrays(population.member(states, 1)), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def test_images_of_members_are_those_of_each():
    members = gans("dcgan")
    states = population.init_population(members, keys())
    z, y = jax.random.normal(jax.random.key(0), (5, 4)), jnp.arange(5)
    images = population.generate_members(members[0], states, z, y)
    assert images.shape == (4, 5, 8, 8, 1)
    for i in range(4):
        own = gan_jax.generate(members[0], population.member(states, i), z, y)
        np.testing.assert_allclose(images[i], own, rtol=1e-5, atol=1e-5)


SMALL = dataclasses.replace(
    CONFIG,
    generator=Network("mlp", width=8, depth=1),
    discriminator=Network("mlp", width=8, depth=1),
    penalties=(Penalty("r1", 1.0),),
)


@pytest.mark.parametrize(
    "change, field",
    [
        (dict(latents=5), "latents"),
        (dict(discriminator=Network("mlp", width=9, depth=1)), "discriminator.width"),
        (dict(penalties=(Penalty("r1", 1.0, every=2),)), "penalties"),
        (dict(ema=0.0), "ema"),
        (dict(g_optimizer=dataclasses.replace(SMALL.g_optimizer, eps=1e-6)), "g_optimizer.eps"),
    ],
)
def test_members_that_differ_in_more_than_scalars_are_refused(change, field):
    other = dataclasses.replace(SMALL, **change)
    with pytest.raises(
        ConfigError, match=rf"^members differ in {field}; they may differ only in seeds and .*\.$"
    ):
        gan_jax.build_members([SMALL, other])
    with pytest.raises(
        ConfigError, match=r"members need one key each and may differ only in scalars"
    ):
        population.init_population([gan_jax.build(SMALL), gan_jax.build(other)], keys()[:2])


def test_members_may_differ_in_scalars_and_seeds():
    other = dataclasses.replace(
        SMALL, seed=9, d_optimizer=Optimizer(lr=1e-3, b1=0.0, b2=0.99), ema=1.0
    )
    a, b = gan_jax.build_members([SMALL, other])
    assert a == b and a.generator.average != b.generator.average


def test_a_sweep_reaches_every_number_of_a_part():
    """Also those that are not set, and by schedules and feedbacks; what is no number is refused."""
    texts = ("g_optimizer.b2=0.5,0.9", "penalties.0.weight=1,feedback/d/loss/0.6/0.1")
    sweep = gan_jax.Population(sweep=sweeps.from_text(texts))
    members = sweep.members(SMALL)
    assert [config.g_optimizer.b2 for config in members] == [0.5, 0.5, 0.9, 0.9]
    weights = [config.penalties[0].weight for config in members]
    assert weights == [1.0, Feedback("d/loss", 0.6, 0.1)] * 2
    assert {
        dataclasses.replace(c, g_optimizer=SMALL.g_optimizer, penalties=()) for c in members
    } == {dataclasses.replace(SMALL, penalties=())}
    assert sweeps.from_dict(json.loads(json.dumps(sweeps.to_dict(sweep)))) == sweep
    for path in ("generator.width", "penalties.0.every", "penalties.0.name"):
        with pytest.raises(
            ConfigError, match=f"'{path}' is not a number of this config's training"
        ):
            gan_jax.Population(sweep=((path, (1.0, 2.0)),)).members(SMALL)
