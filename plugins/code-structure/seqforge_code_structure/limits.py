"""How much of a hostile text is looked at; what is beyond is said not to be analysed."""

DEEPEST_NESTING = 256
"""Brackets, or conditions of the preprocessor, inside one another: clang's own limit (`-fbracket-depth`)."""

MOST_FAULTS = 1_000
"""Faults that are told apart in one unit or one text; further ones are counted only."""

MOST_LINES = 200_000
"""Lines of one text whose indentation is judged: the first ones."""

LONGEST_CONDITION = 1_000
"""Characters of an `#if`'s condition that is taken apart; a longer one counts as one unknown name."""
