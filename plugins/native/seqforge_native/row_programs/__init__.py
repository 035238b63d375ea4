"""Programs that a kernel interprets for each row: the elementwise part of a cell with matrix states, and whole models.

`program` records what a cell computes in a step as aten operations, which `operations` turns into instructions. Their
operands are tensors in the memory of a row (`memory`), and `arrangement` orders them and assigns their memory. For
generation, `step_recorder` turns a step of any cell into instructions while torch computes it, since the recording of
operations takes ten times as long, and `model_program` is the program of all layers, with their products.
"""
