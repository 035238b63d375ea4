"""Errors in a text, the rules that name the kinds of errors, and the limits of the analyses."""

from typing import Literal, NamedTuple

DEEPEST_NESTING = 256
"""Largest depth of brackets in a unit that is parsed: clang's own limit (`-fbracket-depth`)."""

MOST_DEFECTS = 1_000
"""Largest number of defects that are listed for one unit or one text. All further ones are only counted."""

TOO_DEEP = f"not analyzed: nested deeper than {DEEPEST_NESTING}"


class Defect(NamedTuple):
    """An error in a text.

    Attributes:
        start: Position of its first character.
        stop: Position after its last character.
        rule: Name of its rule, a key of `RULES`.
    """

    start: int
    stop: int
    rule: str
    message: str


class Rule(NamedTuple):
    """A kind of error, which `seqforge c-structure` can select by its name.

    Attributes:
        kind: The analysis that finds it.
        severity: Whether compilers reject such code or warn about it.
        default: Whether the command reports it unless it is ignored.
    """

    kind: Literal["brackets", "literals", "indentation", "syntax", "statements", "names"]
    severity: Literal["error", "warning"]
    default: bool = True


RULES = {
    "bracket": Rule("brackets", "error"),
    "macro-bracket": Rule("brackets", "warning", default=False),
    "comment": Rule("literals", "error"),
    "comment-end": Rule("literals", "error"),
    "string": Rule("literals", "error"),
    "character": Rule("literals", "error"),
    "indentation": Rule("indentation", "warning"),
    "syntax": Rule("syntax", "error"),
    "too-complex": Rule("syntax", "error"),
    "conditional": Rule("syntax", "error"),
    "misplaced-statement": Rule("statements", "error"),
    "type-mismatch": Rule("statements", "error"),
    "wrong-arguments": Rule("statements", "error"),
    "redeclared-name": Rule("names", "error"),
    "duplicate-name": Rule("names", "error"),
    "undefined-name": Rule("names", "error"),
    "undefined-return": Rule("names", "error"),
    "undefined-label": Rule("names", "error"),
    "unused-variable": Rule("names", "warning"),
    "unused-label": Rule("names", "warning"),
    "novel-name": Rule("names", "warning", default=False),
}
"""All rules, by name."""
