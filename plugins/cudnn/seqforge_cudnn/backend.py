"""The backends `cudnn` and `onednn`: RNN, GRU and LSTM through torch's fused layers, on a GPU and on a CPU."""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar, cast

import torch
from torch import Tensor
from torch.nn import functional

from seqforge.kinds import Backend, BackendContext, Cell, FactoredCell, SequenceFunction

LAYERS: dict[str, Callable[..., tuple[Tensor, ...]]] = {
    "lstm": torch.lstm,
    "gru": torch.gru,
    "rnn-tanh": torch.rnn_tanh,
    "rnn-relu": torch.rnn_relu,
}
"""torch's fused layer of each kind of equations."""


class FusedBackend(Backend):
    """Base of the backends on torch's fused layers."""

    def unsupported(self, cell: Cell[Any], context: BackendContext) -> str | None:
        """Explain why no fused layer computes this cell; see `Backend.unsupported`."""
        if isinstance(cell, FactoredCell) and cell.equations and type(cell).project is FactoredCell.project:
            return None
        return f"torch has no fused layer with the equations of {type(cell).__name__}"

    def sequence_function(self, cell: Cell[Any], context: BackendContext) -> SequenceFunction:
        """Return a function that applies a fused layer with the cell's parameters."""
        return partial(_read, cast("FactoredCell[Any]", cell))


class CudnnBackend(FusedBackend):
    """cuDNN on an NVIDIA GPU."""

    device_types: ClassVar[tuple[str, ...]] = ("cuda",)


class OnednnBackend(FusedBackend):
    """oneDNN on a CPU, or torch's own loop for types that oneDNN does not support."""

    device_types: ClassVar[tuple[str, ...]] = ("cpu",)


def _read(cell: FactoredCell[Any], inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
    """Return the outputs of all steps, in the type of autocast, and the state after the last step in its own type.

    Autocast itself would turn the layers of cuDNN into float16, whatever its type is.
    """
    own, device = state[0].dtype, inputs.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else own
    with torch.autocast(device, enabled=False):
        if not inputs.is_floating_point():
            unit = torch.zeros(*inputs.shape, cell.input_size, dtype=dtype, device=inputs.device)
            inputs = unit.scatter_(-1, inputs.unsqueeze(-1), 1)
        # torch's state has an axis for its layers, and cuDNN accepts it only in contiguous memory.
        before = [part.to(dtype).contiguous().unsqueeze(0) for part in cast("tuple[Tensor, ...]", state)]
        outputs, *after = LAYERS[cast("str", cell.equations)](
            inputs.to(dtype),
            before if len(before) > 1 else before[0],
            _weights(cell, dtype),
            True,  # with biases
            1,  # layer
            0.0,  # dropout
            torch.is_grad_enabled(),
            False,  # bidirectional
            False,  # batch first
        )
    return outputs, type(state)(*(part.squeeze(0).to(own) for part in after))


def _weights(cell: FactoredCell[Any], dtype: torch.dtype) -> list[Tensor]:
    """Return the parameters as torch's layer has them, with two biases that it adds; on a GPU, in one block of memory.

    cuDNN reads one block. It would copy weights that are elsewhere at each call, with a warning.
    """
    recurrent_bias = torch.zeros_like(cell.bias)
    if cell.equations == "gru":
        recurrent_bias = functional.pad(cast("Tensor", cell.recurrent_bias), (2 * cell.hidden_size, 0))
    parts: list[Tensor] = [cell.input_weight, cell.recurrent_matrix(), cell.bias, recurrent_bias]
    if cell.bias.device.type == "cpu":
        return [part.to(dtype) for part in parts]
    block = torch.cat([part.flatten() for part in parts]).to(dtype)
    pieces = torch.split(block, [part.numel() for part in parts])
    return [piece.view_as(part) for piece, part in zip(pieces, parts, strict=True)]
