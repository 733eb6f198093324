"""Two trainers in one run folder: the second is refused, the first is not disturbed."""

import signal

import pytest

from tests.faults.trainings import assert_equal, finish, start

pytestmark = pytest.mark.faults

STEPS = ("--steps", "8000")


def refused(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 2 and err.count("\n") == 1, err
    assert "is being trained by process" in err or "another training has just started" in err
    return out


def test_the_second_is_refused(tmp_path):
    finish(tmp_path / "whole", *STEPS)
    workdir = tmp_path / "run"
    first = start(workdir, *STEPS)
    assert first.stdout.readline().startswith("Compiling")
    first.send_signal(signal.SIGSTOP)  # it trains as long as the others take
    for options in ((), ("--overwrite",), ("--seed", "3", "--overwrite")):
        refused(start(workdir, *STEPS, *options))
    first.send_signal(signal.SIGCONT)
    out, err = first.communicate(timeout=300)
    assert first.returncode == 0 and err == "" and "Trained for 8,000 steps" in out
    assert_equal(workdir, tmp_path / "whole")


def test_of_two_that_start_together_one_trains(tmp_path):
    finish(tmp_path / "whole", *STEPS)
    both = [start(tmp_path / "run", *STEPS) for _ in range(2)]
    ended = [(process.communicate(timeout=600), process.returncode) for process in both]
    codes = sorted(code for _, code in ended)
    assert codes in ([0, 2], [0, 0]), ended  # the second may come when all is done
    assert_equal(tmp_path / "run", tmp_path / "whole")
