"""Generation on the compiled kernels, for models of RNN, GRU and LSTM layers."""

import ctypes
import math
import mmap
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqforge.interfaces import ConstraintAutomaton, FactoredCell, GenerationModel
from seqforge_native.layout import interleaved, padded, registers, stacked_parameters
from seqforge_native.library import Decode, Layer, Library
from seqforge_native.sequence import SequenceKernel, built_in_kernel

_RULES = {kind: index for index, kind in enumerate(("temperature", "top-k", "top-p", "min-p", "greedy"))}

_SHARED_BYTES = 1 << 20
"""Size of weights above which reading them takes longer than synchronizing the threads after each layer."""

_INT8_SCALE_AND_OFFSET = 8
"""Bytes of a packed int8 column after its numbers: `int8_column` of kernels/int8.hpp."""

_INT8_DEPTH = 1 << 16
"""Length up to which a sum of 8-bit products fits in 32 bits."""

_LARGE_PAGE = 2 << 20
"""Bytes of a large page of memory."""


def can_generate(library: Library, model: GenerationModel) -> bool:
    """Return whether the kernels can generate with a model: RNN, GRU and LSTM layers in float32 on the CPU."""
    if not library.generates(model.dtype):
        return False
    tensors = [model.head_weight, *(part for state in model.states for part in state)]
    for cell in model.cells:
        if not isinstance(cell, FactoredCell) or cell.equations is None:
            return False
        tensors += cell.parameters()
    if not all(tensor.dtype == torch.float32 and tensor.device.type == "cpu" for tensor in tensors):
        return False
    return model.dtype != torch.int8 or _fits_int8(model)


def _fits_int8(model: GenerationModel) -> bool:
    """Return whether the weights are finite, so that they have a scale, and sums of products fit in 32 bits."""
    weights = [parameter for cell in model.cells for parameter in cell.parameters()] + [model.head_weight]
    return all(weight.shape[-1] <= _INT8_DEPTH and bool(weight.isfinite().all()) for weight in weights)


class NativeGenerationKernel:
    """A copy of a model in the kernels' layout, with the state that continues from call to call.

    Args:
        library: Kernels for this processor.
        model: Language model that `can_generate` accepts.
    """

    def __init__(self, library: Library, model: GenerationModel) -> None:
        self._library, self._dtype = library, model.dtype
        self._state_dtype = torch.float32 if model.dtype == torch.int8 else model.dtype
        self._memory: list[Tensor] = []  # tensors whose addresses the structures contain
        cells = [cell for cell in model.cells if isinstance(cell, FactoredCell)]
        kernels = [built_in_kernel(library, cell.equations) for cell in cells if cell.equations is not None]
        self._layers = (Layer * len(cells))(
            *(self._layer(*layer) for layer in zip(cells, kernels, model.states, strict=True))
        )
        self._read_symbols(cells[0], kernels[0], model.embedding, self._layers[0])
        for layer, kernel, below, cell in zip(self._layers[1:], kernels[1:], cells, cells[1:], strict=False):
            self._read_layer(below, cell, kernel, layer)
        head_bias = padded(model.head_bias, library.lanes)
        head_weight = self._packed_head(model.head_weight)
        shared = sum(tensor.nbytes for tensor in self._memory) >= _SHARED_BYTES
        self._batch, self._symbols = len(model.states[0][0]), len(model.head_bias)
        self._logits = torch.empty(self._batch, len(head_bias))
        self._call = Decode(
            rows=self._batch,
            layer_count=len(cells),
            symbols=self._symbols,
            symbol_vectors=len(head_bias) // library.lanes,
            rule_count=len(model.rules),
            threads=torch.get_num_threads() if shared else 1,
            layers=ctypes.addressof(self._layers),
            head_weight=head_weight,
            head_bias=self._address(head_bias),
            rules=self._address(torch.tensor([_RULES[rule.kind] for rule in model.rules], dtype=torch.int64)),
            rule_values=self._address(torch.tensor([rule.value for rule in model.rules], dtype=torch.float32)),
            logits=self._logits.data_ptr(),
        )

    def __call__(
        self,
        last: Int[Tensor, " batch"],
        uniforms: Float[Tensor, "steps batch"],
        automaton: ConstraintAutomaton | None = None,
    ) -> Int[Tensor, "drawn batch"]:
        """Draw symbols; see `GenerationKernel.__call__`."""
        steps = len(uniforms)
        tokens = torch.empty(steps + 1, self._batch, dtype=torch.int64)
        tokens[0] = last
        uniforms = uniforms.contiguous()
        call = self._call
        call.steps, call.uniforms, call.tokens = steps, uniforms.data_ptr(), tokens.data_ptr()
        call.states = None
        if automaton:
            for name in ("states", "next_states", "actions", "costs", "weights", "stacks", "heights"):
                setattr(call, name, getattr(automaton, name).data_ptr())
            call.depth, call.remaining, call.largest_debt = (
                automaton.stacks.shape[1],
                automaton.remaining,
                automaton.largest_debt,
            )
        drawn = self._library.call("decode", self._dtype, call)
        if automaton:
            automaton.remaining -= drawn
        return tokens[1 : 1 + drawn]

    @property
    def probabilities(self) -> Float[Tensor, "batch symbols"]:
        """Probabilities of the last draw; those below 2⁻¹²⁶ times the largest are 0."""
        weights = self._logits[:, : self._symbols]
        return weights / weights.sum(-1, keepdim=True)

    def _address(self, tensor: Tensor) -> int:
        """Return the address of a tensor's memory, which lives as long as this object."""
        self._memory.append(tensor.contiguous())
        return self._memory[-1].data_ptr()

    def _layer(self, cell: FactoredCell[Any], kernel: SequenceKernel, state: tuple[Tensor, ...]) -> Layer:
        lanes = self._library.lanes
        hidden, *others = (padded(part, lanes) for part in state)
        batch, width = hidden.shape
        return Layer(
            cell=kernel.index,
            units=width // lanes,
            recurrent_weight=self._packed(kernel, cell.recurrent_weight),
            parameters=self._address(padded(stacked_parameters(cell), lanes)),
            gates=self._address(torch.empty(batch, kernel.gates * width, dtype=self._state_dtype)),
            # The state before a step, and memory for the state after it.
            hidden=self._address(torch.stack([hidden, hidden]).to(self._state_dtype)),
            carried=self._address(hidden.clone()),
            others=self._address(torch.stack([others[0], others[0]])) if others else None,
        )

    def _read_symbols(
        self, cell: FactoredCell[Any], kernel: SequenceKernel, embedding: Tensor | None, layer: Layer
    ) -> None:
        """Make the table of the lowest layer, with the input side of the gates of every symbol."""
        weight = cell.input_weight.t()
        rows = (weight if embedding is None else embedding @ weight) + cell.bias
        layer.table = self._address(interleaved(rows, kernel.gates, self._library.lanes).to(self._state_dtype))

    def _read_layer(
        self, below: FactoredCell[Any], cell: FactoredCell[Any], kernel: SequenceKernel, layer: Layer
    ) -> None:
        """Connect a layer to the one below."""
        lanes = self._library.lanes
        layer.input_units = registers(below.hidden_size, lanes)
        layer.input_weight = self._packed(kernel, cell.input_weight)
        layer.input_bias = self._address(interleaved(cell.bias, kernel.gates, lanes))

    def _packed(self, kernel: SequenceKernel, weight: Tensor) -> int:
        hidden_size, inputs = len(weight) // kernel.gates, weight.shape[1]
        lanes = self._library.lanes
        rows = registers(hidden_size, lanes) * kernel.gates * lanes
        packed = in_large_pages(rows, self._depth(inputs), dtype=self._dtype)
        source = weight.contiguous()
        self._library.call("pack", self._dtype, kernel.index, source, hidden_size, inputs, 1, packed, None)
        return self._address(packed)

    def _packed_head(self, weight: Tensor) -> int:
        (symbols, hidden_size), lanes = weight.shape, self._library.lanes
        packed = torch.empty(registers(symbols, lanes) * lanes, self._depth(hidden_size), dtype=self._dtype)
        self._library.call("pack_head", self._dtype, weight.contiguous(), symbols, hidden_size, packed)
        return self._address(packed)

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
    memory = mmap.mmap(-1, size)
    try:
        memory.madvise(advice)
    except OSError:  # the kernel was built without large pages
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(memory, dtype=dtype).view(shape)
