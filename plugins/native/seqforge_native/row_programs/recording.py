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
from torch import Tensor
from torch._decomp import core_aten_decompositions
from torch.fx import traceback as fx_traceback
from torch.fx.experimental.proxy_tensor import make_fx
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree

from seqforge_native.row_programs.builder import Builder
from seqforge_native.row_programs.memory import UntraceableError

OTHER_TENSOR = "a tensor that is neither a parameter nor a buffer"

_REASONS = {
    "data-dependent": "a branch that depends on the data",
    "convert all Tensors to FakeTensors": OTHER_TENSOR,  # a tensor that is not an input
}
"""Reasons for errors of torch, by a part of the message."""

_LIBRARIES = (*(Path(str(module.__file__)).parent for module in (torch, jaxtyping)), Path(__file__).parent)
"""Folders of the code that runs between the lines of a cell."""


def record(
    function: Callable[..., tuple[Tensor, ...]], examples: Sequence[Tensor], count: int, operations: Container[Any]
) -> torch.fx.GraphModule:
    """Return a function and its gradients as aten operations, recorded on tensors without data.

    The inputs are the arguments, then the gradients of the results. The outputs are the results, then the gradients of
    the first `count` arguments. Given operations are not decomposed.

    Raises:
        UntraceableError: If torch cannot record it.
    """
    try:
        with torch.autocast("cpu", enabled=False):
            cotangents = [torch.zeros_like(result) for result in function(*examples)]
        return _trace_with_gradients(function, examples, cotangents, count, operations)
    except Exception as error:  # a cell may raise any error if its tensors have no data
        message = str(error).partition("\n")[0] or type(error).__name__
        known = (reason for part, reason in _REASONS.items() if part in message)
        reason = next(known, f"what torch cannot trace: {message}")
        raise UntraceableError(reason + _location_of_error(error)) from error


def _trace_with_gradients(
    function: Callable[..., tuple[Tensor, ...]],
    examples: Sequence[Tensor],
    cotangents: Sequence[Tensor],
    count: int,
    operations: Container[Any],
) -> torch.fx.GraphModule:
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
    builder: Builder,
    inputs: Sequence[Any],
    functions: Mapping[Any, Callable[..., Any]],
) -> list[Any]:
    """Evaluate aten operations on values.

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
                    known[node] = _constant(getattr(graph, cast("str", node.target)), builder)
                case "output":
                    flat = _pytree.tree_flatten(node.args[0])[0]
                    results = [builder.as_value(0.0 if each is None else known[each]) for each in flat]
                case _:
                    arguments, options = cast("Any", torch.fx).map_arg((node.args, node.kwargs), known.__getitem__)
                    _check_type(node)
                    known[node] = compute(node.target, builder, arguments, options, functions)
        except UntraceableError as error:
            raise UntraceableError(f"{error}{location_of_node(node)}") from error
    return results


def _check_type(node: torch.fx.Node) -> None:
    """Check that a number, as programs compute all results, is what torch computes.

    Raises:
        UntraceableError: If the operation computes with integers, adds booleans, of which True + True is True, or takes
            numbers for booleans.
    """
    like, name = node.meta.get("val"), operation_name(node.target)
    if not isinstance(like, Tensor) or like.dtype.is_floating_point:
        return
    if name.startswith("logical") and any(one.meta["val"].dtype != torch.bool for one in node.all_input_nodes):
        raise UntraceableError(f"the operation {name} on numbers")
    if like.dtype != torch.bool and name.startswith("bitwise"):
        raise UntraceableError(f"the operation {name} on integers")
    if like.dtype == torch.bool and name in ("add", "sub", "mul", "neg", "maximum", "minimum"):
        raise UntraceableError(f"the operation {name} with a boolean result")


def compute(
    operation: Any,
    builder: Builder,
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
        return functions[operation](builder, *arguments, **options)
    except (TypeError, RuntimeError, IndexError) as error:
        raise UntraceableError(f"the operation {operation_name(operation)} with these options: {error}") from error


def _constant(tensor: Any, builder: Builder) -> Any:
    if not isinstance(tensor, Tensor) or tensor.numel() != 1:
        raise UntraceableError(OTHER_TENSOR)
    return builder.as_value(float(tensor))
