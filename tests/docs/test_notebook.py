"""The notebook of the documentation runs, and the same cells have outputs as in the stored notebook."""

from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs/get-started/quickstart.ipynb"

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    stored = [len(cell.outputs) > 0 for cell in notebook.cells if cell.cell_type == "code"]
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=240, kernel_name="python3", resources=resources).execute()
    executed = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [len(cell.outputs) > 0 for cell in executed] == stored
    text = "".join(output.get("text", "") for cell in executed for output in cell.outputs)
    assert "13 symbols kept, 1 new, 1 dropped" in text
    assert "bits per character" in text
    shown = [output.get("data", {}).get("text/plain", "") for cell in executed for output in cell.outputs]
    assert len([text for text in shown if text.startswith("done ")]) == 2
