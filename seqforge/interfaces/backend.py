"""Backends: ways to run a cell over a sequence on a device."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from seqforge.interfaces.cell import Cell
from seqforge.interfaces.generation_kernel import GenerationKernel, GenerationModel

SequenceReader = Callable[[Tensor, Any], tuple[Tensor, Any]]
"""Maps inputs `[time, batch, input]`, or symbols `[time, batch]`, and a state to the outputs of all steps and the state
after the last step. It is differentiable, and computes what the cell's `forward` computes."""


@dataclass(frozen=True, slots=True)
class BackendContext:
    """Where a cell runs, and in which precision.

    Attributes:
        device: Device of the parameters and the inputs.
        dtype: Type of the matrix products. Parameters and states are float32, or float64 if this is float64.
    """

    device: torch.device
    dtype: torch.dtype


class Backend(ABC):
    """A way to run a cell. The cell keeps its parameters, so that checkpoints do not depend on the backend.

    `seqforge.testing.BackendSuite` compares a backend with the scan of `Cell.step`.
    """

    @abstractmethod
    def unsupported(self, cell: Cell[Any], context: BackendContext) -> str | None:
        """Explain why this backend cannot run a cell on this device and in this precision.

        Args:
            cell: Cell on the context's device.
            context: Device and precision.

        Returns:
            The reason, in words that complete "native cannot run it: …", or None if the backend can run the cell.
        """

    @abstractmethod
    def sequence_reader(self, cell: Cell[Any], context: BackendContext) -> SequenceReader:
        """Return a function that reads whole sequences with the cell's present and future parameters.

        Args:
            cell: Cell that `unsupported` accepts.
            context: Device and precision.
        """

    def preparation_seconds(self, cell: Cell[Any], context: BackendContext) -> float:
        """Estimate how long `sequence_reader` and its first call take, in seconds: 0, unless something is compiled.

        A short run does not try a backend that must compile for longer than it may gain.

        Args:
            cell: Cell that `unsupported` accepts.
            context: Device and precision.
        """
        return 0.0

    def generation_kernel(self, model: GenerationModel) -> GenerationKernel | None:
        """Return a function that draws many symbols in one call, or None if the backend has none for this model.

        Args:
            model: Language model, state and logit rules.
        """
        return None
