"""Explain name errors: what the author of a text may have meant or not known, and calls with wrong arguments."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from tree_sitter import Node, Query, QueryCursor, Tree

from seqforge_code_structure.identifiers.checks import find_candidates
from seqforge_code_structure.identifiers.context import Context
from seqforge_code_structure.identifiers.grammar import LANGUAGE
from seqforge_code_structure.identifiers.lexicon import Lexicon, is_constant
from seqforge_code_structure.identifiers.names import Function, NameUse
from seqforge_code_structure.identifiers.reading import UnitNames, parse_unit

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
    "wrong_arguments": "{!r} is called with {} arguments, but has {} parameters",
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


def explain_names(text: str, units: Sequence[UnitNames], lexicon: Lexicon) -> list[Explained]:
    """Find the first use of every unknown name in each function of a text, and its most probable cause.

    A name is unknown if nothing in the text declares it, and if functions of the training text always declare it or
    the training text does not contain it.

    Args:
        text: The text.
        units: All its units, from `read_units`.
        lexicon: Lexicon of the training text.
    """
    context = Context.of(units, lexicon)
    calls = find_wrong_calls(text, units)
    explained: list[Explained] = []
    functions = [(unit, function) for unit in units for function in unit.functions]
    for number, (unit, function) in enumerate(functions):
        seen: set[str] = set()
        for use, cause, message in _explain_function(unit, function, context, lexicon):
            if use.name not in seen:
                seen.add(use.name)
                explained.append(Explained(cause, number, use.start, use.start + len(use.name), message))
        for call in calls:
            if function.start <= call.start < function.stop:
                message = CAUSES["wrong_arguments"].format(call.name, call.arguments, call.parameters)
                stop = call.start + len(call.name)
                explained.append(Explained("wrong_arguments", number, call.start, stop, message))
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
        is_known = use.name in context.declared or use.name in unit.possibly_declared or lexicon.contains(use.name)
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


_DECLARATOR = "(function_declarator declarator: (identifier) @name parameters: (parameter_list) @parameters)"
_DEFINITIONS = Query(
    LANGUAGE,
    f"(function_definition declarator: [{_DECLARATOR} (pointer_declarator declarator: {_DECLARATOR})])",
)
_CALLS = Query(LANGUAGE, "(call_expression function: (identifier) @callee arguments: (argument_list) @arguments)")


class WrongCall(NamedTuple):
    """A call with a wrong number of arguments.

    Attributes:
        name: Name of the called function.
        start: Position of the name in the text.
        arguments: Number of arguments of the call.
        parameters: Number of parameters of the function.
    """

    name: str
    start: int
    arguments: int
    parameters: int


def find_wrong_calls(text: str, units: Sequence[UnitNames]) -> list[WrongCall]:
    """Find calls with a wrong number of arguments in the units of a text.

    A function counts only if the text defines it once, with named parameters and without `...`, and if no macro or
    local name hides it. Units with syntax errors, and calls that the rewriting of macros changes, do not count.
    """
    parsed = [(unit, *parse_unit(text, unit.start, unit.stop)) for unit in units if unit.parses]
    hidden = {found.name for unit in units for function in unit.functions for found in function.declarations}
    hidden.update(name for unit in units for name in unit.macros.by_name)
    parameters: dict[str, int | None] = {}
    for _, _, rewritten, tree in parsed:
        for name, count in _find_definitions(tree):
            known = rewritten[name.start_byte : name.end_byte].decode()
            # Of a second definition, perhaps under another condition, it is not known which one is called.
            parameters[known] = None if known in parameters else count
    return [
        WrongCall(name, unit.start + callee.start_byte, count, expected)
        for unit, code, rewritten, tree in parsed
        for callee, arguments in _find_calls(tree)
        if code[callee.start_byte : arguments.end_byte] == rewritten[callee.start_byte : arguments.end_byte]
        and (name := rewritten[callee.start_byte : callee.end_byte].decode()) not in hidden
        and (expected := parameters.get(name)) is not None
        and (count := len(_without_comments(arguments))) != expected
    ]


def _find_definitions(tree: Tree) -> Iterator[tuple[Node, int | None]]:
    """Yield the name and the number of parameters of each function; None if it takes any number."""
    for _, captures in QueryCursor(_DEFINITIONS).matches(tree.root_node):
        given = _without_comments(captures["parameters"][0])
        kinds = {parameter.type for parameter in given}
        is_void = len(given) == 1 and given[0].child_by_field_name("declarator") is None
        unknown = not given or not kinds <= {"parameter_declaration"}
        yield captures["name"][0], None if unknown else 0 if is_void and given[0].text == b"void" else len(given)


def _find_calls(tree: Tree) -> Iterable[tuple[Node, Node]]:
    for _, captures in QueryCursor(_CALLS).matches(tree.root_node):
        yield captures["callee"][0], captures["arguments"][0]


def _without_comments(node: Node) -> list[Node]:
    return [child for child in node.named_children if child.type != "comment"]
