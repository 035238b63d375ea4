"""Backends: loaded by name, and installed in the cells that they run. The backend `eager` is part of the core."""

import copy
from typing import Any

from torch import Tensor

from seqforge.errors import PluginError, SeqforgeError
from seqforge.faults import blame_plugin
from seqforge.kinds import Backend, BackendContext, Cell, Refusal, SequenceFunction
from seqforge.registry.registry import Registry


class EagerBackend(Backend):
    """Plain torch: the cell's own `forward`, for any cell on any device."""

    def unsupported(self, cell: Cell[Any], context: BackendContext) -> str | None:
        """Return None: every cell is supported."""
        return None

    def sequence_function(self, cell: Cell[Any], context: BackendContext) -> SequenceFunction:
        """Return the cell's own `forward`."""
        return cell.forward


class BrokenBackend(Backend):
    """The place of a backend that cannot be loaded. It runs no cell, and other backends are used."""

    def __init__(self, fault: str) -> None:
        self._fault = fault

    def unsupported(self, cell: Cell[Any], context: BackendContext) -> str:
        """Return why the backend cannot be loaded."""
        return self._fault

    def refusal(self, cell: Cell[Any], context: BackendContext) -> Refusal:
        """Return why the backend cannot be loaded, as a fault of its plugin."""
        return Refusal(self._fault, about="plugin")

    def sequence_function(self, cell: Cell[Any], context: BackendContext) -> SequenceFunction:
        """Raise `PluginError`: there is no reader."""
        raise PluginError(self._fault)


def load_backends(registry: Registry) -> dict[str, Backend]:
    """Return all installed backends by their shortest names."""
    return {name: load_backend(registry, name) for name in registry.names("backend")}


def load_backend(registry: Registry, name: str) -> Backend:
    """Return an installed backend by its short or qualified name; a `BrokenBackend` if it cannot be loaded.

    Raises:
        PluginError: If there is no backend of that name, or more than one.
    """
    found = registry.find("backend", name)
    try:
        component = registry.load(found)
        with blame_plugin("backend", found.qualified_name, component, "its __init__ failed"):
            return component()
    except SeqforgeError as error:
        return BrokenBackend(f"{error.message}; reinstall or update the plugin {found.plugin!r}")


def install_backend(backend: Backend, cell: Cell[Any], context: BackendContext) -> None:
    """Run a cell on a backend from now on, and so its deep copies, each with its own parameters."""
    if isinstance(backend, EagerBackend):
        cell.sequence_function = None
    else:
        cell.sequence_function = _InstalledFunction(backend, cell, context, backend.checked_function(cell, context))


class _InstalledFunction:
    """A sequence function whose deep copy belongs to the copy of the cell."""

    def __init__(
        self, backend: Backend, cell: Cell[Any], context: BackendContext, function: SequenceFunction | None = None
    ) -> None:
        self._backend, self._cell, self._context, self._function = backend, cell, context, function

    def __call__(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        if self._function is None:
            self._function = self._backend.checked_function(self._cell, self._context)
        return self._function(inputs, state)

    def __deepcopy__(self, memo: dict[int, Any]) -> "_InstalledFunction":
        # The copied cell has no parameters yet: its function is made at the first call.
        return _InstalledFunction(self._backend, copy.deepcopy(self._cell, memo), self._context)
