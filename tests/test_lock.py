"""The lock of a run folder, between real processes and in this one."""

import json
import os
import signal
import subprocess
import sys

import pytest

from gan_jax.errors import ConfigError
from gan_jax.runs import lock
from gan_jax.runs.lock import LOCK, Lock

HOLD = """
import fcntl, sys
file = open(sys.argv[1], "w")
fcntl.flock(file, fcntl.LOCK_EX)
print('{"host": "here", "process": 7, "since": "noon"}', file=file, flush=True)
print("held", flush=True)
sys.stdin.read()
"""
"""What `Lock` does in another process, without the seconds that it takes to import it."""


@pytest.fixture
def other(tmp_path):
    """A process that holds the lock of ``tmp_path``."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / LOCK)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_folder_in_use_is_refused_and_who_uses_it_is_named(tmp_path, other):
    before = (tmp_path / LOCK).read_text()
    with Lock(tmp_path) as own:
        with pytest.raises(
            ConfigError, match="trained by process 7 on here since noon; use another --workdir"
        ):
            own.take()
        with pytest.raises(ConfigError, match="another training has just started in"):
            own.begin()
    assert (tmp_path / LOCK).read_text() == before
    assert lock.holder(tmp_path)["process"] == 7


def test_a_kill_leaves_a_name_that_locks_nothing(tmp_path, other):
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert lock.holder(tmp_path) is None and lock.left_behind(tmp_path)
    with Lock(tmp_path) as own:
        own.take()
        own.begin()
        assert json.loads((tmp_path / LOCK).read_text())["process"] == os.getpid()
        assert lock.holder(tmp_path)["process"] == os.getpid()
    assert not lock.left_behind(tmp_path) and lock.holder(tmp_path) is None


def test_what_is_refused_after_all_leaves_the_file_as_it_was(tmp_path):
    with Lock(tmp_path / "new") as own:
        own.take()
    assert not (tmp_path / "new").exists()
    (tmp_path / LOCK).write_text("of one that was killed")
    with Lock(tmp_path) as own:
        own.take()
    assert (tmp_path / LOCK).read_text() == "of one that was killed"


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(lock.fcntl, "flock", no_locks)
    with Lock(tmp_path) as own, pytest.warns(UserWarning, match="no locks"):
        own.begin()
