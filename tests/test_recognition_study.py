"""The study of recognition: its parts against definitions, and a tiny one from end to end."""

import dataclasses
import json
import math

import numpy as np
import pytest
from PIL import Image

import gan_jax
from gan_jax import ConfigError
from gan_jax.data import load
from gan_jax.enlarging.examples import Labelled, mixture, size_of_mixture, subset
from gan_jax.studies import augmenting, recognition, recognition_report, recognition_study
from gan_jax.studies.augmenting import ARMS

TINY = ["--dataset", "digits", "--gan-steps", "3", "--gan-width", "8", "--generated", "20"]
TINY += ["--recognizer-steps", "3", "--recognizer-batch", "8"]
LAYOUT = recognition_study.Study.layout


# Parts


def test_subset_is_of_equal_shares():
    labels = np.random.default_rng(0).integers(0, 4, 200)
    places = subset(labels, 7, 3)
    assert np.bincount(labels[places]).tolist() == [7] * 4 and len(set(places)) == 28
    np.testing.assert_array_equal(places, subset(labels, 7, 3))
    assert set(places) != set(subset(labels, 7, 4))
    np.testing.assert_array_equal(subset(labels, None, 0), np.arange(200))
    with pytest.raises(ConfigError, match="labels: class"):
        subset(labels, 100, 0)


def test_mixture_repeats_and_shares():
    real = Labelled(np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1), np.array([0, 1, 2], np.int32))
    made = Labelled(
        np.arange(10, 14, dtype=np.uint8).reshape(4, 1, 1, 1), np.array([0, 1, 2, 0], np.int32)
    )
    n = size_of_mixture(3, 4, 0.5)
    both = mixture(real, made, n, 0.5)
    assert both.x.ravel().tolist() == [0, 1, 2, 0, 10, 11, 12, 13] and both.y.tolist() == [
        0,
        1,
        2,
        0,
        0,
        1,
        2,
        0,
    ]
    assert mixture(real, None, n, 0.5).x.ravel().tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert mixture(None, made, n, 0.5).x.ravel().tolist() == [10, 11, 12, 13] * 2
    assert size_of_mixture(30, 4, 0.25) == 120


def test_summary_pairs_the_seeds():
    """The difference is that of the same seeds, whose spread is not that of either arm."""
    lines = [
        {"labels": labels, "seed": seed, "arm": arm, "accuracy": 0.5 + 0.1 * seed + gain}
        for labels in ("all", "100", "20")
        for arm, gain in (("classic", 0.0), ("both", 0.02))
        for seed in range(3)
    ]
    summary = recognition_report.summarize(
        [*lines, {"labels": "20", "seed": 0, "arm": "gan"}], LAYOUT
    )
    assert list(dict.fromkeys(labels for labels, _ in summary)) == ["20", "100", "all"]
    difference, seeds = summary["20", "both - classic"]
    np.testing.assert_allclose(difference, (0.02, 0.02, 0.02), atol=1e-9)
    assert seeds == 3
    both = summary["20", "both"][0]
    np.testing.assert_allclose(both.high - both.value, 4.302653 * 0.1 / math.sqrt(3), rtol=1e-5)
    table = recognition_report.as_markdown(summary, "about", LAYOUT)
    assert (
        "| 20 | - | 60.00 ± 24.84 | - | - | 62.00 ± 24.84 | 3 |" in table
        and "+2.00 ± 0.00" in table
    )
    added = recognition_report.summarize([*lines, lines[0] | {"seed": 3}], LAYOUT)
    assert "| 3 to 4 |" in recognition_report.as_markdown(added, "about", LAYOUT)
    assert "20,both - classic,3,0.020000,0.000000" in recognition_report.as_csv(summary)


def test_copies_give_the_real_examples_away():
    """If the generated examples are the real ones, an attacker errs on none."""
    rng = np.random.default_rng(0)
    examples = lambda n: Labelled(rng.normal(size=(n, 4)), np.zeros(n, np.int32))

    class Plain:
        def features(self, x):
            return x, x

    real, held_out, others = examples(50), examples(60), examples(300)
    assert augmenting.leaks(Plain(), real, real, held_out, 0) == {"membership": 1, "copies": 1}
    found = augmenting.leaks(Plain(), others, real, held_out, 0)
    assert 0.35 < found["membership"] < 0.65 and found["copies"] < 0.1


# The whole


def test_tiny_study_is_resumed(tmp_path, monkeypatch, capsys):
    """Interrupted in the middle and called again, nothing is done twice; then more labels are asked
    for.
    """
    seen, train = [], augmenting.fit

    def interrupted(config, images, labels, *rest, **options):
        if len(seen) == 3:
            seen.append(None)
            raise KeyboardInterrupt
        seen.append((config, images))
        return train(config, images, labels, *rest, **options)

    monkeypatch.setattr(augmenting, "fit", interrupted)
    command = [*TINY, "--labels", "2", "--seeds", "1", "--workdir", str(tmp_path / "study")]
    assert recognition.main(command) == 130
    results = tmp_path / "study" / "results.jsonl"
    assert [json.loads(line)["arm"] for line in results.read_text().splitlines()] == [
        "real",
        "classic",
        "gan",
        "generated",
    ]
    with results.open("a") as file:
        file.write('{"labels": "2", "se')  # cut off by a kill
    assert recognition.main(command) == 0
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    assert [line["arm"] for line in lines] == [
        "real",
        "classic",
        "gan",
        "generated",
        "real+generated",
        "both",
    ]
    assert [line["real"] for line in lines] == [20, 20, 20, 0, 20, 20]
    assert all(0 <= line["accuracy"] <= 1 for line in lines if line["arm"] in ARMS)
    assert [0 <= line.get("membership", -1) <= 1 for line in lines] == [False] * 3 + [True] + [
        False
    ] * 2
    table = (tmp_path / "study" / "results.md").read_text()
    assert "membership inference" in table and table.rstrip().endswith("| 1 |")

    # Nobody saw another real image than the twenty of this seed.
    data = load("digits", "train")
    allowed = {image.tobytes() for image in data.examples[subset(data.labels, 2, 0)]}
    with np.load(tmp_path / "study" / "generated" / "labels_2_seed_0.npz") as made:
        drawn = {image.tobytes() for image in made["x"]}
        assert np.bincount(made["y"]).tolist() == [2] * 10
    known = [{image.tobytes() for image in entry[1]} for entry in seen if entry]
    assert [images <= allowed for images in known] == [True, True, False, False, False]
    assert all(images <= allowed | drawn for images in known) and not known[2] & allowed
    assert [entry[0].augmentation.shift for entry in seen if entry] == [0, 1, 0, 0, 1]

    for name in ("results.csv", "results.md", "results.png"):
        assert (tmp_path / "study" / name).stat().st_size
    with Image.open(tmp_path / "study" / "results.png") as picture:
        assert picture.size == (1050, 675)
    before = len(seen)
    assert recognition.main(command) == 0 and len(seen) == before
    capsys.readouterr()
    with pytest.raises(SystemExit):
        recognition.main([*command, "--gan-steps", "4"])
    assert "different settings (gan_steps, gan" in capsys.readouterr().err


def test_augmentations_of_the_gan(monkeypatch, tmp_path):
    made = []
    run = lambda name, own, continues: made.append(own.options.gan.augmentations) or 0
    monkeypatch.setattr("gan_jax.studies.command.run", run)
    for i, names in enumerate([None, [], ["diffaugment", "ada"]]):
        option = [] if names is None else ["--gan-augmentations", *names]
        folder = str(tmp_path / str(i))
        assert recognition.main([*TINY, "--labels", "2", *option, "--workdir", folder]) == 0
    usual, none, (first, second) = made
    assert [own.name for own in usual] == ["translation"] and none == ()
    assert (first.name, second.name) == ("diffaugment", "ada")


def test_gan_learns_from_the_given_images_alone(monkeypatch):
    given = []
    held = augmenting.from_arrays
    monkeypatch.setattr(augmenting, "from_arrays", lambda *a, **k: given.append(a) or held(*a, **k))
    config = recognition.Options(dataset="digits", gan_steps=2, gan_width=8).gan
    images = Labelled(np.zeros((20, 8, 8, 1), np.uint8), np.arange(20, dtype=np.int32) % 10)
    _, state = augmenting.train_gan(config, images)
    assert state.step == 2 and len(given) == 1 and given[0][0] is images.x


@pytest.fixture(scope="module")
def spoken():
    """Sounds in two classes, and the same in three groups; the last group has one of each class."""
    y, group = np.repeat([0, 1], 7), np.tile([0, 0, 0, 1, 1, 1, 2], 2)
    x = np.random.default_rng(0).uniform(-1, 1, (14, 64)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recognition_study, "train_and_test_of", lambda dataset: ("train", "train"))
        yield [gan_jax.dataset(x, labels, rate=2_000) for labels in (y, group)], y, group


def test_examples_of_each_class_and_group_and_tests_of_a_group_that_was_not_seen(spoken, tmp_path):
    (digits, speakers), y, group = spoken
    options = recognition.Options(
        digits, "1", speakers, seeds=3, length=4_096, generated=20, workdir=tmp_path / "study"
    )
    assert options.gan.pairs.name == "spectrogram" and options.gan.length == 4_096
    study = recognition_study.Study(options)
    places = study._places(1, seed=5)
    assert sorted(zip(y[places], group[places], strict=True)) == [
        (0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2),
    ]  # fmt: skip
    assert len(study._tested(0).y) == 14
    other = dataclasses.replace(options, unseen=True, workdir=tmp_path / "other")
    study = recognition_study.Study(other)
    places = study._places(1, seed=1)
    assert sorted(zip(y[places], group[places], strict=True)) == [(0, 0), (0, 2), (1, 0), (1, 2)]
    assert len(study._tested(1).y) == 12  # both splits are the same here
    with pytest.raises(ConfigError, match="labels: class 2 has only 1"):
        recognition_study.Study(dataclasses.replace(options, labels="2"))
    for changes, message in [
        ({"seeds": 4, "unseen": True}, r"seeds must be in \[1, 3\], not 4"),
        ({"groups": None, "unseen": True}, "unseen needs groups"),
        ({"groups": "digits"}, "groups digits must have the examples of dataset"),
    ]:
        with pytest.raises(ConfigError, match=message):
            recognition_study.check(dataclasses.replace(options, **changes))


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["--labels", "10,many"], "labels 'many'"),
        (["--labels", "0"], "labels '0'"),
        (["--labels", "1000"], "labels: class 0 has only 143 examples"),
        (["--seeds", "0"], "seeds must be at least 1, not 0"),
        (["--real-share", "1"], "real_share must be in (0, 1), not 1.0"),
        (["--dataset", "digitz"], "did you mean 'digits'"),
        (["--gan-steps", "0"], "steps must be at least 1, not 0"),
        (["--recognizer-steps", "0"], "recognizer.steps must be at least 1, not 0"),
        (["--truncation", "-1"], "truncation must be in [0.01, inf), not -1.0"),
    ],
)
def test_wrong_input_is_refused_in_one_sentence(tmp_path, capsys, command, told):
    with pytest.raises(SystemExit) as exit:
        recognition.main([*TINY, "--workdir", str(tmp_path / "study"), *command])
    err = capsys.readouterr().err
    assert exit.value.code == 2 and told in err and len(err.splitlines()) == 1
    assert not (tmp_path / "study").exists()
