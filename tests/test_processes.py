"""Several processes as one run: real ones on loopback against a single one, the loss of one, and
refusals.
"""

import os
import pathlib
import shlex
import signal
import socket
import subprocess
import sys

import jax
import numpy as np
import pytest
from gans import arrays

import gan_jax
from gan_jax import ConfigError, checkpoint
from gan_jax.commands import train
from gan_jax.devices import parallel, processes
from gan_jax.recognizers import recognizer
from gan_jax.runs import logs
from gan_jax.runs.restore import load

ROOT = pathlib.Path(__file__).parent.parent
TINY = shlex.split(
    "digits_dcgan --generator.name mlp --generator.width 8 --generator.base None "
    "--discriminator.name mlp "
    "--discriminator.width 8 --discriminator.norm None --discriminator.base None --latents 4 "
    "--penalties --batch-size 16 "
    "--steps 80 --log-every 20 --sample-every 80 --checkpoint-every 20 --eval-every 80"
)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(workdir, *arguments):
    """Two processes of two devices each."""
    devices = "--xla_force_host_platform_device_count="
    flags = os.environ["XLA_FLAGS"].replace(f"{devices}4", f"{devices}2")
    environment = os.environ | {"XLA_FLAGS": flags}
    cluster = [
        "--coordinator",
        f"127.0.0.1:{free_port()}",
        "--num-processes",
        "2",
        "--patience",
        "60",
    ]
    command = [sys.executable, ROOT / "train.py", *TINY, "--workdir", workdir, *cluster, *arguments]
    return [
        subprocess.Popen(
            [*command, "--process-id", str(i)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )
        for i in range(2)
    ]  # fmt: skip


def end(process):
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err


def test_two_processes_are_one_and_the_loss_of_one_is_told_and_made_good(tmp_path):
    """With divided weights the first time and whole ones the second; killed between two
    checkpoints.
    """
    workdir = tmp_path / "run"
    recognizer("digits")  # or the first process would say that it trains one
    survivor, killed = start(workdir, "--fsdp")
    for line in survivor.stdout:
        if line.startswith("step 40 "):
            break
    killed.send_signal(signal.SIGKILL)
    code, out, err = end(survivor)
    assert code == 3 and "Trained" not in out
    assert (
        err.startswith("train.py: another process of this run ended or cannot be reached (")
        and err.count("\n") == 1
    )
    assert "start all again" in err
    end(killed)
    saved = checkpoint.steps(workdir / "checkpoints")
    assert saved and saved[-1] < 80

    first, second = map(end, start(workdir))
    assert first[0] == second[0] == 0, (first, second)
    assert "Trained for 80 steps" in first[1] and "step" not in second[1]
    assert train.main([*TINY, "--workdir", str(tmp_path / "alone")]) == 0
    (_, a), (_, b) = load(workdir), load(tmp_path / "alone")
    assert int(a.step) == int(b.step) == 80
    for x, y in zip(arrays(a), arrays(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=2e-3, atol=2e-3)
    assert [line["step"] for line in logs.lines(workdir / "metrics.jsonl", 80)] == list(
        range(20, 81, 20)
    )
    assert len(list((workdir / "samples").iterdir())) == 1
    assert "eval/frechet_distance" in logs.lines(workdir / "metrics.jsonl")[-1]
    assert len(list((workdir / "eval").glob("*.json"))) == 1


def test_a_process_reads_only_its_own_rows():
    config = gan_jax.recipe("digits_dcgan")
    rows = np.array([3, 4, 60])
    for part, whole, _ in zip(
        gan_jax.batches(config, 2, rows), gan_jax.batches(config, 2), range(3), strict=False
    ):
        np.testing.assert_array_equal(part.x, whole.x[:, rows])
        np.testing.assert_array_equal(part.y, whole.y[:, rows])
    np.testing.assert_array_equal(parallel.own_rows(parallel.mesh(16), 16), np.arange(16))


def test_what_one_process_refuses_all_refuse(monkeypatch):
    def refuse():
        raise ConfigError("mine")

    assert processes.together(lambda: 5) == 5
    with pytest.raises(ConfigError, match="mine"):
        processes.together(refuse)
    monkeypatch.setattr(processes, "least", lambda value: 0)
    with pytest.raises(ConfigError, match="another process of this run stopped with an error"):
        processes.together(lambda: 5)
    with pytest.raises(ConfigError, match="different configs"):
        processes.check_same(gan_jax.Config())


def test_a_failed_call_means_that_a_process_is_lost(monkeypatch):
    with pytest.raises(jax.errors.JaxRuntimeError), processes.peers():
        raise jax.errors.JaxRuntimeError("out of memory")
    monkeypatch.setattr(processes.jax, "process_count", lambda: 2)
    with (
        pytest.raises(processes.PeerLost, match=r"\(Connection closed by peer\)"),
        processes.peers(),
    ):
        raise jax.errors.JaxRuntimeError("Connection closed by peer\nat ...")


def test_a_long_wait_is_told(monkeypatch, capsys):
    monkeypatch.setattr(processes.jax, "process_count", lambda: 2)
    monkeypatch.setattr(processes, "_patience", 0.4)
    with processes.peers() as progressed:
        progressed()
        processes.threading.Event().wait(0.5)
    assert "another process of this run is lost" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, words",
    [
        ("--coordinator localhost:1", "and --process-id must be given together"),
        ("--process-id 0", "and --process-id must be given together"),
        (
            "--coordinator localhost --num-processes 2 --process-id 0",
            "coordinator must have the form HOST:PORT, not 'localhost'",
        ),
        (
            "--coordinator localhost:1 --num-processes 2 --process-id 2",
            "process_id must be in [0, 2), as num_processes is 2, not 2.",
        ),
        ("--distributed --patience 0", "patience must be at least 1 second, not 0"),
    ],
)
def test_wrong_options_are_one_sentence(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as exit:
        train.main(arguments.split())
    err = capsys.readouterr().err
    assert exit.value.code == 2 and words in err and err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_processes_that_do_not_meet_end_in_time(tmp_path):
    cluster = [
        "--coordinator",
        f"127.0.0.1:{free_port()}",
        "--num-processes",
        "2",
        "--patience",
        "2",
    ]
    lone = subprocess.run(
        [sys.executable, ROOT / "train.py", "--workdir", tmp_path / "run", *cluster, "--process-id",
         "0"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (
        lone.returncode == 2
        and lone.stderr == "coordinator: the processes of this run did not meet within 2 s.\n"
    )
    assert not list(tmp_path.iterdir())


def test_a_cluster_that_is_not_there_is_told(monkeypatch):
    def fail(*_, **timeouts):
        assert timeouts["heartbeat_timeout_seconds"] == timeouts["shutdown_timeout_seconds"] == 7
        raise ValueError("Number of processes must be defined.")

    monkeypatch.setattr(jax.distributed, "initialize", fail)
    monkeypatch.setattr(processes, "_patience", None)
    with pytest.raises(ConfigError, match="--distributed found no SLURM, Open MPI or TPU pod"):
        processes.connect(patience=7)
