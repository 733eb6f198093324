"""The studies of the metrics as commands, without the packages compared with."""

import importlib.util
import json
import subprocess
import sys

import numpy as np
import pytest

from gan_jax.studies import metric_agreement, metric_times


def test_a_missing_package_is_said_to_be(tmp_path):
    np.savez(
        tmp_path / "features.npz",
        **{f"case/{part}": np.zeros((4, 2)) for part in ("a", "b", "logits")},
    )
    (tmp_path / "ours.json").write_text(json.dumps({"case": {}}))
    command = [sys.executable, metric_agreement.__file__, "theirs", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    for name, (module, _) in metric_agreement.PACKAGES.items():
        missing = importlib.util.find_spec(module.partition(".")[0]) is None
        assert (f"{name} is left out" in done.stderr) == missing
    assert "Traceback" not in done.stderr


def test_times_of_some_metrics(capsys, monkeypatch):
    monkeypatch.setattr(
        sys,
        "argv",
        ["metric_times", "--count", "600", "--features", "4", "--metrics", "is,pr,modes"],
    )
    assert metric_times.main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("600 x 4 on ") and [line.split()[0] for line in lines[2:]] == [
        "is",
        "pr",
        "modes",
    ]
    assert lines[-1].endswith("left out: the samples are too few to count modes")
    monkeypatch.setattr(sys, "argv", ["metric_times", "--metrics", "iss"])
    with pytest.raises(SystemExit) as refusal:
        metric_times.main()
    assert refusal.value.code == 2
    assert "did you mean 'is'?" in capsys.readouterr().err
