"""``train.py`` as a command: wrong inputs, kills and interruptions of a real process."""

import json
import pathlib
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from gan_jax import checkpoint, recipe, sweeps
from gan_jax.build import PRECISIONS, trained
from gan_jax.commands import train
from gan_jax.config import Dynamics, Feedback, Network, Optimizer, Penalty, Schedule
from gan_jax.data import DATASETS
from gan_jax.files import DiskFull
from gan_jax.models import DISCRIMINATORS, MODELS
from gan_jax.models.options import options_of
from gan_jax.parts.augment import AUGMENTS
from gan_jax.parts.conditioning import CONDITIONINGS
from gan_jax.parts.dynamics import DYNAMICS
from gan_jax.parts.losses import LOSSES
from gan_jax.parts.optimizers import optimizers
from gan_jax.parts.regularizers import G_REGULARIZERS, REGULARIZERS
from gan_jax.recipes import RECIPES
from gan_jax.runs.restore import load
from gan_jax.sweeps import Population
from gan_jax.training import loop

ROOT = pathlib.Path(__file__).parent.parent
TINY = shlex.split(
    "digits_dcgan --generator.name mlp --generator.width 8 --generator.base None "
    "--discriminator.name mlp --discriminator.width 8 --discriminator.norm None "
    "--discriminator.base None --latents 4 --batch-size 16 "
    "--steps 300 --log-every 5 --sample-every 100 --checkpoint-every 20"
)


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """Every test works in a folder of its own, and leaves no signal handler behind."""
    monkeypatch.chdir(tmp_path)
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a run that nothing disturbed."""
    workdir = tmp_path_factory.mktemp("runs") / "finished"
    assert train.main([*TINY, "--workdir", str(workdir)]) == 0
    return workdir


def start(*arguments, until):
    """A real process, once it has printed a line that begins with ``until``."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), *TINY, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for line in process.stdout:
        if line.startswith(until):
            return process
    raise AssertionError(process.stderr.read())


def end(process):
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def files(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_killed_and_interrupted_runs_end_bit_equal_to_an_undisturbed_one(
    tmp_path, finished, capsys
):
    run = ["--workdir", str(tmp_path / "run")]
    step = random.randrange(45, 150, 5)  # saving the second checkpoint waits for the first
    process = start(*run, until=f"step {step} ")
    process.send_signal(signal.SIGKILL)
    assert end(process)[0] == -signal.SIGKILL
    killed = checkpoint.steps(tmp_path / "run" / "checkpoints")
    assert killed and killed[-1] < 300

    process = start(*run, until=f"step {max(step, killed[-1]) + 25} ")
    for _ in range(2):  # what a process gets whose parent passes on the terminal's Ctrl-C
        process.send_signal(signal.SIGINT)
        time.sleep(0.01)
    began = time.monotonic()
    code, out, err = end(process)
    assert code == 0 and time.monotonic() - began < 15 and err == ""
    assert (
        "Stopped and saved at step" in out and f"To resume: uv run train.py {' '.join(TINY)}" in out
    )

    assert train.main([*TINY, *run]) == 0
    out = capsys.readouterr().out
    assert re.search(r"Trained for 300 steps in \d+:\d\d\.", out)
    for folder in (finished, tmp_path / "run"):
        steps = [
            json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()
        ]
        assert steps == sorted(set(steps)) and set(range(5, 305, 5)) <= set(steps)
    (_, a), (_, b) = load(finished), load(tmp_path / "run")
    assert int(a.step) == int(b.step) == 300
    a, b = a.players, b.players
    assert jax.tree.structure(a) == jax.tree.structure(b) and len(jax.tree.leaves(a)) > 30
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert np.asarray(x).tobytes() == np.asarray(y).tobytes()


def test_interrupted_before_the_first_step(tmp_path):
    process = start("--workdir", "run", until="Compiling")
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    code, out, err = end(process)
    assert time.monotonic() - began < 15
    if code == 0:  # it was compiled at once
        assert "Stopped and saved" in out and err == ""
    else:
        assert code == 130 and err.count("\n") == 1
        assert err.startswith("Stopped before the first step; nothing was lost. To start again: ")


def test_closing_message_names_what_comes_next(tmp_path, finished, capsys):
    assert train.main([*TINY, "--workdir", str(finished)]) == 0
    out = capsys.readouterr().out
    assert f"Nothing to do: {finished} has already been trained for 300 steps." in out
    assert "--steps with a number above 300" in out and "MiB of this process" in out
    assert (
        str(finished / "samples" / "step_000300.png") in out
        and (finished / "samples" / "step_000300.png").exists()
    )
    assert str(finished / "checkpoints") in out and f"gan-jax eval {finished}" in out


def test_divergence_is_exit_code_1_and_one_sentence(tmp_path, capsys):
    assert (
        train.main(
            [*TINY, "--g-optimizer.lr", "1e38", "--d-optimizer.lr", "1e38", "--workdir", "run"]
        )
        == 1
    )
    err = capsys.readouterr().err
    assert (
        err.startswith("gan-jax train: ")
        and err.count("\n") == 1
        and " became " in err
        and err.endswith(
            "; no checkpoint had been saved yet (--checkpoint-every sets how often).\n"
        )
    )
    end = json.loads(pathlib.Path("run/run.json").read_text())["starts"][-1]
    assert " became " in end["diverged"] and "end_step" not in end


def test_a_full_disk_is_exit_code_4_and_one_sentence(capsys, monkeypatch):
    def full(*_, **__):
        raise DiskFull("run can no longer be written (No space left on device)")

    codes = []
    monkeypatch.setattr(loop, "train", full)
    monkeypatch.setattr(train.os, "_exit", codes.append)
    monkeypatch.setattr(train.command_line, "ignore_signals", lambda: None)
    with pytest.raises(UnboundLocalError):  # there is no outcome to go on with
        train.main([*TINY, "--workdir", "run"])
    assert codes == [4] and capsys.readouterr().err == (
        "gan-jax train: run can no longer be written (No space left on device); no checkpoint "
        "had been saved yet (--checkpoint-every sets how often). To resume, free disk space and "
        f"run: gan-jax train {' '.join(TINY)} --workdir run\n"
    )


def test_dry_run_prints_and_writes_nothing(tmp_path, capsys):
    assert train.main(["--dry-run", "--ema", "0", "--seed", "7"]) == 0
    out = capsys.readouterr().out
    config = json.loads(out[: out.index("\n}\n") + 2])
    assert (
        config["ema"] == 0.0
        and config["seed"] == 7
        and config["conditioning"] == recipe("digits_dcgan").conditioning
    )
    assert "4 cpu" in out and "runs/digits_dcgan (new)" in out
    assert not list(tmp_path.iterdir())


def test_dry_run_counts_parameters(capsys):
    train.main(
        [
            *TINY,
            "--conditioning",
            "none",
            "--generator.depth",
            "2",
            "--discriminator.depth",
            "2",
            "--dry-run",
        ]
    )
    out = capsys.readouterr().out
    assert f"generator: {4 * 8 + 8 + 8 * 8 + 8 + 8 * 64 + 64:,} parameters" in out
    assert f"discriminator: {64 * 8 + 8 + 8 * 8 + 8 + 8 + 1:,} parameters" in out


def test_every_field_can_be_set():
    options, config = train.parse(
        shlex.split(
            "mnist_dcgan --dataset digits --loss minimax --conditioning acgan --batch-size 32 "
            "--steps 9 --seed 3 --ema 5 --generator.width 16 --d-optimizer.lr 0.1 "
            "--penalties r1:0.5:4 r1:2 --joint --size None --workdir x"
        )
    )
    assert (config.dataset, config.loss, config.conditioning, config.joint, config.size) == (
        "digits",
        "minimax",
        "acgan",
        True,
        None,
    )
    assert (config.batch_size, config.steps, config.seed, config.ema) == (32, 9, 3, 5.0)
    assert (
        config.generator.width == 16
        and config.generator.name == "dcgan"
        and config.d_optimizer.lr == 0.1
    )
    assert [(p.name, p.weight, p.every) for p in config.penalties] == [
        ("r1", 0.5, 4),
        ("r1", 2.0, 1),
    ]
    assert options.workdir == pathlib.Path("x")
    assert train.parse([])[0].workdir == pathlib.Path("runs/digits_dcgan")
    assert train.parse(["mnist_mlp", "--penalties"])[1].penalties == ()


def test_parts_as_text_and_by_option():
    _, config = train.parse(
        shlex.split(
            "digits_dcgan --generator mlp:depth=1 --generator.width 8 --discriminator.name=mlp "
            "--discriminator.base None --discriminator.norm None --g-optimizer sgd:1e-2 "
            "--g_optimizer.momentum -0.5 --d-optimizer.weight-decay 0.1 --dynamics.name consensus "
            "--dynamics.weight linear/0.1/0/10 --penalties gp:10:target=0 --ema feedback/a/1/2"
        )
    )
    assert config.generator == Network("mlp", width=8, depth=1)
    assert config.discriminator == Network("mlp", width=64)
    assert config.g_optimizer == Optimizer("sgd", 1e-2, momentum=-0.5)
    assert config.d_optimizer == Optimizer(lr=5e-4, b1=0.0, b2=0.99, weight_decay=0.1)
    assert config.dynamics == Dynamics("consensus", Schedule(0.1, 0.0, 10))
    assert config.penalties == (Penalty("gp", 10.0, target=0.0),)
    assert config.ema == Feedback("a", 1.0, 2.0)


DOCUMENTED = [
    (path.name, command)
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    for command in re.findall(
        r"uv run (?:--extra \w+ )?train\.py ?([^|`\n&;>]*)", path.read_text().replace("\\\n", " ")
    )
]


@pytest.mark.parametrize("page, command", DOCUMENTED)
def test_commands_of_the_documentation_are_read(page, command, monkeypatch):
    monkeypatch.setattr(trained, "digest_of", lambda *_: "as if there were such a run")
    arguments = shlex.split(command.partition(", then")[0].replace("--help", ""), comments=True)
    placeholders = {"N": "3", "I": "3", "$i": "3"}
    options, config = train.parse([placeholders.get(a, a) for a in arguments])
    train.run_of(config, Population(options.seeds, sweeps.from_text(options.sweep)))


def test_the_page_of_networks_has_each_network():
    rows = re.findall(r"^\| (`.*?) \|", (ROOT / "docs/networks.md").read_text(), re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) - set(RECIPES) == set(DISCRIMINATORS)


def test_help_lists_recipes_options_and_names(capsys):
    with pytest.raises(SystemExit) as exit:
        train.main(["--help"])
    assert exit.value.code == 0
    with pytest.raises(SystemExit) as exit:
        train.main(["--help-parts"])
    assert exit.value.code == 0
    words = set(re.findall(r"[\w-]+", capsys.readouterr().out))
    assert {"--workdir", "--generator", "--batch-size", *RECIPES} <= words
    names = [
        MODELS, LOSSES, CONDITIONINGS, REGULARIZERS, G_REGULARIZERS, AUGMENTS, DYNAMICS, PRECISIONS,
        DATASETS, optimizers(),
    ]  # fmt: skip
    options = [
        options_of(player) for a in MODELS.values() for player in (a.generator, a.discriminator)
    ]
    for known in names + options:
        assert known and known.keys() <= words


def other_run(finished):
    shutil.copytree(finished, "run")


def corrupted_config(finished):
    shutil.copytree(finished, "run")
    pathlib.Path("run/config.json").write_text('{"dataset": "digits", ')


def unknown_field(finished):
    shutil.copytree(finished, "run")
    config = json.loads(pathlib.Path("run/config.json").read_text())
    pathlib.Path("run/config.json").write_text(json.dumps(config | {"stepz": 3}))


def truncated_checkpoints(finished):
    shutil.copytree(finished, "run")
    for file in pathlib.Path("run/checkpoints").rglob("*"):
        if file.is_file():
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def a_file(finished):
    pathlib.Path("run").write_text("mine")


def other_folder(finished):
    pathlib.Path("run").mkdir()
    pathlib.Path("run/config.json").write_text("{}")
    pathlib.Path("run/thesis.tex").write_text("mine")


def nothing(finished):
    pass


WRONG = [
    ("digits_dcgn", nothing, "did you mean 'digits_dcgan'"),
    ("--batch-siz 64", nothing, "--batch-size"),
    ("--generator.widht 64", nothing, "widht is not an option of dcgan; did you mean 'width'?"),
    ("mnist_mlp digits", nothing, "digits"),
    ("--steps 1.5", nothing, "steps must be an integer, not '1.5'"),
    ("--steps 0", nothing, "steps must be at least 1, not 0"),
    ("--log-every 0", nothing, "log_every must be at least 1, not 0"),
    ("--checkpoint-every -1", nothing, "checkpoint_every must be at least 1, not -1"),
    ("--keep 0", nothing, "keep must be at least 1, not 0"),
    ("--batch-size 0", nothing, "batch_size must be at least 1, not 0"),
    ("--batch-size 30", nothing, "not divisible by the 4 devices"),
    ("--ema -1", nothing, "ema must be in [0, inf), not -1"),
    ("--seed -1", nothing, "seed must be an integer from 0 to 4294967295, not -1"),
    ("--latents 0", nothing, "latents must be at least 1, not 0"),
    ("--d-optimizer.lr nan", nothing, "d_optimizer.lr must be in (0, inf), not nan"),
    ("--generator.width 0", nothing, "generator.width must be at least 1, not 0"),
    ("--generator.width", nothing, "generator.width needs a value: --generator.width VALUE"),
    ("--penalties r1:1:every=x", nothing, "penalties.0.every must be an integer, at least 1, not"),
    ("--generator dcgan:widht=3", nothing, "did you mean 'width'?"),
    ("--g-optimizer adam:fast", nothing, "g_optimizer.lr must be a number in (0, inf), not 'fast'"),
    ("--generator.options 3", nothing, "generator.options is not an option of dcgan"),
    ("--generator.name dcgn", nothing, "did you mean 'dcgan'"),
    ("--loss minmax", nothing, "did you mean 'minimax'"),
    ("--conditioning projektion", nothing, "did you mean 'projection'"),
    ("--penalties r7:1", nothing, "penalties.0 'r7' is unknown"),
    ("--penalties r1", nothing, "penalties: r1 needs a weight"),
    ("--dataset digit", nothing, "digits"),
    ("--split tran", nothing, "tran"),
    ("--size 4", nothing, "size 4"),
    ("--workdir run", a_file, "run is a file"),
    ("--workdir run/below", a_file, "run is a file"),
    ("--workdir run --overwrite", a_file, "run is a file"),
    ("--workdir run", other_folder, "is not empty and not a run folder"),
    ("--workdir run --overwrite", other_folder, "is not empty and not a run folder"),
    ("--workdir run", other_run, "these settings changed: latents, generator.name"),
    ("--workdir /proc/run", nothing, "cannot be written"),
    ("--init-from run", nothing, "run is not a run folder"),
    ("--init-from run@7 --workdir x", other_run, "has no checkpoint of step 7; use 260"),
    (f"--workdir {'x' * 300}", nothing, "contains a name of 300 bytes"),
    (f"{' '.join(TINY)} --workdir run", corrupted_config, "config.json is corrupted: it is not"),
    (f"{' '.join(TINY)} --workdir run", unknown_field, "did you mean 'steps'"),
    (f"{' '.join(TINY)} --workdir run", truncated_checkpoints, "can be restored: 300 ("),
]  # fmt: skip


@pytest.mark.parametrize("arguments, prepare, expected", WRONG)
def test_wrong_input_is_one_sentence_exit_code_2_and_nothing_written(
    tmp_path, finished, capfd, arguments, prepare, expected
):
    prepare(finished)
    before = files(tmp_path)
    capfd.readouterr()
    with pytest.raises(SystemExit) as exit:
        train.main(arguments.split())
    out, err = capfd.readouterr()
    assert exit.value.code == 2
    assert expected in err and "Traceback" not in err and out == ""
    if err.startswith("gan-jax train: "):
        assert err.count("\n") == 1 and err.endswith(".\n")
    assert files(tmp_path) == before
