"""The plugin of docs/plugins.md is built from the page's own text, and works."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs/plugins.md"


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """Write the page's files, with the metadata that installing them would write."""
    files = dict(re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', PAGE.read_text(), flags=re.DOTALL | re.MULTILINE))
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
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
    wrong = seqforge("check", "leaky.toml", "--set", "model.cells.0.leak=2", PYTHONPATH=str(plugin))
    assert "model.cells.0.leak" in wrong.stderr


def test_its_cell_passes_the_suite(plugin: Path) -> None:
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
