"""Ctrl-C at many moments of ``train.py`` and ``eval.py``: one line, and the right exit code.

uv run pytest -m faults tests/faults/test_interrupts.py
"""

import pathlib
import shutil
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.faults
ROOT = pathlib.Path(__file__).parent.parent.parent
RUN = ROOT / "tests" / "data" / "run_v1_single"
DELAYS = (0.3, 0.5, 0.7, 0.9, 1.2, 1.6, 2, 3, 5, 8, 12, 18)
SOON = 10
"""Seconds, on a busy machine, from the signal to the end; a save or two fall into it."""


def interrupted(arguments, delay, folder):
    """Exit code, stdout, stderr of a process that gets SIGINT after some seconds; and how long it
    then went on.
    """
    command = [sys.executable, *map(str, arguments)]
    process = subprocess.Popen(
        command, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err, time.monotonic() - began


@pytest.mark.parametrize("delay", DELAYS)
def test_training(tmp_path, delay):
    arguments = [ROOT / "train.py", "digits_dcgan", "--checkpoint-every", "50"]
    code, out, err, seconds = interrupted(arguments, delay, tmp_path)
    print(delay, code, round(seconds, 1), (out + err).strip().splitlines()[-1:])
    if code == 0:
        assert "Stopped and saved at step" in out and err == ""
    else:
        assert code == 130 and err.count("\n") == 1 and err.startswith("Stopped before ")
    assert seconds < SOON


@pytest.mark.parametrize("delay", DELAYS)
def test_evaluation(tmp_path, delay):
    shutil.copytree(RUN, tmp_path / "run")
    arguments = [ROOT / "eval.py", "run", "--num-samples", "20000"]
    code, out, err, seconds = interrupted(arguments, delay, tmp_path)
    print(delay, code, round(seconds, 1), (out + err).strip().splitlines()[-1:])
    if code == 0:  # it was done
        assert "written:" in out
    else:
        assert code == 130 and err.count("\n") == 1 and err.startswith("Stopped")
    assert seconds < SOON
