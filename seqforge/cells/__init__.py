"""Cells in plain torch: what the eager backend runs."""

from seqforge.cells.eager import (
    FACTORS,
    DifferentiableStep,
    ElementwisePart,
    Tensors,
    differentiate_by_autograd,
    read_sequence,
)
from seqforge.cells.products import embed_rows, product_dtype

__all__ = [
    "FACTORS",
    "DifferentiableStep",
    "ElementwisePart",
    "Tensors",
    "differentiate_by_autograd",
    "embed_rows",
    "product_dtype",
    "read_sequence",
]
