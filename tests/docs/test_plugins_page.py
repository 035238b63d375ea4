"""The plugin in docs/plugins.md works if it is built from the text of the page."""

import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from seqforge_essentials.cells.rnn import RNN

from seqforge.interfaces import BackendContext

PAGE = Path(__file__).parents[2] / "docs/plugins.md"
REGISTRATION = re.compile(r'register\.backend\("addmm", "[^"]+"\)')


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """Write the page's files, with the metadata that installing them would write."""
    files = dict(re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', PAGE.read_text(), flags=re.DOTALL | re.MULTILINE))
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    with (tmp_path / "seqforge_leaky/__init__.py").open("a") as entry_module:
        entry_module.write(f"    {REGISTRATION.search(PAGE.read_text())[0]}\n")  # type: ignore[index]
    project = tomllib.loads(files["pyproject.toml"])["project"]
    metadata = tmp_path / "seqforge_leaky-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    entries = project["entry-points"]["seqforge.plugins"]
    lines = [f"{name} = {module}" for name, module in entries.items()]
    (metadata / "entry_points.txt").write_text("\n".join(["[seqforge.plugins]", *lines]))
    return tmp_path


def test_the_plugin_is_found_and_runs(plugin: Path, seqforge: Callable) -> None:
    shown = seqforge("plugins", "show", "leaky", PYTHONPATH=str(plugin))
    assert "leaky-rnn" in shown.stdout
    assert "line-length" in shown.stdout
    ran = seqforge("run", "leaky.toml", PYTHONPATH=str(plugin))
    assert ran.returncode == 0, ran.stderr
    assert "line-length.mean" in ran.stderr
    pinned = seqforge("run", "leaky.toml", "--set", "training.backend=addmm", PYTHONPATH=str(plugin))
    assert pinned.returncode == 0, pinned.stderr
    wrong = seqforge("check", "leaky.toml", "--set", "model.cells.0.leak=2", PYTHONPATH=str(plugin))
    assert "model.cells.0.leak" in wrong.stderr


def test_the_backend_equals_the_cell(plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(plugin))
    backend = importlib.import_module("seqforge_leaky.backend").AddmmBackend()
    cell = importlib.import_module("seqforge_leaky.cell").LeakyRNN(3, 4).double()
    context = BackendContext(torch.device("cpu"), torch.float64)
    assert backend.unsupported(cell, context) is None
    inputs, state = torch.randn(5, 2, 3, dtype=torch.float64), cell.initial_state(2)
    outputs, after = backend.sequence_reader(cell, context)(inputs, state)
    expected, expected_after = cell(inputs, state)
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(after.hidden, expected_after.hidden)
    assert "LeakyRNN only" in backend.unsupported(RNN(3, 4), context)


def test_the_cell_passes_the_suite(plugin: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(plugin), "tests"],
        cwd=plugin,
        env={"PYTHONPATH": str(plugin), "PATH": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    assert "passed" in result.stdout
