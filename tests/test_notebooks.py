"""Every notebook runs from top to bottom, at toy size, and is kept with its outputs."""

import os
import pathlib
import re

import jax
import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((pathlib.Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))

LARGEST = 300_000
"""Bytes of a notebook with its pictures."""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_kept_with_small_outputs(path):
    """Of one run from top to bottom, at full size, without errors or warnings."""
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 2
    assert not any(output.output_type == "error" for output in outputs)
    assert not any("Warning" in output.get("text", "") for output in outputs)
    assert path.stat().st_size < LARGEST


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, monkeypatch, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    toy = {"STEPS": 3, "POINTS": 200, "DATASET": "digits", "RUNS": str(tmp_path)}
    found = []
    for cell in notebook.cells:
        for name, value in toy.items():
            line = rf"^{name} = [^#\n]*"
            cell.source, n = re.subn(line, f"{name} = {value!r}", cell.source, flags=re.MULTILINE)
            found += n * [name]
    assert found.count("STEPS") == 1 and len(found) == len(set(found))
    flags = re.sub(r"--xla_force_host\S+", "", os.environ["XLA_FLAGS"])
    monkeypatch.setenv("XLA_FLAGS", flags)
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", jax.config.jax_compilation_cache_dir)
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    (startup := tmp_path / "profile_default" / "startup").mkdir(parents=True)
    (startup / "collect_no_garbage.py").write_text("import gc\n\ngc.disable()\n")
    NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 2
    assert not any(
        output.output_type == "stream" and "Traceback" in output.text for output in outputs
    )
