"""The study of few images: its measures against definitions, and a tiny one from end to end."""

import csv
import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from gan_jax import ConfigError
from gan_jax.build import build_members
from gan_jax.data import describe, load
from gan_jax.engine.population import init_population, member
from gan_jax.engine.trained import discriminate, generate
from gan_jax.evaluation.real import splits_of
from gan_jax.metrics import gaussian_of
from gan_jax.recognizers import Pixels
from gan_jax.studies import few_images, few_images_report, few_images_study
from gan_jax.studies.few_images_measures import Judge, chosen, data_of, unseen
from gan_jax.studies.few_images_options import Options
from gan_jax.studies.overfitting import Scores, Seen, overfitting, scores_of_members

TINY = Options(dataset="digits", images="20", augments="ada", seeds=2, steps=4, points=2,
               samples=70, batch_size=4, width=2, ada_images=16)  # fmt: skip


# Parts


def test_measures_of_overfitting_by_hand():
    """Karras et al. 2020, eq. 1: of three D's, one that generalizes, one that knows its training
    images by heart, and one in between.
    """
    scores = Scores(
        training=np.array([[2.0, 4.0], [5.0, 5.0], [3.0, -1.0]]),
        held_out=np.array([[1.0, 3.0, 5.0], [-3.0, -3.0, -3.0], [0.0, 0.5, -0.5]]),
        fake=np.array([[-1.0, -1.0], [-3.0, -3.0], [-1.0, 0.0]]),
    )
    found = overfitting(scores)
    np.testing.assert_allclose(found.r_v, [0.0, 1.0, 1 / 1.5])
    np.testing.assert_allclose(found.r_t, [1.0, 1.0, 0.0])
    blind = overfitting(Scores(*(np.ones((1, 2)) for _ in range(3))))
    assert np.isnan(blind.r_v[0]) and blind.r_t[0] == 1


def test_scores_are_those_that_d_gives_in_training():
    """Of the images themselves and of G's own weights where nothing is augmented, as at the start
    of ADA; with p = 1, of other images. In the shapes of the study below, which shares the
    compilations.
    """
    config = TINY.config("ada")
    gan, *_ = gans = build_members([config] * TINY.seeds)
    (data,) = data_of(config, splits_of(config, describe("digits")), TINY.numbers)
    states = init_population(gans, jax.vmap(jax.random.key)(jnp.arange(TINY.seeds)))
    z = jax.device_get(gan.prior.draw(jax.random.key(0), TINY.samples, None))
    training = Seen(data.x, data.y)
    found = scores_of_members(gan, states, training, data.held_out, z, jax.random.key(2))
    own = member(states, 1)
    latest = own.replace(generator=own.generator.replace(average=None))
    labels = np.resize(data.y, TINY.samples)
    fakes = generate(gan, latest, z, labels)
    assert found.held_out.shape == (TINY.seeds, len(data.held_out.y))
    for name, images in (("training", data.x), ("fake", fakes)):
        expected = discriminate(gan, own, images, labels[: len(images)]).score
        np.testing.assert_allclose(getattr(found, name)[1], expected, rtol=1e-3, atol=1e-6)
    (augment,) = states.scalars["augments"]
    strength = augment["strength"].replace(value=jnp.ones(TINY.seeds))
    certain = states.replace(scalars=states.scalars | {"augments": ({"strength": strength},)})
    seen = scores_of_members(gan, certain, training, data.held_out, z, jax.random.key(2))
    assert not np.isclose(seen.training, found.training, rtol=1e-3).all(1).any()


def test_chosen_images_have_the_shares_of_the_classes():
    labels = np.repeat([0, 1, 2], [100, 50, 50])
    places = chosen(labels, 40)
    assert np.bincount(labels[places]).tolist() == [20, 10, 10] and len(set(places)) == 40
    np.testing.assert_array_equal(places, chosen(labels, 40))
    with pytest.raises(ConfigError, match="at most the 200 training images, not 201"):
        chosen(labels, 201)


def test_settings_are_chosen_by_images_that_no_gan_sees():
    config = TINY.config("none")
    splits, train = splits_of(config, describe("digits")), load("digits", "train")
    left = unseen(config, splits, [20, 50])
    bytes_of = lambda images: [image.tobytes() for image in np.asarray(images)]
    used = np.union1d(chosen(train.labels, 20), chosen(train.labels, 50))
    rest = np.setdiff1d(np.arange(len(train.labels)), used)
    assert sorted(bytes_of(left)) == sorted(bytes_of(train.examples[rest]))
    with pytest.raises(ConfigError, match="validate needs training images that no GAN sees"):
        unseen(config, splits, [None])


def test_summary():
    """Three seeds whose smallest distances are at different numbers of images."""
    numbers = {10: [4.0, 3.0, 5.0], 20: [2.0, 4.0, 4.0], 30: [3.0, 6.0, 4.0]}
    lines = [{"images": "5", "arm": "real", "step": 0, "distance": [0.5]}] + [
        {
            "images": "5",
            "arm": "ada",
            "seen": seen,
            "distance": own,
            "p": [0, 0, 0.3],
            "r_v": [1.0] * 3,
        }
        for seen, own in numbers.items()
    ]
    (row,) = few_images_report.summarize(lines)
    assert row["seeds"] == 3 and row["real"] == 0.5
    for name, expected in {"min": 3, "at": 50 / 3, "last": 13 / 3, "ratio": 1.5, "p": 0.1}.items():
        assert row[name][0] == pytest.approx(expected), name
    np.testing.assert_allclose(row["min"][2] - 3, 4.302653 * 1 / np.sqrt(3), rtol=1e-5)
    table = few_images_report.as_markdown([row], "about")
    assert "| 5 | ADA | 3 | 3.00 ± 2.48 | 17 ± 14 | 4.33 ±" in table and "0.500 (5)" in table
    header = f"| {' | '.join(few_images_report.COLUMNS)} |"
    page = pathlib.Path(__file__).parents[1].joinpath("docs/few_images.md").read_text()
    assert header in table and header in page


# The whole


def arguments(options, **changes):
    values = {**vars(options), **changes}
    return [
        part
        for name, value in values.items() if value is not None and value is not False
        for part in (f"--{name.replace('_', '-')}", str(value))
    ]  # fmt: skip


def test_tiny_study_is_resumed(tmp_path, monkeypatch, capsys):
    """Interrupted between two measurements and called again, it gives what an uninterrupted study
    gives; and no D saw another image than the twenty.
    """
    network = Pixels()
    reference = gaussian_of(network.features(load("digits", "train").examples)[0])
    monkeypatch.setattr(few_images_study, "judge", lambda *_: Judge(network, reference))
    whole = arguments(TINY, workdir=tmp_path / "whole")
    assert few_images.main(whole) == 0

    train, calls = few_images_study.train_population, []

    def interrupted(gan, states, data, n):
        calls.append(np.asarray(data.streams[0].x))
        if len(calls) == 4:  # a step after the first measurement
            raise KeyboardInterrupt
        return train(gan, states, data, n)

    monkeypatch.setattr(few_images_study, "train_population", interrupted)
    monkeypatch.setattr(few_images_study, "CALL_SECONDS", 1e-9)  # a step a call
    parts = arguments(TINY, workdir=tmp_path / "parts")
    assert few_images.main(parts) == 130
    before = (tmp_path / "parts" / "results.jsonl").read_text()
    assert len(before.splitlines()) == 2  # the real images, and a measurement
    assert few_images.main(parts) == 0
    assert (tmp_path / "parts" / "results.jsonl").read_text().startswith(before)
    assert len(calls) == 4 + 2  # from the measurement on
    allowed = load("digits", "train")
    places = chosen(allowed.labels, 20)
    assert all(np.array_equal(own, allowed.examples[places]) for own in calls)

    read = lambda name: csv.DictReader((tmp_path / name / "results.csv").read_text().splitlines())
    rows = [list(read(name)) for name in ("whole", "parts")]
    assert [(row["seed"], row["seen"]) for row in rows[0][1:]] == [
        (seed, seen) for seen in ("8", "16") for seed in ("0", "1")
    ]
    for own, other in zip(*rows, strict=True):
        assert own.keys() == other.keys()
        for name in ("distance", "r_v", "score_fake", "p"):
            assert (own[name] == other[name] == "") or float(own[name]) == pytest.approx(
                float(other[name]), rel=1e-3
            )
    assert all(row["p"] for row in rows[0][1:])
    table = json.loads((tmp_path / "parts" / "results.json").read_text())
    assert [row["arm"] for row in table] == ["ada"] and table[0]["min"][1] is not None
    with Image.open(tmp_path / "parts" / "results.png") as picture:
        assert picture.format == "PNG"
    assert (tmp_path / "parts" / "samples" / "20_ada.png").stat().st_size
    assert not list((tmp_path / "parts" / "states").iterdir())
    count = len(calls)
    assert few_images.main(parts) == 0 and len(calls) == count
    with pytest.raises(SystemExit):
        few_images.main(arguments(TINY, workdir=tmp_path / "parts", lr=0.01))
    assert "different settings (lr, gans" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option, words",
    [
        ("--images few", "images 'few' is not a number of images"),
        ("--images 2000", "images must be all, or at most the"),
        ("--augments apa", "augments"),
        ("--points 5", "points"),
        ("--dataset ring8", "must contain labelled images"),
    ],
)
def test_wrong_options_are_refused(option, words, tmp_path, capsys):
    with pytest.raises(SystemExit) as refusal:
        few_images.main([*arguments(TINY, workdir=tmp_path / "new"), *option.split()])
    assert refusal.value.code == 2 and not (tmp_path / "new").exists()
    assert words in capsys.readouterr().err
