"""The semi-supervised GAN: its head and losses in closed form, the order of few labels, D's
average, and D as a recognizer.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.spatial
import scipy.special
from gans import SHAPE, arrays, optimized, random_batch, small_mlp
from jax.sharding import NamedSharding, PartitionSpec

import gan_jax
from gan_jax import checkpoint
from gan_jax.build import abstract_batch, build
from gan_jax.config import Config, Network, Optimizer, Penalty
from gan_jax.data import Dataset, batch_at, describe, load, resident
from gan_jax.data.labelled import labelled
from gan_jax.devices import parallel
from gan_jax.engine.gan import init_state
from gan_jax.engine.train_step import train_step, train_steps
from gan_jax.errors import ConfigError
from gan_jax.evaluation import classifying
from gan_jax.models import mlp
from gan_jax.nn.heads import SemiSupervisedHead
from gan_jax.parts.augment import rotation
from gan_jax.parts.losses import LOSSES
from gan_jax.parts.regularizers import class_consistency, feature_matching, labelled_classes
from gan_jax.types import Augment, Term

CONFIG = Config(
    conditioning="semi_supervised", labels=30, labelled_batch=6, batch_size=16, d_steps=2
)


def semi(g=None, d=None, **changes):
    """A small GAN, of plain gradient descent, with the term of the classes."""
    fields = dict(
        network=mlp.Discriminator(SemiSupervisedHead(10), width=16),
        terms=(Term("classes", labelled_classes(share=0.5), 1.0),),
    )
    return small_mlp(g, fields | (d or {}), **changes)


def half_labelled(seed=0, d_steps=1, b=16):
    """The first half of each minibatch has labels."""
    batch = random_batch(seed, d_steps, b)
    batch.y[:, b // 2 :] = -1
    return batch


def run(gan, batches, place=lambda tree, spec: tree):
    state = place(init_state(gan, jax.random.key(0), batches[0]), PartitionSpec())
    for batch in batches:
        state, metrics = train_step(gan, state, place(batch, PartitionSpec(None, "batch")))
    return state, metrics


@pytest.mark.parametrize("loss", ["minimax", "nonsaturating"])
def test_the_losses_are_those_of_a_softmax_over_the_classes_and_generated(loss):
    """Salimans et al. 2016, section 5: K logits and a constant 0 for "generated" are K + 1
    outcomes.
    """
    head = SemiSupervisedHead(4)
    features = np.random.default_rng(0).normal(size=(2, 6, 5)).astype(np.float32)
    params = head.init(jax.random.key(0), features[0], jnp.zeros(6, jnp.int32))
    real, fake = (head.apply(params, x, jnp.full(6, -1)) for x in features)
    log_p = lambda critique: scipy.special.log_softmax(
        np.concatenate(
            [np.asarray(critique.extras["class_logits"], np.float64), np.zeros((6, 1))], axis=1
        ),
        axis=1,
    )
    expected = -np.log1p(-np.exp(log_p(real)[:, 4])) - log_p(fake)[:, 4]
    np.testing.assert_allclose(LOSSES[loss].d(real.score, fake.score), expected, rtol=1e-5)
    # Of a class, given that the example is real: the softmax over the K classes.
    given_real = log_p(real)[:, :4] - np.log1p(-np.exp(log_p(real)[:, 4:]))
    np.testing.assert_allclose(
        jax.nn.log_softmax(real.extras["class_logits"]), given_real, rtol=1e-4, atol=1e-6
    )


def test_the_label_is_nothing_the_head_looks_at():
    head, features = SemiSupervisedHead(4), jnp.ones((2, 5))
    params = head.init(jax.random.key(0), features, jnp.zeros(2, jnp.int32))
    one, other = (head.apply(params, features, jnp.full(2, y)) for y in (-1, 3))
    np.testing.assert_array_equal(one.score, other.score)
    assert one.score.shape == (2,) and one.extras["class_logits"].shape == (2, 4)


@pytest.mark.parametrize("loss", ["minimax", "least_squares"])
def test_separate_scores_have_the_gradient_of_the_unlabelled_examples_alone(loss):
    """The losses of a minibatch and their gradient, against those of its unlabelled examples."""
    features = np.random.default_rng(0).normal(size=(2, 6, 5)).astype(np.float32)
    y, rest = jnp.array([3, -1, 0, -1, -1, -1]), np.array([1, 3, 4, 5])
    one, other = SemiSupervisedHead(4, separate=True), SemiSupervisedHead(4)
    params = one.init(jax.random.key(0), features[0], y)

    def losses(params, head, y, own=slice(None)):
        real, fake = (head.apply(params, x[own], y[own]) for x in features)
        return LOSSES[loss].d(real.score, fake.score)

    mean = lambda *args: losses(*args).mean()
    np.testing.assert_array_equal(losses(params, one, y), losses(params, other, y))
    found, expected = (jax.grad(mean)(params, *a) for a in ((one, y), (other, y, rest)))
    for a, e in zip(arrays(found), arrays(expected), strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-5, atol=1e-7)
    assert any(np.abs(a - e).max() > 0.01 for a, e in zip(
        arrays(expected), arrays(jax.grad(mean)(params, other, y)), strict=True
    ))  # fmt: skip
    labelled = jax.tree.leaves(jax.grad(mean)(params, one, jnp.zeros(6, jnp.int32)))
    assert not any(np.any(a) for a in labelled)


@pytest.mark.parametrize("separate", [False, True])
@pytest.mark.parametrize("parts", [1, 2, 4])
def test_labels_count_the_same_in_parts_and_on_several_devices(parts, separate):
    """Labelled examples stand first: some parts of a pmap have none, and the average is still that
    over all of them.
    """
    batches = [half_labelled(i) for i in range(2)]
    d = {"network": mlp.Discriminator(SemiSupervisedHead(10, separate), width=16)}
    expected, metrics = run(semi(d=d), batches)
    gan = semi(d=d, micro_batches=parts)
    mesh = parallel.mesh(16, parts)
    sharded = run(gan, batches, lambda tree, spec: jax.device_put(tree, NamedSharding(mesh, spec)))
    for a, e in zip(arrays(sharded), arrays((expected, metrics)), strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-4, atol=1e-5)
    step = jax.pmap(functools.partial(train_step, gan, axis_name="batch"), axis_name="batch")
    states = jax.tree.map(
        lambda a: jnp.stack([a] * 4), init_state(gan, jax.random.key(0), batches[0])
    )
    for batch in batches:
        states, metrics_there = step(
            states, jax.tree.map(lambda a: np.stack(np.split(a, 4, axis=1)), batch)
        )
    np.testing.assert_allclose(
        metrics_there["d/classes"], np.full(4, metrics["d/classes"]), rtol=1e-4
    )
    for a, e in zip(
        arrays(states.discriminator.params), arrays(expected.discriminator.params), strict=True
    ):
        np.testing.assert_allclose(a[0], e, rtol=1e-4, atol=1e-5)


def test_labels_that_the_dataset_knows_count_as_much_as_chosen_ones():
    """A minibatch has as many labelled examples, so that their losses are divided alike."""
    terms = lambda **changes: build(dataclasses.replace(CONFIG, **changes)).discriminator.terms
    assert terms(labels=0) == terms()
    assert terms(labels=0, labelled_batch=3) != terms() != terms(labels=0, labelled_batch=0)


def test_labels_are_as_many_of_each_class_and_a_function_of_their_seed():
    dataset = load("digits", "train")
    choose = lambda **changes: labelled(dataset, dataclasses.replace(CONFIG, **changes))
    few = choose()
    assert len(np.unique(few)) == 30 and few.dtype == np.int32
    np.testing.assert_array_equal(np.bincount(dataset.labels[few]), np.full(10, 3))
    np.testing.assert_array_equal(few, choose(seed=5, batch_size=8))
    assert set(few) != set(choose(label_seed=1))
    assert set(few) < set(choose(labels=50))
    assert choose(labels=0, labelled_batch=0) is None
    with pytest.raises(ConfigError, match="but 1,442 of 1,442 have one"):
        choose(labels=0)
    with pytest.raises(
        ConfigError, match="labels 5000 needs 500 examples per class, but 'train' has only 1"
    ):
        choose(labels=5000)


@pytest.mark.parametrize("flip", [False, True])
def test_labelled_and_other_examples_are_the_same_on_host_and_device(flip):
    """Over more than two epochs of either kind."""
    config = dataclasses.replace(CONFIG, flip=flip, seed=2**31 + 1)
    data, gather = gan_jax.resident(config), jax.jit(batch_at)
    rows = np.array([1, 7, 15])
    streams = gan_jax.batches(config), gan_jax.batches(config, rows=rows)
    for i, expected, part in zip(range(150), *streams, strict=False):
        actual = gather(data, jnp.int32(i))
        np.testing.assert_array_equal(actual.x, expected.x)
        np.testing.assert_array_equal(actual.y, expected.y)
        np.testing.assert_array_equal(part.x, expected.x[:, rows])
        np.testing.assert_array_equal(part.y, expected.y[:, rows])
    late = next(gan_jax.batches(config, start=149))
    np.testing.assert_array_equal(late.x, expected.x)


def test_every_epoch_has_each_labelled_example_once_and_the_others_go_through_the_whole_set():
    dataset = load("digits", "train")
    few, n = dataset.examples[labelled(dataset, CONFIG)], len(dataset.labels)
    seen, others = [], []
    for _, batch in zip(range(200), gan_jax.batches(CONFIG), strict=False):
        assert batch.x.dtype == np.uint8 and batch.y.dtype == np.int32
        assert (batch.y[:, :6] >= 0).all() and (batch.y[:, 6:] == -1).all()
        seen += [
            (x.tobytes(), int(y))
            for x, y in zip(batch.x[:, :6].reshape(-1, 64), batch.y[:, :6].ravel(), strict=True)
        ]
        others += [x.tobytes() for x in batch.x[:, 6:].reshape(-1, 64)]
    expected = sorted(
        (x.tobytes(), int(y))
        for x, y in zip(few, dataset.labels[labelled(dataset, CONFIG)], strict=True)
    )
    for epoch in range(3):
        assert sorted(seen[30 * epoch : 30 * (epoch + 1)]) == expected
    assert seen[:30] != seen[30:60]
    assert sorted(others[:n]) == sorted(x.tobytes() for x in dataset.examples)
    plain = [
        x.tobytes()
        for b in [next(gan_jax.batches(Config(batch_size=20)))]
        for x in b.x.reshape(-1, 64)
    ]
    assert others[:20] == plain  # the order is that of a set all of whose labels are known


def test_the_average_of_d_is_that_of_its_weights():
    gan = semi({"average": 0.0}, {"average": 100.0})
    batches = [half_labelled(i) for i in range(4)]
    state = init_state(gan, jax.random.key(0), batches[0])
    assert state.generator.average is None
    average = jax.tree.map(np.asarray, state.discriminator.params)
    for i, batch in enumerate(batches):
        state, _ = train_step(gan, state, batch)
        keep = 0.5 ** (16 / min(100.0, 0.05 * 16 * (i + 1)))
        average = jax.tree.map(
            lambda a, w, k=keep: k * a + (1 - k) * np.asarray(w),
            average,
            state.discriminator.params,
        )
    for a, e in zip(arrays(state.discriminator.average["params"]), arrays(average), strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-5, atol=1e-6)
    zero = jax.tree.map(jnp.zeros_like, state.discriminator.average)
    emptied = state.discriminator.replace(average=zero)
    late = state.replace(step=jnp.int32(10**6), discriminator=emptied)
    late, _ = train_step(gan, late, batches[0])
    jax.tree.map(
        lambda e, w: np.testing.assert_allclose(e, (1 - 0.5**0.16) * w, rtol=1e-4),
        late.discriminator.average["params"],
        late.discriminator.params,
    )
    plain, _ = run(semi(), batches)
    assert plain.discriminator.average is None


def test_a_checkpoint_holds_the_average_of_d(tmp_path):
    for step, gan in enumerate((semi(d={"average": 100.0}), semi())):
        state = init_state(gan, jax.random.key(0), half_labelled())
        with checkpoint.Writer(tmp_path, keep=3) as writer:
            writer.save(step, state)
        like = jax.tree.map(
            lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=a.sharding),
            jax.device_put(state),
        )
        restored = checkpoint.restore(tmp_path, step, like)
        assert jax.tree.structure(restored) == jax.tree.structure(state)
        for a, b in zip(arrays(restored), arrays(state), strict=True):
            np.testing.assert_array_equal(a, b)


def test_without_its_loss_g_follows_its_regularizers_alone():
    batch = [half_labelled()]
    still = {"optimizer": optax.sgd(0.0)}
    end = lambda g: run(semi(g, still), batch)[0].generator.params
    moved = lambda **g: jax.tree.map(lambda a, b: np.asarray(a - b), end(g), end(still))
    terms = (Term("feature_matching", feature_matching(), 0.7),)
    assert all((a == 0).all() for a in jax.tree.leaves(moved(loss_weight=0.0)))
    whole, half = moved(), moved(loss_weight=0.5)
    both, regularized = moved(terms=terms), moved(terms=terms, loss_weight=0.0)
    for w, h, b, r in zip(*map(jax.tree.leaves, (whole, half, both, regularized)), strict=True):
        np.testing.assert_allclose(h, 0.5 * w, rtol=1e-3, atol=1e-7)
        np.testing.assert_allclose(r, b - w, rtol=1e-3, atol=1e-6)
    assert any((r != 0).any() for r in jax.tree.leaves(regularized))


def test_g_sees_no_labels_and_d_all_classes():
    gan = build(
        dataclasses.replace(
            CONFIG, generator=Network("mlp", width=4), discriminator=Network("mlp", width=4)
        )
    )
    assert gan.num_classes == gan.generator.network.num_classes == 0
    state = init_state(gan, jax.random.key(0), abstract_batch(CONFIG, gan.source))
    assert classifying.classifies(gan)
    assert classifying.class_logits(gan, state, load("digits", "test").examples[:7]).shape == (
        7,
        10,
    )
    assert gan_jax.sample(gan, state, jax.random.key(0), n=3).shape == (3, 8, 8, 1)


@pytest.mark.parametrize("network", ["mlp", "dcgan"])
@pytest.mark.parametrize("disturbance", [{"dropout": 0.5}, {"noise": 0.5}])
def test_disturbances_are_of_training_alone_and_of_each_example(network, disturbance):
    changes = dict(width=8, **({"norm": "none", "base": 2} if network == "dcgan" else {}))
    config = dataclasses.replace(CONFIG, discriminator=Network(network, **changes, **disturbance))
    gan, plain = (
        build(config),
        build(dataclasses.replace(config, discriminator=Network(network, **changes))),
    )
    x, y = jnp.ones((4, 8, 8, 1)), jnp.zeros(4, jnp.int32)
    variables = plain.discriminator.network.init(jax.random.key(0), x, y, train=False)
    score = lambda network, **options: network.apply(variables, x, y, **options).score
    judge = lambda gan, **options: score(gan.discriminator.network, **options)
    train = lambda key: judge(gan, train=True, rngs={"noise": jax.random.key(key)})
    np.testing.assert_array_equal(judge(gan, train=False), judge(plain, train=True))
    assert len(np.unique(train(0))) == 4
    np.testing.assert_array_equal(train(0), train(0))
    assert not np.array_equal(train(0), train(1))


def _with_class_bias(gan, winner):
    """A state whose D sees the class ``winner`` in everything."""
    state = init_state(gan, jax.random.key(0), random_batch())
    params = jax.tree.map(jnp.zeros_like, state.discriminator.params)
    params["head"]["Dense_0"]["bias"] = jax.nn.one_hot(winner, 10)
    return state.replace(discriminator=state.discriminator.replace(params=params))


@pytest.mark.parametrize(
    "change", [{}, {"augments": (Augment("rotation", rotation, 20.0),)}, {"dropout": 0.5}]
)
def test_two_views_of_an_example_differ_by_augmentation_and_disturbance(change):
    """What `class_consistency` compares; from the same minibatch, and with nothing to tell them
    apart they are one.
    """
    head = SemiSupervisedHead(10)
    gan = semi(
        d={
            "network": mlp.Discriminator(head, width=16, dropout=change.get("dropout", 0.0)),
            "terms": (Term("consistency", class_consistency(), 1.0),),
        },
        augments=change.get("augments", ()),
    )
    _, metrics = run(gan, [half_labelled()])
    assert metrics["d/consistency"] > 1e-7 if change else metrics["d/consistency"] < 1e-12


def test_the_error_is_the_share_of_wrong_classes_among_labelled_examples():
    gan, about = semi(), describe("digits")
    x = np.zeros((5, *SHAPE), np.uint8)
    error = lambda y, state: classifying.error(gan, state, Dataset(x, np.array(y, np.int32), about))
    state = _with_class_bias(gan, 3)
    assert error([3, 3, 1, 2, 3], state).value == pytest.approx(0.4)
    assert float(classifying.wrong(gan, state, x, jnp.array([3, 3, 1, 2, 3]))) == pytest.approx(0.4)
    some = error([3, -1, 1, -1, -1], state)
    assert some.value == pytest.approx(0.5) and 0 < some.low < 0.5 < some.high < 1
    average = {"params": _with_class_bias(gan, 1).discriminator.params}
    state = state.replace(discriminator=state.discriminator.replace(average=average))
    assert error([1, 1, 1, 1, 3], state).value == pytest.approx(0.2)
    with pytest.raises(ConfigError, match="'digits' has no labels with which to test D"):
        error([-1] * 5, state)


def test_a_d_that_does_not_classify_is_refused():
    gan = small_mlp()
    state = init_state(gan, jax.random.key(0), random_batch())
    assert not classifying.classifies(gan)
    with pytest.raises(ConfigError, match="class_logits: this discriminator has no class logits"):
        classifying.class_logits(gan, state, np.zeros((1, *SHAPE), np.uint8))


def test_few_labels_of_digits_go_far():
    """With 50 labels, and the other images without any, D is wrong less often than the nearest
    labelled neighbour.
    """
    rate = Optimizer(lr=2e-3, b1=0.5, b2=0.99)
    network = Network("mlp", width=128)
    config = dataclasses.replace(
        CONFIG, dataset="digits", labels=50, labelled_batch=16, batch_size=64, d_steps=1,
        latents=32, g_loss_weight=0.0, generator=network,
        discriminator=Network("mlp", width=128, dropout=0.3),
        penalties=(Penalty("entropy", 0.3),), g_penalties=(Penalty("feature_matching", 1.0),),
        g_optimizer=rate, d_optimizer=rate, d_ema=5_000.0, ema=0.0,
    )  # fmt: skip
    train, test = load("digits", "train"), load("digits", "test")
    flat = lambda images: images.reshape(len(images), -1).astype(np.float64)
    errors = []
    for seed in (0, 1):
        chosen = dataclasses.replace(config, seed=seed, label_seed=seed)
        gan, data, known = build(chosen), resident(chosen), labelled(train, chosen)
        state = init_state(gan, jax.random.key(seed), abstract_batch(chosen, gan.source))
        state, _ = optimized(train_steps, gan, state, data, 1_200)
        nearest = scipy.spatial.distance.cdist(
            flat(test.examples), flat(train.examples[known])
        ).argmin(1)
        errors.append(
            (
                classifying.error(gan, state, test).value,
                np.mean(train.labels[known][nearest] != test.labels),
            )
        )
    d_error, neighbour_error = np.mean(errors, axis=0)
    assert 0.1 < neighbour_error < 0.14 and d_error < neighbour_error - 0.01
