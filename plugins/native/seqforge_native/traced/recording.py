"""The recording of a step of a cell and its gradients as aten operations, by torch, and their evaluation on values.

Each operation has the line of the cell that it comes from, for messages about operations that no kernel can compute.
"""

import inspect
import operator
import traceback
from collections.abc import Callable, Container, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import jaxtyping
import torch
from torch import Tensor, nn
from torch._decomp import core_aten_decompositions
from torch.fx import traceback as fx_traceback
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree

from seqforge.kinds import Cell, FactoredCell
from seqforge_native.cell_reader import RECURRENT_MATRIX, further_tensors, weights_of
from seqforge_native.traced.operations import FUNCTIONS
from seqforge_native.traced.values import Arithmetic, Elementwise, UntraceableError, Value

OTHER_TENSOR = (
    "a tensor that is neither a parameter nor a buffer of one number for each hidden unit, nor a weight "
    "[hidden or a multiple, hidden]; a weight of the inputs belongs in `project`"
)

_REASONS = {
    "data-dependent": "a branch that depends on the data",
    "convert all Tensors to FakeTensors": OTHER_TENSOR,  # a tensor that is not an input
}
"""Reasons for errors of torch, by a part of the message."""

_LIBRARIES = (*(Path(str(module.__file__)).parent for module in (torch, jaxtyping)), Path(__file__).parent)
"""Folders of the code that runs between the lines of a cell."""


class Step(nn.Module):
    """The step of a cell as a function of plain tensors: one or two tensors of gates, then the parts of the state.

    Args:
        cell: Cell with parameters in float32.
        whole: Whether the function contains the products of the step. If not, it is the `pointwise` of the cell.

    Attributes:
        sides: Number of tensors of gates: W x + b, and U h if the cell has this product and it is not in the function.
        features: Number of features of the gates.
        rows: Number of rows of the recorded tensors, which differs from the length of every other axis, so that a shape
            shows which axis is the batch.
        vectors: Parameters and buffers of one number or more for each hidden unit, by their names in this module.
        weights: Weights that the function may multiply by, by their names in this module.
        adds_product: Whether the function is `pointwise` with the product U h before it.
        buffer_count: Number of buffers, which are the last ones of `vectors`.

    Raises:
        UntraceableError: If no kernel can read the state or a parameter of the cell.
    """

    def __init__(self, cell: Cell[Any], whole: bool) -> None:
        super().__init__()
        self.cell = cell
        with torch.no_grad():
            self.features = int(cell.project(torch.zeros(1, 1, cell.input_size)).shape[-1])
        self.rows = 2 * self.features + 1
        self.state = cell.initial_state(self.rows)
        shape = (self.rows, cell.hidden_size)
        if not all(
            isinstance(part, Tensor) and part.dtype == torch.float32 and part.shape == shape
            for part in cast("Sequence[Any]", self.state or [None])
        ):
            raise UntraceableError("a state that is not one number for each hidden unit")
        vectors, weights = further_tensors(cell), weights_of(cell) if whole else {}
        if vectors.keys() & weights.keys():
            raise UntraceableError("a weight of one hidden unit")
        self.buffer_count = sum(name in vectors for name, _ in cell.named_buffers())
        self.adds_product = whole and RECURRENT_MATRIX in weights
        if self.adds_product:
            self.register_parameter(RECURRENT_MATRIX, nn.Parameter(weights[RECURRENT_MATRIX].detach()))
        self.vectors = {f"cell.{name}": value for name, value in vectors.items()}
        self.weights = {name if name == RECURRENT_MATRIX else f"cell.{name}": weights[name] for name in weights}
        self.whole, self.sides = whole, 1 if whole or not isinstance(cell, FactoredCell) else 2

    def forward(self, *arguments: Tensor) -> tuple[Tensor, ...]:
        """Return the output and the tensors of the next state."""
        gates, state = arguments[: self.sides], type(self.state)(*arguments[self.sides :])
        cell = cast("Any", self.cell)
        with recorded_locations():
            if self.adds_product:
                product = functional.linear(state[0], cast("Tensor", getattr(self, RECURRENT_MATRIX)))
                output, after = cell.pointwise(*gates, product, state)
            else:
                output, after = (cell.step if self.whole else cell.pointwise)(*gates, state)
        return output, *after


def record(step: Step) -> torch.fx.GraphModule:
    """Return a step and its gradients as aten operations, recorded on tensors without data.

    The inputs are those of the step, its weights and vectors, then the gradients of the results. The outputs are the
    results, then the gradients of the inputs except those of buffers.

    Raises:
        UntraceableError: If torch cannot record the step.
    """
    tensors = {**step.weights, **step.vectors}
    # Copies, since the tracer treats a tensor that is passed twice as one argument.
    gates = [torch.zeros(step.rows, step.features) for _ in range(step.sides)]
    examples = [*gates, *(part.clone() for part in step.state), *(value.detach().clone() for value in tensors.values())]
    first = len(gates) + len(step.state)
    cotangents = [torch.zeros(step.rows, step.cell.hidden_size) for _ in range(1 + len(step.state))]

    def run(*given: Tensor) -> tuple[Tensor, ...]:
        named = dict(zip(tensors, given[first:], strict=True))
        return cast("tuple[Tensor, ...]", torch.func.functional_call(step, named, given[:first]))

    try:
        return trace_with_gradients(run, examples, cotangents, len(examples) - step.buffer_count, FUNCTIONS)
    except Exception as error:  # a cell may raise any error if its tensors have no data
        message = str(error).partition("\n")[0] or type(error).__name__
        known = (reason for part, reason in _REASONS.items() if part in message)
        reason = next(known, f"what torch cannot trace: {message}")
        raise UntraceableError(reason + _location_of_error(error)) from error


def trace_with_gradients(
    function: Callable[..., tuple[Tensor, ...]],
    examples: Sequence[Tensor],
    cotangents: Sequence[Tensor],
    count: int,
    operations: Container[Any],
) -> torch.fx.GraphModule:
    """Return a function and its gradients as aten operations, recorded on tensors without data.

    The inputs are the arguments, then the gradients of the results, which have the shapes of the cotangents. The
    outputs are the results, then the gradients of the first `count` arguments. Given operations are not decomposed.
    """

    def run_both_ways(given: Sequence[Tensor], gradients: Sequence[Tensor]) -> tuple[Any, Any]:
        both = torch.func.vjp(lambda *own: function(*own, *given[count:]), *given[:count])
        results, pull_back = cast("tuple[Any, Any]", both)
        return results, pull_back(tuple(gradients))

    # The gradients of slices write in place, which this removes.
    pure = torch.func.functionalize(run_both_ways)
    decompositions = cast("dict[Any, Any]", core_aten_decompositions())
    needed = {operation: replaced for operation, replaced in decompositions.items() if operation not in operations}
    with torch.autocast("cpu", enabled=False):
        return make_fx(pure, decomposition_table=needed, tracing_mode="fake")(examples, cotangents)


@contextmanager
def recorded_locations() -> Generator[None]:
    """Store the location of each operation, for `location_of_node`, while torch traces a function."""
    with fx_traceback.preserve_node_meta(), _LocationRecorder():
        try:
            yield
        finally:
            fx_traceback.set_stack_trace([])  # later operations, such as those of the gradients, come from no line


class _LocationRecorder(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        frame = inspect.currentframe()
        while frame is not None and _is_library_code(frame.f_code.co_filename):
            frame = frame.f_back
        fx_traceback.set_stack_trace([] if frame is None else [_location(frame.f_code.co_filename, frame.f_lineno)])
        return func(*args, **(kwargs or {}))


def location_of_node(node: torch.fx.Node) -> str:
    """Return " (file:line)" of the operation of a node, or " in a gradient" if it has no line."""
    return node.stack_trace or " in a gradient"


def _location_of_error(error: BaseException) -> str:
    """Return " (file:line)" of the line in a cell that raised an error, or nothing if it is not known."""
    frames = traceback.extract_tb(error.__traceback__)
    calls = [
        index for index, frame in enumerate(frames) if frame.name == "forward" and _is_library_code(frame.filename)
    ]
    within = frames[calls[0] :] if calls else []  # the frames below `Step.forward`
    locations = [
        _location(frame.filename, frame.lineno or 0) for frame in within if not _is_library_code(frame.filename)
    ]
    return locations[-1] if locations else ""


def operation_name(operation: Any) -> str:
    """Return the name of an aten operation as it is called in torch, such as `cumsum`."""
    return str(operation).removeprefix("aten.").partition(".")[0].strip("_")


def _location(filename: str, line: int) -> str:
    return f" ({Path(filename).name}:{line})"


def _is_library_code(filename: str) -> bool:
    generated = filename.startswith("<")  # by a type checker
    return generated or any(folder in Path(filename).parents for folder in _LIBRARIES)


def evaluate(
    graph: torch.fx.GraphModule,
    arithmetic: Elementwise,
    inputs: Sequence[Any],
    functions: Mapping[Any, Callable[..., Any]],
    check: Callable[[torch.fx.Node, Any], Any] = lambda _, value: value,
) -> list[Any]:
    """Evaluate aten operations on values.

    Args:
        graph: Graph of aten operations.
        arithmetic: Arithmetic on values.
        inputs: Values of the graph's placeholders, in order.
        functions: Function of each operation, which takes the arithmetic and the arguments.
        check: Function that returns the value of a node from the result of its operation.

    Returns:
        The results in order, with 0 for None.

    Raises:
        UntraceableError: If a kernel cannot compute an operation.
    """
    known: dict[torch.fx.Node, Any] = {}
    waiting = iter(inputs)
    results: list[Any] = []
    for node in graph.graph.nodes:
        try:
            match node.op:
                case "placeholder":
                    known[node] = next(waiting)
                case "get_attr":
                    known[node] = _constant(getattr(graph, cast("str", node.target)), arithmetic)
                case "output":
                    flat = _pytree.tree_flatten(node.args[0])[0]
                    results = [arithmetic.as_value(0.0 if each is None else known[each]) for each in flat]
                case _:
                    arguments, options = cast("Any", torch.fx).map_arg((node.args, node.kwargs), known.__getitem__)
                    value = compute(node.target, arithmetic, arguments, options, functions)
                    known[node] = check(node, value)
        except UntraceableError as error:
            raise UntraceableError(f"{error}{location_of_node(node)}") from error
    return results


def compute(
    operation: Any,
    arithmetic: Elementwise,
    arguments: Sequence[Any],
    options: Mapping[str, Any],
    functions: Mapping[Any, Callable[..., Any]],
) -> Any:
    """Return the result of an operation on values.

    Raises:
        UntraceableError: If there is no function for it, or none for these arguments.
    """
    if operation is operator.getitem:
        return arguments[0][arguments[1]]
    if operation not in functions:
        raise UntraceableError(f"the operation {operation_name(operation)}")
    try:
        return functions[operation](arithmetic, *arguments, **options)
    except (TypeError, RuntimeError, IndexError) as error:
        raise UntraceableError(f"the operation {operation_name(operation)} with these options: {error}") from error


def evaluate_units(graph: torch.fx.GraphModule, arithmetic: Arithmetic, inputs: Sequence[Value]) -> list[Value]:
    """Evaluate aten operations on values of one hidden unit; see `evaluate`."""

    def check(node: torch.fx.Node, result: Any) -> Any:
        like = node.meta.get("val")
        if not isinstance(like, Tensor):
            return result
        name = operation_name(node.target)
        # Booleans are the numbers 0 and 1, so that arithmetic on them differs from that of torch: True + True is True.
        if like.dtype == torch.bool and not all(block.boolean for block in result.blocks):
            raise UntraceableError(f"the operation {name} with a boolean result")
        if like.dtype != torch.bool and name.startswith("bitwise"):
            raise UntraceableError(f"the operation {name} on integers")
        return arithmetic.with_shape(result, like)

    return evaluate(graph, arithmetic, inputs, FUNCTIONS, check)


def _constant(tensor: Any, arithmetic: Elementwise) -> Any:
    if not isinstance(tensor, Tensor) or tensor.numel() != 1:
        raise UntraceableError(OTHER_TENSOR)
    return arithmetic.as_value(float(tensor))
