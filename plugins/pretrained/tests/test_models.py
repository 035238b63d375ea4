"""The models of this plugin work without their corpus, and are part of its wheel."""

import zipfile
from pathlib import Path

import pytest
from hatchling.build import build_wheel
from typer.testing import CliRunner

from seqforge import Registry, Run
from seqforge.cli.app import build_app
from seqforge.registry.hooks import PretrainedModel
from seqforge.testing.plugin_check import check_model

PLUGIN = Path(__file__).parents[1]
REGISTRY = Registry.installed()
MODELS = [model for model in REGISTRY.models if model.plugin == "pretrained"]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_model_writes_text_without_its_corpus(
    model: PretrainedModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SEQFORGE_LINUX_SOURCE", str(tmp_path / "missing"))
    report = check_model(REGISTRY, model)
    assert report.verdict == "right", report
    (text,) = Run.open(model.name, registry=REGISTRY).sample("static int ", length=20)
    assert text.startswith("static int ")
    assert len(text) >= len("static int ") + 20


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_a_text_alone_fine_tunes_a_model(
    model: PretrainedModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").write_text("int ä = 1;\n" * 40)
    options = "--steps 1 --set training.batch_size=1 --set training.sequence_length=8 --set sampling.length=1"
    command = ["run", "notes.txt", "--initial", model.name, *options.split()]
    assert CliRunner().invoke(build_app(REGISTRY), command).exit_code == 0
    trained, tuned = Run.open(model.name, registry=REGISTRY), Run.open("runs/notes", registry=REGISTRY)
    assert tuned.experiment.table["model"] == trained.experiment.table["model"]
    assert tuned.experiment.vocabulary.name == trained.experiment.vocabulary.name
    if "file" in tuned.experiment.vocabulary.options:
        assert tuned.vocabulary().state() == trained.vocabulary().state()


def test_the_wheel_contains_the_files_of_every_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PLUGIN)
    with zipfile.ZipFile(tmp_path / build_wheel(str(tmp_path))) as wheel:
        packed = {info.filename: info.file_size for info in wheel.infolist()}
    for model in MODELS:
        files = [path for path in model.folder.rglob("*") if path.is_file()]
        assert model.folder / "README.md" in files
        for path in files:
            assert packed[str(path.relative_to(PLUGIN))] == path.stat().st_size
    assert MODELS
    assert sum(packed.values()) < 24_000_000
