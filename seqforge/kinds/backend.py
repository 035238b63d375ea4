"""Backends, which run a cell over a sequence on a device. The results must be those of `step`."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

import torch
from torch import Tensor

from seqforge.errors import describe_type
from seqforge.faults import wrong_result
from seqforge.kinds.cell import Cell
from seqforge.kinds.generation_kernel import GenerationKernel, GenerationModel

__all__ = ["Backend", "BackendContext", "OutputLayer", "Refusal", "SequenceFunction"]

SequenceFunction = Callable[[Tensor, Any], tuple[Tensor, Any]]
"""Differentiable function from inputs `[time, batch, input]`, or symbols `[time, batch]`, and a state to the outputs of
all steps and the state after the last step. It computes the same as the cell's `forward`."""

OutputLayer = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Differentiable function from outputs of the highest cell `[*rows, hidden]`, a weight `[outputs, hidden]` and a bias
`[outputs]` to the logits `[*rows, outputs]`, in the type of the weight. The model calls it under autocast."""


@dataclass(frozen=True, slots=True)
class BackendContext:
    """Device and precision of a cell.

    Attributes:
        device: Device of the parameters and the inputs.
        dtype: Type of the matrix products. Parameters and states are float32, or float64 if this is float64.
    """

    device: torch.device
    dtype: torch.dtype


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a backend does not run a cell.

    Attributes:
        reason: The reason, in words that complete "native cannot run it: …".
        about: What the reason concerns: the device, the cell in its precision, the length of the run, or the plugin of
            the backend.
    """

    reason: str
    about: Literal["device", "cell", "run", "plugin"] = "cell"


class Backend(ABC):
    """A way to run a cell. The parameters belong to the cell, so checkpoints do not depend on the backend.

    The suite `BackendSuite` compares a backend with the scan of `Cell.step`.

    Attributes:
        device_types: Types of the devices on which the backend runs, such as `cpu` and `cuda`; empty for all.
    """

    device_types: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def unsupported(self, cell: Cell[Any], context: BackendContext) -> str | None:
        """Explain why this backend cannot run a cell in this precision, on a device of one of its types.

        Returns:
            The reason, such as "its parameters are not in float32", or None if the backend can run the cell.
        """

    @abstractmethod
    def sequence_function(self, cell: Cell[Any], context: BackendContext) -> SequenceFunction:
        """Return a function for a cell that the backend can run; every call uses the current parameters of the cell."""

    def checked_function(self, cell: Cell[Any], context: BackendContext) -> SequenceFunction:
        """Return what `sequence_function` returns.

        Raises:
            PluginError: If it is not a function.
        """
        function = self.sequence_function(cell, context)
        if not callable(cast("object", function)):
            raise wrong_result(self.sequence_function, f"returned {describe_type(function)}, not a function")
        return function

    def refusal(self, cell: Cell[Any], context: BackendContext) -> Refusal | None:
        """Return why this backend does not run a cell: the device, or what `unsupported` returns; None if it does."""
        if self.device_types and context.device.type not in self.device_types:
            types = " or ".join(self.device_types)
            return Refusal(f"it runs on {types}, not on {context.device.type}", about="device")
        reason: Any = self.unsupported(cell, context)
        if not isinstance(reason, str | None):
            raise wrong_result(self.unsupported, f"returned {describe_type(reason)}, not a reason or None")
        return None if reason is None else Refusal(reason)

    def preparation_seconds(self, cell: Cell[Any], context: BackendContext) -> float:
        """Return the estimated time in seconds that the reader needs for compilation; 0 by default.

        A run does not try a backend whose compilation would take too large a part of the run.
        """
        return 0.0

    def output_layer(self, context: BackendContext) -> OutputLayer | None:
        """Return a function that computes the output layer above cells of this backend, or None to use torch's."""
        return None

    def generation_kernel(self, model: GenerationModel) -> GenerationKernel | None:
        """Return a function that draws many symbols in one call, or None if the backend has none for this model."""
        return None
