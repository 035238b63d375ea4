"""Kernels made from a cell's own pointwise part: traced, differentiated, written as C++, compiled."""
