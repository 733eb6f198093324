"""A disk that fills up while training: one sentence, nothing lost, and the run can go on."""

import os
import subprocess

import pytest

from gan_jax import checkpoint
from tests.faults.trainings import assert_equal, finish, start

pytestmark = pytest.mark.faults

STEPS = ("--steps", "2000")


@pytest.fixture
def small(tmp_path):
    """A disk of its own, whose size in KiB is set by calling it."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], check=True)

    def resize(kib):
        subprocess.run(["mount", "-o", f"remount,size={kib}k", folder], check=True)
        return folder

    yield resize
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("kib", [150, 250, 350, 450, 550])
def test_a_full_disk_is_one_sentence_and_loses_nothing(small, tmp_path, kib):
    finish(tmp_path / "whole", *STEPS)
    workdir = small(kib) / "run"
    process = start(workdir, *STEPS)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 4 and err.count("\n") == 1
    program = "python -m gan_jax train"
    assert err.startswith(f"{program}: {workdir} can no longer be written (No space left on ")
    saved = checkpoint.steps(workdir / "checkpoints")
    small(20_000)
    finish(workdir, *STEPS)
    assert_equal(workdir, tmp_path / "whole")
    print(f"\nfull at {kib} KiB, after step {saved[-1] if saved else 0}: went on, bit-equal")
