"""Minibatches of several draws: the same on host and device, each stream in an order of its own."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gan_jax.config import Config
from gan_jax.data import (
    SideBySide,
    Stream,
    batch_at,
    batches,
    batches_of,
    load,
    resident,
    resident_of,
)
from gan_jax.data.order import words
from gan_jax.errors import ConfigError

gather = jax.jit(batch_at)


def numbers(n, count, **changes):
    """A stream of vectors that hold the number of their example, labelled by its parity."""
    x, y = np.arange(n, dtype=np.float32)[:, None], np.arange(n, dtype=np.int32) % 2
    return Stream(x, y, count, **changes)


def tree(n, count, seed=0, **changes):
    """A stream of which every example is several arrays, images among them."""
    rng = np.random.default_rng(seed)
    x = {
        "photo": rng.integers(0, 256, (n, 4, 3, 1), np.uint8),
        "point": rng.normal(size=(n, 2)).astype(np.float32),
    }
    y = (
        rng.integers(0, 9, n, np.int32),
        rng.integers(0, 9, (n, 3, 2), np.int32),
        rng.normal(size=(n, 4, 3, 2)).astype(np.float32),
    )
    return Stream(x, y, count, **changes)


def same(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for one, other in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


# The first batches of digits, seed 3, of two minibatches of eight: places in the training split and
# whether each is mirrored, row by row. Batch 90 begins the second epoch of the whole set.
PLAIN = {
    0: (
        [[638, 932, 488, 594, 435, 76, 552, 295], [504, 801, 848, 655, 1369, 177, 1355, 1176]],
        [[1, 1, 1, 0, 0, 1, 0, 1], [1, 0, 0, 1, 0, 1, 0, 0]],
    ),
    90: (
        [[103, 613, 172, 74, 410, 1169, 1313, 2], [1371, 1247, 834, 762, 819, 1202, 408, 1225]],
        [[1, 0, 0, 1, 1, 1, 1, 1], [1, 0, 0, 1, 1, 0, 0, 1]],
    ),
}
FEW_LABELS = {
    0: (
        [[94, 825, 435, 638, 932, 488, 594, 435], [728, 1167, 1192, 76, 552, 295, 504, 801]],
        [[1, 1, 1, 1, 1, 1, 0, 0], [0, 0, 1, 1, 0, 1, 1, 0]],
    ),
    90: (
        [[42, 1167, 1192, 654, 19, 100, 946, 1259], [1273, 304, 1148, 935, 357, 809, 144, 311]],
        [[1, 0, 1, 1, 1, 0, 1, 1], [1, 0, 1, 0, 0, 1, 0, 1]],
    ),
}


@pytest.mark.parametrize("known, expected", [(0, PLAIN), (3, FEW_LABELS)], ids=["all", "few"])
def test_the_order_is_that_of_earlier_versions(known, expected):
    few = {"labels": 20, "labelled_batch": known, "conditioning": "semi_supervised"}
    config = Config(batch_size=8, d_steps=2, seed=3, flip=True, **(few if known else {}))
    digits, data = load("digits", "train"), resident(config)
    for number, (places, mirror) in expected.items():
        x, y = np.array(digits.examples[places]), digits.labels[places]
        mirror = np.array(mirror, bool)
        x[mirror] = x[mirror][..., ::-1, :]
        if known:
            y[:, known:] = -1
        for batch in (next(batches(config, number)), gather(data, jnp.int32(number))):
            np.testing.assert_array_equal(batch.x, x)
            np.testing.assert_array_equal(batch.y, y)


@pytest.mark.parametrize("start", [0, 11])
@pytest.mark.parametrize(
    "streams, join",
    [
        ((tree(10, 3, flip=True), tree(23, 5, seed=1, flip=True, salt=2)), None),
        ((tree(10, 3, places=np.int32([7, 1, 2, 9])), tree(10, 5, labelled=False)), None),
        ((tree(10, 2, flip=True), numbers(9, 4, labelled=False)), SideBySide(("a", "b"))),
    ],
    ids=["several", "few_labels", "unpaired"],
)
def test_device_and_host_agree_bit_for_bit(streams, join, start):
    joined = {} if join is None else {"join": join}
    data, host = (
        resident_of(streams, 5, 2, **joined),
        batches_of(streams, 5, 2, start=start, **joined),
    )
    for number, batch in zip(range(start, start + 4), host, strict=False):
        assert all(type(a) is np.ndarray for a in jax.tree.leaves(batch))
        same(gather(data, jnp.int32(number)), batch)


def test_unpaired_streams_have_their_own_epochs():
    streams = numbers(12, 3), numbers(20, 5)
    drawn = list(itertools.islice(batches_of(streams, 0, 2, SideBySide(("a", "b"))), 20))
    assert set(drawn[0].x) == set(drawn[0].y) == {"a", "b"}
    for name, n, count in (("a", 12, 3), ("b", 20, 5)):
        assert all(b.x[name].shape == (2, count, 1) for b in drawn)
        seen = np.concatenate([b.x[name].ravel() for b in drawn]).astype(int)
        np.testing.assert_array_equal(np.concatenate([b.y[name].ravel() for b in drawn]), seen % 2)
        epochs = seen.reshape(-1, n)
        np.testing.assert_array_equal(np.sort(epochs), np.tile(np.arange(n), (len(epochs), 1)))
        assert (epochs[0] != epochs[1]).any()


def test_each_epoch_of_chosen_places_holds_each_once():
    places = np.int32([3, 14, 15, 9, 2, 6])
    stream = numbers(20, 4, places=places)
    seen = np.concatenate([b.x.ravel() for b in itertools.islice(batches_of((stream,), 0), 6)])
    np.testing.assert_array_equal(np.sort(seen.reshape(4, 6)), np.tile(np.sort(places), (4, 1)))


def test_streams_of_equal_length_are_independent_by_their_salts():
    streams = [numbers(500, 500, salt=salt) for salt in (0, 0, 1, 2)]
    batch = next(batches_of(streams, 7, join=SideBySide(("one", "again", "two", "three"))))
    orders = {name: x.ravel() for name, x in batch.x.items()}
    np.testing.assert_array_equal(orders["one"], orders["again"])
    for a, b in itertools.combinations(("one", "two", "three"), 2):
        assert abs(np.corrcoef(orders[a], orders[b])[0, 1]) * np.sqrt(500) < 4
    others = [next(batches_of((numbers(500, 500),), seed)).x.ravel() for seed in range(100)]
    assert not any((orders["two"] == other).all() for other in others)


def test_images_of_an_example_are_mirrored_together_and_nothing_else():
    stream = tree(50, 50, flip=True)
    plain, flipped = (
        next(batches_of((dataclasses.replace(stream, flip=flip),), 1)) for flip in (False, True)
    )
    mirrored = (flipped.x["photo"] != plain.x["photo"]).any((2, 3, 4))
    assert 0.2 < mirrored.mean() < 0.8
    for image in (lambda b: b.x["photo"], lambda b: b.y[2]):
        expected = np.where(
            mirrored[..., None, None, None], image(plain)[..., ::-1, :], image(plain)
        )
        np.testing.assert_array_equal(image(flipped), expected)
    same((plain.x["point"], plain.y[:2]), (flipped.x["point"], flipped.y[:2]))


def test_unlabelled_streams_have_labels_of_minus_one_in_every_leaf():
    stream = tree(10, 4)
    known, unknown = (
        next(batches_of((dataclasses.replace(stream, labelled=labelled),), 1))
        for labelled in (True, False)
    )
    same(unknown.x, known.x)
    same(unknown.y, jax.tree.map(lambda a: np.full_like(a, -1), known.y))


def test_each_member_of_a_population_has_the_order_of_its_seed():
    streams = tree(10, 3, flip=True), tree(10, 4, salt=1)
    data, seeds = resident_of(streams, 0, 2), (4, 2**31 + 1)
    population = dataclasses.replace(data, seed=jnp.stack([words(seed) for seed in seeds]))

    @jax.jit
    def of_each(population, step):
        own = lambda seed: batch_at(dataclasses.replace(population, seed=seed), step)
        return jax.vmap(own)(population.seed)

    found = of_each(population, jnp.int32(3))
    for i, seed in enumerate(seeds):
        same(jax.tree.map(lambda a, i=i: a[i], found), next(batches_of(streams, seed, 2, start=3)))


def test_a_process_reads_its_rows_of_each_stream():
    streams, join = (numbers(12, 4), tree(20, 6, flip=True)), SideBySide(("a", "b"))
    whole = next(batches_of(streams, 0, 2, join, start=9))
    rows = np.array([1, 3]), np.array([5, 0, 2])
    part = next(batches_of(streams, 0, 2, join, start=9, rows=rows))
    for name, own in zip(("a", "b"), rows, strict=True):
        same(
            (part.x[name], part.y[name]),
            jax.tree.map(lambda a, own=own: a[:, own], (whole.x[name], whole.y[name])),
        )


def test_rows_of_a_minibatch_with_few_labels():
    config = Config(
        batch_size=8, d_steps=2, labels=20, labelled_batch=3, conditioning="semi_supervised"
    )
    whole = next(batches(config, 5))
    for rows in (np.array([1, 2, 3, 7]), np.array([0]), np.array([4, 5])):
        same(next(batches(config, 5, rows)), jax.tree.map(lambda a, own=rows: a[:, own], whole))
    with pytest.raises(ConfigError, match=r"rows must be strictly ascending, not \[3 1\]"):
        batches(config, 5, np.array([3, 1]))


def test_more_minibatches_than_steps_of_the_discriminator():
    config = Config(batch_size=8, d_steps=2, seed=1)
    batch = next(batches(config, 3, minibatches=3))
    assert batch.x.shape == (3, 8, 8, 8, 1)
    same(gather(resident(config, minibatches=3), jnp.int32(3)), batch)


def test_shared_arrays_lie_on_the_device_once():
    one = tree(10, 3)
    data = resident_of((one, dataclasses.replace(one, count=2, labelled=False)), 0)
    for a, b in zip(
        jax.tree.leaves(data.streams[0]), jax.tree.leaves(data.streams[1]), strict=True
    ):
        assert a is b


def test_equal_joins_share_a_compilation():
    """What is static of resident data is the structure of its pytree."""

    def structure(*names):
        streams = numbers(12, 4), numbers(20, 6)
        return jax.tree.structure(resident_of(streams, 0, 2, SideBySide(names)))

    assert structure("a", "b") == structure("a", "b") != structure("b", "a")


@pytest.mark.parametrize(
    "stream, words",
    [
        (
            Stream(np.zeros((3, 2)), np.zeros(4, np.int32), 1),
            r"streams\[1\] has arrays of \[3, 4\]",
        ),
        (numbers(4, 0), r"streams\[1\].count must be at least 1, not 0"),
        (numbers(0, 1), r"streams\[1\].epoch must be at least 1, not 0"),
        (
            numbers(4, 1, places=np.int32([0, 4])),
            r"streams\[1\].places must be between 0 and 3, not 0 to 4",
        ),
        (numbers(4, 1, flip=True), r"streams\[1\].flip must be False"),
        (numbers(4, 1, salt=-1), r"streams\[1\].salt must be .*, not -1"),
        (
            Stream(np.zeros((3, 2)), np.zeros(3, np.uint8), 1, labelled=False),
            "uint8 cannot represent",
        ),
    ],
)
def test_what_cannot_be_drawn_from_is_refused_at_once(stream, words):
    for use in (batches_of, resident_of):
        with pytest.raises(ConfigError, match=words):
            use((numbers(5, 2), stream), 0)


def test_other_refusals():
    with pytest.raises(ConfigError, match="minibatches must be at least 1, not 0"):
        resident_of((numbers(5, 2),), 0, 0)
    with pytest.raises(ConfigError, match=r"len\(streams\) must be at least 1, not 0"):
        batches_of((), 0)
    with pytest.raises(ConfigError, match="start must be at least 0, not -1"):
        batches_of((numbers(5, 2),), 0, start=-1)
    with pytest.raises(
        ConfigError, match=r"streams\[1\] has examples of .*, which cannot be concatenated"
    ):
        next(batches_of((numbers(5, 2), tree(5, 2)), 0))
