"""A small lexicon, and the grammar of the sampler `scoped` with it."""

import pytest
from seqforge_c_samplers.scoped_grammar import Grammar, build_grammar
from seqforge_code_structure.identifiers.context import FEWEST_FILES
from seqforge_code_structure.identifiers.lexicon import Flag, Lexicon

FUNCTION = Flag.EVALUATES
GLOBAL = Flag.VARIABLE
LOCAL = Flag.VARIABLE | Flag.LOCAL | Flag.MAY_BE_LOCAL | Flag.MOSTLY_LOCAL
LEXICON = Lexicon.from_flags(
    FEWEST_FILES,
    {
        "kfree": FUNCTION,
        "kmalloc": FUNCTION,
        "list_for_each": FUNCTION,
        "jiffies": GLOBAL,
        "current": GLOBAL | Flag.MAY_BE_LOCAL,
        "unclear": GLOBAL | Flag.MAY_BE_LOCAL,
        "ret": LOCAL,
        "size": LOCAL,
        "EINVAL": GLOBAL,
        "KERN_INFO": GLOBAL,
        "BUG_ON": FUNCTION,
    },
    localities={"jiffies": -15, "current": -9, "unclear": 2, "ret": 15, "size": 9},
)


@pytest.fixture(scope="session")
def lexicon() -> Lexicon:
    return LEXICON


@pytest.fixture(scope="session")
def grammar() -> Grammar:
    """Return the grammar for the characters of ASCII."""
    return build_grammar(tuple(map(chr, range(128))), LEXICON)
