"""The notebooks of the documentation run, and the same cells have outputs as in the stored notebooks."""

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs/get-started"
SHOWN = {
    "quickstart.ipynb": (2, ["13 symbols kept, 1 new, 1 dropped", "of the sums are wrong", "bits per character"]),
    "compare-cells.ipynb": (3, ["of the sums are wrong", "validation_bits_per_character"]),
}
"""Number of runs of each notebook, and texts that its outputs contain."""

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")


@pytest.mark.parametrize("name", SHOWN)
def test_a_notebook_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = nbformat.read(FOLDER / name, as_version=4)
    stored = [len(cell.outputs) > 0 for cell in notebook.cells if cell.cell_type == "code"]
    for cell in notebook.cells:  # A twentieth of the steps shows that everything runs.
        cell.source = re.sub(
            r'("(?:steps|interval)": )(\d+)', lambda found: found[1] + str(int(found[2]) // 20), cell.source
        )
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=240, kernel_name="python3", resources=resources).execute()
    executed = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [len(cell.outputs) > 0 for cell in executed] == stored
    data = [output.get("data", {}) for cell in executed for output in cell.outputs]
    texts = [output.get("text", "") for cell in executed for output in cell.outputs]
    runs, expected = SHOWN[name]
    assert sum(shown.get("text/plain", "").startswith("done: ") for shown in data) == runs
    for text in expected:
        assert text in "".join([*texts, *(shown.get("text/plain", "") for shown in data)])
