"""Under pmap a step is that of one device: with every loss, penalty and augmentation, and with all
that draws random numbers or looks across the batch.

Most parts meet in one compiled program, in which their weights are data; each is then run alone.
"""

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gans import G_PENALTIES, GAMES, SHAPE, arrays, random_batch, small_dcgan, small_mlp

from gan_jax.devices import batch_axis
from gan_jax.engine.gan import init_state
from gan_jax.engine.train_step import train_step
from gan_jax.errors import ConfigError
from gan_jax.models import mlp
from gan_jax.nn.heads import ClassifierHead, UnconditionalHead
from gan_jax.parts.augment import AUGMENTS
from gan_jax.parts.conditions import Frequencies, Uniform
from gan_jax.parts.mixing import pseudo_real
from gan_jax.parts.priors import Codes
from gan_jax.parts.regularizers import REGULARIZERS, d_classes, g_classes
from gan_jax.types import Augment, Critique, Loss, Memory, Mixing, Term

B = 16
BATCHES = [random_batch(i, b=B) for i in range(2)]
BOUND = 2e-5
ONE_SIDED = functools.partial(REGULARIZERS["gp_one_sided"], target=0.05)
"""Of gradients as small as those of these networks."""
ALWAYS_SURE = functools.partial(REGULARIZERS["fixmatch"], threshold=0.0)
D_TERMS = REGULARIZERS | {
    "classes": d_classes, "gp_one_sided": ONE_SIDED, "fixmatch": ALWAYS_SURE,
}  # fmt: skip
G_TERMS = G_PENALTIES | {"classes": g_classes}
PENALTIES = [f"d/{name}" for name in D_TERMS] + [f"g/{name}" for name in G_TERMS]
SIZES = {
    "d/zcr": 100.0, "g/zcr": 100.0, "d/orthogonal": 0.01, "g/orthogonal": 0.01, "top_k": 0.5,
    "instance_noise": 0.5, "translation": 0.25, "rotation": 40.0,
}  # fmt: skip
"""Of parts that are small, or large, for these networks, and strengths; the others' is 1."""
PLAIN = {"nonsaturating": 1.0}
CHANGES = [name for name in AUGMENTS if name not in ("diffaugment", "ada")]
"""The others take long to compile in each view that a penalty takes."""


def weighted(player):
    """The sum of all losses by their weights."""
    return lambda real, fake, **weights: sum(
        weight * getattr(GAMES[name], player)(real, fake) for name, weight in weights.items()
    )


EVERY_LOSS = Loss(weighted("d"), weighted("g"))


def everything(numbers):
    """A GAN with all parts, whose weights are 0 but for those that are given by name."""
    of = lambda name: numbers.get(name, 0.0)
    terms = lambda side, known: tuple(
        Term(name, make(), of(f"{side}/{name}")) for name, make in known.items()
    )
    return small_mlp(
        {
            "network": mlp.Generator(SHAPE, num_classes=10, width=16, depth=1),
            "terms": terms("g", G_TERMS),
            "top_k": numbers.get("top_k", 1.0),
        },
        {
            "network": mlp.Discriminator(ClassifierHead(10), width=16, depth=1),
            "terms": terms("d", D_TERMS),
        },
        loss=dataclasses.replace(EVERY_LOSS, numbers={name: of(name) for name in GAMES}),
        augments=tuple(Augment(name, AUGMENTS[name].apply, of(name)) for name in CHANGES),
        num_classes=10,
    )


def pool(size):
    """Fakes of the past: a coin decides for each place whether D sees what lies there."""

    def apply(kept, fake, key):
        coins = jax.random.bernoulli(key, 0.5, (len(fake.x), 1, 1, 1))
        return fake._replace(x=jnp.where(coins, kept, fake.x)), fake.x

    return Memory(lambda x: jnp.zeros((size, *x.shape[1:])), apply)


def numbers_of(name):
    """What is not 0 where a part acts, and what is not 0 where it does not."""
    if name in GAMES:
        return {name: 1.0}, {}
    without = PLAIN | ({"instance_noise": 0.5} if name == "d/class_consistency" else {})
    return without | {name: SIZES.get(name, 1.0)}, without


def disturbed(**changes):
    discriminator = mlp.Discriminator(UnconditionalHead(), width=16, depth=1, **changes)
    return small_mlp(d={"network": discriminator})


def in_parts():
    terms = tuple(Term(name, REGULARIZERS[name](), 1.0) for name in ("r1", "lecam"))
    noise = Augment("instance_noise", AUGMENTS["instance_noise"].apply, 0.5)
    return small_mlp(
        {"top_k": 0.5},
        {"terms": terms},
        loss=GAMES["relativistic_average"],
        augments=(noise,),
        micro_batches=2,
    )


def remembering():
    conditions = lambda key, y: jnp.where(
        y < 5, Uniform(10)(key, y), Frequencies((1, 2, 3))(jax.random.fold_in(key, 0), y)
    )
    generator = {"network": mlp.Generator(SHAPE, num_classes=10, width=16, depth=1)}
    parts = {"prior": Codes(3, (4,), 2), "num_classes": 10, "conditions": conditions}
    mixing = Mixing("apa", pseudo_real, 0.5)
    return small_mlp(generator, {"memory": pool(B), "mixing": mixing}, **parts)


def transformed():
    augments = (Augment(name, AUGMENTS[name].apply, 0.8) for name in ("diffaugment", "ada"))
    return small_mlp(augments=tuple(augments))


IN_ONE_PROGRAM = [*GAMES, *PENALTIES, *CHANGES, "top_k"]
ALONE = {
    "diffaugment and ada": transformed,
    "dropout and noise": lambda: disturbed(dropout=0.3, noise=0.3),
    "minibatch_std": lambda: disturbed(minibatch_std=B),
    "joint batch norm": lambda: small_dcgan(joint=True),
    "micro_batches": in_parts,
    "conditions, codes, a memory and a mixing": remembering,
}
NAMES = [*IN_ONE_PROGRAM, *ALONE]


def after_two_steps(gan, devices=1):
    """Parameters of both players, ``[devices, ...]``."""
    state = init_state(gan, jax.random.key(0), BATCHES[0])
    if devices == 1:
        for batch in BATCHES:
            state, _ = train_step(gan, state, batch)
        return [a[None] for a in arrays([player.params for player in state.players])]
    step = _pmapped(gan, devices)
    states = jax.tree.map(lambda a: jnp.stack([a] * devices), state)
    for batch in BATCHES:
        shares = jax.tree.map(lambda a: np.stack(np.split(a, devices, axis=1)), batch)
        states, _ = step(states, shares)
    return arrays([player.params for player in states.players])


@functools.cache
def _pmapped(gan, devices):
    """Equal GANs, which differ in numbers alone, share it."""
    step = functools.partial(train_step, gan, axis_name="batch")
    return jax.pmap(step, axis_name="batch", devices=jax.devices()[:devices])


def largest(actual, expected):
    return max(float(np.abs(a - e).max()) for a, e in zip(actual, expected, strict=True))


def made(name):
    return ALONE[name]() if name in ALONE else everything(numbers_of(name)[0])


@functools.cache
def largest_differences(numbers=(4,)):
    """By part, the largest difference of a parameter of several devices from that of one device,
    after two steps of SGD with rate 0.1.

    A table of 2 and 4 devices is made in this folder by ``import conftest, test_pmap`` and
    ``test_pmap.largest_differences((2, 4))``.
    """
    alone = {name: after_two_steps(made(name)) for name in NAMES}
    return {
        name: max(largest(after_two_steps(made(name), n), alone[name]) for n in numbers)
        for name in NAMES
    }


@pytest.mark.parametrize("name", NAMES)
def test_several_devices_give_the_step_of_one(name):
    assert largest_differences()[name] <= BOUND


@pytest.mark.parametrize("name", IN_ONE_PROGRAM)
def test_each_part_moves_the_parameters(name):
    """By much more than the bound, so that a part that differed on several devices would show."""
    acts, rests = (after_two_steps(everything(numbers)) for numbers in numbers_of(name))
    assert largest(acts, rests) > 10 * BOUND


OWN_ROWS = {
    "dropout and noise": {
        "draw": lambda sample, key, shape, *rest, **options: sample(key, shape, *rest, **options)
    },
    "minibatch_std": {
        "whole": lambda rows: jnp.concatenate([rows, rows]) if batch_axis.name() else rows
    },
}


@pytest.mark.parametrize("name", OWN_ROWS)
def test_devices_that_saw_their_own_rows_alone_would_show(name, monkeypatch):
    gan = ALONE[name]()
    expected = after_two_steps(gan)
    for function, of_own_rows in OWN_ROWS[name].items():
        monkeypatch.setattr(batch_axis, function, of_own_rows)
    _pmapped.cache_clear()
    jax.clear_caches()
    assert largest(after_two_steps(gan, 2), expected) > 10 * BOUND
    _pmapped.cache_clear()
    jax.clear_caches()


class FlaxDropout(nn.Module):
    """A discriminator with flax's own dropout, whose random numbers are those of one device."""

    @nn.compact
    def __call__(self, x, y, *, train):
        h = nn.Dropout(0.5, deterministic=not train)(x.reshape(len(x), -1))
        return Critique(nn.Dense(1)(h)[:, 0])


def test_random_numbers_of_a_device_alone_are_refused():
    gan = small_mlp(d={"network": FlaxDropout()})
    state = init_state(gan, jax.random.key(0), BATCHES[0])
    jax.eval_shape(functools.partial(train_step, gan), state, BATCHES[0])
    step = jax.vmap(functools.partial(train_step, gan, axis_name="batch"), axis_name="batch")
    stacked = jax.tree.map(lambda a: jnp.stack([a] * 2), (state, BATCHES[0]))
    with pytest.raises(ConfigError, match="FlaxDropout asks for a random stream") as refusal:
        jax.eval_shape(step, *stacked)
    assert "\n" not in str(refusal.value)
