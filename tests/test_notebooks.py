"""Every notebook runs from top to bottom, at toy size, and is kept without outputs."""

import pathlib
import re

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((pathlib.Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, monkeypatch, tmp_path):
    notebook = nbformat.read(path, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), (
        "clear the outputs before committing"
    )
    toy = 0
    for cell in notebook.cells:
        cell.source, found = re.subn(
            r"^STEPS = [\d_]+", "STEPS = 3", cell.source, flags=re.MULTILINE
        )
        toy += found
    assert toy == 1
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=1")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 2
    assert not any(
        output.output_type == "stream" and "Traceback" in output.text for output in outputs
    )
