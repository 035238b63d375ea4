"""Generation on the compiled kernels, for models of any cells whose steps can be recorded."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqforge.kinds import GenerationModel, State
from seqforge_native.generation_weights import GenerationWeights
from seqforge_native.library import Decode, Library
from seqforge_native.row_programs.model_program import Place, compile_model
from seqforge_native.sequence import checked
from seqforge_native.traced.values import UntraceableError

_SHARED_BYTES = 1 << 20
"""Size of weights above which reading them takes longer than synchronizing the threads after each layer."""

_FEWEST_ROWS = 8
"""Number of rows from which a thread multiplies as fast as with more rows."""

_INT8_DEPTH = 1 << 16
"""Length up to which a sum of 8-bit products fits in 32 bits."""


def find_kernel(library: Library, model: GenerationModel) -> "NativeGenerationKernel | None":
    """Return the kernel of a model in float32 on the CPU, or None if no program can compute a step of a layer."""
    if not library.generates(model.dtype):
        return None
    tensors = [model.head_weight, model.head_bias, *(each for cell in model.cells for each in cell.parameters())]
    if not all(tensor.dtype == torch.float32 and tensor.device.type == "cpu" for tensor in tensors):
        return None
    if model.dtype == torch.int8 and not all(bool(tensor.isfinite().all()) for tensor in tensors):
        return None  # they have no scale
    try:
        return NativeGenerationKernel(library, model)
    except UntraceableError:
        return None


class NativeGenerationKernel:
    """A model in the layout of the kernels.

    If there are enough rows, each thread draws its own rows without waiting for the others. Otherwise the threads share
    the columns of every product of a large model.

    Args:
        library: Kernels for this processor.
        model: Language model in float32 on the CPU.

    Raises:
        UntraceableError: If no program can compute a step of a layer.
    """

    def __init__(self, library: Library, model: GenerationModel) -> None:
        self._library, self._dtype = library, model.dtype
        program = compile_model(model)
        if model.dtype == torch.int8 and any(len(product.weight) > _INT8_DEPTH for product in program.products):
            raise UntraceableError("a sum that exceeds 32 bits")
        self._weights = GenerationWeights(library, model, program)
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
        after = [
            type(state)(*(self._gathered(place) for place in places))
            for places, state in zip(self._weights.program.states, states, strict=True)
        ]
        return tokens, after

    def _gathered(self, place: Place) -> Tensor:
        """Return a tensor of all rows."""
        return torch.cat([place.of(part.memory) for part in self._parts])

    @property
    def probabilities(self) -> Float[Tensor, "batch symbols"]:
        """Probabilities of the last draw; those below 2⁻¹²⁶ times the largest are 0."""
        weights = self._gathered(self._weights.program.logits)
        return weights / weights.sum(-1, keepdim=True)


class _Rows:
    """Some rows of the batch: their memory, and the call that draws their symbols.

    Args:
        library: Kernels for this processor.
        weights: The model.
        dtype: Type of the products.
        threads: Number of threads that share the products.
        rows: The rows.
        last: Last symbol of all rows.
        states: State of every layer, for all rows.
        uniforms: Uniform random numbers for all rows.

    Attributes:
        memory: Memory of the rows, which contains the states and, after a draw, the weights of the symbols.
        tokens: The last symbols, and then the drawn ones.
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
        self._library, self._dtype = library, dtype
        self._uniforms = uniforms[:, rows].float().contiguous()
        self.tokens = torch.empty(len(uniforms) + 1, rows.stop - rows.start, dtype=torch.int64)
        self.tokens[0] = last[rows]
        self.memory = torch.zeros(len(self.tokens[0]), weights.program.row_size)
        for places, state in zip(weights.program.states, states, strict=True):
            for place, part in zip(places, state, strict=True):
                place.of(self.memory).copy_(part[rows])
        self._call = call = Decode.from_buffer_copy(weights.call)
        call.rows, call.threads, call.steps = len(self.tokens[0]), threads, len(uniforms)
        call.uniforms, call.tokens = self._uniforms.data_ptr(), self.tokens.data_ptr()
        call.memory = self.memory.data_ptr()

    def draw(self) -> int:
        """Draw the symbols, and return the number of steps: fewer than requested if the kernel stopped."""
        return self._library.call("decode", self._dtype, self._call)
