"""Recurrences of one product and a pointwise part, as fast as torch alone can run them."""

from seqforge.recurrence.cell_part import CellPart
from seqforge.recurrence.compiled import compiled
from seqforge.recurrence.matrices import linear, matrix_product
from seqforge.recurrence.pointwise import Function, Pointwise, eager
from seqforge.recurrence.precision import product_dtype
from seqforge.recurrence.processor import instruction_sets
from seqforge.recurrence.product import recurrent_product
from seqforge.recurrence.sequence import read_sequence
from seqforge.recurrence.table import rows_of

__all__ = [
    "CellPart",
    "Function",
    "Pointwise",
    "compiled",
    "eager",
    "instruction_sets",
    "linear",
    "matrix_product",
    "product_dtype",
    "read_sequence",
    "recurrent_product",
    "rows_of",
]
