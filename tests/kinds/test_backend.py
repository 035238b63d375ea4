"""Results of a backend that its interface does not allow."""

from typing import Any

import pytest
import torch
from seqforge_essentials.cells.gru import GRU

from seqforge.errors import PluginError
from seqforge.kinds import Backend, BackendContext


class Wrong(Backend):
    def unsupported(self, cell: Any, context: BackendContext) -> Any:
        return False

    def sequence_function(self, cell: Any, context: BackendContext) -> Any:
        return None


def test_results_of_a_backend_that_are_not_allowed_are_named() -> None:
    cell, context = GRU(2, 3), BackendContext(torch.device("cpu"), torch.float32)
    with pytest.raises(PluginError, match="unsupported returned a bool, not a reason or None"):
        Wrong().refusal(cell, context)
    with pytest.raises(PluginError, match="sequence_function returned None, not a function"):
        Wrong().checked_function(cell, context)
