"""SIGKILL at random moments: nothing that was saved is lost, and the run ends as if undisturbed."""

import collections
import os
import random
import signal
import time

import pytest

from gan_jax import checkpoint
from tests.faults.trainings import assert_equal, finish, start

pytestmark = pytest.mark.faults

KILLS = int(os.environ.get("KILLS", "50"))
STEPS = ("--steps", "6000")
LINES = 30
"""Most lines that a process prints before its kill, which comes at any moment after the last."""


def test_killed_runs_end_as_an_undisturbed_one(tmp_path):
    finish(tmp_path / "whole", *STEPS)
    random.seed(0)
    moments, runs, workdir = collections.Counter(), 0, tmp_path / "run_0"
    while sum(moments.values()) < KILLS:
        process = start(workdir, *STEPS)
        for _ in range(random.randint(0, LINES)):
            process.stdout.readline()
        time.sleep(random.expovariate(5))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            moments[_moment(workdir)] += 1
            print(sum(moments.values()), dict(moments), flush=True)
            continue
        assert process.returncode == 0, process.communicate()
        assert_equal(workdir, tmp_path / "whole")
        runs, workdir = runs + 1, tmp_path / f"run_{runs + 1}"
    finish(workdir, *STEPS)
    assert_equal(workdir, tmp_path / "whole")
    print(f"\n{KILLS} kills in {runs + 1} runs: {dict(moments)}; all ended bit-equal.")


def _moment(workdir):
    """What the killed process was at."""
    if list((workdir / "checkpoints").glob("*.orbax-checkpoint-tmp*")):
        return "while saving"
    return "between saves" if checkpoint.steps(workdir / "checkpoints") else "before the first save"
