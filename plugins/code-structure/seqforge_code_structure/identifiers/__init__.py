"""Identifiers of C: which are used undeclared, declared and never used, or jumped to without a label."""
