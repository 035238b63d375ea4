"""The run that a text names: a path, or a pretrained model of a plugin."""

import shutil
from pathlib import Path

import pytest

from seqforge.errors import PluginError, RunError
from seqforge.registry.discovery import Plugin, PluginState
from seqforge.registry.hooks import PretrainedModel
from seqforge.registry.registry import Registry
from seqforge.runs.directory import suggest_runs
from seqforge.runs.locate import find_run, locate

STORED = Path(__file__).parents[1] / "training" / "runs" / "version-3"


def registry_of(*names: str) -> Registry:
    pairs = [name.split("/") for name in names]
    return Registry(
        [
            Plugin(owner, "", "", "1", PluginState.OK, models=(PretrainedModel(owner, name, Path("/models", name)),))
            for owner, name in pairs
        ]
    )


KNOWN = registry_of("plugin/small", "other/large")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", ["small", "plugin/small"])
def test_a_name_is_a_model_unless_it_is_a_run_directory_too(name: str, tmp_path: Path) -> None:
    model = Path("/models/small")
    assert find_run(name, KNOWN) == model
    (tmp_path / name).mkdir(parents=True)
    assert locate(name, KNOWN) == (model, None)
    shutil.copytree(STORED, tmp_path / name, dirs_exist_ok=True)
    with pytest.raises(RunError, match="is a run directory here, and also a model of the plugin 'plugin'") as caught:
        find_run(name, KNOWN)
    hint = str(caught.value.hint)
    assert hint.startswith(f"For the run directory: ./{name}. For the model: ")
    assert find_run(f"./{name}", KNOWN) == find_run(Path(name), KNOWN) == Path(name)


def test_the_hint_of_an_ambiguous_name_names_the_model(tmp_path: Path) -> None:
    shutil.copytree(STORED, tmp_path / "small")
    with pytest.raises(RunError) as caught:
        find_run("small", KNOWN)
    assert str(caught.value.hint).endswith("For the model: plugin/small.")


def test_a_checkpoint_is_located_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert locate("runs/a/checkpoints/step-00000500", KNOWN) == (Path("runs/a"), "500")
    assert locate("runs/a", KNOWN) == (Path("runs/a"), None)
    (tmp_path / "checkpoints/step-00000500").mkdir(parents=True)
    for folder, inside in ((tmp_path, "checkpoints/step-00000500"), (tmp_path / "checkpoints", "step-00000500")):
        monkeypatch.chdir(folder)
        assert locate(inside, KNOWN) == (tmp_path, "500"), "the name of a run is that of its folder"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("smal", "Did you mean 'small'?"),
        ("other/larg", "Did you mean 'other/large'?"),
        ("nothing", "There is no run in this folder. Models: small, large."),
    ],
)
def test_an_unknown_name_is_an_error_with_the_nearest_or_all_names(name: str, hint: str) -> None:
    with pytest.raises(RunError, match="no such run directory or model") as caught:
        find_run(name, KNOWN)
    assert caught.value.hint == hint


def test_the_runs_in_the_usual_folder_are_suggested_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("notes").mkdir()
    assert suggest_runs(Path("notes")) == "There is no run in notes."
    assert suggest_runs(Path("run/first")) == "The folder run does not exist either."
    Path("runs/first").mkdir(parents=True)
    Path("runs/first/run.json").touch()
    assert suggest_runs(Path("notes")) == "Runs in runs: runs/first."
    assert suggest_runs(Path("run/first")) == "Did you mean runs/first?"
    assert suggest_runs(Path("run/other")) == "Runs in runs: runs/first."
    assert suggest_runs(Path("frist")) == "Did you mean runs/first?"
    assert suggest_runs(Path("nowhere")) == "Runs in runs: runs/first."
    assert suggest_runs(Path("runs/other")) == "Runs in runs: runs/first."


def test_two_models_of_one_name_need_their_qualified_names() -> None:
    both = registry_of("plugin/small", "other/small")
    with pytest.raises(PluginError, match="offered by more than one plugin") as caught:
        find_run("small", both)
    assert caught.value.hint == "Write one of: plugin/small, other/small."
    assert find_run("other/small", both) == Path("/models/small")
