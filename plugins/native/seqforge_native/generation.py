"""Generation on the compiled kernels, for models of RNN, GRU and LSTM layers."""

import ctypes
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqforge.kinds import FactoredCell, GenerationModel, State
from seqforge_native.generation_weights import GenerationWeights
from seqforge_native.layout import padded
from seqforge_native.library import Decode, HeldTensors, Layer, Library
from seqforge_native.sequence import checked

_SHARED_BYTES = 1 << 20
"""Size of weights above which reading them takes longer than synchronizing the threads after each layer."""

_FEWEST_ROWS = 8
"""Number of rows from which a thread multiplies as fast as with more rows."""

_INT8_DEPTH = 1 << 16
"""Length up to which a sum of 8-bit products fits in 32 bits."""


def can_generate(library: Library, model: GenerationModel) -> bool:
    """Return whether the kernels can generate with a model: RNN, GRU and LSTM layers in float32 on the CPU."""
    if not library.generates(model.dtype):
        return False
    tensors = [model.head_weight]
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
    """A model in the layout of the kernels.

    If there are enough rows, each thread draws its own rows without waiting for the others. Otherwise the threads share
    the columns of every product of a large model.

    Args:
        library: Kernels for this processor.
        model: Language model that `can_generate` accepts.
    """

    def __init__(self, library: Library, model: GenerationModel) -> None:
        self._library, self._dtype = library, model.dtype
        self._weights = GenerationWeights(library, model)
        self._parts: list[_Rows] = []

    def __call__(
        self, last: Int[Tensor, " batch"], states: Sequence[State], uniforms: Float[Tensor, "steps batch"]
    ) -> tuple[Int[Tensor, "drawn batch"], Sequence[State]]:
        """Draw symbols; see `GenerationKernel.__call__`.

        Raises:
            IndexError: If a symbol of `last` is out of range.
        """
        last = checked(last, self._weights.call.symbols)
        batch, threads = len(last), torch.get_num_threads()
        count = max(1, min(threads, batch // _FEWEST_ROWS))
        if count > 1 or self._weights.held.nbytes < _SHARED_BYTES:
            threads = 1
        starts = [batch * index // count for index in range(count + 1)]
        self._parts = [
            _Rows(self._library, self._weights, self._dtype, threads, slice(*part), last, states, uniforms)
            for part in pairwise(starts)
        ]
        if count == 1:
            drawn = self._parts[0].draw()
        else:
            with ThreadPoolExecutor(count) as pool:
                drawn = min(pool.map(_Rows.draw, self._parts))
        tokens = torch.cat([part.tokens[1 : 1 + drawn] for part in self._parts], dim=1)
        layers = zip(*(part.states for part in self._parts), strict=True)
        return tokens, tuple(_join(state, layer) for state, layer in zip(states, layers, strict=True))

    @property
    def probabilities(self) -> Float[Tensor, "batch symbols"]:
        """Probabilities of the last draw; those below 2⁻¹²⁶ times the largest are 0."""
        weights = torch.cat([part.logits for part in self._parts])[:, : self._weights.call.symbols]
        return weights / weights.sum(-1, keepdim=True)


_LayerState = list[Tensor]
"""Parts of the state of a layer, padded to whole registers: the hidden state, and the cell state of an LSTM."""


def _join(state: State, parts: Sequence[_LayerState]) -> State:
    """Return the state of a layer from those of its rows, without the padding."""
    pairs = zip(zip(*parts, strict=True), state, strict=True)
    return type(state)(*(torch.cat(rows)[:, : before.shape[1]] for rows, before in pairs))


class _Rows:
    """Some rows of the batch: their states, and the call that draws their symbols.

    Args:
        library: Kernels for this processor.
        weights: Weights of the model.
        dtype: Type of the products.
        threads: Number of threads that share the products.
        rows: The rows.
        last: Last symbol of all rows.
        states: State of every layer, for all rows.
        uniforms: Uniform random numbers for all rows.

    Attributes:
        states: State of every layer, which `draw` updates.
        tokens: The last symbols, and then the drawn ones.
        logits: Weights of the symbols in the last draw.
    """

    def __init__(
        self,
        library: Library,
        weights: GenerationWeights,
        dtype: torch.dtype,
        threads: int,
        rows: slice,
        last: Tensor,
        states: Sequence[State],
        uniforms: Tensor,
    ) -> None:
        self._library, self._dtype, self._held = library, dtype, HeldTensors()
        self.states: list[_LayerState] = []
        self._layers = (Layer * len(weights.layers))(*weights.layers)
        for layer, gates, state in zip(self._layers, weights.gates, states, strict=True):
            self._place(
                layer, gates, weights.state_dtype, [padded(part[rows].float(), library.lanes) for part in state]
            )
        self._uniforms = uniforms[:, rows].float().contiguous()
        self.tokens = torch.empty(len(uniforms) + 1, rows.stop - rows.start, dtype=torch.int64)
        self.tokens[0] = last[rows]
        self.logits = torch.empty(len(self.tokens[0]), weights.call.symbol_vectors * library.lanes)
        self._call = call = Decode.from_buffer_copy(weights.call)
        call.rows, call.threads, call.steps = len(self.tokens[0]), threads, len(uniforms)
        call.layers = ctypes.addressof(self._layers)
        call.uniforms, call.tokens = self._uniforms.data_ptr(), self.tokens.data_ptr()
        call.logits = self.logits.data_ptr()

    def _place(self, layer: Layer, gates: int, dtype: torch.dtype, state: _LayerState) -> None:
        """Put the state of a layer into the memory of the call, which also has space for the state after a step."""
        hidden, *others = state
        address = self._held.address
        carried, twice = hidden.clone(), [torch.stack([other, other]) for other in others]
        layer.gates = address(torch.empty(len(hidden), gates * hidden.shape[1], dtype=dtype))
        layer.hidden = address(torch.stack([hidden, hidden]).to(dtype))
        layer.carried = address(carried)
        layer.others = address(twice[0]) if twice else None
        self.states.append([carried, *(other[0] for other in twice)])

    def draw(self) -> int:
        """Draw the symbols, and return the number of steps: fewer than requested if the kernel stopped."""
        return self._library.call("decode", self._dtype, self._call)
