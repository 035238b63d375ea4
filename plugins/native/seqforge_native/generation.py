"""Generation on the compiled kernels, for models of any cells whose steps can be recorded."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqforge.kinds import GenerationModel, State
from seqforge_native.generation_weights import GenerationWeights
from seqforge_native.library import Decode, Library
from seqforge_native.row_programs.model_program import compile_model
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
        self._memory = torch.zeros(0, program.row_size)

    def __call__(
        self, last: Int[Tensor, " batch"], states: Sequence[State], uniforms: Float[Tensor, "steps batch"]
    ) -> tuple[Int[Tensor, "drawn batch"], Sequence[State]]:
        """Draw symbols; see `GenerationKernel.__call__`.

        Raises:
            IndexError: If a symbol of `last` is out of range.
        """
        program = self._weights.program
        last, threads = checked(last, self._weights.call.symbols), torch.get_num_threads()
        count = max(1, min(threads, len(last) // _FEWEST_ROWS))
        if count > 1 or self._weights.held.nbytes < _SHARED_BYTES:
            threads = 1
        self._memory = torch.zeros(len(last), program.row_size)
        for places, state in zip(program.states, states, strict=True):
            for place, part in zip(places, state, strict=True):
                place.of(self._memory).copy_(part)
        starts = [len(last) * index // count for index in range(count + 1)]
        parts = [slice(*part) for part in pairwise(starts)]
        draw = partial(self._draw, threads, last, uniforms)
        if count == 1:
            drawn = [draw(parts[0])]
        else:
            with ThreadPoolExecutor(count) as pool:
                drawn = [*pool.map(draw, parts)]
        steps = min(steps for steps, _ in drawn)
        after = [
            type(state)(*(place.of(self._memory).clone() for place in places))
            for places, state in zip(program.states, states, strict=True)
        ]
        return torch.cat([tokens[1 : 1 + steps] for _, tokens in drawn], dim=1), after

    def _draw(self, threads: int, last: Tensor, uniforms: Tensor, rows: slice) -> tuple[int, Tensor]:
        """Draw the symbols of some rows with a number of threads.

        Returns:
            The number of steps, fewer than requested if the kernel stopped; and the last symbols, then the drawn ones.
        """
        numbers = uniforms[:, rows].float().contiguous()
        tokens = torch.empty(len(uniforms) + 1, rows.stop - rows.start, dtype=torch.int64)
        tokens[0] = last[rows]
        call = Decode.from_buffer_copy(self._weights.call)
        call.rows, call.threads, call.steps = tokens.shape[1], threads, len(uniforms)
        call.uniforms, call.tokens = numbers.data_ptr(), tokens.data_ptr()
        call.memory = self._memory[rows].data_ptr()
        return self._library.call("decode", self._dtype, call), tokens

    @property
    def probabilities(self) -> Float[Tensor, "batch symbols"]:
        """Probabilities of the last draw; those below 2⁻¹²⁶ times the largest are 0."""
        weights = self._weights.program.logits.of(self._memory)
        return weights / weights.sum(-1, keepdim=True)
