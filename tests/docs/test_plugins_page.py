"""The pages for plugin authors: their files are components that work, and their experiments train."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from seqforge.cli.new_plugin import render_plugin
from seqforge.kinds.table import INTERFACES
from seqforge.registry import with_plugin_file
from seqforge.registry.local_plugins import component_name
from seqforge.registry.registry import Registry
from seqforge.testing.plugin_check import check_component

DOCS = Path(__file__).parents[2] / "docs"


def files_of(page: str) -> dict[str, str]:
    """Return the blocks of a page that have a file name."""
    pattern = r'^```\w+ title="([^"]+)"\n(.*?)^```$'
    return dict(re.findall(pattern, (DOCS / page).read_text("utf-8"), flags=re.DOTALL | re.MULTILINE))


KINDS = "how-to/components"
"""Folder of the pages that show components."""
SHOWN_IN = {
    "cell": "how-to/plugins",  # The page of cells shows others.
    **dict.fromkeys(("labelled-corpus", "prediction-metric", "attention"), f"{KINDS}/labelled-examples"),
    **dict.fromkeys(
        ("corpus", "vocabulary", "loss", "optimizer", "schedule", "initializer", "backend"), f"{KINDS}/small-components"
    ),
    "tracker": "how-to/trackers",
    "exporter": "how-to/export",
}
"""Pages that show the example of a kind, if the page has not the name of the kind."""
FURTHER = {"labelled-examples": "reviews.py even_sums.py", "metric": "novel_words.py",
           "cell": "mgu.py qrnn.py value_residual.py steady_rnn.py lru.py",
           "sampler": "no_repetition.py no_questions.py"}  # fmt: skip
"""Files of these pages besides the example of a new plugin."""


@pytest.fixture(autouse=True)
def _forget_modules() -> Iterator[None]:
    yield
    for name in [name for name in sys.modules if name.startswith("plugin_file_")]:
        del sys.modules[name]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Write the files of a page to a folder, which becomes the current one."""
    monkeypatch.chdir(tmp_path)

    def write(page: str) -> Path:
        for name, content in files_of(page).items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(content, "utf-8")
        return tmp_path

    return write


@pytest.fixture(scope="module")
def essentials() -> Registry:
    """Return a registry without the backends that compile."""
    return Registry([plugin for plugin in Registry.installed().plugins if plugin.name in ("essentials", "tasks")])


def require_right(file: Path, registry: Registry) -> Registry:
    """Check that every component of a file is right, or needs options that have no default."""
    found = with_plugin_file(registry, file)
    for registration in found.plugins[-1].registrations:
        report = check_component(found, registration, {})
        assert report.verdict == "right" or "it has no default for" in report.finding, report
    return found


def test_the_file_of_the_plugins_page_trains(write: Callable, essentials: Registry, monkeypatch: Any) -> None:
    folder = write("how-to/plugins.md")
    require_right(folder / "my_cell.py", essentials)
    leaky = folder / "leaky.toml"
    leaky.write_text(leaky.read_text().replace("steps = 50", 'steps = 2\nbackend = "eager"'))
    (block,) = re.findall(r"^```python\n(.*?)^```$", (DOCS / "how-to/plugins.md").read_text("utf-8"), re.M | re.S)
    names: dict[str, Any] = {}
    exec(block, names)
    assert names["run"].experiment.model.cells[0].name == "my_cell.py/leaky-rnn"
    assert names["run"].checkpoints.steps() == [2]


def test_the_test_of_the_plugins_page_runs(write: Callable) -> None:
    folder = write("how-to/plugins.md")
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "rows_do_not_mix", "test_my_cell.py"],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    assert "2 passed" in result.stdout


def test_the_plugins_page_shows_what_the_command_creates() -> None:
    page = (DOCS / "how-to/plugins.md").read_text("utf-8")
    files = render_plugin("tidal", ["cell", "metric"])
    assert files_of("how-to/plugins.md")["seqforge_tidal/__init__.py"] == files["seqforge_tidal/__init__.py"]
    assert f"Created seqforge-tidal with {len(files)} files." in page


@pytest.mark.parametrize("choice", INTERFACES)
def test_the_example_of_each_kind_is_that_of_a_new_plugin(choice: str) -> None:
    page = SHOWN_IN.get(choice, f"{KINDS}/{choice}") + ".md"
    content = files_of(page)["my_cell.py" if choice == "cell" else f"{choice.replace('-', '_')}.py"]
    class_name, *_ = re.findall(r"^class (\w+)\(", content, flags=re.MULTILINE)
    created = render_plugin("my", [choice])[f"seqforge_my/{choice.replace('-', '_')}.py"]
    own_name, *_ = re.findall(r"^class (\w+)\(", created, flags=re.MULTILINE)
    assert content == created.replace(own_name, class_name)
    uses = f"--format {component_name(class_name)} " if choice == "exporter" else f'"{component_name(class_name)}"\n'
    assert uses in (DOCS / page).read_text("utf-8")


@pytest.mark.parametrize("page", FURTHER)
def test_the_other_examples_are_right(page: str, write: Callable, essentials: Registry) -> None:
    folder = write(f"{KINDS}/{page}.md")
    for name in FURTHER[page].split():
        require_right(folder / name, essentials)


def test_every_file_of_a_component_is_tested() -> None:
    for path in (DOCS / KINDS).glob("*.md"):
        examples = {kind for kind in INTERFACES if SHOWN_IN.get(kind, f"{KINDS}/{kind}") == f"{KINDS}/{path.stem}"}
        known = {f"{kind.replace('-', '_')}.py" for kind in examples} | {*FURTHER.get(path.stem, "").split()}
        assert {name for name in files_of(f"{KINDS}/{path.name}") if name.endswith(".py")} <= known | {"test_paper.py"}


def test_the_comparison_with_the_paper_succeeds(write: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(f"{KINDS}/cell.md")
    monkeypatch.syspath_prepend(folder)
    names: dict[str, Any] = {}
    exec((folder / "test_paper.py").read_text(), names)
    names["test_the_cell_computes_the_equations_of_the_paper"]()
    del sys.modules["qrnn"]
