"""New plugins: names, refusals, and each kind alone. `.ci/examples` installs and tests one with all kinds."""

import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

import seqforge.testing
from seqforge import Experiment
from seqforge.api.plugin_check import check_plugin
from seqforge.cli.app import build_app
from seqforge.cli.new_plugin import SUITES, render_component, render_plugin
from seqforge.cli.plugins_new import check_name
from seqforge.errors import PluginError
from seqforge.registry import KINDS, Plugin, PluginState, Registry, with_project

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


def test_every_kind_except_trackers_has_a_template_and_a_suite() -> None:
    assert set(SUITES) == set(KINDS) - {"tracker"}
    for suite, table in SUITES.values():
        assert hasattr(seqforge.testing, suite)
        assert not table or table in getattr(seqforge.testing, suite).__annotations__


@pytest.mark.parametrize("kind", sorted(SUITES))
def test_each_kind_alone_is_right_and_its_example_is_valid(kind: str, write: Write, registry: Registry) -> None:
    folder = write(render_plugin(f"one-{kind}", [kind]))
    found, (plugin,) = with_project(registry, folder)
    assert (plugin.name, plugin.state, plugin.reason) == (f"one-{kind}", PluginState.OK, "")
    essentials = next(plugin for plugin in registry.plugins if plugin.name == "essentials")
    # Without the backends of other plugins, nothing is compiled.
    (report,) = check_plugin(Registry([essentials, plugin]), plugin)
    assert (report.kind, report.name, report.verdict) == (kind, f"one-{kind}/one-{kind}", "right")
    assert report.advice == ""
    experiment = Experiment.load(folder / "example.toml", registry=found)
    if kind not in ("attention", "backend"):
        assert plugin.name in experiment.plugins
    assert experiment.training.backend == (plugin.name if kind == "backend" else "auto")


def test_the_names_are_derived_from_the_name_of_the_plugin() -> None:
    files = render_plugin("two-words", ["metric", "cell"])
    project = tomllib.loads(files["pyproject.toml"])["project"]
    assert project["name"] == "seqforge-two-words"
    assert project["entry-points"]["seqforge.plugins"] == {"two-words": "seqforge_two_words"}
    assert "class TwoWordsMetric(Metric):" in files["seqforge_two_words/metric.py"]
    assert (
        'register.cell("two-words", "seqforge_two_words.cell:TwoWordsCell")' in files["seqforge_two_words/__init__.py"]
    )
    assert not [name for name, content in files.items() if "{{" in content or "{%" in content]
    assert "class Other(Loss):" in render_component("loss", "Other")


@pytest.mark.parametrize(
    ("name", "kinds", "message"),
    [
        ("My_Cell", ["cell"], "For example: my-cell."),
        ("9", ["cell"], "For example: my-plugin."),
        ("seqforge-tidal", ["cell"], "Write tidal. Its package is called seqforge-tidal."),
        ("session", ["cell"], "the name 'session' is reserved"),
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
    again = runner.invoke(app, ["plugins", "new", "tidal", "--metric"])
    assert isinstance(again.exception, PluginError)
    assert "seqforge-tidal exists already" in str(again.exception)
    assert (tmp_path / "seqforge-tidal/README.md").read_text() == "mine"
