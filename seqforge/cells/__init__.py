"""Recurrences of one product and a pointwise part, as fast as torch alone can run them."""

from seqforge.cells.compiled import compiled
from seqforge.cells.matrices import linear, matrix_product
from seqforge.cells.pointwise import CellPart, Function, Pointwise, eager
from seqforge.cells.precision import product_dtype
from seqforge.cells.product import embed_rows, recurrent_product
from seqforge.cells.sequence import read_sequence

__all__ = [
    "CellPart",
    "Function",
    "Pointwise",
    "compiled",
    "eager",
    "embed_rows",
    "linear",
    "matrix_product",
    "product_dtype",
    "read_sequence",
    "recurrent_product",
]
