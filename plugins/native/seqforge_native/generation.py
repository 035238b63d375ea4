"""Generation on the compiled kernels: a model of any cells whose steps can be recorded, in the layout of kernels."""

import ctypes
import math
import mmap
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from typing import cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqforge.kinds import GenerationModel, State
from seqforge_native.built_in_cells import checked
from seqforge_native.layout import padded, registers
from seqforge_native.library import Decode, HeldTensors, Library, Product
from seqforge_native.row_programs.memory import Product as ProgramProduct
from seqforge_native.row_programs.memory import UntraceableError
from seqforge_native.row_programs.model_program import compile_model

_RULES = {kind: index for index, kind in enumerate(("temperature", "top-k", "top-p", "min-p", "greedy"))}

_INT8_SCALE_AND_OFFSET = 8
"""Bytes of a packed int8 column after its numbers: `int8_column` of kernels/int8.hpp."""

_LARGE_PAGE = 2 << 20
"""Bytes of a large page of memory."""


def encode_product(
    library: Library,
    dtype: torch.dtype,
    held: HeldTensors,
    product: ProgramProduct,
    weight: Float[Tensor, "inputs outputs"],
) -> Product:
    """Return a product of a program for the kernels, with its weight and its bias in their layout, which are held."""
    result, read, *added = [view for view, _ in product.operands]
    inputs, outputs = weight.shape
    bias = torch.zeros(outputs) if product.bias is None else product.bias.detach().float()
    return Product(
        weight=held.address(pack_product(library, dtype, weight)),
        bias=held.address(padded(bias, library.lanes)),
        input=read.buffer.offset + read.offset,
        depth=registers(inputs, library.lanes) * library.lanes,
        result=result.buffer.offset + result.offset,
        vectors=registers(outputs, library.lanes),
        added=added[0].buffer.offset + added[0].offset if added else -1,
    )


def pack_product(library: Library, dtype: torch.dtype, weight: Float[Tensor, "inputs outputs"]) -> Tensor:
    """Return a copy of a weight in the layout and the type of the kernels."""
    (inputs, outputs), lanes = weight.shape, library.lanes
    column = registers(inputs, lanes) * lanes + (_INT8_SCALE_AND_OFFSET if dtype == torch.int8 else 0)
    packed = in_large_pages(registers(outputs, lanes) * lanes, column, dtype=dtype)
    library.call("pack_product", dtype, weight.t().float().contiguous(), outputs, inputs, packed)
    return packed


def in_large_pages(*shape: int, dtype: torch.dtype) -> Tensor:
    """Return an uninitialized tensor, in large pages if the system has them and the tensor fills one.

    Every step reads all weights. In small pages, some megabytes span more pages than the processor's cache of page
    addresses holds.
    """
    size = math.prod(shape) * dtype.itemsize
    if size < _LARGE_PAGE or sys.platform != "linux":
        return torch.empty(shape, dtype=dtype)
    # By default, Python's memory is shared, for which Linux has large pages only if an administrator allows them.
    memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    try:
        memory.madvise(mmap.MADV_HUGEPAGE)
    except OSError:  # the kernel was built without large pages
        return torch.empty(shape, dtype=dtype)
    return torch.frombuffer(memory, dtype=dtype).view(shape)


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

    Raises:
        UntraceableError: If no program can compute a step of a layer.
    """

    def __init__(self, library: Library, model: GenerationModel) -> None:
        self._library, self._dtype = library, model.dtype
        self._program = program = compile_model(model)
        code = program.code
        if model.dtype == torch.int8 and any(product.weight.shape[0] > _INT8_DEPTH for product in code.products):
            raise UntraceableError("a sum that exceeds 32 bits")
        self._memory = torch.zeros(0, code.row_size)
        self._held = HeldTensors()
        self._products = (Product * len(code.products))(
            *(
                encode_product(library, model.dtype, self._held, product, cast("Tensor", product.weight))
                for product in code.products
            )
        )
        symbols, address = len(model.head_bias), self._held.address
        self._call = Decode(
            phase_count=len(code.phases),
            symbols=symbols,
            symbol_vectors=registers(symbols, library.lanes),
            rule_count=len(model.rules),
            row_size=code.row_size,
            temporary_size=code.temporary_size,
            input=program.input.offset,
            input_size=program.table.shape[1],
            logits=program.logits.offset,
            phases=address(code.phases),
            instructions=address(code.instructions),
            products=ctypes.addressof(self._products),
            parameters=address(program.parameters),
            table=address(program.table),
            rules=address(torch.tensor([_RULES[rule.kind] for rule in model.rules], dtype=torch.int64)),
            rule_values=address(torch.tensor([rule.value for rule in model.rules], dtype=torch.float32)),
        )

    def __call__(
        self, last: Int[Tensor, " batch"], states: Sequence[State], uniforms: Float[Tensor, "steps batch"]
    ) -> tuple[Int[Tensor, "drawn batch"], Sequence[State]]:
        """Draw symbols; see `GenerationKernel.__call__`.

        Raises:
            IndexError: If a symbol of `last` is out of range.
        """
        program = self._program
        last, threads = checked(last, self._call.symbols), torch.get_num_threads()
        count = max(1, min(threads, len(last) // _FEWEST_ROWS))
        if count > 1 or self._held.nbytes < _SHARED_BYTES:
            threads = 1
        self._memory = torch.zeros(len(last), program.code.row_size)
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
        call = Decode.from_buffer_copy(self._call)
        call.rows, call.threads, call.steps = tokens.shape[1], threads, len(uniforms)
        call.uniforms, call.tokens = numbers.data_ptr(), tokens.data_ptr()
        call.memory = self._memory[rows].data_ptr()
        return self._library.call("decode", self._dtype, call), tokens

    @property
    def probabilities(self) -> Float[Tensor, "batch symbols"]:
        """Probabilities of the last draw; those below 2⁻¹²⁶ times the largest are 0."""
        weights = self._program.logits.of(self._memory)
        return weights / weights.sum(-1, keepdim=True)
