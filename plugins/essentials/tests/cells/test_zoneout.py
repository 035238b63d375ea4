"""Zoneout: the suite of cells, the masks against the formula of the paper, and every backend."""

from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from seqforge_essentials.cells.lstm import LSTM, LSTMState
from seqforge_essentials.cells.zoneout import Zoneout

from seqforge import Experiment, Registry
from seqforge.kinds import BackendContext
from seqforge.model.build import build_model
from seqforge.model.choose_backend import choose_backends
from seqforge.model.install_backend import load_backend
from seqforge.model.measure_backends import BatchShape
from seqforge.testing.cell_suite import CellSuite


def _zoneout(input_size: int, hidden_size: int, **probabilities: float) -> Zoneout:
    return Zoneout(input_size, lambda size: LSTM(size, hidden_size), probabilities or {"hidden": 0.05, "cell": 0.5})


class TestZoneout(CellSuite):
    cells: ClassVar = {"lstm": _zoneout}


def _read(cell: Any, how: Any) -> dict[str, torch.Tensor]:
    """Return the outputs and the gradients of a sequence, with masks that depend on a seed."""
    torch.manual_seed(1)
    inputs, weights = torch.randn(9, 4, 3, requires_grad=True), torch.randn(9, 4, 5)
    outputs, after = how(inputs, cell.initial_state(4))
    gradients = torch.autograd.grad((outputs * weights).sum(), [inputs, *cell.parameters()])
    names = ["inputs", *(name for name, _ in cell.named_parameters())]
    return {"outputs": outputs, **after._asdict(), **dict(zip(names, gradients, strict=True))}


@pytest.mark.parametrize("training", [True, False])
def test_a_sequence_is_that_of_the_paper(training: bool) -> None:
    cell = _zoneout(3, 5).train(training)

    def paper(inputs: torch.Tensor, state: LSTMState) -> tuple[torch.Tensor, LSTMState]:
        kept = torch.rand(9, 4, 10) < torch.tensor([0.05] * 5 + [0.5] * 5)
        outputs: list[torch.Tensor] = []
        for x, keep in zip(inputs, kept, strict=True):
            old, (_, new) = state, cell.inner(x[None], state)
            if training:
                hidden, memory = map(torch.where, keep.split(5, 1), old, new)
            else:
                hidden, memory = 0.05 * old.hidden + 0.95 * new.hidden, 0.5 * old.cell + 0.5 * new.cell
            outputs.append(hidden)
            state = LSTMState(hidden, memory)
        return torch.stack(outputs), state

    torch.testing.assert_close(_read(cell, cell), _read(cell, paper))


def test_native_kernels_draw_the_masks_of_plain_torch() -> None:
    backend = load_backend(Registry.installed(), "native")
    cell, context = _zoneout(3, 5), BackendContext(torch.device("cpu"), torch.float32)
    if refusal := backend.refusal(cell, context):
        pytest.skip(refusal.reason)
    torch.testing.assert_close(_read(cell, backend.sequence_function(cell, context)), _read(cell, cell))


def test_a_state_without_a_part_is_an_error() -> None:
    with pytest.raises(ValueError, match="probabilities has 'memory', and the state of LSTM has hidden, cell"):
        _zoneout(3, 4, memory=0.1)


def test_backends_are_compared_with_the_same_masks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQFORGE_CACHE", str(tmp_path))
    cells = [{"use": "zoneout", "cell": {"use": "gru", "hidden_size": 8}, "probabilities": {"hidden": 0.5}}]
    corpus, training = {"use": "inline", "text": "hello"}, {"precision": "float32"}
    experiment = Experiment.from_dict({"corpus": corpus, "model": {"cells": cells}, "training": training})
    (choice,) = choose_backends(build_model(experiment, 5), Registry.installed(), BatchShape(60, 8))
    assert choice.module == "stack.cells.0"
    assert not [each.reason for each in choice.refused.values() if "outputs differ" in each.reason]
