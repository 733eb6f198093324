"""The study of texts: what it trains, that it continues, and its table."""

import dataclasses

import numpy as np
import pytest

from gan_jax.errors import ConfigError
from gan_jax.recipes import recipe
from gan_jax.studies import text, text_methods, text_report, text_study
from gan_jax.studies.text_options import Options


@pytest.fixture
def options(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text(
        "".join(f"{'ab'[i % 2]}{'cd'[i // 2 % 2]}{'ef'[i % 3 % 2]}\n" for i in range(40))
    )
    return Options(
        str(path), workdir=tmp_path / "study", steps=3, seeds=1, samples=20, temperatures=(0.5, 1.0)
    )  # fmt: skip


def test_a_study_scores_each_temperature_and_continues(options, monkeypatch, capsys):
    study = text_study.Study(options, ("mle",))
    study.run()
    lines = study.lines.lines
    assert [line["temperature"] for line in lines] == [0.5, 1.0]
    assert lines[0]["forward_bits"] != lines[1]["forward_bits"]
    assert len((study.folder / "texts" / "mle_0.5.txt").read_text().splitlines()) == 20
    monkeypatch.setattr(text_study, "train", None)
    again = text_study.Study(options, ("mle",))
    again.run()  # nothing is missing
    assert again.lines.lines == lines
    table = (study.folder / "results.md").read_text()
    assert table.count("\n| mle, ") == 2 and "\n| 3-gram | | " in table and "\n| real | | " in table
    assert (study.folder / "results.png").stat().st_size > 5_000
    with pytest.raises(ConfigError, match=r"different settings \(steps"):
        text_study.Study(dataclasses.replace(options, steps=4), ("mle",))


def test_the_weight_of_the_likelihood_falls_in_a_third_of_the_training():
    config = lambda name: text_methods.METHODS[name].config({"dataset": "names"}, 300)
    (fading,) = config("relaxed").g_penalties
    assert (fading.weight.start, fading.weight.end, fading.weight.steps) == (1.0, 0.0, 100)
    assert not config("iwgan").g_penalties and len(config("reinforce").g_penalties) == 2
    alike = dataclasses.replace(
        recipe("scan_gan"), steps=4_500, dataset="names", conditioning="none"
    )
    assert text_methods.METHODS["straight_through"].config({"dataset": "names"}, 4_500) == alike


def test_the_table_has_means_over_seeds_with_intervals():
    line = {"method": "mle", "temperature": 1.0, "forward_bits": 2.0, "reverse_bits": 3.0}
    lines = [line | {"seed": i, "reverse_bits": 3.0 + i} for i in range(3)]
    row = text_report.as_markdown(lines, {}, "").splitlines()[4]
    half = 4.302653 * np.std([3, 4, 5], ddof=1) / np.sqrt(3)  # Student's t of 2 degrees of freedom
    assert row == f"| mle, 1 | 3 | 4 [{4 - half:.4g}, {4 + half:.4g}] | 2 [2, 2] |"


def test_rungs_far_from_the_methods_are_not_shown():
    """Those within twice the range of the methods and of real text, on both axes, are."""
    at = lambda x, y: {"forward_bits": x, "reverse_bits": y}
    rungs = {"1-gram": at(9.0, 4.0), "2-gram": at(4.0, 3.0), "3-gram": at(2.5, 4.1)}
    near = text_report._near([at(2.0, 2.0), at(3.0, 3.0)], rungs | {"real": at(2.0, 2.5)})
    assert list(near) == ["2-gram", "real"]


@pytest.mark.parametrize(
    "wrong, words",
    [
        (["digits"], "dataset 'digits' must contain texts"),
        (["names", "--methods", "mlle"], "did you mean 'mle'"),
        (["names", "--temperatures", "0"], "temperatures must be"),
        (["names", "--seeds", "0"], "seeds must be at least 1, not 0"),
    ],
)
def test_wrong_options_are_refused(wrong, words, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        text.main([*wrong, "--workdir", str(tmp_path / "none")])
    assert ended.value.code == 2 and words in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
