"""The pool of earlier fakes: what it shows and keeps, against the rule and its closed form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from gan_jax.errors import ConfigError
from gan_jax.parts.pools import image_pool
from gan_jax.types import Fake

SIZE, B, STEPS = 6, 4, 5000


def stream():
    """Fakes that are numbers in order, two leaves alike: what is shown ``[steps, 2, b]``, and the
    pools after each step ``[steps, 2, size]``.
    """
    memory = image_pool(SIZE)
    first = memory.init({"a": jnp.zeros((2, 1)), "b": jnp.zeros((2, 1))})

    def step(kept, i):
        x = (i * B + jnp.arange(B, dtype=jnp.float32))[:, None]
        fake, kept = memory.apply(kept, Fake({"a": x, "b": x}, i), jax.random.key(i))
        both = lambda tree: jnp.stack([tree[name][:, 0] for name in "ab"])
        return kept, (both(fake.x), both(kept["images"]), kept["count"], fake.y)

    _, seen = jax.jit(lambda: jax.lax.scan(step, first, jnp.arange(STEPS)))()
    return map(np.asarray, seen)


SHOWN, POOLS, COUNTS, CONDITIONS = stream()
NUMBERS = np.arange(STEPS * B).reshape(STEPS, B)


def test_it_shows_each_fake_until_it_is_full():
    np.testing.assert_array_equal(COUNTS[:3], [4, 6, 6])
    np.testing.assert_array_equal(SHOWN[0], [NUMBERS[0]] * 2)
    np.testing.assert_array_equal(SHOWN[1, :, :2], [NUMBERS[1, :2]] * 2)
    np.testing.assert_array_equal(POOLS[0], [[0, 1, 2, 3, 0, 0]] * 2)
    np.testing.assert_array_equal(CONDITIONS, np.arange(STEPS))


def test_it_exchanges_fakes_and_loses_none():
    """From then on, what comes in is what is shown or kept, each once."""
    for leaf in (0, 1):
        for step in range(2, 200):
            before = [*POOLS[step - 1, leaf], *NUMBERS[step]]
            after = [*POOLS[step, leaf], *SHOWN[step, leaf]]
            assert sorted(before) == sorted(after)


def queried(n, size, rng):
    """The ages of what a pool shows, one fake after another: the rule, with Python's list."""
    pool, ages = [], []
    for new in range(n):
        if len(pool) < size:
            pool.append(new)
            ages.append(0)
        elif rng.random() > 0.5:
            place = rng.integers(size)
            ages.append(new - pool[place])
            pool[place] = new
        else:
            ages.append(0)
    return np.array(ages)


def test_ages_are_those_of_the_rule():
    """An age of 0 has probability 1/2, and one of k the share 1/(2 size) (1 - 1/(2 size))^(k - 1)
    of the rest, within a batch and across batches; as in a simulation that shares no code.
    """
    rate, bins = 1 / (2 * SIZE), 30
    law = 0.5 * rate * (1 - rate) ** np.arange(bins)
    law = np.array([0.5, *law, 0.5 - law.sum()])
    simulated = queried(STEPS * B, SIZE, np.random.default_rng(0))
    for ages in (*(NUMBERS - SHOWN[:, i] for i in (0, 1)), simulated):
        counts = np.bincount(np.minimum(ages.ravel().astype(int), bins + 1), minlength=bins + 2)
        assert scipy.stats.chisquare(counts, law * STEPS * B).pvalue > 0.001


def test_leaves_are_exchanged_independently():
    own, other = (SHOWN[2:, i] < NUMBERS[2:] for i in (0, 1))
    assert abs(np.corrcoef(own.ravel(), other.ravel())[0, 1]) < 3 / np.sqrt(own.size)


def test_equal_sizes_are_one_object_and_no_size_is_refused():
    assert image_pool(50) is image_pool(50) and image_pool(50) is not image_pool(51)
    with pytest.raises(ConfigError, match="size of the image pool must be at least 1, not 0"):
        image_pool(0)
