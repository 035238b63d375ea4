"""The weights of a model in the layout of the generation kernels."""

import math
import mmap
from typing import Any

import torch
from torch import Tensor

from seqforge.kinds import FactoredCell, GenerationModel
from seqforge_native.cell_tensors import stacked_parameters
from seqforge_native.layout import interleaved, padded, registers
from seqforge_native.library import Decode, HeldTensors, Layer, Library
from seqforge_native.sequence import SequenceKernel, built_in_kernel

_RULES = {kind: index for index, kind in enumerate(("temperature", "top-k", "top-p", "min-p", "greedy"))}

_INT8_SCALE_AND_OFFSET = 8
"""Bytes of a packed int8 column after its numbers: `int8_column` of kernels/int8.hpp."""

_LARGE_PAGE = 2 << 20
"""Bytes of a large page of memory."""


class GenerationWeights:
    """A copy of the weights of a model in the layout of the kernels.

    Args:
        library: Kernels for this processor.
        model: Language model that the kernels can generate with.

    Attributes:
        layers: Structures of the layers, without the state.
        gates: Number of gates of each layer.
        call: Structure of the call, without rows and layers.
        held: The tensors of the structures.
    """

    def __init__(self, library: Library, model: GenerationModel) -> None:
        self._library, self._dtype = library, model.dtype
        self.held = HeldTensors()
        cells = [cell for cell in model.cells if isinstance(cell, FactoredCell)]
        kernels = [built_in_kernel(library, cell.equations) for cell in cells if cell.equations is not None]
        self.gates = [kernel.gates for kernel in kernels]
        self.layers = [self._layer(cell, kernel) for cell, kernel in zip(cells, kernels, strict=True)]
        self._read_symbols(cells[0], kernels[0], model.embedding, self.layers[0])
        for layer, kernel, below, cell in zip(self.layers[1:], kernels[1:], cells, cells[1:], strict=False):
            self._read_layer(below, cell, kernel, layer)
        head_bias = padded(model.head_bias, library.lanes)
        self.call = Decode(
            layer_count=len(cells),
            symbols=len(model.head_bias),
            symbol_vectors=len(head_bias) // library.lanes,
            rule_count=len(model.rules),
            head_weight=self._packed_head(model.head_weight),
            head_bias=self.held.address(head_bias),
            rules=self.held.address(torch.tensor([_RULES[rule.kind] for rule in model.rules], dtype=torch.int64)),
            rule_values=self.held.address(torch.tensor([rule.value for rule in model.rules], dtype=torch.float32)),
        )

    @property
    def state_dtype(self) -> torch.dtype:
        """Type of the hidden states and of the input side of the gates."""
        return torch.float32 if self._dtype == torch.int8 else self._dtype

    def _layer(self, cell: FactoredCell[Any], kernel: SequenceKernel) -> Layer:
        lanes = self._library.lanes
        return Layer(
            cell=kernel.index,
            units=registers(cell.hidden_size, lanes),
            recurrent_weight=self._packed(kernel, cell.recurrent_weight),
            parameters=self.held.address(padded(stacked_parameters(cell), lanes)),
        )

    def _read_symbols(
        self, cell: FactoredCell[Any], kernel: SequenceKernel, embedding: Tensor | None, layer: Layer
    ) -> None:
        """Make the table of the lowest layer, with the input side of the gates of every symbol."""
        weight = cell.input_weight.t()
        rows = (weight if embedding is None else embedding @ weight) + cell.bias
        layer.table = self.held.address(interleaved(rows, kernel.gates, self._library.lanes).to(self.state_dtype))

    def _read_layer(
        self, below: FactoredCell[Any], cell: FactoredCell[Any], kernel: SequenceKernel, layer: Layer
    ) -> None:
        """Connect a layer to the one below."""
        lanes = self._library.lanes
        layer.input_units = registers(below.hidden_size, lanes)
        layer.input_weight = self._packed(kernel, cell.input_weight)
        layer.input_bias = self.held.address(interleaved(cell.bias, kernel.gates, lanes))

    def _packed(self, kernel: SequenceKernel, weight: Tensor) -> int:
        hidden_size, inputs = len(weight) // kernel.gates, weight.shape[1]
        lanes = self._library.lanes
        rows = registers(hidden_size, lanes) * kernel.gates * lanes
        packed = in_large_pages(rows, self._depth(inputs), dtype=self._dtype)
        source = weight.contiguous()
        self._library.call("pack", self._dtype, kernel.index, source, hidden_size, inputs, 1, packed, None)
        return self.held.address(packed)

    def _packed_head(self, weight: Tensor) -> int:
        (symbols, hidden_size), lanes = weight.shape, self._library.lanes
        packed = torch.empty(registers(symbols, lanes) * lanes, self._depth(hidden_size), dtype=self._dtype)
        self._library.call("pack_head", self._dtype, weight.contiguous(), symbols, hidden_size, packed)
        return self.held.address(packed)

    def _depth(self, inputs: int) -> int:
        """Return the size of one column of packed weights."""
        depth = registers(inputs, self._library.lanes) * self._library.lanes
        return depth + _INT8_SCALE_AND_OFFSET if self._dtype == torch.int8 else depth


def in_large_pages(*shape: int, dtype: torch.dtype) -> Tensor:
    """Return an uninitialized tensor, in large pages if the system has them and the tensor fills one.

    Every step reads all weights. In small pages, some megabytes span more pages than the processor's cache of page
    addresses holds.
    """
    size = math.prod(shape) * dtype.itemsize
    advice = getattr(mmap, "MADV_HUGEPAGE", None)  # exists on Linux only
    if size < _LARGE_PAGE or advice is None:
        return torch.empty(shape, dtype=dtype)
    # By default, Python's memory is shared, for which Linux has large pages only if an administrator allows them.
    memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    try:
        memory.madvise(advice)
    except OSError:  # the kernel was built without large pages
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(memory, dtype=dtype).view(shape)
