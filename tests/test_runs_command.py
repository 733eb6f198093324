"""The list of runs, from folders written by hand."""

import json
import os

import pytest

from gan_jax.commands import runs
from gan_jax.config import Config
from gan_jax.runs import folder
from gan_jax.runs.lock import LOCK, Lock
from gan_jax.runs.run import Run

NOW = 1_000_000.0
CONFIG = Config(dataset="ring8", steps=2_000)


def make(path, step, config=CONFIG, old=0.0, command=("train.py",), **end):
    folder.begin(path, Run(config), 0)
    record = json.loads((path / folder.RUN).read_text())
    record["starts"][0] |= {"command": list(command), **end}
    (path / folder.RUN).write_text(json.dumps(record))
    (path / folder.METRICS).write_text(json.dumps({"step": step, "seconds": 1.0}) + "\n")
    os.utime(path / folder.METRICS, (NOW - old, NOW - old))


def score(path, step, **scores):
    (path / folder.EVAL).mkdir(exist_ok=True)
    file = path / folder.EVAL / f"step_{step:06}.json"
    file.write_text(json.dumps({"scores": scores, "intervals": {}}))


@pytest.fixture
def listed(tmp_path, capsys):
    """The rows of a folder with a run in each state, by name."""
    make(tmp_path / "done", 2_000, old=7_300, command=["train.py", "ring8_mlp"], end_step=2_000)
    score(tmp_path / "done", 1_000, modes_covered=8, high_quality_share=0.5, frechet_distance=1)
    score(tmp_path / "done", 2_000, modes_covered=7, high_quality_share=0.9, frechet_distance=0.2)
    make(tmp_path / "stopped", 500, old=200, end_step=500)
    score(tmp_path / "stopped", 500, frechet_distance=0.1234)
    make(tmp_path / "study" / "a", 0, old=3, diverged="d/loss became nan")
    make(tmp_path / "killed", 9)
    (tmp_path / "killed" / LOCK).write_text('{"host": "a", "process": 1}')
    make(tmp_path / "damaged", 9)
    (tmp_path / "damaged" / folder.METRICS).write_text("nonsense\n")
    (tmp_path / "no_run").mkdir()
    (tmp_path / "no_run" / folder.RUN).write_text("{}")
    make(tmp_path / "running", 1, old=200_000)
    with Lock(tmp_path / "running") as own:
        own.begin()
        return {row.cells[0]: row for row in runs.found(tmp_path, NOW)}


def test_each_run_has_a_row(listed):
    cells = {name: row.cells[1:] for name, row in listed.items()}
    assert list(cells) == ["damaged", "done", "killed", "running", "stopped", "study/a"]
    assert cells["done"] == (
        "ring8_mlp", "2,000 of 2,000", "8 modes, 50% at 1,000", "7 modes, 90% at 2,000",
        "finished", "2 h",
    )  # fmt: skip
    assert cells["stopped"][1:] == (
        "500 of 2,000", "FD 0.123 at 500", "FD 0.123 at 500", "stopped", "3 min",
    )  # fmt: skip
    assert cells["study/a"] == ("ring8", "0 of 2,000", "-", "-", "diverged", "3 s")
    assert cells["killed"][-2] == "killed" and cells["running"][-2:] == ("running", "2 d")
    assert cells["damaged"][-2] == "damaged" and "line 1 is damaged" in listed["damaged"].trouble


def test_the_command(tmp_path, capsys, monkeypatch):
    make(tmp_path / "a", 5)
    assert runs.main([str(tmp_path)]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["run", "recipe", "step"]
    assert row.split()[:3] == ["a", "ring8", "5"] and head.index("step") == row.index("5 of")
    assert runs.main([str(tmp_path / "a")]) == 0
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit:
        runs.main([])
    assert exit.value.code == 2
    assert capsys.readouterr().err == (
        "gan-jax runs: folder: runs contains no run; give a folder with run folders.\n"
    )
