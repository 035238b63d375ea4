"""Syntax highlighting of text at the time a report is written, so that the page needs no highlighter."""

from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import PurePosixPath

from pygments.lexer import Lexer
from pygments.lexers import find_lexer_class_for_filename
from pygments.token import Comment, Keyword, Literal, Name, Token, string_to_tokentype

CLASSES = ("", "keyword", "type", "string", "number", "comment", "directive", "function")
"""Names of the classes of tokens, by index; the page has a color for each."""

_CLASS_OF_TYPE = {
    Keyword.Type: "type",
    Name.Class: "type",
    Keyword: "keyword",
    Literal.String: "string",
    Literal.Number: "number",
    Comment.Preproc: "directive",
    Comment.PreprocFile: "directive",
    Comment: "comment",
    Name.Function: "function",
}
"""Class of each type of pygments' tokens; a type that is missing has the class of its parent."""


def find_lexer(names: Iterable[str]) -> Lexer | None:
    """Return the lexer for the most frequent kind of file among the names of documents, or None if there is none."""
    suffixes = Counter(suffix for name in names if (suffix := PurePosixPath(name).suffix))
    for suffix, _ in suffixes.most_common(1):
        found = find_lexer_class_for_filename(f"text{suffix}")
        return found() if found is not None else None
    return None


def highlight(text: str, lexer: Lexer | None) -> list[int]:
    """Return the highlighted parts of a text, as start, length and index of the class of each part, in one list."""
    if lexer is None:
        return []
    parts: list[int] = []
    for start, kind, value in lexer.get_tokens_unprocessed(text):
        name = _class_of(str(kind))
        if not name or not value:
            continue
        index = CLASSES.index(name)
        if parts and parts[-1] == index and parts[-3] + parts[-2] == start:
            parts[-2] += len(value)
        else:
            parts += [start, len(value), index]
    return parts


@cache
def _class_of(name: str) -> str:
    kind = string_to_tokentype(name.removeprefix("Token."))
    while kind is not None and kind is not Token:
        if kind in _CLASS_OF_TYPE:
            return _CLASS_OF_TYPE[kind]
        kind = kind.parent
    return ""
