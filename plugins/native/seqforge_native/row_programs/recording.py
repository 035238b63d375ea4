"""The recording of what a cell with matrix states computes in a step, and of its gradients, as aten operations."""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from seqforge.kinds import MatrixStateCell
from seqforge_native.row_programs.operations import FUNCTIONS
from seqforge_native.traced.recording import recorded_locations, trace_with_gradients
from seqforge_native.traced.values import UntraceableError


class RowFunction(nn.Module):
    """The parts and the readout of a step of one row, as a function of plain tensors.

    Args:
        cell: Cell with parameters in float32.

    Attributes:
        cell: The cell.
        inputs: Number of features of the input projection.
        mixed: Number of features that depend on several steps.
        values: Columns of a state.
        decays: Numbers by which a step decays a head: 1, or one for each key.
        is_delta: Whether the rule reads the state before it writes.
    """

    def __init__(self, cell: MatrixStateCell[Any]) -> None:
        super().__init__()
        self.cell = cell
        with torch.no_grad():
            projected = cell.project(torch.zeros(1, 1, cell.input_size))
            state = cell.initial_state(1)
            mixed, _ = cell.mix_steps(projected, state)
            parts = cell.parts(torch.cat([projected, mixed], -1)[0])
        self.inputs, self.mixed, self.values = projected.shape[-1], mixed.shape[-1], int(state[0].shape[-1])
        by_key = parts.log_decay is not None and parts.log_decay.ndim == parts.key.ndim
        self.decays, self.is_delta = cell.key_size if by_key else 1, parts.read is not None

    def forward(self, projected: Tensor, mixed: Tensor, reads: Tensor) -> tuple[Tensor, ...]:
        """Return q, k, v, the decay, a and b, as far as the rule has them, and the output."""
        with recorded_locations():
            return self._compute(projected, mixed, reads)

    def _compute(self, projected: Tensor, mixed: Tensor, reads: Tensor) -> tuple[Tensor, ...]:
        cell = self.cell
        features = torch.cat([projected, mixed], -1) if self.mixed else projected
        parts = cell.parts(features)
        rows, keys = (1, cell.heads), (1, cell.heads, cell.key_size)
        log_decay = torch.zeros(rows) if parts.log_decay is None else parts.log_decay
        own = [parts.query.expand(keys), parts.key.expand(keys), parts.value.expand(*rows, self.values)]
        own.append((log_decay.expand(keys) if log_decay.ndim == len(keys) else log_decay.expand(rows)).exp())
        own += [part.expand(keys) for part in (parts.read, parts.write) if part is not None]
        return *own, cell.readout(reads, parts, features)

    def example(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return arguments."""
        reads = torch.zeros(1, self.cell.heads, self.values)
        return torch.zeros(1, self.inputs), torch.zeros(1, self.mixed), reads


def record(function: RowFunction, tensors: Mapping[str, Tensor]) -> torch.fx.GraphModule:
    """Return a function and its gradients as aten operations, recorded on tensors without data.

    Args:
        function: The function.
        tensors: Parameters and buffers of the cell, by their names.

    Returns:
        A graph whose inputs are those of the function, the tensors, and the gradients of the results. Its outputs are
        the results, then the gradients of the inputs and of the parameters.

    Raises:
        UntraceableError: If torch cannot record it.
    """
    arguments = function.example()
    examples = [*arguments, *(value.detach().clone() for value in tensors.values())]
    count = len(examples) - len(list(function.cell.buffers()))

    def run(*given: Tensor) -> tuple[Tensor, ...]:
        named = {f"cell.{name}": value for name, value in zip(tensors, given[len(arguments) :], strict=True)}
        return cast("tuple[Tensor, ...]", torch.func.functional_call(function, named, given[:3]))

    try:
        with torch.autocast("cpu", enabled=False):
            results = [torch.zeros_like(result) for result in run(*examples)]
        return trace_with_gradients(run, examples, results, count, FUNCTIONS)
    except Exception as error:  # a cell may raise any error if its tensors have no data
        raise UntraceableError(str(error).partition("\n")[0] or type(error).__name__) from error
