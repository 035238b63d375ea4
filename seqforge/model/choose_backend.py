"""Making a model's cells fast before it is trained: by a plugin's kernels, or else by torch's compiler."""

from typing import Any, cast

from torch import nn

from seqforge.errors import warn
from seqforge.interfaces import FactoredCell, SequenceReader
from seqforge.registry import Registry


def compile_cells(model: nn.Module) -> None:
    """Compile the pointwise part of every factored cell.

    Args:
        model: Holds the cells.
    """
    hook = Registry.installed().new_hooks().hook.seqforge_sequence_reader
    for module in model.modules():
        if isinstance(module, FactoredCell):
            cell = cast("FactoredCell[Any]", module)
            cell.compile_pointwise(_first_reader(hook, cell))


def _first_reader(hook: Any, cell: FactoredCell[Any]) -> SequenceReader | None:
    for implementation in hook.get_hookimpls():
        try:
            reader = implementation.function(cell)
        except Exception as error:  # noqa: BLE001 - a run that one plugin cannot make faster is run all the same
            reader = None
            warn(
                f"the plugin {implementation.plugin_name!r} cannot compile {type(cell).__name__}: "
                f"{type(error).__name__}: {error}"
            )
        if reader is not None:
            return reader
    return None
