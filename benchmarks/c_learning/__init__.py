"""Measure the errors in the C that a character-level model generates, at several checkpoints of its training.

python -m benchmarks.c_learning runs/linux-small
"""
