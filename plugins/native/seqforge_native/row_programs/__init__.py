"""Programs that a kernel interprets for each row: the elementwise part of a cell with matrix states, and whole models.

`recording` records what a cell computes in a step as aten operations, `operations` turns them into instructions, whose
operands are tensors in the memory of a row (`memory`), `arrangement` orders them and assigns their memory, and
`program` is the result. For generation, `step_recorder` turns a step of any cell into instructions while torch computes
it, and `model_program` is the program of all layers, with their products.
"""
