"""What the layers of a model compute while it reads: their states, and their gates, the sigmoids of each step.

No interface states which values of a cell are gates. But a gate is a sigmoid with one value for each hidden unit, and
it is either assigned to a variable or a factor of a product. Every call of `torch.sigmoid` can be observed while a cell
computes a step, so the gates of any cell are found. The name of a gate is that of its variable.
"""

import ast
import inspect
import linecache
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import CodeType, FrameType
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.overrides import TorchFunctionMode

from seqforge.kinds import Cell
from seqforge.model.sequence_model import SequenceModel

SIGMOIDS: frozenset[Any] = frozenset([torch.sigmoid, torch.special.expit, Tensor.sigmoid, Tensor.sigmoid_])

CONVENTIONAL_NAMES = {"f": "forget", "i": "input", "o": "output", "r": "reset", "u": "update", "z": "update"}
"""Names of gates by the letters that equations in papers, and variables in cells, use for them."""

LONGEST_NAME = 40
"""Largest number of characters of a gate's name."""

_BETWEEN = {"torch", "jaxtyping"}
"""Packages whose functions may be between a cell and `__torch_function__`."""

_UNKNOWN = "sigmoid"
"""Name of a gate whose source code is not available."""


@dataclass(frozen=True, slots=True)
class LayerReading:
    """What one layer computes while it reads.

    Attributes:
        units: Values of the state, `[time, batch, hidden]`, by the name of the field.
        gates: Values of the gates, `[time, batch, hidden]`, by the name of the gate; empty if the cell has none.
    """

    units: dict[str, Float[Tensor, "time batch hidden"]]
    gates: dict[str, Float[Tensor, "time batch hidden"]] = field(default_factory=dict[str, Tensor])


@torch.inference_mode()
def read_layers(model: SequenceModel, tokens: Int[Tensor, "time batch"]) -> list[LayerReading]:
    """Read tokens step by step from the initial state, in plain torch and float32, and record every layer.

    Tensors of the state that are not vectors of the layer's size are left out.
    """
    features: Tensor = model.input(tokens.to(next(model.parameters()).device))
    readings: list[LayerReading] = []
    for cell in model.stack.layers:
        features, reading = read_cell(cell, features)
        readings.append(reading)
    return readings


def read_cell(cell: Cell[Any], inputs: Tensor) -> tuple[Float[Tensor, "time batch hidden"], LayerReading]:
    """Return the output of every step of a cell from the initial state, with its states and gates."""
    projected = cell.project(inputs)
    state = cell.initial_state(projected.shape[1])
    outputs: list[Tensor] = []
    units: dict[str, list[Tensor]] = {}
    recorder = GateRecorder(cell.hidden_size)
    for step_input in projected.unbind(0):
        with recorder:
            output, state = cell.step(step_input, state)
        outputs.append(output)
        for name, values in state._asdict().items():
            if values.shape == output.shape:
                units.setdefault(name, []).append(values.float().cpu())
    # A sigmoid that a cell computes on some steps only is no gate.
    gates = {name: values for name, values in recorder.gates.items() if len(values) == len(outputs)}
    stacked = ({name: torch.stack(values) for name, values in table.items()} for table in (units, gates))
    return torch.stack(outputs), LayerReading(*stacked)


class GateRecorder(TorchFunctionMode):
    """A context that records the gates that a cell computes inside it.

    Attributes:
        gates: Values of each gate on each step, `[batch, hidden]`, by name, in the order of their computation.
    """

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.gates: dict[str, list[Tensor]] = {}
        self._hidden_size = hidden_size
        self._names: dict[tuple[CodeType, int], list[str]] = {}

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Call the function, and record its result if it is a gate."""
        result = func(*args, **(kwargs or {}))
        if func in SIGMOIDS and isinstance(result, Tensor):
            self._record(result)
        return result

    def _record(self, values: Tensor) -> None:
        count, rest = divmod(values.shape[-1], self._hidden_size)
        frame = _calling_frame()
        if values.dim() != 2 or rest or frame is None:
            return
        place = frame.f_code, frame.f_lasti
        if place not in self._names:
            self._names[place] = [self._unused(name) for name in name_gates(frame, count)]
        for name, part in zip(self._names[place], torch.split(values, self._hidden_size, dim=1), strict=False):
            self.gates.setdefault(name, []).append(part.float().cpu())

    def _unused(self, name: str) -> str:
        taken = {name for names in self._names.values() for name in names}
        numbered = (name if number == 1 else f"{name} {number}" for number in range(1, len(taken) + 2))
        return next(one for one in numbered if one not in taken)


def _calling_frame() -> FrameType | None:
    """Return the frame of the cell that calls the function."""
    for frame, _ in traceback.walk_stack(inspect.currentframe()):
        module = str(frame.f_globals.get("__name__"))
        if module != __name__ and module.partition(".")[0] not in _BETWEEN:
            return frame
    return None


def name_gates(frame: FrameType, count: int) -> list[str]:
    """Return the names of the gates that the call of a sigmoid in a frame computes together; none if it is no gate."""
    path = _path_to_call(frame)
    if not path:
        return _numbered(_UNKNOWN, count)
    parent = next(node for node in reversed(path[:-1]) if not isinstance(node, ast.IfExp))
    statement = next((node for node in reversed(path) if isinstance(node, ast.Assign | ast.AnnAssign)), None)
    variables = _variables(statement) if statement is not None else []
    if len(variables) == count and (count > 1 or parent is statement):
        return [CONVENTIONAL_NAMES.get(name, name.removesuffix("_gate").replace("_", " ")) for name in variables]
    is_factor = isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Mult)
    if not is_factor and parent is not statement:
        return []
    text = ast.unparse(path[-1]).removeprefix("torch.")
    return _numbered(text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…", count)


def _path_to_call(frame: FrameType) -> list[ast.AST]:
    """Return the nodes that contain the current call of a frame, from its statement to the call; empty if unknown."""
    call: Any = inspect.getframeinfo(frame, context=0).positions
    lines = linecache.getlines(frame.f_code.co_filename, frame.f_globals)
    try:
        tree = ast.parse("".join(lines))
    except (SyntaxError, ValueError, RecursionError):  # a cell of a notebook may contain other things than Python
        return []
    begin, end = (call.lineno, call.col_offset), (call.end_lineno, call.end_col_offset)
    nodes = (cast("Any", node) for node in ast.walk(tree) if hasattr(node, "lineno") and None not in call)
    path = [
        one for one in nodes if (one.lineno, one.col_offset) <= begin and end <= (one.end_lineno, one.end_col_offset)
    ]
    return path if path and isinstance(path[-1], ast.Call) else []


def _variables(assignment: ast.Assign | ast.AnnAssign) -> list[str]:
    target = assignment.targets[0] if isinstance(assignment, ast.Assign) else assignment.target
    elements = target.elts if isinstance(target, ast.Tuple | ast.List) else [target]
    return [element.id for element in elements if isinstance(element, ast.Name)]


def _numbered(name: str, count: int) -> list[str]:
    return [name] if count == 1 else [f"{name} {number}" for number in range(1, count + 1)]
