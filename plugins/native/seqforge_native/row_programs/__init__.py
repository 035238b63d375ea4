"""Programs of the elementwise part of a cell with matrix states, which a kernel interprets for each row.

`recording` records what a cell computes in a step as aten operations, `operations` turns them into instructions, whose
operands are tensors in the memory of a row (`memory`), and `program` orders the instructions and assigns their memory.
"""
