"""New plugins: names, refusals, and each kind alone. `.ci/examples` installs and tests one with all kinds."""

import importlib
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from made_projects import with_project
from typer.testing import CliRunner

from seqforge import Experiment
from seqforge.cli.app import build_app
from seqforge.cli.new_plugin import check_name, render_plugin
from seqforge.errors import PluginError
from seqforge.kinds.table import INTERFACES
from seqforge.registry.discovery import Plugin, PluginState
from seqforge.registry.registry import Registry
from seqforge.testing.plugin_check import check_component

Write = Callable[[dict[str, str]], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write the files of a plugin to a folder, and return the folder."""
    monkeypatch.setattr(sys, "path", list(sys.path))

    def write(files: dict[str, str]) -> Path:
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(content)
        return tmp_path

    return write


def test_every_kind_has_a_template_and_a_suite() -> None:
    for kind, interface in INTERFACES.values():
        suite = getattr(importlib.import_module(kind.suite_module), interface.suite_name)
        assert kind.name == "backend" or kind.plural in suite.__annotations__


@pytest.mark.parametrize("choice", INTERFACES)
def test_each_component_alone_is_right_and_its_example_is_valid(choice: str, write: Write, registry: Registry) -> None:
    folder = write(render_plugin(f"one-{choice}", [choice]))
    found, plugin = with_project(registry, folder)
    assert (plugin.name, plugin.state, plugin.reason) == (f"one-{choice}", PluginState.OK, "")
    essentials = next(plugin for plugin in registry.plugins if plugin.name == "essentials")
    (registration,) = plugin.registrations
    # Without the backends of other plugins, nothing is compiled.
    report = check_component(Registry([essentials, plugin]), registration, {})
    kind, interface = INTERFACES[choice]
    assert (report.kind, report.name, report.verdict) == (kind.name, f"one-{choice}/one-{choice}", "right")
    assert report.advice == ""
    file = "labelled.toml" if interface.data == "labelled" else "example.toml"
    experiment = Experiment.load(folder / file, registry=found)
    if choice not in ("attention", "backend", "exporter"):
        assert plugin.name in experiment.plugins
    assert experiment.training.backend == (plugin.name if choice == "backend" else "auto")


def test_two_components_of_a_kind_have_names_and_experiments_of_their_own(write: Write, registry: Registry) -> None:
    folder = write(render_plugin("two", ["corpus", "prediction-metric", "labelled-corpus", "metric", "cell"]))
    found, plugin = with_project(registry, folder)
    names = {(registration.kind, registration.name) for registration in plugin.registrations}
    assert names == {
        ("cell", "two"),
        ("corpus", "two"),
        ("corpus", "two-labelled-corpus"),
        ("metric", "two"),
        ("metric", "two-prediction-metric"),
    }
    text, labelled = (Experiment.load(folder / f"{name}.toml", registry=found) for name in ("example", "labelled"))
    assert (text.corpus.name, text.metrics[0].name) == ("two/two", "two/two")
    assert labelled.corpus.name == "two/two-labelled-corpus"
    assert labelled.metrics[0].name == "two/two-prediction-metric"
    assert text.model.cells[0].name == labelled.model.cells[0].name == "two/two"
    assert '["example.toml", "labelled.toml"]' in (folder / "tests/test_example.py").read_text()


def test_the_names_are_derived_from_the_name_of_the_plugin() -> None:
    files = render_plugin("two-words", ["metric", "cell"])
    project = tomllib.loads(files["pyproject.toml"])["project"]
    assert project["name"] == "seqforge-two-words"
    assert project["entry-points"]["seqforge.plugins"] == {"two-words": "seqforge_two_words"}
    assert "class TwoWordsMetric(Metric):" in files["seqforge_two_words/metric.py"]
    assert '"two-words": "seqforge_two_words.cell:TwoWordsCell",' in files["seqforge_two_words/__init__.py"]
    assert not [name for name, content in files.items() if "{{" in content or "{%" in content]


@pytest.mark.parametrize(
    ("name", "kinds", "message"),
    [
        ("My_Cell", ["cell"], "For example: my-cell."),
        ("9", ["cell"], "For example: my-plugin."),
        ("seqforge-tidal", ["cell"], "Write tidal. Its package is called seqforge-tidal."),
        ("session", ["cell"], "the name 'session' is reserved"),
        ("core", ["cell"], "the name 'core' is reserved"),
        ("tasks", ["cell"], "a plugin called 'tasks' is installed already"),
        ("gru", ["loss", "cell"], "the cell 'gru' exists already, in the plugin 'essentials'"),
    ],
)
def test_names_that_are_refused(name: str, kinds: list[str], message: str, registry: Registry) -> None:
    with pytest.raises(PluginError) as error:
        check_name(name, kinds, registry)
    assert message in str(error.value)


def test_a_name_that_another_kind_has_is_accepted(registry: Registry) -> None:
    check_name("gru", ["loss"], registry)


def test_an_unknown_kind_is_an_error_that_names_the_nearest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    refused = CliRunner().invoke(build_app(Registry([])), ["plugins", "new", "tidal", "metrics"])
    assert str(refused.exception) == "no kind of component is called 'metrics'\nDid you mean 'metric'?"
    assert list(tmp_path.iterdir()) == []


def test_the_command_creates_a_folder_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    app, runner = build_app(Registry([Plugin("other", "", "", "1", PluginState.OK)])), CliRunner()
    created = runner.invoke(app, ["plugins", "new", "tidal"])
    assert created.exit_code == 0, created.exception
    assert created.stdout.startswith("Created seqforge-tidal with 10 files. Next:\n")
    assert "  seqforge plugins check tidal\n" in created.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["seqforge-tidal"]
    assert (tmp_path / "seqforge-tidal/seqforge_tidal/cell.py").exists()
    (tmp_path / "seqforge-tidal/README.md").write_text("mine")
    again = runner.invoke(app, ["plugins", "new", "tidal", "metric"])
    assert isinstance(again.exception, PluginError)
    assert "seqforge-tidal exists already" in str(again.exception)
    assert (tmp_path / "seqforge-tidal/README.md").read_text() == "mine"
