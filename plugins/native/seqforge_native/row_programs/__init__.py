"""Programs that a kernel interprets for each row: the step of a cell with its gradients, and whole models.

A program consists of instructions, such as the sum of two tensors, on tensors in the memory of a row (`memory`). A
cell passes through these modules:

1. `step_program` makes a function of plain tensors of the step of a cell, and `recording` records the aten operations
   of it and of its gradients while torch computes them.
2. `operations` and `formulas` turn these operations into the instructions that a `builder` receives.
   Products with weights stand between two phases of a program, because a kernel computes them for many rows at once.
3. `step_program` makes two programs of these, for the forward and the backward pass, and `matrix_program` those of a
   cell with a matrix state. `arrangement` orders their instructions, and assigns their memory.

For generation, `model_program` is the program of all layers, with one instruction for the step of a matrix state.
"""
