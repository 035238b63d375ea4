"""The export of a run: an exported model has the same files each time, and writes what its run writes."""

import errno
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import seqforge as sf
from seqforge import Experiment, Registry, Run
from seqforge.errors import RunError
from seqforge.generation.generator import sample_texts
from seqforge.registry import with_plugin_file
from seqforge.registry.discovery import Plugin, PluginState
from seqforge.registry.hooks import PretrainedModel
from seqforge.runs.history import record_end, record_start
from seqforge.runs.metrics_log import to_lines
from seqforge.runs.summary import summarize_run
from seqforge.runs.verification import CheckpointManifest
from seqforge.storage.records import MANIFEST, describe_content

STORED = Path(__file__).parents[1] / "training" / "runs" / "version-3"

MakeExperiment = Callable[..., Experiment]


@pytest.fixture
def run(tmp_path: Path, registry: Registry) -> Run:
    """Return a run of ten steps, with the history that training records."""
    path = shutil.copytree(STORED, tmp_path / "run")
    record_start(path, 0, {"corpus": f"text files in {tmp_path}", "parameters": 1234})
    record_end(path, 10, "reached the end that [training] sets", complete=True, seconds=3.0)
    return Run.open(path, ["sampler.0.use=temperature"], registry)


@pytest.fixture
def model(run: Run, tmp_path: Path) -> Run:
    return sf.export(run, tmp_path / "shared/model")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_exported_model_writes_what_its_run_writes_with_rounded_weights(run: Run, model: Run) -> None:
    rounded = run.model()
    with torch.no_grad():
        for parameter in rounded.parameters():
            parameter.copy_(parameter.bfloat16())
    chain = [sampler.build() for sampler in run.experiment.samplers]
    expected = sample_texts(rounded, run.vocabulary(), chain, None, count=2, length=60, seed=3)
    assert Run.open(model.path).sample(count=2, length=60, seed=3) == expected


def test_weights_in_float32_are_those_of_the_run(run: Run, tmp_path: Path) -> None:
    whole = sf.export(run.path, tmp_path / "whole", precision="float32")
    for name, tensor in run.model().state_dict().items():
        assert torch.equal(whole.model().state_dict()[name], tensor)


def test_an_export_depends_only_on_the_run_and_has_nothing_of_the_machine(run: Run, model: Run, tmp_path: Path) -> None:
    files = contents(model.path)
    assert contents(sf.export(run, tmp_path / "again/model").path) == files
    assert contents(sf.export(model, tmp_path / "copy/model").path) == files
    assert not any(str(tmp_path).encode() in content or b"command" in content for content in files.values())
    assert not any("training" in name or "samples" in name for name in files)
    assert sum(map(len, files.values())) < sum(map(len, contents(run.path).values())) / 2
    summary = summarize_run(model.path)
    assert (summary.state, summary.parameters, summary.steps) == ("finished", 1234, 10)
    assert summary.best == summarize_run(run.path).best


def test_an_exported_model_can_be_evaluated(run: Run, model: Run) -> None:
    assert model.evaluate().loss == pytest.approx(run.evaluate().loss, rel=1e-2)


def test_products_in_bfloat16_are_left_to_the_machine(registry: Registry, run: Run, tmp_path: Path) -> None:
    trained = Run.open(run.path, ["training.precision=bfloat16"], registry)
    assert sf.export(trained, tmp_path / "model").experiment.training.precision == "auto"


def test_the_metrics_of_a_file_and_the_trackers_are_left_out(registry: Registry, run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from seqforge import Metric, Score\n"
        "class Length(Metric):\n    def score(self, texts):\n        return Score({'mean': 1.0})\n"
        "class Twice(Length):\n    def __init__(self, metric: Metric):\n        self.metric = metric\n"
    )
    registry = with_plugin_file(registry, tmp_path / "mine.py")
    twice = 'metrics.2={use="twice",metric={use="distinct"}}'
    extended = ["metrics.0.use=length", "metrics.1.use=distinct", twice, "trackers.0.use=tensorboard"]
    model = sf.export(Run.open(run.path, extended, registry), tmp_path / "shared/model")
    opened = Run.open(model.path)
    assert [metric.name for metric in opened.experiment.metrics] == ["essentials/distinct"]
    assert opened.experiment.trackers == []
    assert opened.sample(length=1)


@pytest.mark.parametrize(("most", "kept"), [(2, [4, 8, 10]), (7, [4, 6, 8, 10]), (8, [4, 5, 6, 7, 8, 9, 10])])
def test_training_steps_at_equal_distances_are_kept_and_the_last_one(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, kept: list[int]
) -> None:
    step, *_ = run.metrics()
    evaluations = [record for record in run.metrics() if record["event"] == "evaluation"]
    run.directory.metrics.write_bytes(to_lines([*({**step, "step": number} for number in range(4, 11)), *evaluations]))
    monkeypatch.setattr("seqforge.api.export.LOGGED_STEPS", most)
    records = sf.export(run, tmp_path / "model").metrics()
    assert [record["step"] for record in records if record["event"] == "step"] == kept
    assert [record for record in records if record["event"] == "evaluation"] == evaluations


def test_training_of_an_exported_model_cannot_be_resumed(model: Run) -> None:
    with pytest.raises(RunError, match="only its weights") as caught:
        model.resume(training={"steps": 20})
    assert caught.value.hint == (f"To train a new run from it: seqforge run EXPERIMENT.toml --initial {model.path}")


def test_a_damaged_file_is_an_error(model: Run) -> None:
    (weights,) = model.path.rglob("model.safetensors")
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(RunError, match="its content does not match its checksum"):
        Run.open(model.path).sample(length=1)
    with pytest.raises(RunError, match="its content does not match its checksum"):
        sf.export(model, model.path.with_name("copy"))
    assert [path.name for path in model.path.parent.iterdir()] == ["model"]


def replace_weights(checkpoint: Path, content: bytes) -> None:
    """Replace the weights of a checkpoint, with a manifest that fits them."""
    (checkpoint / "model.safetensors").write_bytes(content)
    manifest = CheckpointManifest.read(checkpoint / MANIFEST)
    files = {**manifest.files, "model.safetensors": describe_content(content)}
    manifest.model_copy(update={"files": files}).write(checkpoint / MANIFEST)


def test_weights_that_do_not_fit_the_model_are_an_error(run: Run, tmp_path: Path) -> None:
    replace_weights(run.checkpoints.find("latest"), (2).to_bytes(8, "little") + b"{}")
    with pytest.raises(RunError, match="is only in the experiment's model"):
        sf.export(run, tmp_path / "model", checkpoint="latest")
    assert not (tmp_path / "model").exists()


def test_weights_of_a_type_that_torch_cannot_convert_are_an_error(run: Run, tmp_path: Path) -> None:
    checkpoint = run.checkpoints.find("latest")
    tensors = {name: list(tensor.shape) for name, tensor in run.model("latest").state_dict().items()}
    size, entries = 0, {}
    for name, shape in tensors.items():  # An element of torch's type contains two numbers.
        offsets = [size, size := size + math.prod(shape)]
        entries[name] = {"dtype": "F4", "shape": [*shape[:-1], 2 * shape[-1]], "data_offsets": offsets}
    header = json.dumps(entries).encode()
    replace_weights(checkpoint, len(header).to_bytes(8, "little") + header + b"\0" * size)
    with pytest.raises(RunError, match=r"model\.safetensors: damaged"):
        sf.export(run, tmp_path / "model", checkpoint="latest")
    assert not (tmp_path / "model").exists()


def test_only_an_exported_model_is_replaced_and_its_card_is_kept(run: Run, model: Run, tmp_path: Path) -> None:
    card = model.path / "README.md"
    assert "| Validation | " in card.read_text()
    card.write_text("mine")
    with pytest.raises(RunError, match="it exists already") as caught:
        sf.export(run, model.path)
    assert "--replace" in str(caught.value.hint)
    assert "replace=True" in str(caught.value)
    replaced = sf.export(run, model.path, precision="float32", replace=True)
    assert card.read_text() == "mine"
    assert torch.equal(next(replaced.model().parameters()), next(run.model().parameters()))
    link = tmp_path / "link"
    link.symlink_to(model.path)
    for folder in (run.path, tmp_path, link):
        with pytest.raises(RunError, match="it exists already"):
            sf.export(model, folder, replace=True)
    assert [path.name for path in model.path.parent.iterdir()] == ["model"]
    assert run.sample(length=1)


def test_a_run_without_a_checkpoint_is_not_replaced(run: Run, model: Run) -> None:
    for checkpoint in (run.path / "checkpoints").iterdir():
        shutil.rmtree(checkpoint)
    files = contents(run.path)
    with pytest.raises(RunError, match="it exists already"):
        sf.export(model, run.path, replace=True)
    assert contents(run.path) == files


def test_a_model_is_not_replaced_with_other_files(run: Run, model: Run) -> None:
    (model.path / ".git").mkdir()
    with pytest.raises(RunError, match=r"model: it contains \.git, which is not a part of an exported model"):
        sf.export(run, model.path, replace=True)
    assert (model.path / ".git").exists()


def test_the_current_folder_can_be_replaced(run: Run, model: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(model.path)
    assert sf.export(run, ".", precision="float32", replace=True).path == model.path
    assert [path.name for path in model.path.parent.iterdir()] == ["model"]


def test_a_model_that_cannot_be_replaced_keeps_its_name(run: Run, model: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def fail(path: Path, target: Path) -> Path:
        if path.name == "model-2":
            raise OSError(errno.EIO, "Input/output error", str(path))
        return rename(path, target)

    files = contents(model.path)
    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(RunError, match="Input/output error"):
        sf.export(run, model.path, precision="float32", replace=True)
    assert contents(model.path) == files


def test_a_run_starts_from_the_weights_of_a_model_by_its_name(
    run: Run, model: Run, registry: Registry, tmp_path: Path
) -> None:
    models = (PretrainedModel("shared", "small", model.path),)
    known = Registry([*registry.plugins, Plugin("shared", "", "", "1", PluginState.OK, models=models)])
    table = {**run.experiment.table, "training": {**run.experiment.table["training"], "steps": 1}}
    tuned = sf.train(Experiment.from_dict(table, registry=known), tmp_path / "runs", initial="small")
    for name, tensor in model.model().state_dict().items():
        assert torch.equal(tuned.model("initial").state_dict()[name], tensor)
