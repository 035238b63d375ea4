"""Kernels that are generated from the equations of a cell.

A cell passes through these modules, in this order:

1. `recording`: torch records a step of the cell and its gradients as aten operations on tensors, with the line of the
   cell that each operation comes from.
2. It evaluates the operations on values (`values`), which stand for tensors, with the functions of `operations` and
   `across_units`. The results are nodes of a graph (`graph`): the arithmetic of one hidden unit.
3. `trace` performs both, and returns a `Trace`: the nodes of the outputs, of the next state, and of all gradients.
4. `program` chooses what the forward pass stores for the backward pass, and writes the C++ source of both. If
   hidden units exchange numbers within the step, other than by U h, `stages` does the same, and `division` divides each
   pass into stages, between which the numbers are exchanged.
5. `build` compiles the source, which includes a header of `../kernels`, and stores the library in the cache folder.
6. `../sequence.py` calls the kernel of a program for a whole sequence, and `staged_sequence` that of a staged program.
"""
