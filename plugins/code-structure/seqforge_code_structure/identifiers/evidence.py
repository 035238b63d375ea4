"""Judge whether an undeclared name of an excerpt is a local variable without its declaration, or a global name.

An excerpt does not contain the declarations of the global names of its file. Each kind of evidence adds its weight to
the logarithm of the odds that the name should be declared in the function (logistic regression). The weights were
fitted by `python -m benchmarks.c_name_evidence`, to functions of files that the lexicon did not contain and to mutants
of these functions.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from seqforge_code_structure.identifiers.lexicon import GLOBAL_LOCALITY, Flag, Lexicon
from seqforge_code_structure.identifiers.names import Declaration, Function, NameUse
from seqforge_code_structure.identifiers.reading import UnitNames

LONGEST_NAME = 20
"""Number of characters of a name from which its length is no further evidence."""

_BEFORE_STATEMENT = (b"", b";", b"{", b"}", b")", b":")


class Evidence(NamedTuple):
    """The evidence about an undeclared name of a function, or the weight of each kind of evidence.

    Attributes:
        always: 1, whose weight is the log-odds of a known name without other evidence.
        locality: Locality of a name that the lexicon contains as a variable.
        novel: Whether it does not contain the name.
        first_word: Locality of the first of several words of the name.
        last_word: Locality of the last one.
        length: Number of characters, at most `LONGEST_NAME`.
        capitals: Whether the name contains capital letters.
        address: Whether its address is taken.
        element: Whether an element of it is used.
        pointer: Whether it points to a structure of which a member is used.
        assigned: Whether it is assigned.
        sibling: Whether another undeclared name, but no called function, begins with the same word.
        called_sibling: Whether a called function begins with the same word.
        declared_sibling: Whether a function of the text, a structure, or a constant in capitals begins with the word,
            and no undeclared name does.
        unused: Whether the function has a variable that is never used, of which the name may be a wrong spelling.
        only_assigned: Whether it has a variable that is assigned and never read.
    """

    always: float
    locality: float
    novel: float
    first_word: float
    last_word: float
    length: float
    capitals: float
    address: float
    element: float
    pointer: float
    assigned: float
    sibling: float = 0
    called_sibling: float = 0
    declared_sibling: float = 0
    unused: float = 0
    only_assigned: float = 0


WEIGHTS = Evidence(
    always=1.65,
    locality=0.43,
    novel=1.0,
    first_word=0.14,
    last_word=0.3,
    length=-0.23,
    capitals=-1.33,
    address=-0.28,
    element=-1.69,
    pointer=1.25,
    assigned=2.55,
    sibling=-4.09,
    called_sibling=-2.37,
    declared_sibling=-1.66,
    unused=3.53,
    only_assigned=4.59,
)
"""Weights of the evidence, as the benchmark prints them."""

LEAST_LOG_ODDS = 2.0
"""Smallest weighted sum of the evidence for a name that is reported."""


def find_local_names(
    candidates: Iterable[NameUse], function: Function, unit: UnitNames, free: Iterable[str], lexicon: Lexicon
) -> set[str]:
    """Return the undeclared names of a function that are probably local variables.

    Args:
        candidates: Uses of names that nothing declares.
        function: The function.
        unit: Its unit. If it does not parse, the uses of its variables are no evidence.
        free: All names that functions of the excerpt use without declaring them.
        lexicon: Lexicon of the training text.
    """
    unclear = [use for use in candidates if lexicon.locality(use.name) > GLOBAL_LOCALITY]
    evidence = collect_evidence(unclear, function, unit, free, lexicon)
    return {name for name, found in evidence.items() if weigh(found) >= LEAST_LOG_ODDS}


def weigh(evidence: Evidence) -> float:
    """Return the log-odds that a name with this evidence is a local variable."""
    return sum(weight * value for weight, value in zip(WEIGHTS, evidence, strict=True))


def collect_evidence(
    candidates: Iterable[NameUse], function: Function, unit: UnitNames, free: Iterable[str], lexicon: Lexicon
) -> dict[str, Evidence]:
    """Return the evidence for each undeclared name of a function. The arguments are those of `find_local_names`."""
    uses: dict[str, list[NameUse]] = {}
    for use in candidates:
        uses.setdefault(use.name, []).append(use)
    if not uses:
        return {}
    unused = unit.parses and _has_unused(function, unit)
    only_assigned = unit.parses and _has_only_assigned(function, unit)
    called = {_first_word(use.name) for use in function.free if use.called}
    others = [(_first_word(name), name) for name in free]
    defined = {_first_word(name) for name in unit.declared}
    return {
        name: _describe(name, found, lexicon)._replace(
            **_find_siblings(name, unit, called, others, defined), unused=unused, only_assigned=only_assigned
        )
        for name, found in uses.items()
    }


def _describe(name: str, uses: Sequence[NameUse], lexicon: Lexicon) -> Evidence:
    """Return the evidence of a name and its uses alone, without that of other names."""
    novel = not lexicon.flags(name) & Flag.VARIABLE
    first_word, last_word = lexicon.word_localities(name)
    accesses = {use.access for use in uses}
    return Evidence(
        always=1,
        locality=0 if novel else lexicon.locality(name),
        novel=novel,
        first_word=first_word,
        last_word=last_word,
        length=min(len(name), LONGEST_NAME),
        capitals=name != name.lower(),
        address="address" in accesses,
        element="element" in accesses,
        pointer="pointer" in accesses,
        assigned="assigned" in accesses,
    )


def _first_word(name: str) -> str:
    return name.partition("_")[0]


def _find_siblings(
    name: str, unit: UnitNames, called: set[str], others: Sequence[tuple[str, str]], defined: set[str]
) -> dict[str, bool]:
    """Return which other names begin with the first word of a name, as those of one driver or file do."""
    word = _first_word(name)
    undeclared = any(word == first and other != name for first, other in others)
    by_call = undeclared and word in called
    declared = word in defined or (word not in ("", name) and _has_word(word, unit.code))
    return {
        "sibling": undeclared and not by_call,
        "called_sibling": by_call,
        "declared_sibling": declared and not undeclared,
    }


def _has_word(word: str, code: bytes) -> bool:
    """Return whether the name of a structure, or a constant in capitals, begins with a word."""
    key, capitals = re.escape(word.encode()), re.escape(word.upper().encode())
    return re.search(rb"\bstruct " + key + rb"(?:_|\b)|\b" + capitals + rb"_", code) is not None


def _has_unused(function: Function, unit: UnitNames) -> bool:
    return any(
        found.variable and not found.used and found.name not in unit.possibly_used for found in function.declarations
    )


def _has_only_assigned(function: Function, unit: UnitNames) -> bool:
    """Return whether a function has a variable that it assigns and never reads."""
    return any(
        found.variable and found.used and _is_only_assigned(found, unit.code, unit.start, function.stop)
        for found in function.declarations
    )


def _is_only_assigned(declaration: Declaration, code: bytes, offset: int, stop: int) -> bool:
    """Return whether every use of a variable is the left side of an assignment that is a statement.

    The code of a unit has a byte for each character, so positions in the text are valid in it, less the offset.
    """
    pattern = re.compile(rb"(?<![\w.>])" + declaration.name.encode("ascii", "replace") + rb"\b(\s*+=(?!=))?+")
    start = declaration.start + len(declaration.name) - offset
    assigned = False
    for use in pattern.finditer(code, start, stop - offset):
        before = code[code.rfind(b"\n", 0, use.start()) + 1 : use.start()].rstrip()
        assigned = use[1] is not None and before[-1:] in _BEFORE_STATEMENT
        if not assigned:
            return False
    return assigned
