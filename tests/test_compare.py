"""The comparison of runs: from written files, and of real runs."""

import dataclasses
import json
import pathlib
import shutil

import numpy as np
import pytest
from pages import Page, check_alone, evaluation
from runs import RING

from gan_jax import build, pictures
from gan_jax.commands import compare as command
from gan_jax.config import to_dict
from gan_jax.evaluation.files import save
from gan_jax.report import compare, grids, hyperparameters
from gan_jax.runs import folder as run_folder


def write_run(workdir, config=RING, steps=(4, 8, 12), evaluated=(8, 12), **changes):
    """A run folder as training and evaluation write it, without checkpoints."""
    workdir.mkdir()
    (workdir / run_folder.CONFIG).write_text(json.dumps(to_dict(config)))
    starts = [{"step": 0, "device": "cpu", "devices": 1, "git_revision": "a" * 40}]
    (workdir / run_folder.RUN).write_text(json.dumps({"program": "gan_jax", "starts": starts}))
    lines = [{"step": s, "seconds": 10.0 * s, "d/loss": 1 / s, "eval/x": 1.0} for s in steps]
    (workdir / run_folder.METRICS).write_text("".join(json.dumps(line) + "\n" for line in lines))
    for step in evaluated:
        save(evaluation(step, **changes), workdir / run_folder.EVAL)
    return workdir


def page_of(*folders):
    entries = [e for folder in folders for e in compare.read(folder, folder.name)]
    page = Page(compare.page(entries, [None] * len(entries)))
    check_alone(page)
    return page


def rows(page, text):
    return [row for row in page.rows if row and row[0] == text]


def test_only_fields_that_differ_are_shown(tmp_path):
    other = dataclasses.replace(
        RING, loss="hinge", generator=dataclasses.replace(RING.generator, width=16)
    )
    page = page_of(write_run(tmp_path / "a"), write_run(tmp_path / "b", other))
    assert rows(page, "loss") == [["loss", "nonsaturating", "hinge"]]
    assert rows(page, "generator.width") == [["generator.width", "8", "16"]]
    assert not rows(page, "generator") and not rows(page, "batch_size")
    equal = page_of(tmp_path / "a", write_run(tmp_path / "c"))
    assert "The configs are equal." in equal.text


def test_an_option_that_one_config_lacks_is_a_dash():
    found = hyperparameters.differences(
        [{"version": 2, "d": {"name": "x", "a": 1}}, {"version": 2, "d": {"name": "x"}}]
    )
    assert found == {"d.a": ["1", "-"]}


def test_scores_stand_side_by_side_with_their_intervals(tmp_path):
    within = {"frechet_distance": [1.5, 20.5]}
    a = write_run(tmp_path / "a", intervals=within)
    b = write_run(tmp_path / "b", scores={"frechet_distance": 7.5, "something": 1.0})
    page = page_of(a, b)
    (row,) = rows(page, "Fréchet distance")
    assert row == ["Fréchet distance", "12.12 1.5 to 20.5", "7.5", "0.0567"]
    assert rows(page, "something") == [["something", "-", "1", ""]]


def test_scores_of_other_settings_have_a_table_of_their_own(tmp_path):
    settings = [{"settings": {"num_samples": n, "network": "x"}} for n in (2_000, 10_000)]
    folders = [
        write_run(tmp_path / name, provenance=own)
        for name, own in (("a", settings[0]), ("b", settings[1]), ("c", settings[0]))
    ]
    entries = [e for folder in folders for e in compare.read(folder, folder.name)]
    groups = [[name for _, name, _ in table["runs"]] for table in compare._tables(entries)]
    assert groups == [["a", "c"], ["b"]]
    assert "Compare scores only within a table." in page_of(*folders).text


def test_curves_lie_over_images_and_over_time(tmp_path):
    (entry,) = compare.read(write_run(tmp_path / "a"), "a")
    points = entry.curves["d/loss"]
    assert [p.images for p in points] == [16 * s for s in (4, 8, 12)]
    assert [p.seconds for p in points] == [40, 80, 120]
    (score,) = {p.seconds for p in entry.scores["frechet_distance"] if p.images == 16 * 8}
    assert score == 80
    other = compare.read(write_run(tmp_path / "b", steps=(4,), evaluated=()), "b")
    page = Page(compare.page([entry, *other], [None, None]))
    labels = [svg["aria-label"] for svg in page.all("svg") if "aria-label" in svg]
    assert any(label.startswith("loss of D, over images: a ends at") for label in labels)
    assert any(label.startswith("loss of D, over seconds: a ends at") for label in labels)
    assert any(label.startswith("Fréchet distance, over images: a ends at") for label in labels)
    assert not any("eval/" in label for label in labels)


def test_a_run_without_evaluation_shows_the_samples_of_its_training(tmp_path):
    folders = [write_run(tmp_path / name, evaluated=()) for name in "ab"]
    for step in (4, 12):
        pictures.save(run_folder.picture(folders[0], step), np.zeros((8, 8, 1), np.uint8))
    page = page_of(*folders)
    (image,) = page.all("img")
    assert image["alt"] == "a. Step 12, latents of the training."
    assert not page.all("strong") or "Scores" not in page.text


def test_the_parts_of_a_gan_made_of_objects_are_compared_as_text():
    first, second = (
        {"steps": 5, hyperparameters.OWN: {"generator": f"MLP(width={width})", "loss": "hinge"}}
        for width in (8, 16)
    )
    found = hyperparameters.differences([first, second])
    assert found == {"generator": ["MLP(width=8)", "MLP(width=16)"]}
    assert [value.text for value in hyperparameters.groups(first)["GAN"]] == [
        "MLP(width=8)",
        "hinge",
    ]


# The command


DATA = pathlib.Path(__file__).parent / "data"
SWEEP = [f"population g_optimizer.lr={lr}" for lr in ("0.001", "0.0001")]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Runs as an earlier version trained them, with their checkpoints: one GAN, twice, and a sweep
    with two seeds.
    """
    folder = tmp_path_factory.mktemp("runs")
    for name, data in (("a", "single"), ("b", "single"), ("population", "population")):
        shutil.copytree(DATA / f"run_v1_{data}", folder / name)
    return folder


def test_runs_of_one_prior_are_drawn_from_equal_latents(trained, tmp_path, capsys):
    """A run without checkpoints shows what its training drew."""
    fresh = write_run(tmp_path / "fresh", evaluated=())
    pictures.save(run_folder.picture(fresh, 12), np.zeros((8, 8, 1), np.uint8))
    output = tmp_path / "page.html"
    runs = [str(trained / name) for name in ("a", "b", "population")] + [str(fresh)]
    assert command.main([*runs, "--output", str(output)]) == 0
    assert str(output) in capsys.readouterr().out
    page = Page(output.read_text())
    check_alone(page)
    shown = {image["alt"]: image["src"] for image in page.all("img")}
    assert list(shown) == [
        *(f"{name}. Step 20, equal latents." for name in ("a", "b", *SWEEP)),
        "fresh. Step 12, latents of the training.",
    ]
    a, b, *others, _ = shown.values()
    assert a == b and a not in others


def test_other_priors_and_classes_have_other_latents():
    kind_of = lambda **changes: grids.kind(build(dataclasses.replace(RING, **changes)))
    assert kind_of() == kind_of(loss="hinge", seed=3)
    assert kind_of() != kind_of(latents=6) and kind_of() != kind_of(conditioning="none")


def test_a_sweep_takes_part_by_setting_with_intervals_over_seeds(trained):
    entries = compare.read(trained / "population", "population")
    assert [entry.name for entry in entries] == SWEEP
    assert [entry.config["g_optimizer"]["lr"] for entry in entries] == [0.001, 0.0001]
    told = json.loads((trained / "population" / run_folder.MEMBERS).read_text().splitlines()[0])
    for i, entry in enumerate(entries):
        point = entry.curves["d/loss"][0]
        assert point.images == 16 * told["step"]
        assert point.value == pytest.approx(np.mean(told["d/loss"][2 * i : 2 * i + 2]))
        assert point.low < point.value < point.high


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["a"], "runs: 2 to 8 run folders are needed, but 1 given."),
        (["a"] * 9, "runs: 2 to 8 run folders are needed, but 9 given."),
        (["a", "b/../a"], "is given twice"),
        (["a", "nowhere"], "is not a run folder"),
        (["a", "b", "--output", "a"], "output: a is a folder"),
        (["a", "b", "--output", "nowhere/x"], "output: the folder nowhere does not exist"),
        (["a", "b", "--seed", "-1"], "seed must be an integer from 0 to 4294967295, not -1"),
        (["a", "b", "--suffix", "_n7"], "suffix: no run has an evaluation with the suffix '_n7'"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_sentence(
    trained, monkeypatch, capsys, arguments, message
):
    monkeypatch.chdir(trained)
    before = sorted(trained.rglob("*"))
    with pytest.raises(SystemExit) as stopped:
        command.main(arguments)
    told = capsys.readouterr().err.strip()
    assert stopped.value.code == 2 and message in told and "\n" not in told
    assert sorted(trained.rglob("*")) == before


def test_folders_of_one_name_are_told_apart(tmp_path):
    folders = [write_run_at(tmp_path / parent / "run") for parent in "ab"]
    assert command.names(tuple(folders)) == ["a/run", "b/run"]
    shutil.rmtree(folders[0])
    assert command.names((folders[1], tmp_path / "x")) == ["run", "x"]


def write_run_at(path):
    path.parent.mkdir()
    return write_run(path, evaluated=())
