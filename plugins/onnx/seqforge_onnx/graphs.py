"""The graphs of a model, which `torch.export` traces: a step or a sequence, or an encoder and a step of a decoder."""

import contextlib
import logging
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from seqforge.errors import import_library
from seqforge.kinds import (
    Cell,
    FactoredCell,
    MatrixStateCell,
    Numbers,
    Parts,
    SequenceFunction,
    TrainedModel,
    TrainedPredictor,
)
from seqforge.matrix_states import read_steps

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

_MARKS, _BEGIN, _END = "seqforge", "Begin", "End"
"""Domain and names of operators that mark the step of a cell in a traced graph, until `_fold_scans` removes them."""


def model_graph(model: TrainedModel, *axes: str) -> bytes:
    """Return the graph of a language model, from `symbols` and every state to `logits` and the states after them.

    The symbols have the axis "batch", or "time" and "batch". The output for a state is named `next_` and the state.
    """
    names, sizes = list(model.state_tensors), {axis: torch.export.Dim(axis) for axis in axes}
    symbols = torch.zeros([2] * len(axes), dtype=torch.int64)
    states = tuple(tensor.expand(2, *tensor.shape[1:]).contiguous() for tensor in model.state_tensors.values())
    shapes = dict(enumerate(sizes.values())), tuple({0: sizes["batch"]} for _ in states)
    return _trace(model, (symbols, states), ["symbols", *names], ["logits", *map("next_{}".format, names)], shapes)


def predictor_graphs(model: TrainedPredictor) -> dict[str, bytes]:
    """Return the graph of the `encoder` of a model of labelled examples, and that of the `decoder`, if it has one."""
    batch, time = {0: torch.export.Dim("batch")}, {0: torch.export.Dim("time"), 1: torch.export.Dim("batch")}
    inputs, lengths = torch.zeros(3, 2, dtype=torch.int64), torch.tensor([1, 3])
    if isinstance(model.spec.input, Numbers):
        inputs = torch.zeros(3, 2, model.spec.input.size)
    with torch.no_grad():
        # torch takes arguments that are the same tensor for one argument.
        memory = {name: tensor.clone() for name, tensor in model.encoder(inputs, lengths).items()}
    graphs = {"encoder": _trace(model.encoder, (inputs, lengths), ["inputs", "lengths"], list(memory), (time, batch))}
    if model.decoder is not None:
        with torch.no_grad():
            results = list(model.decoder(lengths, memory))
        shapes = batch, {name: time if len(tensor) == len(inputs) else batch for name, tensor in memory.items()}
        graphs["decoder"] = _trace(model.decoder, (lengths, memory), ["symbols", *memory], results, shapes)
    return graphs


def _trace(
    module: nn.Module, arguments: tuple[Any, ...], inputs: Sequence[str], outputs: Sequence[str], shapes: Any
) -> bytes:
    """Return the graph of a module as a file, with the axes of its arguments that have any size."""
    import_library("onnxscript", EXTRA)
    with quiet(), torch.no_grad(), _operators_of_onnx(module):
        program = torch.onnx.export(
            module.eval(),
            (*arguments, {}),  # The last table is one of keyword arguments.
            input_names=inputs,
            output_names=outputs,
            dynamic_shapes=shapes,
            opset_version=OPSET,
            custom_translation_table={torch.ops.aten.log_sigmoid.default: _log_sigmoid},
            dynamo=True,
            verbose=False,
        )
    graph = cast("Any", program).model_proto
    # torch stores the lines of code from which it derived each node, with their paths on this machine.
    for part in (graph, graph.graph, *graph.graph.node, *graph.graph.value_info, *graph.functions):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    _fold_scans(graph)
    import_library("onnx.checker", EXTRA).check_model(graph, full_check=True)
    return graph.SerializeToString(deterministic=True)


def _log_sigmoid(x: Any) -> Any:
    """Return log σ(x) from a softplus. The logarithm by which torch translates it is −∞ where σ(x) is rounded to 0."""
    op = import_library("onnxscript", EXTRA).opset20
    return op.Neg(op.Softplus(op.Neg(x)))


@contextlib.contextmanager
def quiet() -> Generator[None]:
    """Suppress the warnings of the libraries about their own code, and what they log of each operator."""
    with warnings.catch_warnings(action="ignore"):
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)


@contextlib.contextmanager
def _operators_of_onnx(module: nn.Module) -> Generator[None]:
    """Make every cell in a module compute sequences by operators of ONNX, which only torch's exporter can call."""
    cells = [cast("Cell[Any]", part) for part in module.modules() if isinstance(part, Cell)]
    functions = [cell.sequence_function for cell in cells]
    try:
        for cell in cells:
            cell.sequence_function = _sequence_function(cell)
        yield
    finally:
        for cell, function in zip(cells, functions, strict=True):
            cell.sequence_function = function


def _sequence_function(cell: Cell[Any]) -> SequenceFunction:
    if isinstance(cell, FactoredCell) and cell.equations in _LAYERS and type(cell).project is FactoredCell.project:
        return _layer(cell)
    if isinstance(cell, MatrixStateCell) and type(cell).mix_steps is MatrixStateCell.mix_steps:
        return partial(_scan_matrices, cell)
    contains_cells = sum(isinstance(part, Cell) for part in cell.modules()) > 1
    if contains_cells and type(cell).forward is not Cell.forward:
        return cell.forward  # It calls these cells.
    return partial(_scan_steps, cell)


def _layer(cell: FactoredCell[Any]) -> SequenceFunction:
    """Return a layer of ONNX with the weights of a cell in the order of its gates."""
    equations = cast("str", cell.equations)
    operator, order, attributes = _LAYERS[equations]
    recurrent_bias = torch.zeros_like(cell.bias)
    if equations == "gru":
        recurrent_bias[-cell.hidden_size :] = cast("Tensor", cell.recurrent_bias)
    matrices = [cell.input_weight, cell.recurrent_matrix(), cell.bias, recurrent_bias]
    w, r, *biases = (torch.cat([matrix.chunk(len(order))[gate] for gate in order])[None] for matrix in matrices)
    weights = [part.detach() for part in (w, r, torch.cat(biases, dim=1))]

    def read(inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        if not inputs.is_floating_point():  # ONNX's layers read vectors.
            inputs = nn.functional.one_hot(inputs, cell.input_size).to(cell.input_weight.dtype)
        time, batch = inputs.shape[:2]
        outputs, *after = torch.onnx.ops.symbolic_multi_out(
            operator,
            (inputs, *weights, None, *(tensor[None] for tensor in state)),
            {"hidden_size": cell.hidden_size, **attributes},
            dtypes=[inputs.dtype] * (1 + len(state)),
            shapes=[(time, 1, batch, cell.hidden_size), *[(1, batch, cell.hidden_size)] * len(state)],
            version=OPSET,
        )
        return outputs.squeeze(1), type(state)(*(tensor.squeeze(0) for tensor in after))

    return read


def _scan_matrices(cell: MatrixStateCell[Any], inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
    """Compute the rule of a matrix state by a `Scan`, and what depends on one step only before and after it.

    This takes the time of the operator `LinearAttention`, which came out later and does not have all rules.
    """

    def recurrence(parts: Parts, memory: Tensor) -> tuple[Tensor, Tensor]:
        given = {name: part for name, part in parts._asdict().items() if part is not None}

        def step(before: Tensor, *vectors: Tensor) -> Sequence[Tensor]:
            named = {name: vector[None] for name, vector in zip(given, vectors, strict=True)}
            reads, after = read_steps(Parts(**named), before)
            return after, reads[0]

        after, reads = _scan(cell, step, [memory], list(given.values()))
        return reads, after

    return cell.advance(cell.project(inputs), state, recurrence)


def _scan_steps(cell: Cell[Any], inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
    """Compute a sequence by a `Scan` of the step of a cell."""

    def step(*tensors: Tensor) -> Sequence[Tensor]:
        output, after = cell.step(tensors[-1], type(state)(*tensors[:-1]))
        return *after, output

    *after, outputs = _scan(cell, step, state, [cell.project(inputs)])
    return outputs, type(state)(*after)


def _scan(
    cell: Cell[Any], step: Callable[..., Sequence[Tensor]], state: Sequence[Tensor], sequences: Sequence[Tensor]
) -> Sequence[Tensor]:
    """Trace a step between two marks, and return the state after the last step and the outputs of all steps.

    What does not depend on the step is computed once, before the scan.
    """
    *after, output = step(*_mark(_BEGIN, cell, (*state, *sequences), (*state, *(each[0] for each in sequences))))
    outputs = output.expand(sequences[0].shape[0], *output.shape)
    return _mark(_END, cell, (*after, output), (*after, outputs))


def _mark(name: str, cell: Cell[Any], inputs: Sequence[Tensor], like: Sequence[Tensor]) -> Sequence[Tensor]:
    """Return the outputs of a mark, which have the types and the shapes of `like`."""
    types, shapes = zip(*((tensor.dtype, tensor.shape) for tensor in like), strict=True)
    attributes: dict[str, Any] = {"cell": id(cell)}  # Otherwise, equal marks would be merged.
    return torch.onnx.ops.symbolic_multi_out(
        f"{_MARKS}::{name}", inputs, attributes, dtypes=types, shapes=shapes, version=1
    )


def _fold_scans(model: Any) -> None:
    """Replace two marks in a graph, and the nodes that compute the second from the first, by a `Scan` of these."""
    helper, bodies, outside = import_library("onnx.helper", EXTRA), dict[str, list[Any]](), list[Any]()
    for node in model.graph.node:
        body = next((bodies[name] for name in node.input if name in bodies), outside)
        if node.domain == _MARKS and node.op_type == _END:
            begin, *nodes = body
            results = [f"{name}_step" for name in node.output]
            pairs = zip(node.input, results, strict=True)
            nodes += [helper.make_node("Identity", [name], [result]) for name, result in pairs]
            values = [[*map(helper.make_empty_tensor_value_info, names)] for names in (begin.output, results)]
            step = helper.make_graph(nodes, "step", *values)
            sequences = len(begin.input) - len(node.output) + 1  # The other inputs are the state.
            outside.append(helper.make_node("Scan", begin.input, node.output, body=step, num_scan_inputs=sequences))
            continue
        body = [] if node.domain == _MARKS else body
        body.append(node)
        if body is not outside:
            bodies |= dict.fromkeys(node.output, body)
    domains = [each for each in model.opset_import if each.domain != _MARKS]
    del model.graph.node[:], model.graph.value_info[:], model.opset_import[:]
    model.graph.node.extend(outside)
    model.opset_import.extend(domains)
