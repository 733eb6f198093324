"""SIGKILL at random moments: nothing that was saved is lost, and the run ends as if undisturbed.

The processes are forked from one that has loaded everything, which spares seconds of imports each.
"""

import collections
import itertools
import multiprocessing
import os
import random
import shlex
import time

import pytest

from gan_jax import checkpoint
from gan_jax.commands import train
from tests.faults.trainings import ARGUMENTS, assert_equal, lines

pytestmark = pytest.mark.faults

KILLS = int(os.environ.get("KILLS", "50"))
LINES = 20
"""Most lines of metrics that a process writes before its kill."""
RINGS = [*ARGUMENTS, "--steps", "4000"]
ADA = shlex.split(
    "digits_dcgan --generator mlp:width=16 --discriminator mlp:width=16 --batch-size 32 "
    "--augmentations ada:feedback/d/sign_real/0/0.02 --diagnose-every 0 --sample-every 300 "
    "--log-every 15 --checkpoint-every 25 --keep 2 --steps 1000"
)
"""On images, whose probability of a transformation rises and falls with D's scores."""


def test_killed_runs_end_as_an_undisturbed_one(tmp_path, monkeypatch):
    _killed(RINGS, tmp_path, monkeypatch)


def test_killed_runs_with_ada_end_as_an_undisturbed_one(tmp_path, monkeypatch):
    """The probability that ADA follows is a part of the state."""
    _killed(ADA, tmp_path, monkeypatch)
    strengths = [line["feedback/augments/ada/strength"] for line in lines(tmp_path / "whole")]
    moves = [b - a for a, b in itertools.pairwise(strengths)]
    assert min(moves) < 0 < max(moves)


def test_a_killed_second_stage_ends_as_an_undisturbed_one(tmp_path, monkeypatch):
    """Its first stage is another run, whose generator it holds."""
    networks = "blocks=0:text=8:condition=4 --discriminator stackgan:width=8:text=8:norm=none"
    shared = "digits_dcgan --conditioning none --pairs captions --penalties matching:1 --size"
    lines = "--diagnose-every 0 --sample-every 300 --log-every 15 --checkpoint-every 25 --keep 2"
    first = f"{shared} 8 --generator stackgan:width=8:{networks} {lines} --steps 60"
    _killed(shlex.split(first), tmp_path / "first", monkeypatch)
    stage = f"stackgan2:width=8:base=4:first={tmp_path / 'first' / 'whole'}:{networks}"
    second = f"{shared} 16 --generator {stage} {lines} --steps 600"
    _killed(shlex.split(second), tmp_path / "second", monkeypatch)


def _killed(arguments, tmp_path, monkeypatch):
    tmp_path.mkdir(exist_ok=True)
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0")  # one device
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["gan_jax.training.loop", "gan_jax.training.transfer", __name__])
    start = lambda workdir: _started(
        context.Process(target=_train, args=([*arguments, "--workdir", str(workdir)],))
    )
    _ended(start(tmp_path / "whole"))
    random.seed(0)
    moments, runs, workdir = collections.Counter(), 0, tmp_path / "run_0"
    while sum(moments.values()) < KILLS:
        process, last = start(workdir), _lines(workdir) + random.randint(0, LINES)
        while process.is_alive() and _lines(workdir) < last:
            time.sleep(0.01)
        time.sleep(random.expovariate(2))
        if process.is_alive():
            process.kill()
            process.join()
            moments[_moment(workdir)] += 1
            print(sum(moments.values()), dict(moments), flush=True)
            continue
        _ended(process)
        assert_equal(workdir, tmp_path / "whole")
        runs, workdir = runs + 1, tmp_path / f"run_{runs + 1}"
    _ended(start(workdir))
    assert_equal(workdir, tmp_path / "whole")
    print(f"{KILLS} kills in {runs + 1} runs: {dict(moments)}; all ended bit-equal.")


def _train(arguments):
    os.dup2(os.open(f"{arguments[-1]}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
    os.dup2(1, 2)
    raise SystemExit(train.main(arguments))


def _started(process):
    process.start()
    return process


def _ended(process):
    process.join(600)
    assert process.exitcode == 0


def _lines(workdir):
    """Lines of metrics; those that a restart drops do not count again before they are rewritten."""
    path = workdir / "metrics.jsonl"
    return path.read_text().count("\n") if path.exists() else 0


def _moment(workdir):
    """What the killed process was at."""
    if list((workdir / "checkpoints").glob("*.orbax-checkpoint-tmp*")):
        return "while saving"
    return "between saves" if checkpoint.steps(workdir / "checkpoints") else "before the first save"
