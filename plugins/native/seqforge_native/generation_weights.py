"""A model in the layout of the generation kernels: its program, and its packed weights."""

import ctypes
import math
import mmap

import torch
from torch import Tensor

from seqforge.kinds import GenerationModel
from seqforge_native.layout import padded, registers
from seqforge_native.library import Decode, HeldTensors, Library, Product
from seqforge_native.row_programs.memory import Product as ProgramProduct
from seqforge_native.row_programs.model_program import ModelProgram

_RULES = {kind: index for index, kind in enumerate(("temperature", "top-k", "top-p", "min-p", "greedy"))}

_INT8_SCALE_AND_OFFSET = 8
"""Bytes of a packed int8 column after its numbers: `int8_column` of kernels/int8.hpp."""

_LARGE_PAGE = 2 << 20
"""Bytes of a large page of memory."""


class GenerationWeights:
    """A copy of a model in the layout of the kernels.

    Args:
        library: Kernels for this processor.
        model: The model.
        program: Its program.

    Attributes:
        program: The program.
        call: Structure of the call, without rows.
        held: The tensors of the structure.
    """

    def __init__(self, library: Library, model: GenerationModel, program: ModelProgram) -> None:
        self._library, self._dtype = library, model.dtype
        self.program, self.held = program, HeldTensors()
        self._products = (Product * len(program.products))(*map(self._product, program.products))
        symbols, address = len(model.head_bias), self.held.address
        self.call = Decode(
            phase_count=len(program.phases),
            symbols=symbols,
            symbol_vectors=registers(symbols, library.lanes),
            rule_count=len(model.rules),
            row_size=program.row_size,
            temporary_size=program.temporary_size,
            input=program.input.offset,
            input_size=program.table.shape[1],
            logits=program.logits.offset,
            phases=address(program.phases),
            instructions=address(program.instructions),
            products=ctypes.addressof(self._products),
            parameters=address(program.parameters),
            table=address(program.table),
            rules=address(torch.tensor([_RULES[rule.kind] for rule in model.rules], dtype=torch.int64)),
            rule_values=address(torch.tensor([rule.value for rule in model.rules], dtype=torch.float32)),
        )

    def _product(self, product: ProgramProduct) -> Product:
        result, read, *added = [view for view, _ in product.operands]
        inputs, outputs = product.weight.shape
        bias = torch.zeros(outputs) if product.bias is None else product.bias.detach().float()
        return Product(
            weight=self.held.address(self._packed(product.weight)),
            bias=self.held.address(padded(bias, self._library.lanes)),
            input=read.buffer.offset + read.offset,
            depth=self._depth(inputs),
            result=result.buffer.offset + result.offset,
            vectors=registers(outputs, self._library.lanes),
            added=added[0].buffer.offset + added[0].offset if added else -1,
        )

    def _packed(self, weight: Tensor) -> Tensor:
        (inputs, outputs), lanes = weight.shape, self._library.lanes
        column = self._depth(inputs) + (_INT8_SCALE_AND_OFFSET if self._dtype == torch.int8 else 0)
        packed = in_large_pages(registers(outputs, lanes) * lanes, column, dtype=self._dtype)
        self._library.call("pack_product", self._dtype, weight.t().float().contiguous(), outputs, inputs, packed)
        return packed

    def _depth(self, inputs: int) -> int:
        """Return the number of inputs in whole registers."""
        return registers(inputs, self._library.lanes) * self._library.lanes


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
