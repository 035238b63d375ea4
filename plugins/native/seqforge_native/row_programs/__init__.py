"""Programs that a kernel interprets for each row: the step of a cell with its gradients, and whole models.

A program consists of instructions, such as the sum of two tensors, on tensors in the memory of a row (`memory`). A
cell passes through these modules:

1. `step_function` makes a function of plain tensors of the step of a cell, and `recording` lets torch record it with
   its gradients as aten operations, each with the line of the cell that it comes from.
2. `operations` and `formulas` turn these operations into the instructions that a `builder` receives.
   Products with weights stand between two phases of a program, because a kernel computes them for many rows at once.
3. `step_program` makes two programs of them, for the forward and the backward pass, and `matrix_program` those of a
   cell with a matrix state. `arrangement` orders their instructions, and assigns their memory.

For generation, `step_recorder` turns the step of a cell into instructions while torch computes it, since the recording
of operations takes ten times as long, and `model_program` is the program of all layers.
"""
