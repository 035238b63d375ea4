"""Errors in a text, the rules that name the kinds of errors, and the limits of the analyses."""

from typing import Literal, NamedTuple

DEEPEST_NESTING = 256
"""Largest depth of nested brackets, or of nested `#if`, that is analyzed: clang's own limit (`-fbracket-depth`)."""

MOST_DEFECTS = 1_000
"""Largest number of defects that are listed for one unit or one text. All further ones are only counted."""

TOO_DEEP = f"not analyzed: nested deeper than {DEEPEST_NESTING}"


class Defect(NamedTuple):
    """An error in a text.

    Attributes:
        start: Position of its first character.
        stop: Position after its last character.
        rule: Name of its rule, a key of `RULES`.
        message: Description for the user.
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
        description: Description of the error.
        default: Whether the command reports it unless it is ignored.
    """

    kind: Literal["brackets", "literals", "indentation", "syntax", "statements", "names"]
    severity: Literal["error", "warning"]
    description: str
    default: bool = True


RULES = {
    "bracket": Rule("brackets", "error", "A bracket has no match, or the wrong one."),
    "macro-bracket": Rule("brackets", "warning", "The brackets of a macro's body do not match.", default=False),
    "comment": Rule("literals", "error", "A comment is not closed."),
    "comment-end": Rule("literals", "error", "A `*/` closes no comment."),
    "string": Rule("literals", "error", "A string is not closed on its line."),
    "character": Rule("literals", "error", "A character literal is not closed on its line."),
    "indentation": Rule("indentation", "warning", "The indentation of a line does not match the braces around it."),
    "syntax": Rule("syntax", "error", "A top-level unit, such as a function, does not parse."),
    "too-complex": Rule("syntax", "error", "A top-level unit is nested too deep, or too long, to be analyzed."),
    "conditional": Rule("syntax", "error", "An `#else` or `#endif` has no `#if`, or an `#if` has no `#endif`."),
    "misplaced-statement": Rule("statements", "error", "A `break`, `continue` or `case` is outside of its statement."),
    "type-mismatch": Rule("statements", "error", "A value is where there is none, or there is none."),
    "wrong-arguments": Rule("statements", "error", "A function of the text has another number of parameters."),
    "redeclared-name": Rule("names", "error", "A name is declared twice in one scope."),
    "duplicate-name": Rule("names", "error", "A label, a `case` or a member of a structure is there twice."),
    "undefined-name": Rule("names", "error", "A function uses a name that nothing declares."),
    "undefined-return": Rule("names", "error", "A function returns a name that nothing declares."),
    "undefined-label": Rule("names", "error", "A goto has no label."),
    "unused-variable": Rule("names", "warning", "A local variable is never used."),
    "unused-label": Rule("names", "warning", "No goto has a label."),
    "novel-name": Rule(
        "names",
        "warning",
        "A function uses a name that nothing declares and that the lexicon does not contain. Correct code has such "
        "names, too.",
        default=False,
    ),
}
"""All rules, by name."""
