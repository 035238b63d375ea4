"""Brackets, tags and environments that do not match, and comments and strings that do not end."""

from typing import NamedTuple

from seqforge_code_syntax.languages import Language

PAIRS = {")": "(", "]": "[", "}": "{"}


class Error(NamedTuple):
    """An error in a text, from its first character to that after its last one."""

    start: int
    stop: int
    message: str


class Tokens(NamedTuple):
    """Result of reading the tokens of a text.

    Attributes:
        brackets: Number of brackets, tags or ends of environments.
        wrong: Those without a match.
        literals: Number of comments and strings that may have several characters as their end.
        unclosed: Those that do not end.
        start: Place at which the text begins, after a comment or string that is cut.
        stop: Place after its end, before a comment or string that is cut.
    """

    brackets: int
    wrong: list[Error]
    literals: int
    unclosed: list[Error]
    start: int
    stop: int


def begins_inside(text: str) -> bool:
    """Guess whether a text begins inside something: its first line is indented or begins with a closing bracket."""
    first = text.lstrip("\n")
    return first[:1].isspace() or first[:1] in PAIRS or first.startswith("</")


def read_tokens(text: str, language: Language) -> Tokens:
    """Match the brackets of a text that may be cut at both ends, in linear time.

    A bracket may be open at the end of the text. At its beginning, brackets may be closed that were not opened, if the
    text begins inside something. If there are errors, it may also begin inside a comment or string of several lines,
    and does if this leaves fewer errors.
    """
    tokens = _read_from(0, text, language)
    if tokens.wrong or tokens.unclosed:
        starts = [match.end() for end in language.ends if (match := end.search(text))]
        others = (_read_from(start, text, language) for start in starts)
        tokens = min([tokens, *others], key=lambda each: len(each.wrong) + len(each.unclosed))
    return tokens


def _read_from(begin: int, text: str, language: Language) -> Tokens:
    may_close = begin > 0 or begins_inside(text)
    open_brackets: list[tuple[str, int, int]] = []
    depths: dict[str, int] = {}
    """Number of open brackets of each kind."""
    wrong, unclosed = list[Error](), list[Error]()
    brackets = literals = 0
    end = len(text)
    for match in language.tokens.finditer(text, begin):
        start, stop = match.span()
        if match.lastgroup == "literal":
            literals += 1
        elif match.lastgroup == "unclosed":
            literals += 1
            if stop < len(text):
                unclosed.append(Error(start, stop, "this does not end"))
            else:
                end = start
        elif match.lastgroup == "opening":
            brackets += 1
            opening = match["opening"]
            depths[opening] = depths.get(opening, 0) + 1
            open_brackets.append((opening, start, stop))
        elif match.lastgroup == "closing":
            brackets += 1
            opening = PAIRS.get(match["closing"], match["closing"])
            if not depths.get(opening):
                if open_brackets or not may_close:
                    wrong.append(Error(start, stop, f"{match[0]!r} closes nothing"))
                continue
            closed = ""
            while closed != opening:
                closed, start, stop = open_brackets.pop()
                depths[closed] -= 1
                if closed != opening:
                    wrong.append(Error(start, stop, f"this is not closed before {match[0]!r}"))
    return Tokens(brackets, wrong, literals, unclosed, begin, end)
