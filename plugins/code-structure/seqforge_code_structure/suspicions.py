"""What betrays a wrong bracket before the end of its unit, in a text that is cut before that end.

In a complete unit brackets are counted, and nothing is guessed. Where the end is missing, openers are left over anyway,
and one too many or too few shows only in what is inside it. Each of these signs is in
under 0.2% of the units of Linux.
"""

import re

from seqforge_code_structure.fault import Fault
from seqforge_code_structure.stacks import KIND, Open, Stacks

_WORD_BEFORE = re.compile(r"(\w*+)\s*+\Z")
_TAKES_STATEMENTS = re.compile(r"\w*(?:for|[A-Z])\w*|struct_group\w*|sizeof|typeof")
"""Words behind which round brackets may hold semicolons: loops, macros, and types written out."""
_INDENTED_LINE = re.compile(r"\n(?:[ \t\r]*+\n)*+(?:\t|    )")
_LONGEST_WORD = 64
_DEEPEST_INDENTATION = 64
_LONGEST_LINE = 200


def suspicion(text: str, position: int, stacks: Stacks, before: Open | None) -> Fault | None:
    """Look at a semicolon or brace for a sign that an earlier bracket is wrong.

    Args:
        text: The whole text.
        position: Where it stands.
        stacks: What is open behind it.
        before: The bracket that was on top before it, where all conditions hold.

    Returns:
        What is suspected, or None.
    """
    match text[position]:
        case ";":
            return _semicolon(text, position, stacks.all_true or stacks.all_false)
        case "{":
            return _opening(text, position, before)
        case "}":
            return _closing(text, position, stacks, before)
        case _:
            return None


def _semicolon(text: str, position: int, top: Open | None) -> Fault | None:
    """Look for a round or square bracket around a statement, or for no brace around it."""
    if top is None:
        indented = _INDENTED_LINE.match(text, position + 1)
        return Fault(position, "the line after ';' is indented, but no brace is open") if indented else None
    if top.bracket == "{" and not text[max(0, top.position - 8) : top.position].rstrip().endswith("("):
        top = top.below
    if top is None or top.bracket == "{":
        return None
    word = _WORD_BEFORE.search(text, max(0, top.position - _LONGEST_WORD), top.position)
    if top.bracket == "(" and word and _TAKES_STATEMENTS.fullmatch(word[1]):
        return None
    return Fault(top.position, f"{top.bracket!r} is not closed before ';'")


def _opening(text: str, position: int, before: Open | None) -> Fault | None:
    """Look for a `{` in column 0 inside a round or square bracket."""
    if before is None or before.bracket == "{" or text[position - 1] != "\n":
        return None
    return Fault(before.position, f"{before.bracket!r} is not closed before '{{' in column 0")


def _closing(text: str, position: int, stacks: Stacks, before: Open | None) -> Fault | None:
    """Compare the tabs before a `}` that begins its line with the open braces, and with the line of its `{`.

    The line may have as many tabs as braces are open, or, where that is less, as many as the line of its `{`.
    """
    tabs = position - text.rfind("\n", max(0, position - _DEEPEST_INDENTATION), position) - 1
    if stacks.all_true is not stacks.all_false or text.count("\t", position - tabs, position) != tabs or before is None:
        return None
    depth, kinds = (top.depth, top.kinds) if (top := stacks.all_true) else (0, 0)
    if kinds & ~KIND["{"]:
        return None
    line = text.rfind("\n", max(0, before.position - _LONGEST_LINE), before.position) + 1
    same = text.count("\t", line, line + tabs) == tabs and text[line + tabs : line + tabs + 1] != "\t"
    if tabs == depth or (tabs < depth and same):
        return None
    return Fault(position, f"{tabs} tabs before '}}', but {depth} open braces")
