"""Kernels generated from the elementwise part of a cell: trace, gradients, C++ source, compilation."""
