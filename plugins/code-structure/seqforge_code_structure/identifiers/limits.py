"""How much of a hostile text is parsed; what is beyond is said not to be analysed."""

LONGEST_UNIT = 1_000_000
"""Characters of a unit that is parsed; the longest of Linux's functions has 90,000, and tables of data are longer."""

DEEPEST_TREE = 2_000
"""Nodes of the syntax inside one another. Brackets are limited before parsing; `else if` and `a + b + …` nest, too."""
