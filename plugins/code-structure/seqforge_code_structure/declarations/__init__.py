"""Declarations of what a unit uses and does not declare, inferred from its use, so that a compiler can check it."""
