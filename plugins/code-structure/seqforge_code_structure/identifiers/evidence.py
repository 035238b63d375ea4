"""Judge whether an undeclared name of an excerpt is a local variable without its declaration, or a global name.

An excerpt does not contain the declarations of the global names of its file. Each kind of evidence adds its weight to
the logarithm of the odds that the name should be declared in the function (logistic regression). The weights were
fitted by `python -m benchmarks.c_name_evidence`, to functions of files that the lexicon did not contain and to mutants
of these functions.
"""

import re
from collections.abc import Container, Iterable, Sequence

from seqforge_code_structure.identifiers.lexicon import GLOBAL_LOCALITY, Flag, Lexicon
from seqforge_code_structure.identifiers.names import Declaration, Function, NameUse
from seqforge_code_structure.identifiers.reading import UnitNames

LONGEST_NAME = 20
"""Number of characters of a name from which its length is no further evidence."""

_ASSIGNMENT = re.compile(rb"\s*+(?:[-+|&^*/%]|<<|>>)?+=(?!=)")
_BEFORE_STATEMENT = (b"", b";", b"{", b"}", b")", b":")


WEIGHTS = {
    "always": 1.65,  # the log-odds of a known name without other evidence
    "locality": 0.43,  # of a name that the lexicon contains as a variable
    "novel": 1.0,  # the lexicon does not contain the name
    "first_word": 0.14,  # locality of the first of several words of the name
    "last_word": 0.3,
    "length": -0.23,  # in characters, at most `LONGEST_NAME`
    "capitals": -1.33,  # the name contains capital letters
    "address": -0.28,  # its address is taken
    "element": -1.69,  # an element of it is used
    "pointer": 1.25,  # a member of the structure to which it points is used
    "assigned": 2.55,  # it is assigned
    "sibling": -4.09,  # another undeclared name, but no called function, begins with the same word
    "called_sibling": -2.37,  # a called function begins with the same word
    "unused": 3.53,  # the function has a variable that is never used, of which the name may be a wrong spelling
    "only_assigned": 4.59,  # it has a variable that is assigned and never read
}
"""Weight of each kind of evidence, as the benchmark prints them."""

Evidence = dict[str, float]
"""The value of each kind of evidence about an undeclared name of a function."""

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
    log_odds = {name: sum(weight * found[kind] for kind, weight in WEIGHTS.items()) for name, found in evidence.items()}
    return {name for name, value in log_odds.items() if value >= LEAST_LOG_ODDS}


def collect_evidence(
    candidates: Iterable[NameUse], function: Function, unit: UnitNames, free: Iterable[str], lexicon: Lexicon
) -> dict[str, Evidence]:
    """Return the evidence for each undeclared name of a function. The arguments are those of `find_local_names`."""
    uses: dict[str, list[NameUse]] = {}
    for use in candidates:
        uses.setdefault(use.name, []).append(use)
    if not uses:
        return {}
    variables = [found for found in function.declarations if found.variable] if unit.parses else []
    unused = any(not found.used and found.name not in unit.possibly_used for found in variables)
    only_assigned = any(found.used and _is_only_assigned(found, unit.code, function.stop) for found in variables)
    called = {_first_word(use.name) for use in function.free if use.called}
    others = [(_first_word(name), name) for name in free]
    function_evidence = {"always": 1, "unused": unused, "only_assigned": only_assigned}
    return {
        name: function_evidence
        | _describe(name, {_find_access(use, unit.code) for use in found if unit.parses}, lexicon)
        | _find_siblings(name, called, others)
        for name, found in uses.items()
    }


def _describe(name: str, accesses: Container[str], lexicon: Lexicon) -> Evidence:
    """Return the evidence of a name and its uses alone, without that of other names."""
    novel = not lexicon.has(name, Flag.VARIABLE)
    first_word, last_word = lexicon.word_localities(name)
    return {
        "locality": 0 if novel else lexicon.locality(name),
        "novel": novel,
        "first_word": first_word,
        "last_word": last_word,
        "length": min(len(name), LONGEST_NAME),
        "capitals": name != name.lower(),
        **{access: access in accesses for access in ("address", "element", "pointer", "assigned")},
    }


def _find_access(use: NameUse, code: bytes) -> str:
    """Return the access to a name, from the symbols next to it: one of `WEIGHTS`, or `value`."""
    start, stop = use.start, use.start + len(use.name)
    if code[start - 1 : start] == b"&":
        return "address"
    if code[stop : stop + 2] == b"->":
        return "pointer"
    if code[stop : stop + 1] == b"[":
        return "element"
    return "assigned" if _ASSIGNMENT.match(code, stop) else "value"


def _first_word(name: str) -> str:
    return name.partition("_")[0]


def _find_siblings(name: str, called: set[str], others: Sequence[tuple[str, str]]) -> Evidence:
    """Return which other names begin with the first word of a name, as those of one driver or file do."""
    word = _first_word(name)
    undeclared = any(word == first and other != name for first, other in others)
    return {"sibling": undeclared and word not in called, "called_sibling": undeclared and word in called}


def _is_only_assigned(declaration: Declaration, code: bytes, stop: int) -> bool:
    """Return whether every use of a variable is the left side of an assignment that is a statement."""
    pattern = re.compile(rb"(?<![\w.>])" + declaration.name.encode("ascii", "replace") + rb"\b(\s*+=(?!=))?+")
    start = declaration.start + len(declaration.name)
    assigned = False
    for use in pattern.finditer(code, start, stop):
        before = code[code.rfind(b"\n", 0, use.start()) + 1 : use.start()].rstrip()
        assigned = use[1] is not None and before[-1:] in _BEFORE_STATEMENT
        if not assigned:
            return False
    return assigned
