"""The graphs of a language model: one step by `torch.export`, and a sequence of ONNX's own layers, or of such steps."""

import contextlib
import logging
import warnings
from collections.abc import Generator, Mapping, Sequence
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from seqforge.errors import import_library
from seqforge.kinds import FactoredCell, State, TrainedModel

EXTRA = "seqforge-onnx[onnxruntime]"
"""What installs the libraries."""

OPSET = 20
"""Version of ONNX's operators: that of ONNX 1.15, which came out in 2023, so that older programs read the graphs."""

_LAYERS: Mapping[str, tuple[str, Sequence[int], Mapping[str, Any]]] = {
    "lstm": ("LSTM", (0, 3, 1, 2), {}),  # i, o, f, c from i, f, g, o
    "gru": ("GRU", (1, 0, 2), {"linear_before_reset": 1}),  # z, r, h from r, z, n
    "rnn-tanh": ("RNN", (0,), {"activations": ["Tanh"]}),
    "rnn-relu": ("RNN", (0,), {"activations": ["Relu"]}),
}
"""For each recurrence, ONNX's operator, the cell's index of each gate in the operator's order, and its attributes."""


def step_graph(model: TrainedModel) -> Any:
    """Return the graph of one step, from `symbols` [batch] and every state to `logits` [batch, symbols] and the states.

    The output for a state is called `next_` and the name of the state.
    """
    return _trace(model, model, torch.zeros(2, dtype=torch.int64), {0: torch.export.Dim("batch")})


def sequence_graph(model: TrainedModel) -> Any | None:
    """Return the graph of a sequence, from `symbols` [time, batch] to `logits` [time, batch, symbols] and the states.

    It consists of ONNX's own layers. Return None if a cell of the model computes something else than these.
    """
    if not all(isinstance(cell, FactoredCell) and cell.equations in _LAYERS for cell in model.cells):
        return None
    dimensions = {0: torch.export.Dim("time"), 1: torch.export.Dim("batch")}
    return _trace(_Layers(model), model, torch.zeros(2, 2, dtype=torch.int64), dimensions)


class _Layers(nn.Module):
    """A sequence computed by ONNX's own layers. Only the exporter of torch can call it.

    Args:
        model: Model whose cells compute the recurrences of ONNX.
    """

    def __init__(self, model: TrainedModel) -> None:
        super().__init__()
        self.model = model
        self.layers = nn.ModuleList(_Layer(cast("FactoredCell[Any]", cell)) for cell in model.cells)

    def forward(
        self, symbols: Int[Tensor, "time batch"], states: Sequence[Tensor]
    ) -> tuple[Float[Tensor, "time batch symbols"], tuple[Tensor, ...]]:
        features, after, rest = self.model.input(symbols), list[Tensor](), list(states)
        for layer, initial in zip(self.layers, self.model.initial_states, strict=True):
            (features, *state), rest = layer(features, rest[: len(initial)]), rest[len(initial) :]
            after += state
        return self.model.predict(features), tuple(after)


class _Layer(nn.Module):
    """A layer of ONNX, with the weights of a cell in the order of its gates.

    Args:
        cell: A cell that computes the same recurrence.
    """

    def __init__(self, cell: FactoredCell[Any]) -> None:
        super().__init__()
        equations = cast("str", cell.equations)
        self.operator, order, attributes = _LAYERS[equations]
        self.input_size, self.hidden_size = cell.input_size, cell.hidden_size
        self.attributes = {"hidden_size": cell.hidden_size, **attributes}
        recurrent_bias = torch.zeros_like(cell.bias)
        if equations == "gru":
            recurrent_bias[-cell.hidden_size :] = cast("Tensor", cell.recurrent_bias)
        weights = [cell.input_weight, cell.recurrent_matrix(), cell.bias, recurrent_bias]
        w, r, *biases = (torch.cat([weight.chunk(len(order))[gate] for gate in order])[None] for weight in weights)
        for name, tensor in (("w", w), ("r", r), ("b", torch.cat(biases, dim=1))):
            self.register_buffer(name, tensor.detach())

    def forward(self, inputs: Tensor, state: State) -> list[Tensor]:
        """Return the outputs of all steps, and the tensors of the state after them."""
        weights = [self.get_buffer(name) for name in "wrb"]
        if not inputs.is_floating_point():  # ONNX's layers read vectors.
            inputs = nn.functional.one_hot(inputs, self.input_size).to(weights[0].dtype)
        time, batch = inputs.shape[:2]
        shapes = [(time, 1, batch, self.hidden_size), *[(1, batch, self.hidden_size)] * len(state)]
        outputs, *after = torch.onnx.ops.symbolic_multi_out(
            self.operator,
            (inputs, *weights, None, *(tensor[None] for tensor in state)),
            self.attributes,
            dtypes=[inputs.dtype] * len(shapes),
            shapes=shapes,
            version=OPSET,
        )
        return [outputs.squeeze(1), *(tensor.squeeze(0) for tensor in after)]


def scan_graph(step: Any, model: TrainedModel) -> Any:
    """Return the graph of a sequence that applies the graph of a step to one symbol after another, by `Scan`."""
    onnx = import_library("onnx", EXTRA)
    inner = onnx.compose.add_prefix(step, "step_")
    names = list(model.state_tensors)
    body, helper = inner.graph, onnx.helper
    shared = [*body.initializer]
    body.ClearField("initializer")
    # The states come first in the body of a scan, and then the elements of sequences.
    inputs = [*body.input[1:], body.input[0]]
    outputs = [*body.output[1:], body.output[0]]
    body.ClearField("input")
    body.ClearField("output")
    body.input.extend(inputs)
    body.output.extend(outputs)
    scan = helper.make_node(
        "Scan", [*names, "symbols"], [*(f"next_{name}" for name in names), "logits"], body=body, num_scan_inputs=1
    )
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        [scan],
        "sequence",
        [value("symbols", onnx.TensorProto.INT64, ["time", "batch"]), *step.graph.input[1:]],
        [value("logits", onnx.TensorProto.FLOAT, ["time", "batch", len(model.symbols)]), *step.graph.output[1:]],
        shared,
    )
    return helper.make_model(graph, opset_imports=step.opset_import, ir_version=step.ir_version)


@contextlib.contextmanager
def quiet() -> Generator[None]:
    """Suppress the warnings of the libraries about their own code, and what they log of each operator."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)


def _trace(module: nn.Module, model: TrainedModel, symbols: Tensor, dimensions: Mapping[int, Any]) -> Any:
    """Return the graph of a module that takes symbols and states, with an axis of the states for the batch."""
    import_library("onnxscript", EXTRA)
    names = list(model.state_tensors)
    states = tuple(tensor.expand(2, *tensor.shape[1:]).contiguous() for tensor in model.state_tensors.values())
    batch = dimensions[max(dimensions)]
    with quiet(), torch.no_grad():
        program = torch.onnx.export(
            module.eval(),
            (symbols, states),
            input_names=["symbols", *names],
            output_names=["logits", *(f"next_{name}" for name in names)],
            dynamic_shapes=(dimensions, tuple({0: batch} for _ in states)),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    graph = cast("Any", program).model_proto
    # torch stores the lines of code from which it derived each node, with their paths on this machine.
    for part in (graph, graph.graph, *graph.graph.node, *graph.graph.value_info, *graph.functions):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return graph
