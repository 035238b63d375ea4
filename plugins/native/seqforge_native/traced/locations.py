"""The line of a cell that each recorded operation comes from, for error messages."""

import inspect
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jaxtyping
import torch
from torch.fx import traceback as fx_traceback
from torch.overrides import TorchFunctionMode

_LIBRARIES = (*(Path(str(module.__file__)).parent for module in (torch, jaxtyping)), Path(__file__).parent)
"""Folders of the code that runs between the lines of a cell."""


@contextmanager
def record_locations() -> Generator[None]:
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


def location_of_error(error: BaseException) -> str:
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
