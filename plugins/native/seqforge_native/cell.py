"""What the native cells share: the kernels where they can run, and plain torch elsewhere."""

from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqforge.cells import product_dtype
from seqforge.interfaces import FactoredCell, GenerationKernel, GenerationModel, LogitRule, State
from seqforge_native.generation import NativeGenerationKernel
from seqforge_native.inputs import input_gates
from seqforge_native.layout import padded
from seqforge_native.library import Library, best_library
from seqforge_native.sequence import Kernel, read_sequence

StateT = TypeVar("StateT", bound=tuple[Any, ...])


class NativeCell(FactoredCell[StateT]):
    """A factored cell whose whole sequence is one call of a compiled kernel.

    Its parameters and mathematics are those of the plugin `essentials`' cell of the same name, and `pointwise` is what
    is computed where no kernel can run: in other types, on other devices, without a compiler.

    Attributes:
        kernel: The compiled cell.
    """

    kernel: Kernel

    @property
    def recurrent_bias_of_kernel(self) -> Tensor | None:
        """The bias inside the recurrent side, where the cell has one."""
        return None

    def forward(
        self, inputs: Float[Tensor, "time batch input"] | Int[Tensor, "time batch"], state: StateT
    ) -> tuple[Float[Tensor, "time batch hidden"], StateT]:
        """Read a whole sequence, of at least one step.

        Args:
            inputs: The sequence.
            state: The state before its first step.

        Returns:
            The output of every step, in the products' type, and the state after the last.
        """
        dtype = product_dtype(self.recurrent_weight)
        library = self._library(dtype, state)
        if library is None:
            return super().forward(inputs, state)
        lanes = library.lanes
        gates, symbols = input_gates(self, inputs, self.kernel.gates, lanes)
        recurrent_bias = self.recurrent_bias_of_kernel
        outputs, after = read_sequence(
            self.kernel,
            library,
            dtype,
            gates,
            symbols,
            self.recurrent_weight,
            None if recurrent_bias is None else padded(recurrent_bias, lanes),
            tuple(padded(part, lanes) for part in state),
        )
        hidden_size = self.hidden_size
        return outputs[..., :hidden_size], type(state)(*(part[:, :hidden_size] for part in after))

    def generation_kernel(
        self, network: GenerationModel, states: Sequence[State], rules: Sequence[LogitRule]
    ) -> GenerationKernel | None:
        """Prepare to generate at a stretch.

        Args:
            network: The whole model.
            states: Every layer's, after what was read so far.
            rules: What is done to the logits before a draw, in order.

        Returns:
            The decoder, or None where a layer is of another kind, no kernel can run, or none can run in int8 where that
            is asked for.
        """
        dtype = torch.int8 if network.int8 else product_dtype(self.recurrent_weight)
        cells = [cell for cell in network.cells if isinstance(cell, NativeCell)]
        library = best_library()
        if library is None or len(cells) < len(network.cells):
            return None
        if not all(cell._library(dtype, state) for cell, state in zip(cells, states, strict=True)):
            return None
        if network.int8 and not _fits_int8(network):
            return None
        return NativeGenerationKernel(library, dtype, network, cells, states, rules)

    def _library(self, dtype: torch.dtype, state: State) -> Library | None:
        """Choose the kernels, or None where plain torch is to read the sequence."""
        library = best_library()
        plain = (self.recurrent_weight, *state)
        if library is None or not library.computes(dtype):
            return None
        return library if all(part.dtype == torch.float32 and part.device.type == "cpu" for part in plain) else None


_INT8_DEPTH = 1 << 16
"""Products of 8 bits that surely add up within 32."""


def _fits_int8(network: GenerationModel) -> bool:
    """Say whether weights can be rounded to steps of their largest, and sums of products held."""
    weights = [parameter for cell in network.cells for parameter in cell.parameters()] + [network.head_weight]
    return all(weight.shape[-1] <= _INT8_DEPTH and bool(weight.isfinite().all()) for weight in weights)
