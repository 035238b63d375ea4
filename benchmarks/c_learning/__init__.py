"""Errors in the C of a character-level model at several checkpoints of its training.

python -m benchmarks.c_learning runs/linux-code-structure
"""
