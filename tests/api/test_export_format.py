"""The export in a format of another program: it is checked, and leaves nothing behind if the check fails."""

import errno
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from made_experiments import CASES

import seqforge as sf
from seqforge import (
    ExportedModel,
    ExportedPredictor,
    Exporter,
    PredictorExporter,
    Registry,
    Run,
    TrainedModel,
    TrainedPredictor,
)
from seqforge.errors import PluginError, RunError, SeqforgeError

STORED = Path(__file__).parents[1] / "training" / "runs" / "version-3"


class Steps(Exporter):
    """A format whose program is the model itself, and how it differs from the run."""

    change: Callable[[Any], Any] = staticmethod(lambda logits: logits)

    def write(self, model: TrainedModel, folder: Path) -> None:
        (folder / "symbols").write_bytes(b"".join(model.symbols))
        self.model = model

    def open(self, folder: Path) -> ExportedModel:
        return Program(self.model, type(self).change)


class Program(ExportedModel):
    program = "torch"

    def __init__(self, step: TrainedModel, change: Callable[[Any], Any]) -> None:
        self.step, self.states, self.change = step, tuple(step.state_tensors.values()), change

    def read(self, symbols: Any) -> Any:
        found: list[Any] = []
        with torch.no_grad():
            for symbol in symbols:
                logits, self.states = self.step(torch.tensor([symbol]), self.states)
                found.append(logits[0].numpy())
        return self.change(np.stack(found))


def differing(name: str, change: Callable[[Any], Any], **attributes: Any) -> type[Exporter]:
    return type(name, (Steps,), {"change": staticmethod(change), **attributes})


@pytest.fixture
def export(registry: Registry, tmp_path: Path) -> Callable[..., Any]:
    """Export a stored run by a class to the folder `out`."""

    def export(exporter: type[Exporter], **arguments: Any) -> Any:
        run = Run.open(STORED, registry=registry, components=[exporter])
        return sf.export_format(run, tmp_path / "parent/out", f"session/{exporter.__name__}", **arguments)

    return export


def test_a_program_that_computes_what_the_run_computes_is_kept(export: Callable[..., Any], tmp_path: Path) -> None:
    check = export(Steps)
    assert check.fault is None
    assert "torch computes what the run computes" in check.line()
    assert [path.name for path in (tmp_path / "parent/out").iterdir()] == ["symbols"]
    with pytest.raises(RunError, match="it exists already"):
        export(Steps)


def shift(logits: Any) -> Any:
    logits[:, 0] += 0.01
    return logits


def exchange(logits: Any) -> Any:
    """Exchange the two most probable symbols of one step, if only one is read."""
    if len(logits) == 1:
        first, second = np.argsort(-logits[0])[:2]
        logits[0, [first, second]] = logits[0, [second, first]]
    return logits


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (shift, r"bits per character on 1,000 symbols in torch, but \d+\.\d{4} in the run; nothing was written"),
        (exchange, "symbol 1 of the most probable text in torch differs from that of the run"),
        (lambda logits: logits[:, :-1], r"read returned an array \[1000, \d+\] of float32, not \[1000, \d+\] numbers"),
        (lambda logits: list(logits), "read returned a list, not an array"),
        (lambda logits: logits / None, "what it has exported cannot be read: TypeError: "),
    ],
)
def test_a_format_that_computes_something_else_leaves_nothing(
    change: Callable[[Any], Any], message: str, export: Callable[..., Any], tmp_path: Path
) -> None:
    with pytest.raises(PluginError, match=message) as caught:
        export(differing("Wrong", change))
    assert "Correct the class Wrong" in str(caught.value)
    assert list((tmp_path / "parent").iterdir()) == []


def test_the_loss_of_a_format_that_rounds_is_reported(export: Callable[..., Any]) -> None:
    check = export(differing("Rounding", shift, exact=False))
    assert check.line().startswith("The model has ")
    assert check.fault == check.line()[0].lower() + check.line()[1:-1]


def test_a_full_disk_is_an_error(export: Callable[..., Any], tmp_path: Path) -> None:
    class Full(Steps):
        def write(self, model: TrainedModel, folder: Path) -> None:
            (folder / "half").write_text("…")
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(RunError, match="the disk is full"):
        export(Full)
    assert list((tmp_path / "parent").iterdir()) == []


def test_an_unknown_format_names_the_nearest(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(SeqforgeError, match="no exporter is called 'onx'\nDid you mean 'onnx'"):
        sf.export_format(Run.open(STORED, registry=registry), tmp_path / "out", "onx")


@pytest.mark.parametrize("exporter", ["c", "transformers", "web"])
def test_a_format_for_language_models_refuses_labelled_examples(
    exporter: str, labelled_experiment: Any, tmp_path: Path
) -> None:
    run = sf.train(labelled_experiment(), tmp_path, progress=False)
    message = f"trained on labelled examples, and the format {exporter} is for language models"
    with pytest.raises(RunError, match=message) as caught:
        sf.export_format(run, tmp_path / "out", exporter)
    assert "The format onnx is for both" in str(caught.value.hint)
    assert not (tmp_path / "out").exists()


class Parts(Steps, PredictorExporter):
    """A format whose program is the encoder and the decoder themselves."""

    def write_predictor(self, model: TrainedPredictor, folder: Path) -> None:
        (folder / "names").write_text(repr(model.spec))
        self.predictor = model

    def open_predictor(self, folder: Path) -> ExportedPredictor:
        return PartsProgram(self.predictor, type(self).change)


class PartsProgram(ExportedPredictor):
    program = "torch"

    def __init__(self, model: TrainedPredictor, change: Callable[[Any], Any]) -> None:
        self.model, self.change = model, change

    def run(self, part: str, tensors: Any) -> Any:
        given = {name: torch.from_numpy(array) for name, array in tensors.items()}
        with torch.no_grad():
            if part == "encoder":
                found = self.model.encoder(given["inputs"], given["lengths"])
            else:
                assert self.model.decoder is not None
                found = self.model.decoder(given.pop("symbols"), given)
        return {
            name: self.change(tensor.numpy().copy()) if name in ("outputs", "logits") else tensor.numpy()
            for name, tensor in found.items()
        }


def export_parts(experiment: Any, folder: Path, change: Callable[[Any], Any], **attributes: Any) -> Any:
    exporter = type("Changed", (Parts,), {"change": staticmethod(change), **attributes})
    run = sf.train(experiment, folder / "runs", progress=False)
    opened = Run.open(run.path, registry=experiment.registry, components=[exporter])
    return sf.export_format(opened, folder / "parent/out", "session/Changed")


@pytest.mark.parametrize("case", CASES)
def test_predictions_of_every_topology_are_compared(case: str, labelled_experiment: Any, tmp_path: Path) -> None:
    check = export_parts(labelled_experiment(**CASES[case]), tmp_path, lambda outputs: outputs)
    assert check.fault is None
    assert "torch computes what the run computes: the same " in check.line()
    assert [path.name for path in (tmp_path / "parent/out").iterdir()] == ["names"]


def shift_one(outputs: Any) -> Any:
    outputs[..., 0] += 0.01
    return outputs


@pytest.mark.parametrize("case", ["many-to-one", "many-to-many"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (shift_one, r"differ in torch, whose outputs differ by up to 0\.0100; nothing was written"),
        (lambda outputs: outputs * float("nan"), "whose outputs differ by up to nan; nothing was written"),
        (lambda outputs: outputs.tolist(), "what it has exported cannot be read: TypeError"),
    ],
)
def test_predictions_that_differ_leave_nothing(
    case: str, change: Callable[[Any], Any], message: str, labelled_experiment: Any, tmp_path: Path
) -> None:
    with pytest.raises(PluginError, match=message):
        export_parts(labelled_experiment(**CASES[case]), tmp_path, change)
    assert list((tmp_path / "parent").iterdir()) == []


def test_outputs_may_differ_in_the_fifth_digit_of_the_largest_or_of_one(
    labelled_experiment: Any, tmp_path: Path
) -> None:
    def change(outputs: Any) -> Any:
        return outputs + 1e-4 * (1 + abs(outputs).max()) / 2

    assert export_parts(labelled_experiment(**CASES["many-to-one"]), tmp_path, change).fault is None


def test_the_predictions_that_a_format_changes_are_counted(labelled_experiment: Any, tmp_path: Path) -> None:
    check = export_parts(labelled_experiment(), tmp_path, lambda outputs: -outputs, exact=False)
    assert re.match(r"(\d+) of \1 predictions for held-out examples differ in torch", check.line())


def test_an_export_of_labelled_examples_needs_the_corpus(
    labelled_experiment: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import made_examples

    experiment = labelled_experiment()
    run = sf.train(experiment, tmp_path / "runs", progress=False)
    monkeypatch.setattr(made_examples.Made, "fingerprint", lambda self: "another")
    monkeypatch.setattr(made_examples.Made, "examples", lambda self: iter(()))
    opened = Run.open(run.path, registry=experiment.registry, components=[Parts])
    with pytest.raises(SeqforgeError, match="the corpus is empty"):
        sf.export_format(opened, tmp_path / "out", "session/Parts")
    assert not (tmp_path / "out").exists()
