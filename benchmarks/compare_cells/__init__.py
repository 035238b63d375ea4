"""Comparison of all cells that are installed: the same text, and as many parameters and characters, or as much time."""
