"""Cells whose step no kernel can compute, and the reasons that users read."""

import inspect
import warnings
from pathlib import Path

import pytest
import torch
from seqforge_native.backend import NativeBackend
from torch import Tensor

from seqforge.kinds import BackendContext, FactoredCell, HiddenState

CPU = torch.device("cpu")


class TwoGates(FactoredCell[HiddenState]):
    """A cell whose subclass defines the elementwise part."""

    gates = 2

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, self.gates * hidden_size)

    def initial_state(self, batch_size: int) -> HiddenState:
        return HiddenState(self.bias.new_zeros(batch_size, self.hidden_size))


class AcrossUnits(TwoGates):
    def pointwise(self, input_gates: Tensor, recurrent_gates: Tensor, state: HiddenState) -> tuple[Tensor, HiddenState]:
        hidden = torch.cumsum(input_gates + recurrent_gates, dim=1)[:, : self.hidden_size]
        return hidden, HiddenState(hidden)


class AcrossTheBatch(TwoGates):
    def pointwise(self, input_gates: Tensor, recurrent_gates: Tensor, state: HiddenState) -> tuple[Tensor, HiddenState]:
        gate, candidate = (input_gates + recurrent_gates).chunk(2, dim=1)
        hidden = torch.tanh(candidate - gate.mean(0, keepdim=True))
        return hidden, HiddenState(hidden)


class BranchesOnData(TwoGates):
    def pointwise(self, input_gates: Tensor, recurrent_gates: Tensor, state: HiddenState) -> tuple[Tensor, HiddenState]:
        gate, candidate = (input_gates + recurrent_gates).chunk(2, dim=1)
        hidden = torch.tanh(gate if bool(candidate.sum() > 0) else candidate)
        return hidden, HiddenState(hidden)


class SumOfBooleans(TwoGates):
    def pointwise(self, input_gates: Tensor, recurrent_gates: Tensor, state: HiddenState) -> tuple[Tensor, HiddenState]:
        gate, candidate = (input_gates + recurrent_gates).chunk(2, dim=1)
        hidden = ((gate > 0) + (candidate > 0)).float()  # True + True is True
        return hidden, HiddenState(hidden)


class SoftplusWithAThreshold(TwoGates):
    def pointwise(self, input_gates: Tensor, recurrent_gates: Tensor, state: HiddenState) -> tuple[Tensor, HiddenState]:
        gate, candidate = (input_gates + recurrent_gates).chunk(2, dim=1)
        hidden = torch.nn.functional.softplus(gate * candidate, 2, 2)
        return hidden, HiddenState(hidden)


class LogicOfNumbers(TwoGates):
    def pointwise(self, input_gates: Tensor, recurrent_gates: Tensor, state: HiddenState) -> tuple[Tensor, HiddenState]:
        gate, candidate = (input_gates + recurrent_gates).chunk(2, dim=1)
        hidden = torch.logical_or(gate, candidate).float()
        return hidden, HiddenState(hidden)


class BitsOfIntegers(TwoGates):
    def pointwise(self, input_gates: Tensor, recurrent_gates: Tensor, state: HiddenState) -> tuple[Tensor, HiddenState]:
        gate, candidate = (input_gates + recurrent_gates).chunk(2, dim=1)
        hidden = ((gate > 0) * 3 & (candidate > 0) * 2) * 0.5
        return hidden, HiddenState(hidden)


class SumOfTheBatch(TwoGates):
    def pointwise(self, input_gates: Tensor, recurrent_gates: Tensor, state: HiddenState) -> tuple[Tensor, HiddenState]:
        total = input_gates[:, : self.hidden_size].sum(0, keepdim=True)
        return total.expand_as(state.hidden), HiddenState(torch.tanh(state.hidden))


@pytest.mark.parametrize("kind", [AcrossUnits, AcrossTheBatch, SumOfTheBatch, BranchesOnData])
def test_a_cell_without_a_program_is_unsupported(kind: type[TwoGates]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reason = NativeBackend().unsupported(kind(5, 6), BackendContext(CPU, torch.float32))
    assert "no kernel can compute its step" in str(reason)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (AcrossUnits, "the operation cumsum"),
        (BranchesOnData, "a branch that depends on the data"),
        (SumOfBooleans, "the operation add with a boolean result"),
        (LogicOfNumbers, "the operation logical_or on numbers"),
        (BitsOfIntegers, "the operation bitwise_and on integers"),
        (SoftplusWithAThreshold, "a softplus with the threshold 2"),
    ],
)
def test_a_reason_names_the_operation_and_its_line(kind: type[TwoGates], reason: str) -> None:
    lines, first = inspect.getsourcelines(kind.pointwise)
    number = next(first + index for index, line in enumerate(lines) if "hidden = " in line)
    refusal = NativeBackend().unsupported(kind(5, 6), BackendContext(CPU, torch.float32))
    assert reason in str(refusal)
    assert str(refusal).endswith(f"({Path(__file__).name}:{number})")
