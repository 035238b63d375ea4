"""The Python API: train, resume, sample, evaluate, compare, inspect and export runs."""
