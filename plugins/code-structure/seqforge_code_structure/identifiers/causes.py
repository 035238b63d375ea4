"""Explain name errors: what the author of a text may have meant or not known, and calls with wrong arguments."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from seqforge_code_structure.identifiers.checks import find_candidates, find_wrong_calls
from seqforge_code_structure.identifiers.context import Context
from seqforge_code_structure.identifiers.lexicon import Lexicon, is_constant
from seqforge_code_structure.identifiers.names import Function, NameUse
from seqforge_code_structure.identifiers.reading import UnitNames

SHORTEST_NAME = 3
"""Smallest length of a name that counts as misspelled, since any two shorter names are similar."""

CAUSES = {
    "declared_later": "{!r} is declared only after its use",
    "other_block": "{!r} is declared in a block that does not contain this use",
    "other_function": "{!r} is a local name of another function",
    "misspelled": "{!r} differs from the declared name {!r} in one character",
    "unexplained": "{!r} is declared nowhere",
    "unknown_macro": "no macro or constant {!r} is known",
    "unknown_function": "no function {!r} is known",
    "wrong_arguments": "",
}
"""Causes of a name error, with the message of each."""


class Explained(NamedTuple):
    """A name error with its cause.

    Attributes:
        cause: Key of `CAUSES`.
        function: Index of the function in the text.
        start: Position of the name.
        stop: Position after its last character.
        message: Description for the user.
    """

    cause: str
    function: int
    start: int
    stop: int
    message: str


def explain_names(units: Sequence[UnitNames], lexicon: Lexicon) -> list[Explained]:
    """Find the first use of every unknown name in each function of a text, and its most probable cause.

    A name is unknown if nothing in the text declares it, and if functions of the training text always declare it or
    the training text does not contain it.

    Args:
        units: All units of the text, from `read_units`.
        lexicon: Lexicon of the training text.
    """
    context = Context.of(units, lexicon)
    calls = find_wrong_calls(units)
    explained: list[Explained] = []
    functions = [(unit, function) for unit in units for function in unit.functions]
    for number, (unit, function) in enumerate(functions):
        seen: set[str] = set()
        for use, cause, message in _explain_function(unit, function, context, lexicon):
            if use.name not in seen:
                seen.add(use.name)
                explained.append(Explained(cause, number, use.start, use.start + len(use.name), message))
        explained += [
            Explained("wrong_arguments", number, call.start, call.stop, call.message)
            for call in calls
            if function.start <= call.start < function.stop
        ]
    return sorted(explained, key=lambda found: found.start)


def _explain_function(
    unit: UnitNames, function: Function, context: Context, lexicon: Lexicon
) -> Iterator[tuple[NameUse, str, str]]:
    """Yield each use of an unknown name with its cause and the message."""
    candidates = list(find_candidates(function, unit, context))
    judgement = context.judge(function, unit, candidates)
    for use in candidates:
        if judgement.is_undefined(use) or judgement.is_novel(use):
            cause, similar = _explain_use(use, function, context)
            yield use, cause, CAUSES[cause].format(use.name, similar)
    for use in function.free:
        is_known = use.name in context.declared or use.name in unit.possibly_declared or lexicon.flags(use.name)
        if not is_known and (use.called or is_constant(use.name)):
            cause = "unknown_macro" if is_constant(use.name) else "unknown_function"
            yield use, cause, CAUSES[cause].format(use.name)


def _explain_use(use: NameUse, function: Function, context: Context) -> tuple[str, str]:
    """Return the cause of an undefined variable, and the similar name if it is misspelled."""
    places = [found.start for found in function.declarations if found.name == use.name]
    if places:
        return ("other_block" if min(places) < use.start else "declared_later"), ""
    if use.name in context.locals:
        return "other_function", ""
    visible = [found.name for found in function.declarations if found.start < use.start]
    similar = find_similar(use.name, [*visible, *sorted(context.declared)])
    return ("misspelled", similar) if similar else ("unexplained", "")


def find_similar(name: str, names: Iterable[str]) -> str:
    """Return the first of some names whose edit distance (Levenshtein 1966) to a name is 1, or "" if there is none."""
    if len(name) < SHORTEST_NAME:
        return ""
    return next((other for other in names if len(other) >= SHORTEST_NAME and _is_one_edit(name, other)), "")


def _is_one_edit(one: str, other: str) -> bool:
    shorter, longer = sorted((one, other), key=len)
    if len(longer) - len(shorter) > 1 or one == other:
        return False
    same = next((index for index, pair in enumerate(zip(shorter, longer, strict=False)) if pair[0] != pair[1]), None)
    if same is None:
        return True
    # After the first difference, all is equal if a character of the longer one is left out, or one of each.
    return longer[same + 1 :] == shorter[same + (len(shorter) == len(longer)) :]
