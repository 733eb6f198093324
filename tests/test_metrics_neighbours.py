"""Metrics of distances between images, against brute force in float64 and cases whose answer is
known.
"""

import math

import numpy as np
import pytest
import scipy.spatial.distance
import scipy.stats

from gan_jax import metrics
from gan_jax.metrics import streaming


def clouds(seed, n=300, m=250, f=6, apart=0.5):
    """Two sets that overlap, far from the origin as the features of a recognizer may be."""
    rng = np.random.default_rng(seed)
    return [
        (rng.standard_normal((k, f)) + at).astype(np.float32)
        for k, at in ((n, 20 + apart), (m, 20))
    ]


def pairwise(a, b):
    return scipy.spatial.distance.cdist(a.astype(np.float64), b.astype(np.float64))


def radii(x, k):
    """Distance to the k-th nearest other row."""
    return np.sort(pairwise(x, x), axis=1)[:, k]


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_nearest_neighbours_agree_with_brute_force(block):
    rng = np.random.default_rng(5)
    queries, references = (
        rng.integers(0, 256, (5, 4, 4, 1)),
        rng.integers(0, 256, (40, 4, 4, 1)).astype(np.uint8),
    )
    indices, distances = metrics.nearest_neighbours(queries, references, 6, block=block)
    every = scipy.spatial.distance.cdist(
        queries.reshape(5, -1).astype(float), references.reshape(40, -1).astype(float)
    )
    np.testing.assert_array_equal(indices, np.argsort(every, axis=1, kind="stable")[:, :6])
    np.testing.assert_allclose(distances, np.sort(every, axis=1)[:, :6])
    with pytest.raises(ValueError, match="between 1 and 40"):
        metrics.nearest_neighbours(queries, references, 41)


@pytest.mark.parametrize("block", [1, 7, 64, 1000])
def test_an_image_is_not_its_own_neighbour(block):
    x, _ = clouds(0, n=65)
    x[3] = x[40]
    every = pairwise(x, x)
    np.fill_diagonal(every, np.inf)
    indices, distances = metrics.nearest_neighbours(x, x, 5, block=block, leave_one_out=True)
    np.testing.assert_array_equal(indices, np.argsort(every, axis=1, kind="stable")[:, :5])
    np.testing.assert_allclose(distances, np.sort(every, axis=1)[:, :5], rtol=1e-12)
    with pytest.raises(ValueError, match="between 1 and 64"):
        metrics.nearest_neighbours(x, x, 65, leave_one_out=True)


@pytest.mark.parametrize("block", [1, 7, 64, 1000])
def test_counts_within_balls_agree_with_brute_force(block):
    a, b = clouds(1, n=70, m=90)
    reach = radii(b, 4)
    np.testing.assert_array_equal(
        metrics.count_within(a, b, reach, block=block), (pairwise(a, b) <= reach).sum(axis=1)
    )
    np.testing.assert_array_equal(
        metrics.count_within(a, b, 2.5, block=block), (pairwise(a, b) <= 2.5).sum(axis=1)
    )
    within = (pairwise(a, a) <= 2.5).sum(axis=1) - 1
    np.testing.assert_array_equal(
        metrics.count_within(a, a, 2.5, block=block, leave_one_out=True), within
    )


def test_borders_are_decided_in_float64():
    a, b = clouds(12, n=30, m=40)
    every = pairwise(a, b)
    for radii_through_images in (
        every[0],
        every.min(axis=0) * (1 + 1e-12),
        every.min(axis=0) * (1 - 1e-12),
    ):
        counts = (every <= radii_through_images).sum(axis=1)
        np.testing.assert_array_equal(
            metrics.count_within(a, b, radii_through_images, block=16), counts
        )
    twins = np.repeat(a[:3], 4, axis=0)
    np.testing.assert_array_equal(metrics.count_within(twins, twins, 0.0, leave_one_out=True), 3)


def test_precision_recall_density_coverage_agree_with_brute_force():
    a, b = clouds(2)
    every = pairwise(a, b)
    precision, recall = metrics.precision_recall(a, b, k=3)
    assert precision.value == (every <= radii(b, 3)).any(axis=1).mean()
    assert recall.value == (radii(a, 3) >= every.T).any(axis=1).mean()
    density, coverage = metrics.density_coverage(a, b, k=5)
    np.testing.assert_allclose(
        density.value, (every <= radii(b, 5)).sum() / (5 * len(a)), rtol=1e-12
    )
    assert coverage.value == (every.min(axis=0) <= radii(b, 5)).mean()
    for score in (precision, recall, density, coverage):
        assert 0.2 < score.low < score.value < score.high < 1


def test_density_and_coverage_of_equal_distributions_are_what_the_paper_expects():
    a, b = clouds(3, n=1000, m=1000, apart=0)
    density, coverage = metrics.density_coverage(a, b, k=5)
    assert density.value == pytest.approx(1, abs=0.1)
    assert coverage.value == pytest.approx(1 - 2**-5, abs=0.02)


def test_nearest_neighbour_test_agrees_with_brute_force_and_knows_chance():
    a, b = clouds(4, n=200, m=200)
    every = pairwise(*[np.concatenate([a, b])] * 2)
    np.fill_diagonal(every, np.inf)
    right = (every.argmin(axis=1) < 200) == (np.arange(400) < 200)
    told = metrics.nearest_neighbour_test(a, b)
    assert [score.value for score in told] == [right.mean(), right[:200].mean(), right[200:].mean()]
    assert metrics.nearest_neighbour_test(a + 50, b).all.value == 1
    assert metrics.nearest_neighbour_test(b + 1e-3, b).all.value == 0
    same = [
        metrics.nearest_neighbour_test(*clouds(i, n=100, m=100, apart=0)).all for i in range(100)
    ]
    assert np.mean([score.low <= 0.5 <= score.high for score in same]) >= 0.88
    with pytest.raises(ValueError, match="not 200 and 100"):
        metrics.nearest_neighbour_test(a, b[:100])


def test_logistic_test_is_as_good_as_the_best_linear_rule():
    rng = np.random.default_rng(5)
    a, b = rng.standard_normal((2, 4000, 3))
    told = metrics.logistic_test(a + np.array([1, 0, 0]), b)
    best = scipy.stats.norm.cdf(0.5)  # halfway between two unit Gaussians one apart
    assert told.all.value == pytest.approx(best, abs=0.02) and told.all.low <= best <= told.all.high
    assert told.images.value == pytest.approx(best, abs=0.03)
    chance = metrics.logistic_test(a, b).all
    assert chance.low <= 0.5 <= chance.high


def test_memorization_tells_copies_from_new_images():
    training, held_out = clouds(6, n=1000, m=800, apart=0)
    new, _ = clouds(7, n=500, apart=0)
    nearer, copies = metrics.memorization(new, training, held_out)
    assert nearer.low <= 0.5 <= nearer.high and copies.low <= 0.01 <= copies.high
    half = np.concatenate([new[:250], training[:250] + 1e-3])
    nearer, copies = metrics.memorization(half, training, held_out)
    assert nearer.value == pytest.approx(0.75, abs=0.03) and copies.value == pytest.approx(
        0.505, abs=0.01
    )
    assert metrics.memorization(new + 30, training, held_out)[0].value == 0


def test_memorization_is_the_mann_whitney_statistic():
    training, held_out = clouds(8, n=60, m=40)
    images = np.concatenate([clouds(9, n=20)[0], held_out[:10]])
    made, control = (pairwise(x, training).min(axis=1) for x in (images, held_out))
    wins = (made[:, None] < control).sum() + (made[:, None] == control).sum() / 2
    nearer, copies = metrics.memorization(images, training, held_out)
    np.testing.assert_allclose(nearer.value, wins / (30 * 40), rtol=1e-12)
    assert copies.value == (made < np.quantile(control, 0.01)).mean()


def test_memorization_interval_is_as_wide_as_the_spread():
    training, _ = clouds(10, n=200, apart=0)
    draws = [clouds(j, n=80, m=90, apart=0) for j in range(100, 180)]
    found = [metrics.memorization(images, training, held_out)[0] for images, held_out in draws]
    spread = np.std([score.value for score in found])
    assert np.mean([score.high - score.low for score in found]) / (2 * 1.96) == pytest.approx(
        spread, rel=0.25
    )


def test_birthday_test_finds_the_support_of_a_generator_that_repeats_itself():
    reference, bank = clouds(10, n=1500, m=20_000, apart=0)
    images = bank[np.random.default_rng(11).integers(0, 3000, 1500)]
    pairs, support = metrics.duplicates(images, reference)
    equal = (scipy.spatial.distance.pdist(images) < 1e-9).sum()
    assert equal <= pairs.value <= equal + 10
    assert support.low < 3000 < support.high
    np.testing.assert_allclose(support.value, 1500 * 1499 / 2 / pairs.value)
    pairs, support = metrics.duplicates(bank[:1500], reference)
    assert pairs.value <= 10 and support.value > 100_000
    pairs, support = metrics.duplicates(np.repeat(bank[:1], 100, axis=0), reference)
    assert (pairs.value, support.value) == (100 * 99 / 2, 1)


def test_without_duplicates_the_support_has_a_lower_limit_alone():
    spread = (10 * np.arange(50.0))[:, None]
    pairs, support = metrics.duplicates(spread, spread / 100)
    assert (pairs.value, pairs.low, support.value, support.high) == (0, 0, np.inf, np.inf)
    np.testing.assert_allclose([pairs.high, support.low], [-np.log(0.025), 1225 / -np.log(0.025)])


def test_membership_is_the_share_that_copies_give_away():
    rng = np.random.default_rng(0)
    training, held_out = rng.standard_normal((2_000, 4)), rng.standard_normal((2_000, 4))
    new = rng.standard_normal((500, 4))
    told = metrics.membership(new, training, held_out)
    assert told.low < 0.5 < told.high
    # Copies of half of the training images are nearest to them; the others look like new ones.
    copies = np.concatenate([training[:1_000], new])
    inside = metrics.membership(copies, training[1_000:], held_out)
    told = metrics.membership(copies, training, held_out)
    assert told.value == pytest.approx(0.5 * 1 + 0.5 * inside.value, abs=1e-12)
    assert metrics.membership(training, training, held_out).value == 1
    with pytest.raises(ValueError, match="at least 2 training and 2 held-out images, not 1 and"):
        metrics.membership(new, training[:1], held_out)


def test_membership_interval_is_as_wide_as_the_spread():
    rng = np.random.default_rng(1)
    images = rng.standard_normal((200, 2))
    draws = (rng.standard_normal((2, 150, 2)) * [[[1.0]], [[1.3]]] for _ in range(300))
    found = [metrics.membership(images, inside, outside) for inside, outside in draws]
    spread = np.std([own.value for own in found])
    width = np.mean([(own.high - own.low) / 2 / 1.96 for own in found])
    assert np.mean([own.value for own in found]) > 0.55
    assert width == pytest.approx(spread, rel=0.15)


@pytest.mark.parametrize(
    ("n", "most", "size"), [(1, 4, 1), (4, 4, 4), (5, 4, 3), (9, 4, 3), (10_000, 4096, 3334)]
)
def test_blocks_have_nearly_one_size(n, most, size):
    """As few blocks as with the largest size, with less filling in the last one."""
    assert streaming.block_size(n, most) == size
    assert math.ceil(n / size) == math.ceil(n / most)
