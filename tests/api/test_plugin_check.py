"""The check of a plugin names what is wrong, one case for each kind of component, and accepts what is right."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made_projects import with_project
from typer.testing import CliRunner

from seqforge import export, train
from seqforge.cli.app import build_app
from seqforge.registry import with_plugin_file
from seqforge.registry.discovery import Plugin, PluginState
from seqforge.registry.hooks import PretrainedModel, Registration
from seqforge.registry.registry import Registry
from seqforge.testing.plugin_check import ComponentReport, check_component, check_model

WRONG = Path(__file__).parents[1] / "made/wrong_components.py"


@pytest.fixture(scope="module")
def reports() -> Iterator[dict[str, ComponentReport]]:
    """Return the report of each wrong component, by its short name."""
    installed = Registry.installed()
    # Without the other cells and backends, nothing is compiled or timed.
    essentials = next(plugin for plugin in installed.plugins if plugin.name == "essentials")
    kept = tuple(entry for entry in essentials.registrations if entry.kind not in ("cell", "backend"))
    vocabularies = Plugin("essentials", "", "", "1", PluginState.OK, registrations=kept)
    registry = with_plugin_file(Registry([vocabularies]), WRONG)
    entries = registry.plugins[-1].registrations
    yield {entry.name: check_component(registry, entry, {}) for entry in entries}
    del sys.modules["plugin_file_wrong_components"]


def test_a_name_that_a_first_party_component_has_is_named():
    essentials = next(plugin for plugin in Registry.installed().plugins if plugin.name == "essentials")
    target = "seqforge_essentials.schedules:Cosine"
    own = tuple(Registration("schedule", "mine", name, target) for name in ("cosine", "my-cosine"))
    registry = Registry([essentials, Plugin("mine", "", "", "1", PluginState.OK, registrations=own)])
    advice = [check_component(registry, entry, {}).advice for entry in own]
    assert advice == [
        "The name 'cosine' is that of essentials/cosine: choose another one, or write 'mine/cosine'.",
        "",
    ]


@pytest.mark.parametrize(
    ("name", "finding"),
    [
        ("unused", "the parameter `peephole` never gets a gradient"),
        ("in-place", "the given state was modified in place: `state.average`"),
        ("plain-tensor", "tensor `scale` is not registered as a parameter or buffer"),
        ("in-float32", "float32 inside a float64 cell (wrong_components.py, line "),
        ("on-the-processor", "a tensor on the CPU inside a cell on another device (wrong_components.py, line "),
        ("vectors-only", "it cannot read symbols, integers [time, batch], as the first layer does: RuntimeError"),
        ("infinite", "the output is not finite for normally distributed inputs"),
        ("wrong-default", "hidden_size: the default should be greater than 0, not 0"),
        ("latin", "the document 'one' is not UTF-8 (unexpected end of data at byte 0)"),
        ("changing", "the fingerprint after reading differs, so that the corpus is encoded again in every run"),
        ("numbered", "fingerprint returned an int, not text"),
        ("misfit", "of 'one' does not fit the example spec: "),
        ("lower-case", "is decoded as b'THE CAT SAT"),
        ("unmasked", "an output for an ignored target changes the loss"),
        ("frozen", "the learning rate of a group is not positive: got 0.0"),
        ("negative", "factor returned -0.25"),
        ("forbidding", "transform forbids every symbol; at least one must stay allowed"),
        ("outside", "is outside of the texts"),
        ("not-a-number", "its value 'mean' is nan"),
        ("dividing", "raises ZeroDivisionError: division by zero (wrong_components.py, line "),
        ("table", "it returned a dict, not a Score"),
        ("wild", "initialize wrote NaN or infinity to input.embedding.weight"),
        ("transposed", "a call raises RuntimeError: The size of tensor a (6) must match"),
        ("shifted", "Shifted on OnShifted in float64: the output differs from the scan of `step`"),
        ("on-shifted", "on the backend shifted, its outputs differ from those of the eager backend"),
    ],
)
def test_what_is_wrong_is_named(name: str, finding: str, reports: dict[str, ComponentReport]) -> None:
    assert finding in reports[name].finding
    assert reports[name].verdict == "wrong"
    assert reports[name].advice == f"Correct '{name}' in wrong_components.py."


def test_a_cell_that_is_right_has_times_and_advice(reports: dict[str, ComponentReport]) -> None:
    assert reports["good"].verdict == "right"
    assert "24 tests; 32 steps × 16 rows: eager " in reports["good"].finding
    assert reports["good"].advice == 'Describe hidden_size: Annotated[type, Field(description="…")].'


def test_the_components_of_seqforge_are_right(registry: Registry) -> None:
    essentials = next(plugin for plugin in registry.plugins if plugin.name == "essentials")
    kept = tuple(entry for entry in essentials.registrations if entry.kind != "cell")
    plugin = Plugin("essentials", "", "", "1", PluginState.OK, registrations=kept)
    found = [check_component(Registry([plugin]), entry, {}) for entry in kept]
    verdicts = {report.name: report.verdict for report in found if report.verdict != "right"}
    needing_options = ("text", "json-lines", "csv", "parquet", "hugging-face", "mixture", "inline")
    assert verdicts == {f"essentials/{name}": "not tried" for name in needing_options}
    assert [report.advice for report in found if report.verdict == "right" and report.advice] == []


def test_a_preset_sets_options_that_its_cell_has(registry: Registry) -> None:
    presets = [
        Registration("cell", "mine", "narrow", "essentials/lstm", options=((name, 4),))
        for name in ("hidden_size", "hidden_siz")
    ]
    right, wrong = (check_component(registry, preset, {}) for preset in presets)
    assert (right.verdict, right.finding, right.advice) == ("right", "essentials/lstm with hidden_size = 4", "")
    assert (wrong.verdict, wrong.finding) == ("wrong", "essentials/lstm has no option 'hidden_siz'")


def test_a_model_is_an_exported_run_with_a_card(experiment: Any, registry: Registry, tmp_path: Path) -> None:
    run = train(experiment(training={"steps": 1}), tmp_path)
    folder = export(run, tmp_path / "model").path
    count = sum(parameter.numel() for parameter in run.model("latest").parameters())

    def check(folder: Path) -> tuple[str, str, str]:
        report = check_model(registry, PretrainedModel("mine", "tiny", folder))
        assert (report.kind, report.name) == ("model", "mine/tiny")
        return report.verdict, report.finding, report.advice

    again = "Write the folder again: seqforge export RUN FOLDER --replace"
    assert check(folder) == ("right", f"loaded; {count:,} parameters", "")
    assert check(run.path) == ("wrong", "its folder contains the state of training", again)
    (folder / "README.md").unlink()
    assert check(folder) == ("wrong", "it has no model card README.md", "Describe the model in it.")
    verdict, finding, advice = check(tmp_path / "none")
    assert (verdict, finding.startswith(f"{tmp_path}/none: "), advice) == ("wrong", True, again)


def test_a_missing_class_is_wrong_and_the_exit_status_is_1(tmp_path: Path) -> None:
    absent = Registration("loss", "sample", "absent", "seqforge.errors:AbsentLoss")
    plugin = Plugin("sample", "", "", "1", PluginState.OK, registrations=(absent,))
    app, runner = build_app(Registry([plugin])), CliRunner()
    shown = runner.invoke(app, ["plugins", "show", "sample"])
    assert shown.stdout.startswith("sample: 1 of 1 components cannot be used\n")
    assert "the module has no class AbsentLoss" in shown.stdout
    checked = runner.invoke(app, ["plugins", "check", "sample", "--json"])
    assert checked.exit_code == 1
    (report,) = json.loads(checked.stdout)
    assert (report["name"], report["verdict"]) == ("sample/absent", "wrong")
    assert "has no class AbsentLoss" in report["advice"]


def test_an_entry_module_must_not_import_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slow_plugin.py").write_text(
        "import torch\nSEQFORGE_API = 1\nCOMPONENTS = {'schedule': {'one': 'slow_plugin:One'}}\n"
    )
    (tmp_path / "pyproject.toml").write_text('[project.entry-points."seqforge.plugins"]\nslow = "slow_plugin"\n')
    monkeypatch.setattr(sys, "path", list(sys.path))
    registry, _ = with_project(Registry([]), tmp_path)
    checked = CliRunner().invoke(build_app(registry), ["plugins", "check", "slow"])
    assert checked.exit_code == 1
    assert "its entry module slow_plugin imports torch, so every command starts slowly" in checked.stdout


def test_options_without_a_default_can_be_set(registry: Registry) -> None:
    app, runner = build_app(registry), CliRunner()
    without = runner.invoke(app, ["plugins", "check", "inline"])
    assert "Add the options: --set inline.text=VALUE" in without.stdout
    right = runner.invoke(app, ["plugins", "check", "inline", "--set", "inline.text=hello"])
    assert right.stdout.startswith("✓ corpus")
    assert right.stdout.endswith("\n1 right, 0 wrong, 0 not tried\n")
    wrong = runner.invoke(app, ["plugins", "check", "inline", "--set", "inline.text="])
    assert wrong.exit_code == 1
    assert wrong.stdout.endswith("\n0 right, 1 wrong, 0 not tried\n")
    assert "text: should have at least 1 character" in wrong.stdout
    assert "Correct the options that --set gives." in wrong.stdout
    unknown = runner.invoke(app, ["plugins", "check", "inline", "--set", "inlin.text=hello"]).exception
    assert "--set: inline has no component 'inlin'\nDid you mean 'inline'?" in str(unknown)
