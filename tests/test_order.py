"""The order of the examples: a permutation an epoch, uniform, and the same integers on host and
device.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from gan_jax.data import shuffled


@pytest.mark.parametrize("n", [1, 2, 3, 10, 1437, 60_000])
@pytest.mark.parametrize("seed, epoch", [(0, 0), (0, 1), (-1, 2**31), (2**63, 5)])
def test_an_epoch_is_a_permutation(n, seed, epoch):
    np.testing.assert_array_equal(np.sort(shuffled(np.arange(n), n, seed, epoch)), np.arange(n))


def test_order_differs_by_seed_and_epoch():
    order = lambda seed, epoch: tuple(shuffled(np.arange(100), 100, seed, epoch).tolist())
    assert (
        len({order(seed, epoch) for seed in (0, 1, -1, 2**32, 2**40 + 1) for epoch in range(20)})
        == 100
    )


def test_all_orders_are_equally_likely():
    epochs = np.arange(48_000)
    order = shuffled(np.tile(np.arange(4), (len(epochs), 1)), 4, 0, epochs[:, None])
    _, counts = np.unique(order @ 4 ** np.arange(4), return_counts=True)
    assert len(counts) == math.factorial(4)
    assert scipy.stats.chisquare(counts).pvalue > 1e-3


def test_order_has_no_memory():
    """Of position, neighbour or previous epoch; the mean displacement of a uniform permutation is
    (n^2 - 1) / 3n.
    """
    n = 60_000
    position = np.arange(n)
    one, two = (shuffled(position, n, 0, epoch).astype(int) for epoch in (0, 1))
    spread = math.sqrt(n)  # correlations of independent orders have standard deviation 1 / sqrt(n)
    assert abs(np.corrcoef(one, position)[0, 1]) * spread < 4
    assert abs(np.corrcoef(one, two)[0, 1]) * spread < 4
    assert abs(np.corrcoef(one[1:], one[:-1])[0, 1]) * spread < 4
    assert np.abs(one - position).mean() == pytest.approx((n * n - 1) / (3 * n), rel=0.01)
    cells, _, _ = np.histogram2d(one[1:], one[:-1], bins=20)
    assert scipy.stats.chisquare(cells.ravel()).pvalue > 1e-3


@pytest.mark.parametrize("n", [7, 1437, 2**31])
def test_device_and_host_agree_bit_for_bit(n):
    position, epochs = (
        np.array([0, 1, 2, n // 2, n - 2, n - 1]),
        np.array([0, 1, 99, 2**32 - 1], np.uint32),
    )

    @jax.jit
    def on_device(position, epochs):
        return jax.lax.scan(
            lambda _, epoch: (None, shuffled(position, n, 2**40 + 3, epoch, jnp)), None, epochs
        )[1]

    device = on_device(jnp.asarray(position, jnp.uint32), jnp.asarray(epochs))
    host = np.stack([shuffled(position, n, 2**40 + 3, epoch) for epoch in epochs])
    assert device.dtype == host.dtype == np.uint32
    np.testing.assert_array_equal(device, host)
