"""``eval.py`` as a command on a run folder, and its scores computed by other means."""

import json
import pathlib
import shlex
import shutil
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from PIL import Image

import gan_jax
from gan_jax import pictures
from gan_jax.commands import eval as eval_script
from gan_jax.commands import train
from gan_jax.data import load
from gan_jax.evaluation.evaluator import evaluate
from gan_jax.recognizers import RecognizerConfig, fitting, recognizer
from gan_jax.runs import folder as run_folder

ROOT = pathlib.Path(__file__).parent.parent
QUICK = RecognizerConfig(features=16, steps=300, batch_size=64)
TRAIN_TINY = shlex.split(
    "digits_dcgan --generator.name mlp --generator.width 8 --generator.base None "
    "--discriminator.name mlp --discriminator.width 8 --discriminator.norm None "
    "--discriminator.base None --latents 4 --batch-size 16 --steps 20 --log-every 20 "
    "--sample-every 20 --checkpoint-every 10"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "tiny"
    assert train.main([*TRAIN_TINY, "--workdir", str(workdir)]) == 0
    return workdir


def test_scores_are_those_of_the_samples_drawn_by_seed(run):
    """Draws and measures again by other means: `gan_jax.generate`, the recognizer itself, scipy."""
    config, (gan, state) = run_folder.read(run).config, gan_jax.load(run)
    found = evaluate(gan, state, config, num_samples=130, seed=5, recognizer_config=QUICK)

    latents = gan.prior.draw(jax.random.split(jax.random.key(5))[0], 130)
    labels = np.arange(130) % 10
    images = pictures.to_uint8(
        gan_jax.generate(gan, state, latents, jnp.asarray(labels, jnp.int32))
    )
    network = recognizer("digits", None, QUICK)
    a, logits = network.features(images)
    b, _ = network.features(load("digits", "train").examples)
    a, b = a.astype(np.float64), b.astype(np.float64)
    covariances = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    distance = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(sum(covariances))
    distance -= (
        2 * np.sqrt(np.maximum(scipy.linalg.eigvals(covariances[0] @ covariances[1]).real, 0)).sum()
    )
    np.testing.assert_allclose(found.scores["frechet_distance"], distance, rtol=1e-4)
    assert found.scores["label_agreement"] == (logits.argmax(1) == labels).mean()
    assert found.provenance["weights"] == "moving average"

    again = evaluate(gan, state, config, num_samples=130, seed=5, recognizer_config=QUICK)
    other = evaluate(gan, state, config, num_samples=130, seed=6, recognizer_config=QUICK)
    assert found.scores == again.scores
    assert found.scores["frechet_distance"] != other.scores["frechet_distance"]


def test_another_process_evaluates_the_run_folder_alone(run, tmp_path):
    workdir = shutil.copytree(run, tmp_path / "moved")
    command = [
        sys.executable,
        str(ROOT / "eval.py"),
        str(workdir),
        "--num-samples",
        "200",
        "--checkpoint",
        "10",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    values = json.loads((workdir / "eval" / "step_000010_n200.json").read_text())
    assert values["step"] == 10
    for picture in values["pictures"].values():
        with Image.open(workdir / "eval" / picture) as image:
            assert min(image.size) > 90  # two rows of 8x8, enlarged
    about = values["provenance"]
    assert (about["dataset"], about["version"], about["seed"]) == ("digits", "1.0.0", 0)
    assert about["jax"] == jax.__version__
    assert about["feature_network"]["test_accuracy"] >= 0.98
    assert f"{values['scores']['frechet_distance']:.4g}" in done.stdout
    assert "200 of step 10, against 1,442 examples of train" in done.stdout


def test_latest_checkpoint_is_the_default(run, tmp_path, capsys):
    workdir = shutil.copytree(run, tmp_path / "run")
    assert eval_script.main([str(workdir), "--num-samples", "65"]) == 0
    assert (workdir / "eval" / "step_000020_n65.json").exists()
    assert "written:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "nowhere is not a run folder; it has no readable config.json."),
        (["file"], "file is not a run folder; it has no readable config.json."),
        (["new"], "new holds no checkpoint yet."),
        (["run", "--checkpoint", "15"], "has no step 15; use 10 or 20."),
        (
            ["run", "--checkpoint", "lastest"],
            "'lastest' is unknown; use latest, best, all or a step such as 1000.",
        ),
        (
            ["run", "--num-samples", "64"],
            "num_samples must be at least 65 for the",
        ),
        (
            ["run", "--num-samples", "0"],
            "num_samples must be at least 65 for the Fréchet distance of 64 features, not 0.",
        ),
        (["run", "--seed", "-1"], "seed must be an integer from 0 to 4294967295, not -1."),
        (
            ["run", "--features", "inception", "--metrics", "fid100"],
            "fid100 has too few images for the Fréchet distance of 2048 features; "
            "use 2049 or more.",
        ),
        (
            ["run", "--features", "inception", "--metrics", "fid3k"],
            "fid3k cannot be computed because 1442 images are too few, 2049 are needed.",
        ),
        (
            ["run", "--features", "inception", "--metrics", "labels100"],
            "labels100 cannot be computed because the feature network recognizes other classes.",
        ),
        (
            ["run", "--features", "inception"],
            "num_samples must be at least 2049 for the",
        ),
        (
            ["run", "--features", "inception", "--metrics", "kid100"],
            "inception: the weights file missing.npz does not exist",
        ),
        (
            ["run", "--features", "inception", "--metrics", "kid100", "--seed", "1"],
            "missing.npz contains a different network (",
        ),
    ],
)
def test_wrong_inputs(run, tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GAN_JAX_INCEPTION", "missing.npz")
    if "a different network" in words:
        np.savez("missing.npz", kernel=np.zeros(3, np.float32))
    (tmp_path / "file").write_text("")
    (tmp_path / "run").symlink_to(run)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / run_folder.CONFIG).write_text((run / run_folder.CONFIG).read_text())
    made = json.loads((run / run_folder.RUN).read_text())
    made["starts"] = [{k: v for k, v in s.items() if k != "end_step"} for s in made["starts"]]
    (tmp_path / "new" / run_folder.RUN).write_text(json.dumps(made))
    monkeypatch.setattr(fitting, "fit", None)
    before = sorted(run.rglob("*"))
    with pytest.raises(SystemExit) as refusal:
        eval_script.main(arguments)
    told = capsys.readouterr()
    assert (refusal.value.code, told.out, told.err.count("\n")) == (2, "", 1)
    assert told.err.startswith("gan-jax eval: ") and words in told.err
    assert before == sorted(run.rglob("*"))


@pytest.mark.parametrize("arguments", [[], ["run", "--num-samples", "many"], ["run", "--sed", "1"]])
def test_the_command_line_refuses(arguments, capsys):
    with pytest.raises(SystemExit) as refusal:
        eval_script.main(arguments)
    assert refusal.value.code == 2
    assert capsys.readouterr().err


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as end:
        eval_script.main(["--help"])
    told = capsys.readouterr().out
    assert end.value.code == 0
    assert all(
        word in told
        for word in (
            "--checkpoint",
            "--num-samples",
            "--seed",
            "--watch",
            "--metrics",
            "fid10k,kid10k",
            "classifier",
            "report.html",
        )
    )
