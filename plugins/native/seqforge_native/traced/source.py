"""The line of a cell that an operation comes from, for messages."""

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

_OTHERS = (*(Path(str(module.__file__)).parent for module in (torch, jaxtyping)), Path(__file__).parent)
"""Folders of code that is not the cell's."""


@contextmanager
def record_places() -> Generator[None]:
    """Store the place of each operation, for `place_of_node`, while torch traces a function."""
    with fx_traceback.preserve_node_meta(), _Places():
        try:
            yield
        finally:
            fx_traceback.set_stack_trace([])  # what follows, such as the gradients, comes from no line


class _Places(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        frame = inspect.currentframe()
        while frame is not None and _is_of_others(frame.f_code.co_filename):
            frame = frame.f_back
        fx_traceback.set_stack_trace([] if frame is None else [_place(frame.f_code.co_filename, frame.f_lineno)])
        return func(*args, **(kwargs or {}))


def place_of_node(node: torch.fx.Node) -> str:
    """Return " (file:line)" of the operation of a node, or nothing if it is not known."""
    return node.stack_trace or ""


def place_of_error(error: BaseException) -> str:
    """Return " (file:line)" of the line in a cell that raised an error, or nothing if it is not known."""
    frames = traceback.extract_tb(error.__traceback__)
    calls = [index for index, frame in enumerate(frames) if frame.name == "forward" and _is_of_others(frame.filename)]
    within = frames[calls[0] :] if calls else []  # what the call of `pointwise` led to
    places = [_place(frame.filename, frame.lineno or 0) for frame in within if not _is_of_others(frame.filename)]
    return places[-1] if places else ""


def name_of(operation: Any) -> str:
    """Return the name of an aten operation as it is called in torch, such as `cumsum`."""
    return str(operation).removeprefix("aten.").partition(".")[0].strip("_")


def _place(filename: str, line: int) -> str:
    return f" ({Path(filename).name}:{line})"


def _is_of_others(filename: str) -> bool:
    generated = filename.startswith("<")  # by a type checker
    return generated or any(folder in Path(filename).parents for folder in _OTHERS)
