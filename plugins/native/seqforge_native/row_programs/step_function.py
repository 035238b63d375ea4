"""The step of a cell for one row as a function of plain tensors, which torch can record."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqforge.kinds import Cell, ElementwiseCell, FactoredCell
from seqforge_native.row_programs.memory import UntraceableError


class StepFunction:
    """The step of a cell for one row as a function of plain tensors: projected inputs, parts of the state, parameters.

    Attributes:
        features: Number of features of the projected inputs.
        state: A state of one row.
        tensors: Parameters and buffers that the step may read, by their names in the cell. Those of the product U h are
            replaced by its weights, one for each head.
        parameter_count: How many of them are not buffers, which are the last ones.

    Raises:
        UntraceableError: If no program can read the state.
    """

    def __init__(self, cell: Cell[Any]) -> None:
        self.cell = cell
        with torch.no_grad():
            self.features = int(cell.project(torch.zeros(1, 1, cell.input_size)).shape[-1])
        self.state: tuple[Tensor, ...] = cell.initial_state(1)
        parts = cast("Sequence[Any]", self.state or [None])
        if not all(isinstance(part, Tensor) and part.dtype == torch.float32 and len(part) == 1 for part in parts):
            raise UntraceableError("a state that is not in float32, with a row for each sequence")
        outer = cast("Any", cell).product_parameters if _has_own_product(cell) or _is_elementwise(cell) else ()
        own = {name: value for name, value in cell.named_parameters() if name not in outer}
        self.heads = recurrent_weights(cell)
        self.tensors = {**self.heads, **own, **dict(cell.named_buffers())}
        self.parameter_count = len(self.heads) + len(own)

    def __call__(self, projected: Tensor, *arguments: Tensor) -> tuple[Tensor, ...]:
        """Return the output and the tensors of the next state."""
        state = type(self.state)(*arguments[: len(self.state)])  # pyright: ignore[reportArgumentType]
        given = dict(zip(self.tensors, arguments[len(self.state) :], strict=True))
        heads = [given.pop(name) for name in self.heads]
        output, after = torch.func.functional_call(
            _Step(self.cell), {f"cell.{name}": value for name, value in given.items()}, (projected, state, heads)
        )
        return output, *after

    def examples(self) -> list[Tensor]:
        """Return arguments."""
        own = [value.detach().clone() for value in self.tensors.values()]
        return [torch.zeros(1, self.features), *(part.clone() for part in self.state), *own]


class _Step(nn.Module):
    def __init__(self, cell: Cell[Any]) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, projected: Tensor, state: Any, heads: Sequence[Tensor]) -> tuple[Tensor, Any]:
        if not heads:
            return self.cell.step(projected, state)
        width = self.cell.hidden_size // len(heads)
        parts = [
            functional.linear(state[0][:, head * width : (head + 1) * width], weight).view(1, -1, width)
            for head, weight in enumerate(heads)
        ]
        product = parts[0] if len(parts) == 1 else torch.cat(parts, -1)
        return cast("FactoredCell[Any]", self.cell).pointwise(projected, product.reshape(1, -1), state)


def recurrent_weights(cell: Cell[Any]) -> dict[str, Tensor]:
    """Return the weight of U h for each head, `[gates / heads, hidden / heads]`, if the step has this product alone."""
    if not _has_own_product(cell):
        return {}
    cell = cast("FactoredCell[Any]", cell)
    if cell.heads == 1 or type(cell).recurrent_matrix is not FactoredCell.recurrent_matrix:
        return {"recurrent_matrix.0": cell.recurrent_matrix()}
    width = cell.hidden_size // cell.heads
    blocks = cell.recurrent_weight.view(-1, cell.heads, width, width).unbind(1)
    return {f"recurrent_matrix.{head}": block.reshape(-1, width) for head, block in enumerate(blocks)}


def _has_own_product(cell: Cell[Any]) -> bool:
    return isinstance(cell, FactoredCell) and type(cell).step is FactoredCell.step


def _is_elementwise(cell: Cell[Any]) -> bool:
    return isinstance(cell, ElementwiseCell) and type(cell).step is ElementwiseCell.step


def require_own_rows(cell: Cell[Any]) -> None:
    """Raise an error if a row of a step depends on other rows, which a program of one row would not notice."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        projected = cell.project(torch.randn(1, 3, cell.input_size, generator=generator))[0]
        state = [torch.randn(part.shape, generator=generator) for part in cell.initial_state(3)]
        state = type(cell.initial_state(3))(*state)

        def run(rows: slice) -> list[Tensor]:
            output, after = cell.step(projected[rows], type(state)(*(part[rows] for part in state)))
            return [output, *after]

        for whole, own in zip(run(slice(None)), run(slice(1, 2)), strict=True):
            if not torch.allclose(whole[1:2], own, rtol=1e-3, atol=1e-4, equal_nan=True):
                raise UntraceableError("numbers of other rows of the batch")
