"""Evaluations of many checkpoints: all, the best, and while training goes on elsewhere."""

import csv
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
import scipy.stats
from runs import RING

import gan_jax
from gan_jax.commands import eval as eval_script
from gan_jax.data import load
from gan_jax.evaluation import checkpoints as evaluate_checkpoints
from gan_jax.evaluation import files as evaluation_files
from gan_jax.evaluation.settings import Settings
from gan_jax.runs import evaluations as run_evaluations
from gan_jax.runs import restore
from gan_jax.training import loop as training

ROOT = pathlib.Path(__file__).parent.parent
pytestmark = pytest.mark.usefixtures("signals_as_before")
FEW = ["--num-samples", "100"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "ring"
    return workdir, training.train(RING, workdir)


@pytest.fixture
def run(trained, tmp_path):
    return pathlib.Path(shutil.copytree(trained[0], tmp_path / "run"))


def values(workdir, step, suffix="_n100"):
    return json.loads((workdir / "eval" / f"step_{step:06}{suffix}.json").read_text())


# eval.py --checkpoint all, best


def test_all_are_evaluated_once_and_stand_in_a_table(run, capsys):
    assert eval_script.main([str(run), "--checkpoint", "all", *FEW]) == 0
    told = capsys.readouterr().out
    assert [line.split(":")[0] for line in told.splitlines()[:3]] == ["step 4", "step 8", "step 12"]
    with (run / "eval" / "scores_n100.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["4", "8", "12"]
    for row in rows:
        own = values(run, int(row["step"]))
        assert float(row["frechet_distance"]) == own["scores"]["frechet_distance"]
        low, high = own["intervals"]["high_quality_share"]
        assert (float(row["high_quality_share_low"]), float(row["high_quality_share_high"])) == (
            low,
            high,
        )
        assert row["modes_covered_low"] == "" and "class_shares" not in row

    written = {path: path.read_bytes() for path in (run / "eval").iterdir()}
    (run / "eval" / "step_000008_n100.json").unlink()
    assert eval_script.main([str(run), "--checkpoint", "all", *FEW]) == 0
    told = capsys.readouterr().out.splitlines()
    assert (
        told[0] == "step 4: already evaluated"
        and told[2] == "step 12: already evaluated"
        and "already" not in told[1]
    )
    again = {path: path.read_bytes() for path in (run / "eval").iterdir()}
    assert again.keys() == written.keys()
    assert all(
        again[path] == written[path]
        for path in written
        if path.suffix == ".csv" or "000004" in path.name
    )


def test_intervals_are_those_of_wilson(run):
    assert eval_script.main([str(run), *FEW]) == 0
    own = values(run, 12)
    for scores, intervals, n in (
        ("scores", "intervals", 100),
        ("real", "real_intervals", own["provenance"]["real"]["images"]),
    ):
        share = own[scores]["label_agreement"]
        expected = scipy.stats.binomtest(round(share * n), n).proportion_ci(method="wilson")
        assert own[intervals]["label_agreement"] == pytest.approx(
            [expected.low, expected.high], abs=1e-9
        )
        assert own[intervals]["class_shares"].keys() == own[scores]["class_shares"].keys()
        assert own[intervals].keys() == own[scores].keys()


def tamper(workdir, step, **scores):
    own = values(workdir, step)
    own["scores"] |= scores
    (workdir / "eval" / f"step_{step:06}_n100.json").write_text(json.dumps(own))


def test_the_best_has_the_most_modes_or_else_the_least_distance(run, capsys):
    command = [str(run), "--checkpoint", "best", *FEW]
    assert eval_script.main(command) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in told[:3]] == [
        "step 4",
        "step 8",
        "step 12",
    ]  # evaluated first
    found = {step: values(run, step)["scores"] for step in (4, 8, 12)}
    expected = max(
        found,
        key=lambda step: (found[step]["modes_covered"], found[step]["high_quality_share"], -step),
    )
    assert told[3] == f"best: step {expected} of 3, by modes covered, then high-quality samples"
    assert f"100 of step {expected}, against" in "\n".join(told[4:])

    shutil.rmtree(run / "checkpoints" / "8")  # as training does; what was evaluated still counts
    tamper(run, 4, modes_covered=7.0, high_quality_share=0.9)
    tamper(run, 8, modes_covered=7.0, high_quality_share=0.95)
    tamper(run, 12, modes_covered=6.0, high_quality_share=1.0)
    assert eval_script.main(command) == 0
    assert "best: step 8 of 3" in capsys.readouterr().out
    for step, distance in ((4, 3.0), (8, None), (12, 2.0)):
        tamper(run, step, modes_covered=None, frechet_distance=distance)
    assert eval_script.main(command) == 0
    assert "best: step 12 of 2, by Fréchet distance" in capsys.readouterr().out


def test_ranks_of_a_population_are_those_of_its_best_setting():
    setting = lambda mean: {"scores": {"frechet_distance": {"mean": mean}}}
    ranks = evaluate_checkpoints.ranks(
        {"members": {}, "settings": [setting(3.0), setting(1.0), {"scores": {}}]}
    )
    assert ranks == {evaluate_checkpoints.FRECHET: (1.0,)}
    protocol = {
        "scores": {},
        "protocols": {
            "kid5": {"kernel_distance": [0.1, 0, 1]},
            "fid5": {"frechet_distance": [4, 3, 5]},
        },
    }
    assert evaluate_checkpoints.ranks(protocol) == {evaluate_checkpoints.FRECHET: (4,)}


def test_other_settings_are_not_evaluated_already(run, capsys):
    assert eval_script.main([str(run), *FEW]) == 0
    assert eval_script.main([str(run), *FEW, "--checkpoint", "all"]) == 0
    assert "step 12: already evaluated" in capsys.readouterr().out
    own = values(run, 12)
    own["provenance"]["settings"]["network"] = "another"
    (run / "eval" / "step_000012_n100.json").write_text(json.dumps(own))
    assert eval_script.main([str(run), *FEW, "--checkpoint", "all"]) == 0
    assert "step 12: already evaluated" not in capsys.readouterr().out
    assert values(run, 12)["provenance"]["settings"]["network"] == "points"


# eval.py --watch


def test_watching_ends_with_the_last_step(trained, tmp_path, monkeypatch, capsys, recwarn):
    """Checkpoints appear, one of them not yet whole, one removed before its turn."""
    source, run = trained[0] / "checkpoints", tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    shutil.copy(trained[0] / "config.json", run)
    stages = [
        lambda: shutil.copytree(
            source / "4", run / "checkpoints" / "4", ignore=shutil.ignore_patterns("seal.json")
        ),
        lambda: None,
        lambda: shutil.copy(source / "4" / "seal.json", run / "checkpoints" / "4"),
        lambda: (run / "checkpoints" / "8").mkdir(),
        lambda: (run / "checkpoints" / "8").rmdir(),
        lambda: shutil.copytree(source / "12", run / "checkpoints" / "12"),
    ]
    monkeypatch.setattr(evaluate_checkpoints, "sleep", lambda seconds: stages.pop(0)())
    assert eval_script.main([str(run), "--watch", *FEW]) == 0
    told = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in told] == ["step 4", "step 12"] and not stages
    assert (
        len([warning for warning in recwarn if "seal.json is missing" in str(warning.message)]) == 2
    )  # once for each
    assert sorted(path.name for path in (run / "eval").glob("*.json")) == [
        "step_000004_n100.json",
        "step_000012_n100.json",
    ]
    assert eval_script.main([str(run), "--watch", *FEW]) == 0  # nothing is left to wait for
    assert capsys.readouterr().out.splitlines() == [
        "step 4: already evaluated",
        "step 12: already evaluated",
    ]


def test_a_checkpoint_removed_while_it_is_read(run, monkeypatch, recwarn):
    """What `keep` removes between the look into the folder and the reading is passed over."""
    states = restore.states

    def removed(workdir, run_of_folder, step):
        if step == 4:
            shutil.rmtree(run / "checkpoints" / "4")
        return states(workdir, run_of_folder, step)

    monkeypatch.setattr(restore, "states", removed)
    assert eval_script.main([str(run), "--watch", *FEW]) == 0
    assert "step 4: its checkpoint was removed" in [str(warning.message) for warning in recwarn]
    assert [path.name for path in sorted((run / "eval").glob("*.json"))] == [
        "step_000008_n100.json",
        "step_000012_n100.json",
    ]


def test_watching_ends_on_a_key_press(run, monkeypatch, capsys):
    def pressed(_):
        raise KeyboardInterrupt

    shutil.rmtree(run / "checkpoints" / "12")
    monkeypatch.setattr(evaluate_checkpoints, "sleep", pressed)
    with pytest.raises(SystemExit) as end:
        eval_script.main([str(run), "--watch", *FEW])
    assert end.value.code == 0
    assert capsys.readouterr().err.endswith("Stopped; finished evaluations are kept.\n")
    assert len(list((run / "eval").glob("*.json"))) == 2


# Settings, protocols


def test_protocols_are_measured_on_their_numbers(run):
    """Against samples drawn again, numpy and scipy."""
    command = [str(run), "--metrics", "fid150,labels40,class_fid150", "--seed", "3"]
    assert eval_script.main(command) == 0
    own = values(run, 12, "_fid150-labels40-class_fid150_seed3")
    assert own["provenance"]["samples"]["images"] == 150

    gan, state = gan_jax.load(run)
    latents = gan.prior.draw(jax.random.split(jax.random.key(3))[0], 150)
    labels = np.arange(150) % 8
    points = np.asarray(
        gan_jax.generate(gan, state, latents, jnp.asarray(labels, jnp.int32)), np.float64
    )
    part = own["provenance"]["samples"]["reference"]["split"]
    real = np.asarray(load("ring8", part).examples, np.float64)
    covariances = np.cov(points, rowvar=False), np.cov(real, rowvar=False)
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    expected = ((points.mean(0) - real.mean(0)) ** 2).sum() + np.trace(
        covariances[0] + covariances[1] - 2 * root
    )
    value, low, high = own["protocols"]["fid150"]["frechet_distance"]
    assert value == pytest.approx(expected, rel=1e-6) and low < value < high
    centres = gan_jax.data.TRUTHS["ring8"].centres
    nearest = np.linalg.norm(points[:40, None] - centres, axis=2).argmin(1)
    assert own["protocols"]["labels40"]["label_agreement"][0] == pytest.approx(
        (nearest == labels[:40]).mean()
    )
    assert set(own["protocols"]["class_fid150"]["frechet_by_class"]) == set(map(str, range(8)))


def test_files_of_other_settings_have_other_names(run):
    assert eval_script.main([str(run)]) == 0
    before = {path: path.read_bytes() for path in (run / "eval").iterdir()}
    ends = ("best_by_discriminator", "samples", "worst_by_discriminator")
    pictures = [f"step_000012_{name}.png" for name in ends]
    assert sorted(path.name for path in before) == [
        "report.html",
        "scores.csv",
        "step_000012.json",
        *pictures,
    ]
    assert eval_script.main([str(run), "--truncation", "0.5"]) == 0
    own = values(run, 12, "_psi0.5")
    assert (
        own["provenance"]["truncation"] == 0.5
        and values(run, 12, "")["provenance"]["truncation"] is None
    )
    assert all(path.read_bytes() == content for path, content in before.items())
    assert (run / "eval" / "scores_psi0.5.csv").read_text().count("\n") == 2


@pytest.mark.parametrize(
    ("settings", "suffix"),
    [
        (Settings(), ""),
        (Settings(num_samples=2_000), ""),
        (Settings(num_samples=10_000, seed=4), "_n10000_seed4"),
        (Settings(standing_statistics=True), "_standing"),
        (
            Settings(metrics="fid10k, pr2k", features="inception", truncation=0.7),
            "_fid10k-pr2k_inception_psi0.7",
        ),
        (Settings(held_out="train[50000:]"), "_train-50000to"),
        (Settings(held_out="train[:90% stratified]", seed=1), "_seed1_train-to90pct-stratified"),
    ],
)
def test_suffix_names_what_is_not_the_default(settings, suffix):
    assert settings.suffix == suffix


WRONG = [
    (["--metrics", "fid2"],
     "metrics: fid2 has too few images for the Fréchet distance of 2 features; "
     "use 3 or more."),
    (["--metrics", "fad10"], "metrics: 'fad10' is unknown; did you mean 'fid10'?"),
    (["--metrics", "fid"], "metrics: 'fid' lacks a number of images"),
    (["--metrics", "class_fid16"], "class_fid16 has too few images"),
    (["--metrics", "fid10", "--num-samples", "10"], "num_samples 10 conflicts with metrics"),
    (["--num-samples", "2"],
     "num_samples must be at least 3 for the"),
    (["--features", "incepton"], "features 'incepton' is unknown; did you mean 'inception'?"),
    (["--features", "inception"],
     "features: inception takes images, but ring8 contains vectors; use default."),
    (["--truncation", "0"], "truncation must be in [0.01, inf), not 0.0."),
    (["--checkpoint", "bset"],
     "checkpoint 'bset' is unknown; use latest, best, all or a step such as 1000."),
    (["--checkpoint", "1.5"], "checkpoint '1.5' is unknown"),
    (["--watch", "--export", "x"],
     "watch conflicts with --export, which evaluates nothing; use one of them."),
    (["--watch", "--checkpoint", "4"],
     "watch evaluates every checkpoint and conflicts with --checkpoint 4; drop one."),
    (["--checkpoint", "all", "--export", "x"],
     "export needs a single checkpoint"),
    (["--metrics", "fid10", "--export", "x"], "export writes without evaluating; drop --metrics"),
    (["--held-out", "test", "--export", "x"], "--features and --held-out."),
    (["--held-out", "validation"], "split 'validation' is unknown; use train"),
    (["--held-out", "train[:10]"],
     "held_out 'train[:10]' may have examples of 'train', on which the GAN was trained; hold out"),
    (["--min-confidence", "0.5"], "min_confidence and rejection can only be used with --export."),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "words"), WRONG)
def test_wrong_inputs_are_one_sentence_and_nothing_is_written(
    trained, monkeypatch, tmp_path, capsys, arguments, words
):
    monkeypatch.chdir(tmp_path)
    before = sorted(trained[0].rglob("*"))
    with pytest.raises(SystemExit) as refusal:
        eval_script.main([str(trained[0]), *arguments])
    told = capsys.readouterr()
    assert (refusal.value.code, told.out, told.err.count("\n")) == (2, "", 1)
    assert told.err.startswith("gan-jax eval: ") and words in told.err
    assert before == sorted(trained[0].rglob("*")) and not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore:.*config.json is not the one that run.json was written for")
def test_a_run_whose_data_are_gone(run, tmp_path, capsys):
    config = json.loads((run / "config.json").read_text()) | {
        "dataset": str(tmp_path / "gone" / "1.0.0")
    }
    (run / "config.json").write_text(json.dumps(config))
    with pytest.raises(SystemExit) as refusal:
        eval_script.main([str(run)])
    told = capsys.readouterr().err
    assert (
        refusal.value.code == 2
        and told.startswith("gan-jax eval: dataset folder ")
        and told.count("\n") == 1
    )
    assert not (run / "eval").exists()


def test_nobody_reads_any_more(trained, run):
    """As ``eval.py RUN --checkpoint all | head``."""
    read, write = os.pipe()
    os.close(read)
    script = [sys.executable, ROOT / "eval.py", str(run), "--checkpoint", "all", *FEW]
    done = subprocess.run(script, stdout=write, stderr=subprocess.PIPE, text=True, timeout=300)
    os.close(write)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


# Files


def test_a_table_leaves_out_what_is_unreadable(tmp_path):
    (tmp_path / "step_000002.json").write_text(
        '{"scores": {"a": 1.5, "b": null, "c": {"x": 1}}, "intervals": {"a": [1, null]}}'
    )
    (tmp_path / "step_000003.json").write_text('{"scores"')
    (tmp_path / "step_000004_n10.json").write_text("{}")
    (tmp_path / "step_000001.json").write_text('{"scores": {"b": 2}}')
    found, unreadable = run_evaluations.read(tmp_path)
    assert list(found) == [1, 2] and unreadable == ("step_000003.json",)
    path = evaluation_files.write_csv(
        tmp_path, "", [{"step": s} | evaluation_files.cells(v) for s, v in found.items()]
    )
    assert path.read_text() == "step,b,b_low,b_high,a,a_low,a_high\n1,2,,,,,\n2,,,,1.5,1,\n"
    assert not list(tmp_path.glob(".*"))
