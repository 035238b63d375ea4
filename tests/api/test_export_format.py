"""The export in a format of another program: it is checked, and leaves nothing behind if the check fails."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import seqforge as sf
from seqforge import ExportedModel, Exporter, Registry, Run, TrainedModel
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
    assert check.fault() is None
    assert check.exported_bits == pytest.approx(check.run_bits, abs=1e-5)
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
    assert check.exported_bits != pytest.approx(check.run_bits, abs=1e-5)


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


def test_a_model_of_labelled_examples_is_refused(labelled_experiment: Any, tmp_path: Path) -> None:
    run = sf.train(labelled_experiment(), tmp_path, progress=False)
    with pytest.raises(RunError, match="trained on labelled examples, and the format onnx is for language models"):
        sf.export_format(run, tmp_path / "out", "onnx")
