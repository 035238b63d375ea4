"""How much of a hostile text is parsed; what is beyond is said not to be analysed."""

LONGEST_UNIT = 500_000
"""Characters of a unit that is parsed. In kernel, mm, lib, fs and drivers/net of Linux 6.12 the longest function has
37,206, and the longest table of data 441,188."""

DEEPEST_TREE = 2_000
"""Nodes of the syntax inside one another. Brackets are limited before parsing; `else if` and `a + b + …` nest, too."""
