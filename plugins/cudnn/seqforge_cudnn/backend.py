"""The backends `cudnn` and `onednn`: RNN, GRU and LSTM through torch's fused layers, on a GPU and on a CPU."""

import warnings
from functools import partial
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from seqforge.kinds import Backend, BackendContext, Cell, Equations, FactoredCell, SequenceFunction


class FusedBackend(Backend):
    """Base of the backends on torch's fused layers."""

    def unsupported(self, cell: Cell[Any], context: BackendContext) -> str | None:
        """Explain why no fused layer computes this cell; see `Backend.unsupported`."""
        if not isinstance(cell, FactoredCell) or cell.equations is None:
            return f"torch has no fused layer with the equations of {type(cell).__name__}"
        return None

    def sequence_function(self, cell: Cell[Any], context: BackendContext) -> SequenceFunction:
        """Return a reader over `torch.nn.RNN`, `GRU` or `LSTM` that uses the cell's parameters."""
        factored = cast("FactoredCell[Any]", cell)
        return partial(_read, factored, _layer(factored))


class CudnnBackend(FusedBackend):
    """cuDNN on an NVIDIA GPU."""

    device_types: ClassVar[tuple[str, ...]] = ("cuda",)


class OnednnBackend(FusedBackend):
    """oneDNN on a CPU, or torch's own loop for types that oneDNN does not support."""

    device_types: ClassVar[tuple[str, ...]] = ("cpu",)


def _read(cell: FactoredCell[Any], layer: nn.Module, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
    """Return the outputs of all steps and the state after the last step, through a layer without its own parameters."""
    own = state[0].dtype
    if not inputs.is_floating_point():
        inputs = functional.one_hot(inputs, cell.input_size).to(own)
    # torch's state has an axis for its layers, and cuDNN accepts it only in contiguous memory.
    parts = [part.contiguous().unsqueeze(0) for part in cast("tuple[Tensor, ...]", state)]
    before = tuple(parts) if len(parts) > 1 else parts[0]
    with warnings.catch_warnings():
        # The weights belong to the cell, and are not one block of memory as cuDNN prefers.
        warnings.filterwarnings("ignore", message="RNN module weights are not part of single contiguous chunk")
        results = torch.func.functional_call(layer, _weights(cell), (inputs, before))
    outputs, after = cast("tuple[Tensor, Any]", results)
    last = after if len(parts) > 1 else (after,)
    # Under autocast torch rounds the state, but the next sequence continues in the type of this state.
    return outputs, type(state)(*(part.squeeze(0).to(own) for part in last))


def _weights(cell: FactoredCell[Any]) -> dict[str, Tensor]:
    """Return the cell's parameters by torch's names. torch adds two biases, and the cell has their sum."""
    recurrent_bias = torch.zeros_like(cell.bias)
    if cell.equations == "gru":
        recurrent_bias = functional.pad(cast("Tensor", cell.recurrent_bias), (2 * cell.hidden_size, 0))
    return {
        "weight_ih_l0": cell.input_weight,
        "weight_hh_l0": cell.recurrent_weight,
        "bias_ih_l0": cell.bias,
        "bias_hh_l0": recurrent_bias,
    }


def _layer(cell: FactoredCell[Any]) -> nn.Module:
    sizes, equations = (cell.input_size, cell.hidden_size), cast("Equations", cell.equations)
    match equations:
        case "lstm":
            return nn.LSTM(*sizes, device="meta")
        case "gru":
            return nn.GRU(*sizes, device="meta")
        case "rnn-tanh" | "rnn-relu":
            return nn.RNN(*sizes, nonlinearity=equations.removeprefix("rnn-"), device="meta")
