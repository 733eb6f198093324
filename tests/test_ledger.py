"""The ledger of results: what it takes from run folders, its page, and the numbers that recipes and
README quote from it."""

import dataclasses
import json
import math
import pathlib
import re
import sys

import numpy as np
import pytest
import soundfile
from PIL import Image

from gan_jax.commands import study
from gan_jax.config import Penalty, Schedule, with_value
from gan_jax.evaluation import files as evaluation_files
from gan_jax.evaluation import members
from gan_jax.evaluation.result import Evaluation
from gan_jax.recipes import NOTES, RECIPES
from gan_jax.runs import evaluations, folder
from gan_jax.runs.run import Run
from gan_jax.sound import wav
from gan_jax.studies import ledger_gallery, ledger_report, ledger_results
from gan_jax.studies.ledger_targets import GPU, TARGETS
from gan_jax.sweeps import Population

ROOT = pathlib.Path(__file__).parent.parent
RESULTS = ledger_results.read(ROOT / "docs")
PAGES = ledger_report.PAGE, ledger_gallery.PAGE
SAMPLES = np.random.default_rng(0).integers(256, size=(20, 30, 1), dtype=np.uint8)
SINGLE = Population()
NUMBER = r"\d[\d,]*(?:\.\d+)?"


def run_of(
    workdir, config, population=SINGLE, scores=({"frechet_distance": 2.0},), sounds=None, **used
):
    """A run folder as training and evaluation write it, with these scores for each member; None
    for a member that failed.
    """
    folder.begin(workdir, Run(config, population), 0)
    folder.end(workdir, end_step=config.steps, process_cpu_seconds=30.5, **used)
    line = {"step": config.steps, "seconds": 61.0}
    (workdir / folder.METRICS).write_text(json.dumps(line) + "\n")
    about = {"command": ["eval.py", str(workdir), "--seed", "1"], "samples": {"images": 500}}
    made = {
        i: Evaluation(
            config.steps, own, {"frechet_distance": 0.1}, {}, about, {"samples": SAMPLES},
            intervals={"frechet_distance": [1.5, 2.5]}, sounds=sounds or {},
        )
        for i, own in enumerate(scores) if own is not None
    }  # fmt: skip
    if population == SINGLE:
        evaluation_files.save(made[0], workdir / folder.EVAL)
    else:
        failed = {i: "D diverged" for i, own in enumerate(scores) if own is None}
        lines = [{"step": 1, "event": "failed", "member": i, "failed": failed[i]} for i in failed]
        (workdir / folder.MEMBERS).write_text("".join(json.dumps(own) + "\n" for own in lines))
        about = members.aggregate(population, made, failed)
        members.save(made, about, workdir / folder.EVAL)
    return workdir


@pytest.fixture(autouse=True)
def as_a_script(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/x/train.py", "mnist_mlp", "--workdir", "/x/y", "--seed=3"])


def test_a_run_folder_gives_its_scores_and_how_they_were_made(tmp_path):
    config = dataclasses.replace(RECIPES["mnist_mlp"], seed=3, log_every=7)
    (result,) = ledger_results.collect(run_of(tmp_path / "a", config))
    assert (result.recipe, result.changes, result.seed) == ("mnist_mlp", {}, 3)
    assert result.scores == {"frechet_distance": [2.0, 1.5, 2.5]}
    assert result.real == {"frechet_distance": 0.1} and result.samples == 500
    assert result.images == 30_000 * 128
    assert (result.seconds, result.cpu_seconds, result.together) == (61.0, 30.5, 1)
    assert re.fullmatch(r"\d+ cores? of .+", result.hardware)
    assert result.command == "uv run train.py mnist_mlp --seed=3"  # no folder of this machine
    assert result.evaluated == "uv run eval.py runs/mnist_mlp --seed 1"


def test_members_are_results_and_failures_are_not_forgotten(tmp_path):
    scores = ({"frechet_distance": 2.0}, None, {"frechet_distance": 4.0})
    population = Population(seeds=3)
    workdir = run_of(tmp_path / "a", RECIPES["mnist_mlp"], population, scores)
    results = ledger_results.collect(workdir)
    assert [(r.seed, r.failed) for r in results] == [(0, None), (1, "D diverged"), (2, None)]
    (group,) = ledger_report.groups(results)
    mean = ledger_report.means(group)["frechet_distance"]
    assert mean.value == 3 and mean.low == 0 and mean.high == pytest.approx(3 + 12.7062)
    page = ledger_report.page(results)
    assert "| FD 3 (0 to 15.71) | 3 (1 failed) | 3,840,000 | 1:01 min / CPU 30 s for 3" in page
    assert "seed 1 failed: D diverged" in page


def test_changes_of_a_recipe_are_told_apart_and_newer_results_replace_older(tmp_path):
    recipe = RECIPES["stacked_dcgan"]
    changed = dataclasses.replace(recipe, steps=40_000, penalties=(Penalty("r1", 1.0),))
    changed = with_value(changed, "g_optimizer.lr", Schedule(0.1, 0.0, 9))
    (long,) = ledger_results.collect(run_of(tmp_path / "long", changed))
    assert long.recipe == "stacked_dcgan"
    assert long.variant == "g_optimizer.lr linear/0.1/0/9, penalties r1:1, steps 40000"
    (own,) = ledger_results.collect(run_of(tmp_path / "own", recipe))
    newer = dataclasses.replace(own, origin="newer")
    assert ledger_results.merged([own, long], [newer]) == [newer, long]
    assert ledger_report.groups([long, newer]) == [[newer], [long]]
    ledger_results.save(tmp_path, [long, newer])
    assert ledger_results.read(tmp_path) == [newer, long]


@pytest.mark.parametrize("wrong", ["not evaluated", "no recipe", "no folder", "damaged", "old"])
def test_wrong_input_is_refused_in_one_sentence_before_writing(wrong, tmp_path, capsys):
    config = RECIPES["mnist_mlp"]
    if wrong == "no recipe":
        config = dataclasses.replace(config, dataset="emnist/letters")
    workdir, into = run_of(tmp_path / "run", config), tmp_path / "docs"
    said = {
        "not evaluated": "has no evaluation of its last step, 30,000",
        "no recipe": "is not a training of a recipe",
        "no folder": "is not a folder",
        "damaged": "line 1 is not a result of a recipe",
        "old": 'give it, such as --hardware "1 core of AMD EPYC"',
    }[wrong]
    if wrong == "not evaluated":
        (workdir / folder.EVAL / f"{evaluations.stem(30_000)}.json").unlink()
    if wrong != "no folder":
        into.mkdir()
    if wrong == "damaged":
        (into / ledger_results.RESULTS).write_text('{"recipe": "unknown"}\n')
    if wrong == "old":
        folder.end(workdir, processor=None)
    with pytest.raises(SystemExit) as exit:
        study.main(["ledger", str(workdir), "--folder", str(into)])
    assert exit.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert said in line
    assert not any((into / page).exists() for page in PAGES)


def test_the_pages_are_written_from_the_results_that_are_kept(tmp_path, capsys):
    """If this fails, run `uv run gan-jax study ledger`."""
    kept = [(ROOT / "docs" / page).read_text() for page in PAGES]
    made = [ledger_report.page(RESULTS), ledger_gallery.gallery(RESULTS, ROOT / "docs")]
    assert made == kept
    workdir = run_of(tmp_path / "run", RECIPES["mnist_mlp"])
    assert study.main(["ledger", str(workdir), "--folder", str(tmp_path)]) == 0
    assert "1 results added" not in (printed := capsys.readouterr().out)
    assert "1 result added" in printed
    assert "FD 2 (1.5 to 2.5)" in (tmp_path / ledger_report.PAGE).read_text()
    assert "(images/mnist_mlp.webp)" in (tmp_path / ledger_gallery.PAGE).read_text()
    with Image.open(tmp_path / "images" / "mnist_mlp.webp") as picture:
        assert (np.asarray(picture)[..., 0] == SAMPLES[..., 0]).all()


def test_a_recipe_without_results_says_what_a_measurement_needs():
    page = ledger_report.page([])
    assert "| not measured |" in page and "Not measured.\n" in page
    assert f"not measured: needs {GPU} |" in page and f"A measurement needs {GPU}." in page


def test_sounds_are_kept_to_be_heard(tmp_path):
    """Two clips of each of five classes, with the silence after them."""
    recipe = RECIPES["spoken_digit_specgan"]
    clips = np.random.default_rng(0).integers(-9, 9, (15, recipe.length), dtype=np.int16)
    labels, names = np.arange(15) % 5, [f"word {i}" for i in range(5)]
    sounds = wav.by_class(clips, labels, names, 8_000)
    sounds[wav.BESIDE_REAL] = wav.one_after_another(clips[:2], 8_000)
    workdir = run_of(tmp_path / "run", recipe, sounds=sounds)
    assert study.main(["ledger", str(workdir), "--folder", str(tmp_path)]) == 0
    assert "(sounds/spoken_digit_specgan.flac)" in (tmp_path / ledger_gallery.PAGE).read_text()
    heard, rate = soundfile.read(tmp_path / "sounds" / "spoken_digit_specgan.flac", dtype="int16")
    kept = heard.reshape(10, -1)
    by_class = clips[:10].reshape(2, 5, -1).swapaxes(0, 1)  # two of each class, the classes in turn
    assert rate == 8_000
    np.testing.assert_array_equal(kept[:, : recipe.length].reshape(5, 2, -1), by_class)
    assert kept.shape[1] == recipe.length + 1_200 and not kept[:, recipe.length :].any()


def test_every_recipe_has_a_row_and_every_cpu_recipe_a_result():
    assert TARGETS.keys() == RECIPES.keys()
    measured = {r.recipe for r in RESULTS if not r.variant}
    missing = {name for name, target in TARGETS.items() if target.missing is None} - measured
    assert not missing, f"measure them, then uv run gan-jax study ledger: {missing}"


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_quote_the_ledger(name):
    """The note of a recipe quotes means over seeds, or the range of them; its docstring may quote
    each seed and interval, those of other recipes that it names, and published numbers.
    """
    own = [r for r in RESULTS if r.recipe == name and not r.variant]
    wrong = unknown(NOTES[name].score, noted(NOTES[name].score, own))
    wrong += late(NOTES[name].time, own)
    assert not wrong, f"{name}.py: time or score, {wrong}: the ledger has {means(own)}"
    docstring = sys.modules[f"gan_jax.recipes.{name}"].__doc__
    related = [r for r in RESULTS if re.search(rf"\b{r.recipe}\b", f"{name} {docstring}")]
    wrong = unknown(docstring, quoted(related), str(TARGETS[name])) + late(docstring, related)
    assert not wrong, f"{name}.py: the docstring has {wrong}, which is not in the ledger"


@pytest.mark.parametrize(
    "row", re.findall(r"^\| `.*$", (ROOT / "README.md").read_text(), re.MULTILINE)
)
def test_the_table_of_the_readme_quotes_the_ledger(row):
    names, _, _, time, score = (cell.strip() for cell in row.strip("|").split("|"))
    own = [r for r in RESULTS if f"`{r.recipe}`" in names and not r.variant]
    outside = re.sub(r"\(.*?\)", "", score)  # in brackets: what the scores are compared with
    assert not unknown(outside, noted(score, own)) + late(time, own)


def means(results, ends=False):
    """The means of the scores of each recipe; also the ends of their intervals."""
    found = [
        score
        for name in {r.recipe for r in results}
        for score in ledger_report.means([r for r in results if r.recipe == name]).values()
    ]
    numbers = (n for score in found for n in (tuple(score) if ends else (score.value,)))
    return [n for n in numbers if not math.isnan(n)]


def noted(note, results):
    """What a note may quote: means or, as "0.69 to 0.77", the scores of single seeds."""
    each = [value for r in results for value, *_ in r.scores.values()]
    return each if " to " in note else means(results)


def quoted(results):
    """Every number of these results: of seeds, ends of intervals, means, real examples."""
    found = [n for r in results for own in r.scores.values() for n in own if n is not None]
    found += [n for r in results for n in (*r.real.values(), *r.counts.values())]
    variants = {(r.recipe, r.variant) for r in results}
    return found + [
        n for v in variants for n in means([r for r in results if (r.recipe, r.variant) == v], True)
    ]


def unknown(text, numbers, published=""):
    """The decimal numbers and percentages in a text that none of the numbers rounds to, and that
    were not published. Times, and numbers in millions (M), are no scores.
    """
    as_quoted = lambda n, sign: [100 * n] if sign else [n, 100 * n]  # [97.9, 99.0] are percentages
    found = re.findall(rf"(?<![\w.:/])({NUMBER})(%?)(?![\d:]| M\b| min)", text)
    return [
        digits + sign for digits, sign in found
        if (sign or "." in digits) and digits not in published
        and not any(rounds(m, digits) for n in numbers for m in as_quoted(n, sign))
    ]  # fmt: skip


def rounds(value, digits):
    """Whether a value is these digits after rounding, either way if it lies half-way."""
    last = 10.0 ** -len(digits.partition(".")[2])
    return abs(value - float(digits.replace(",", ""))) <= last / 2 * (1 + 1e-6)


def late(text, results):
    """The times in a text that are neither the wall nor the CPU time of one of the results, to the
    minute or second that is quoted, or to 5%.
    """
    known = [s for r in results for s in (r.seconds, r.cpu_seconds) if s is not None]
    units = {"s": 1, "min": 60, "minutes": 60}
    found = [
        (t[0], float(t[1]) * 60 + float(t[2]), 1) for t in re.finditer(r"\b(\d+):(\d\d)\b", text)
    ] + [
        (t[0], float(t[1]) * units[t[2]], units[t[2]])
        for t in re.finditer(r"(?<![\d:])(\d+(?:\.\d+)?) (s|min|minutes)\b", text)
    ]
    close = lambda s, asked, unit: abs(s - asked) <= max(unit / 2, 0.05 * asked)
    return [words for words, asked, unit in found if not any(close(s, asked, unit) for s in known)]
