"""Generation at a stretch by the compiled kernels, for a model whose cells are all native."""

import ctypes
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqforge.interfaces import ConstraintAutomaton, GenerationModel, LogitRule
from seqforge_native import sequence
from seqforge_native.large_pages import in_large_pages
from seqforge_native.layout import interleaved, padded, registers
from seqforge_native.library import Decode, Layer, Library
from seqforge_native.sequence import Kernel

if TYPE_CHECKING:
    from seqforge_native.cell import NativeCell

_RULES = {kind: index for index, kind in enumerate(("temperature", "top-k", "top-p", "min-p", "greedy"))}

_SHARED_BYTES = 1 << 20
"""From so many bytes of weights on, reading them takes longer than threads take to meet after each layer."""

_INT8_SCALE_AND_OFFSET = 8
"""Bytes of a column beside its numbers: `int8_column` of kernels/int8.hpp."""


class NativeGenerationKernel:
    """The kernels' own copy of a model, with the state that it carries from call to call.

    Args:
        library: Where the kernels are compiled.
        dtype: Of the products; in int8 all else is float32.
        network: The model, in float32 on the CPU.
        cells: Its cells, all native.
        states: Every layer's, after what was read so far.
        rules: What is done to the logits before a draw, in order.
    """

    def __init__(
        self,
        library: Library,
        dtype: torch.dtype,
        network: GenerationModel,
        cells: "Sequence[NativeCell[Any]]",
        states: Sequence[tuple[Tensor, ...]],
        rules: Sequence[LogitRule],
    ) -> None:
        self._library, self._dtype = library, dtype
        self._kept = torch.float32 if dtype == torch.int8 else dtype
        self._memory: list[Tensor] = []  # what the structures point at
        self._layers = (Layer * len(cells))(
            *(self._layer(cell, state) for cell, state in zip(cells, states, strict=True))
        )
        self._read_symbols(cells[0], network.embedding, self._layers[0])
        for layer, below, cell in zip(self._layers[1:], cells, cells[1:], strict=False):
            self._read_layer(below, cell, layer)
        symbols = len(network.head_bias)
        head_bias = padded(network.head_bias, library.lanes)
        head_weight = self._packed_head(network.head_weight)
        shared = sum(tensor.nbytes for tensor in self._memory) >= _SHARED_BYTES
        self._batch, self._symbols = len(states[0][0]), symbols
        self._logits = torch.empty(self._batch, len(head_bias))
        self._call = Decode(
            rows=self._batch,
            layer_count=len(cells),
            symbols=symbols,
            symbol_vectors=len(head_bias) // library.lanes,
            rule_count=len(rules),
            threads=torch.get_num_threads() if shared else 1,
            layers=ctypes.addressof(self._layers),
            head_weight=head_weight,
            head_bias=self._keep(head_bias),
            rules=self._keep(torch.tensor([_RULES[rule.kind] for rule in rules], dtype=torch.int64)),
            rule_values=self._keep(torch.tensor([rule.value for rule in rules], dtype=torch.float32)),
            logits=self._logits.data_ptr(),
        )

    def __call__(
        self,
        last: Int[Tensor, " batch"],
        uniforms: Float[Tensor, "steps batch"],
        automaton: ConstraintAutomaton | None = None,
    ) -> Int[Tensor, "drawn batch"]:
        """Go on.

        Args:
            last: The symbols that were drawn last.
            uniforms: Numbers in [0, 1), by which the next are drawn.
            automaton: What is forbidden as the samples grow; it is moved on.

        Returns:
            The symbols; fewer steps where the guide stopped, or where the logits of the next are not finite.
        """
        steps = len(uniforms)
        tokens = torch.empty(steps + 1, self._batch, dtype=torch.int64)
        tokens[0] = last
        uniforms = uniforms.contiguous()
        call = self._call
        call.steps, call.uniforms, call.tokens = steps, uniforms.data_ptr(), tokens.data_ptr()
        call.states = None
        if automaton:
            for name in ("states", "following", "actions", "costs", "weights", "stacks", "heights"):
                setattr(call, name, getattr(automaton, name).data_ptr())
            call.depth, call.left, call.most = automaton.stacks.shape[1], automaton.left, automaton.most
        drawn = self._library.call("decode", self._dtype, call)
        if automaton:
            automaton.left -= drawn
        return tokens[1 : 1 + drawn]

    @property
    def probabilities(self) -> Float[Tensor, "batch symbols"]:
        """By which the last symbols were drawn; those below e⁻⁶⁰ times the largest are not exact."""
        weights = self._logits[:, : self._symbols]
        return weights / weights.sum(-1, keepdim=True)

    def _keep(self, tensor: Tensor) -> int:
        self._memory.append(tensor.contiguous())
        return self._memory[-1].data_ptr()

    def _layer(self, cell: "NativeCell[Any]", state: tuple[Tensor, ...]) -> Layer:
        kernel, lanes = cell.kernel, self._library.lanes
        hidden = padded(state[0], lanes)
        batch, width = hidden.shape
        carried = padded(state[1], lanes) if kernel is sequence.LSTM else hidden
        recurrent_bias = cell.recurrent_bias_of_kernel
        return Layer(
            cell=kernel.index,
            units=width // lanes,
            recurrent_weight=self._packed(kernel, cell.recurrent_weight),
            recurrent_bias=None if recurrent_bias is None else self._keep(padded(recurrent_bias, lanes)),
            gates=self._keep(torch.empty(batch, kernel.gates * width, dtype=self._kept)),
            # The state before a step, and room for that after it.
            hidden=self._keep(torch.stack([hidden, hidden]).to(self._kept)),
            carried=self._keep(torch.stack([carried, carried])),
            last_hidden=self._keep(torch.empty(batch, width)),
        )

    def _read_symbols(self, cell: "NativeCell[Any]", embedding: Tensor | None, layer: Layer) -> None:
        """Give the lowest layer a table of every symbol's gates."""
        weight = cell.input_weight.t()
        rows = (weight if embedding is None else embedding @ weight) + cell.bias
        layer.table = self._keep(interleaved(rows, cell.kernel.gates, self._library.lanes).to(self._kept))

    def _read_layer(self, below: "NativeCell[Any]", cell: "NativeCell[Any]", layer: Layer) -> None:
        """Let a layer read the one below."""
        lanes = self._library.lanes
        layer.input_units = registers(below.hidden_size, lanes)
        layer.input_weight = self._packed(cell.kernel, cell.input_weight)
        layer.input_bias = self._keep(interleaved(cell.bias, cell.kernel.gates, lanes))

    def _packed(self, kernel: Kernel, weight: Tensor) -> int:
        hidden_size, inputs = len(weight) // kernel.gates, weight.shape[1]
        lanes = self._library.lanes
        rows = registers(hidden_size, lanes) * kernel.gates * lanes
        packed = in_large_pages(rows, self._depth(inputs), dtype=self._dtype)
        source = weight.contiguous()
        self._library.call("pack", self._dtype, kernel.index, source, hidden_size, inputs, 1, packed, None)
        return self._keep(packed)

    def _packed_head(self, weight: Tensor) -> int:
        (symbols, hidden_size), lanes = weight.shape, self._library.lanes
        packed = torch.empty(registers(symbols, lanes) * lanes, self._depth(hidden_size), dtype=self._dtype)
        self._library.call("pack_head", self._dtype, weight.contiguous(), symbols, hidden_size, packed)
        return self._keep(packed)

    def _depth(self, inputs: int) -> int:
        """Give the numbers that packed weights take for a column."""
        depth = registers(inputs, self._library.lanes) * self._library.lanes
        return depth + _INT8_SCALE_AND_OFFSET if self._dtype == torch.int8 else depth
