"""Enlarging a dataset, and the studies of few labels and of imbalance: their parts against
definitions, and tiny ones from end to end.
"""

import dataclasses
import json

import jax
import numpy as np
import pytest

import gan_jax
from gan_jax import ConfigError, Network, Penalty
from gan_jax.build import abstract_batch
from gan_jax.commands import enlarge as command
from gan_jax.data import load
from gan_jax.enlarging import addition, candidates, enlarge, gans, verdict
from gan_jax.enlarging.candidates import NOTHING, Candidate, grid, weights
from gan_jax.enlarging.examples import (
    Counts,
    Labelled,
    balanced,
    effective_weights,
    held_out,
    subset,
)
from gan_jax.metrics.estimate import crossed
from gan_jax.recognizers import Augmentation, RecognizerConfig
from gan_jax.recognizers.architectures import classifier
from gan_jax.recognizers.training import _cross_entropy
from gan_jax.sampling.filters import most_confident
from gan_jax.studies import few_labels, imbalance, imbalance_study

TINY = dict(
    labels=5, gan_steps=2, labelling_steps=2, generated=20, recognizer_steps=2, recognizer_batch=8,
    tried=1, seeds=2,
)  # fmt: skip
MLP = Network("mlp", width=8, depth=1)
SMALL = dict(batch_size=8, generator=MLP, discriminator=MLP)


# Parts


def test_long_tail_is_exponential():
    assert Counts(1_000, 10).of(3).tolist() == [1_000, 100, 10]
    assert Counts(7, 7).of(4).tolist() == [7] * 4


def test_subset_of_a_number_for_each_class_leaves_out_unlabelled_examples():
    labels = np.tile([-1, 0, 1, 2], 30)
    places = subset(labels, np.array([20, 5, 1]), 0)
    assert np.bincount(labels[places]).tolist() == [20, 5, 1]
    assert len(subset(labels, None, 0)) == 90


def test_every_class_validates():
    labels = np.repeat([0, 1, 2], [100, 10, 2])
    chosen = held_out(labels, 0.2, 15, 0)
    assert np.bincount(labels[chosen]).tolist() == [15, 2, 1]


def test_balanced_examples_repeat_rare_classes():
    y = np.repeat([0, 1], [9, 2]).astype(np.int32)
    found = balanced(Labelled(np.arange(11), y), 12, 0)
    assert np.bincount(found.y).tolist() == [6, 6]
    assert np.bincount(found.x, minlength=11)[9:].tolist() == [3, 3]
    assert len(set(found.x[found.y == 0])) == 6


def test_the_most_confident_images_of_each_class_are_kept():
    labels = np.array([0, 0, 0, 0, 1, 1, 2])
    kept = most_confident(np.array([0.1, 0.9, 0.8, 0.2, 0.01, 0.02, 0.5]), labels, 0.5)
    assert kept.tolist() == [False, True, True, False, False, True, True]


def test_balanced_accuracy_weighs_classes_alike():
    y = np.array([0, 0, 0, 1])
    right = np.array([True, True, True, False])
    assert (right * weights(y, imbalance=True)).mean() == 0.5
    assert (right * weights(y, imbalance=False)).mean() == 0.75


@pytest.mark.parametrize(
    "counts, unlabelled, regime",
    [
        ([5, 5], 10, "unlabelled"), ([5, 5], 9, "labelled"), ([50, 5], 9, "imbalance"),
        ([49, 5], 0, "labelled"),
    ],
)  # fmt: skip
def test_the_labels_decide_the_regime(counts, unlabelled, regime):
    assert enlarge.regime_of(np.array(counts), unlabelled) == regime


def test_interval_over_trainings_and_images_covers_its_mean():
    """Of means 0.3 with variances of both factors and of the rest, about 95 % are covered."""
    rng, covered = np.random.default_rng(0), 0
    for _ in range(400):
        s, n = 5, 80
        values = (
            0.3
            + rng.normal(size=(s, 1)) * 0.1
            + rng.normal(size=(1, n))
            + 0.5 * rng.normal(size=(s, n))
        )
        found = crossed(values)
        covered += found.low <= 0.3 <= found.high
    assert 0.92 <= covered / 400 <= 0.985
    assert np.isnan(crossed(np.ones((1, 9))).low)


def test_real_and_added_images_are_tuned_alike():
    found = grid(["a", "b"], imbalance=True)
    settings = {(c.mixup, c.oversampled) for c in found if c.added == NOTHING}
    for name in ("a", "b"):
        for share in candidates.REAL_SHARES:
            own = [c for c in found if (c.added, c.real_share) == (name, share)]
            assert {(c.mixup, c.oversampled) for c in own} == settings and len(own) == 4


def test_validation_chooses_and_the_test_images_answer():
    nothing, added = Candidate(mixup=0.2), Candidate("generated", 0.5)
    scores = {Candidate(): [0.5, 0.6], nothing: [0.6, 0.7], added: [0.7, 0.5]}
    chosen = verdict.choose(scores)
    assert chosen == (nothing, added, False)
    without = np.tile(np.arange(1_000) < 700, (3, 1))
    better = np.tile(np.arange(1_000) < 750, (3, 1))
    found = verdict.verdict(without, better, np.ones(1_000))
    assert found.helped and found.examples == 1_000 and found.classifiers == 3
    np.testing.assert_allclose(found.difference.value, 0.05)
    text = verdict.sentence(chosen, found, 40, "accuracy")
    assert text.startswith("Adding them helped: with generated, 50% real, accuracy on 1,000 test")
    assert "75.00% instead of 70.00%, a difference of +5.00 points" in text
    assert "40 validation images prefer the real images alone" in text
    assert "did harm" in verdict.sentence(
        chosen, verdict.verdict(better, without, np.ones(1_000)), 40, "accuracy"
    )
    same = verdict.verdict(without, without, np.ones(1_000))
    assert not same.helped and "no proven" in verdict.sentence(chosen, same, 40, "accuracy")


# The whole


@pytest.fixture
def small(monkeypatch):
    """GANs of small perceptrons, and few candidates; returns the labelled sets that GANs saw."""
    seen, store = [], addition.stored
    conditional, semi_supervised = gans.conditional, gans.semi_supervised
    tiny = lambda config, **changes: dataclasses.replace(
        config, **SMALL, augmentations=(), flip=False, **changes
    )
    monkeypatch.setattr(
        gans, "conditional", lambda *a: tiny(conditional(*a), penalties=(Penalty("r1", 1.0),))
    )
    monkeypatch.setattr(
        gans, "semi_supervised",
        lambda *a: tiny(semi_supervised(*a), labelled_batch=4, penalties=()),
    )  # fmt: skip
    monkeypatch.setattr(candidates, "classic", lambda dataset: Augmentation())
    monkeypatch.setattr(candidates, "MIXUPS", (0.0,))
    monkeypatch.setattr(candidates, "REAL_SHARES", (0.5,))
    keep = lambda *a, **options: seen.append((a, options)) or store(*a, **options)
    monkeypatch.setattr(addition, "stored", keep)
    return seen


def test_tiny_enlargement_is_resumed(small, tmp_path, monkeypatch, capsys):
    """Interrupted between classifiers and called again, it does only what is missing."""
    calls, fit = [], candidates.fit

    def interrupted(*args, **options):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return fit(*args, **options)

    monkeypatch.setattr(candidates, "fit", interrupted)
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        gan_jax.enlarge("digits", out, **TINY)
    before = len(calls)
    found = gan_jax.enlarge("digits", out, **TINY)
    lines = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert [line["stage"] for line in lines] == ["added"] * 2 + ["validation"] * 4 + ["test"] * 4
    assert len(calls) - before == 2 + 4
    assert {line["added"] for line in lines if line["stage"] == "test"} == {NOTHING} | {
        max((own for own in lines[2:6] if own["added"] != NOTHING), key=lambda own: own["score"])[
            "added"
        ]
    }

    # Nothing that validates was seen by a GAN, and the GANs knew only labels that were given.
    data = load("digits", "train")
    chosen = subset(data.labels, 5, 0)
    validates = chosen[held_out(data.labels[chosen], 0.2, 500, 0)]
    (x, y), options = small[0]
    known = {image.tobytes() for image in (*x, *options["unlabelled"])}
    assert len(y) == 40 and len(options["unlabelled"]) == len(data.labels) - 50
    assert not known & {data.examples[place].tobytes() for place in validates}

    made = load(str(found.dataset), "train")
    assert len(made.labels) == 50 + 20 and made.description.num_classes == 10
    np.testing.assert_array_equal(made.examples[:50], data.examples[chosen])
    assert found.regime == "unlabelled" and found.sentence in (out / "results.md").read_text()
    again = gan_jax.enlarge("digits", out, **TINY)
    assert again.sentence == found.sentence and len(calls) == before + 6
    capsys.readouterr()
    with pytest.raises(ConfigError, match=r"out .* different settings \(gan_steps\)"):
        gan_jax.enlarge("digits", out, **TINY | {"gan_steps": 3})


@pytest.mark.parametrize(
    "arguments, told",
    [
        (["digits"], "out is missing"),
        (["digits", "--labels", "1000"], "labels: class 0 has only 143 examples"),
        (["digits", "--labels", "1"], "labels must be at least 2, not 1"),
        (["digits", "--labels", "5", "--kept", "0"], "kept must be in (0, 1], not 0.0"),
        (["digits", "--regime", "few"], "regime 'few' is unknown"),
        (["digits", "--regime", "unlabelled"], "regime 'unlabelled' needs images without labels"),
        (["digits", "--generated", "9"], "generated must be at least 10, not 9"),
        (["digits", "--gan-steps", "0"], "steps must be at least 1, not 0"),
        (["digitz"], "did you mean 'digits'"),
        (["ring8"], "dataset ring8 must contain labelled images"),
    ],
)
def test_wrong_input_is_refused_in_one_sentence(tmp_path, capsys, arguments, told):
    out = [] if arguments == ["digits"] else ["--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as exit:
        command.main([*arguments, *out])
    err = capsys.readouterr().err
    assert exit.value.code == 2 and told in err and len(err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_in_use_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(ConfigError, match=r"out .* contains other files"):
        gan_jax.enlarge("digits", tmp_path, **TINY)


def test_a_class_needs_two_labels():
    x = np.zeros((5, 8, 8), np.uint8)
    name = gan_jax.dataset(x, np.array([0, 0, 0, 0, 1]), test=(x[:2], np.array([0, 1])))
    with pytest.raises(ConfigError, match="labels: class 1 has 1 labelled images; enlarge needs 2"):
        gan_jax.enlarge(name, "nowhere", generated=4)


def test_arrays_may_be_partly_labelled():
    x = np.arange(6, dtype=np.uint8).reshape(6, 1, 1, 1) + np.zeros((6, 4, 4, 1), np.uint8)
    name = gan_jax.dataset(x[:4], np.array([0, 1, 0, 1]), unlabelled=x[4:])
    data = load(name, "train")
    assert data.labels.tolist() == [0, 1, 0, 1, -1, -1] and data.examples[:, 0, 0, 0].tolist() == [
        0, 1, 2, 3, 4, 5,
    ]  # fmt: skip
    with pytest.raises(ConfigError, match=r"unlabelled must have the shape \(4, 4, 1\)"):
        gan_jax.dataset(x[:4], np.array([0, 1, 0, 1]), unlabelled=x[4:, :2])
    config = gan_jax.Config(
        dataset=name, conditioning="semi_supervised", labelled_batch=3, batch_size=5
    )
    batch = next(gan_jax.batches(config))
    assert (batch.y[0] >= 0).tolist() == [True] * 3 + [False] * 2
    with pytest.raises(ConfigError, match="labelled_batch 3 with labels 0 needs a dataset"):
        next(gan_jax.batches(dataclasses.replace(config, dataset="digits")))


# The studies of both regimes


COMMAND = ["--dataset", "digits", "--seeds", "1", "--gan-steps", "2", "--labelling-steps", "2"]
COMMAND += ["--generated", "20", "--recognizer-steps", "2", "--recognizer-batch", "8"]


def test_effective_weights_are_those_of_cui():
    """As a quarter of the examples of a class count, whose loss weighs less."""
    found = np.array(effective_weights(np.array([1, 10, 1_000]), beta=0.9))
    numbers = (1 - 0.9 ** np.array([1, 10, 1_000])) / (1 - 0.9)
    np.testing.assert_allclose(found, (1 / numbers) / (1 / numbers).mean())
    np.testing.assert_allclose(effective_weights(np.array([7, 7])), 1)


def test_a_weight_multiplies_the_loss_of_its_class():
    plain = classifier(RecognizerConfig(steps=2), 3)
    weighted = dataclasses.replace(plain, weights=(0.5, 1.0, 4.0))
    logits = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    y = np.array([2, 0, 1, 2])
    expected = _cross_entropy(plain, logits, y) * np.array([4, 0.5, 1, 4], np.float32)
    np.testing.assert_allclose(_cross_entropy(weighted, logits, y), expected, rtol=1e-6)


def test_rare_classes_are_filled_up():
    y = np.array([0, 0, 0, 0, 1, 2, 2], np.int32)
    made = Labelled(np.arange(100, 106), np.array([0, 1, 2, 0, 1, 2], np.int32))
    found = imbalance_study.filled(Labelled(np.arange(7), y), made)
    assert np.bincount(found.y).tolist() == [4, 4, 4]
    assert sorted(found.x[7:].tolist()) == [101, 101, 102, 104, 105]


@pytest.fixture
def seen(small, monkeypatch):
    """Small GANs that were not trained; returns the labelled examples of each classifier."""
    own, fit = [], candidates.fit

    def untrained(config, folder):
        gan = gan_jax.build(config)
        batch = abstract_batch(config, gan.source)
        return gan, gan_jax.init_state(gan, jax.random.key(0), batch)

    monkeypatch.setattr(gans, "trained", untrained)

    def note(config, x, y, *rest, **options):
        own.append((x, y, options | {"mixup": config.mixup}))
        return fit(config, x, y, *rest, **options)

    monkeypatch.setattr(candidates, "fit", note)
    return own


def lines_of(folder):
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


def test_tiny_study_of_few_labels(seen, tmp_path):
    command = [*COMMAND, "--labels", "2", "--workdir", str(tmp_path / "study")]
    assert few_labels.main(command) == 0
    lines = lines_of(tmp_path / "study")
    assert [line["arm"] for line in lines] == [
        "classic", "mixup", "cutout", "self-training", "self-training+mixup",
        "images pseudo-labelled", "discriminator", "images generated", "pseudo-labelled",
        "pseudo-labelled+mixup", "generated", "both",
    ]  # fmt: skip
    assert all(0 <= line["accuracy"] <= 1 for line in lines if "accuracy" in line)
    data = load("digits", "train")
    real = {image.tobytes() for image in data.examples}
    assert {image.tobytes() for image in seen[0][0]} <= real
    assert {image.tobytes() for image in seen[3][0]} <= real  # self-training adds real images only
    mixed = [bool(options["mixup"]) for *_, options in seen]
    assert mixed == [False, True, False, False, True, False, True, False, False]
    table = (tmp_path / "study" / "results.md").read_text()
    assert "Difference to `self-training`" in table
    before = len(seen)
    assert few_labels.main(command) == 0 and len(seen) == before


def test_tiny_study_of_imbalance(seen, tmp_path):
    command = [*COMMAND, "--smallest", "2", "--largest", "20", "--workdir", str(tmp_path / "study")]
    assert imbalance.main(command) == 0
    arms = [line["arm"] for line in lines_of(tmp_path / "study")]
    assert arms == [
        "classic", "oversampled", "mixup", "cutout", "weights", "images generated", "generated",
        "both",
    ]  # fmt: skip
    counts = [np.bincount(y, minlength=10) for _, y, _ in seen]
    assert max(counts[0]) > 4 * min(counts[0]) and max(counts[1]) - min(counts[1]) <= 1
    assert len(seen[4][2]["weights"]) == 10
    assert "balanced accuracy" in (tmp_path / "study" / "results.md").read_text()


@pytest.mark.parametrize(
    "study, arguments, told",
    [
        (few_labels, ["--labels", "all"], "labels 'all' is not supported here"),
        (few_labels, ["--labels", "1000"], "labels: class 0 has only 143 examples"),
        (few_labels, ["--labels", "2", "--kept", "2"], "kept must be in (0, 1], not 2.0"),
        (imbalance, ["--smallest", "30", "--largest", "20"], "largest must be at least 30, not 20"),
        (imbalance, ["--largest", "1000"], "has only"),
        (imbalance, ["--largest", "60", "--seeds", "0"], "seeds must be at least 1, not 0"),
    ],
)
def test_wrong_input_of_a_study_is_refused_in_one_sentence(
    tmp_path, capsys, study, arguments, told
):
    with pytest.raises(SystemExit) as exit:
        study.main([*COMMAND, "--workdir", str(tmp_path / "study"), *arguments])
    err = capsys.readouterr().err
    assert exit.value.code == 2 and told in err and len(err.splitlines()) == 1
    assert not (tmp_path / "study").exists()
