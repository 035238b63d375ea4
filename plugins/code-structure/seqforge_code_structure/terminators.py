"""Find comments, strings and character literals that are not closed, and each `*/` that closes no comment.

A comment extends to the next `*/`, however far away. A `/*` inside a comment is therefore the sign of a missing end.
Compilers warn about it, and it does not occur in Linux. Code that is not compiled (see `compiled_code`) is
ignored.
"""

import re
from collections import Counter
from operator import itemgetter
from typing import NamedTuple

from seqforge_code_structure.compiled_code import read_code
from seqforge_code_structure.defects import MOST_DEFECTS, Defect
from seqforge_code_structure.structure import TokenKind, may_be_cut, scan_text

_COMMENT_BEGINS = re.compile(r"/\*")
_QUOTES_OR_COMMENTS = re.compile(r"[\"'/]|\*/")
_PROSE = frozenset({"error", "warning", "pragma", "include"})
"""Directives whose text is not C."""

_RULES: dict[int, str] = {
    TokenKind.COMMENT: "comment",
    TokenKind.UNTERMINATED_COMMENT: "comment",
    TokenKind.STRING: "string",
    TokenKind.UNTERMINATED_STRING: "string",
    TokenKind.CHARACTER: "character",
    TokenKind.UNTERMINATED_CHARACTER: "character",
    TokenKind.STRAY_COMMENT_END: "comment-end",
}
"""The rule that each kind of token may break."""


class TerminatorAnalysis(NamedTuple):
    """Result of `analyze_terminators`.

    Attributes:
        total: Number of tokens for each rule that they may break.
        wrong: Number of errors for each rule.
        defects: Errors in the order of the text, at most `MOST_DEFECTS`.
    """

    total: Counter[str]
    wrong: Counter[str]
    defects: list[Defect]


def analyze_terminators(text: str, *, end_missing: bool = False) -> TerminatorAnalysis:
    """Find comments and literals that are not closed, in linear time. A missing end of the text may cut the last."""
    code = read_code(text)
    tokens = list(code.tokens)
    for start, stop, name, compiled in code.directives:
        if compiled and name not in _PROSE and _QUOTES_OR_COMMENTS.search(text, start, stop):
            tokens += scan_text(text, start, stop, directives=False)
    analysis = TerminatorAnalysis(Counter(), Counter(), [])
    for kind, start, stop in sorted(tokens, key=itemgetter(1)):
        if not (rule := _RULES.get(kind)):
            continue
        analysis.total[rule] += 1
        if message := _describe_error(text, kind, start, stop, end_missing):
            analysis.wrong[rule] += 1
            if len(analysis.defects) < MOST_DEFECTS:
                length = 1 if kind == TokenKind.UNTERMINATED_CHARACTER else 2 if rule != "string" else stop - start
                analysis.defects.append(Defect(start, start + length, rule, message))
    return analysis


def _describe_error(text: str, kind: int, start: int, stop: int, end_missing: bool) -> str:
    """Return the message for an error, or "" if there is none."""
    cut = end_missing and stop == len(text)
    match kind:
        case TokenKind.COMMENT | TokenKind.UNTERMINATED_COMMENT if _COMMENT_BEGINS.search(text, start + 2, stop):
            return "the comment is not closed before another one begins"
        case TokenKind.UNTERMINATED_COMMENT if not cut:
            return "the comment is never closed"
        case TokenKind.UNTERMINATED_STRING if not cut:
            return "the string is not closed on its line"
        case TokenKind.UNTERMINATED_CHARACTER if not (end_missing and may_be_cut(text, start)):
            return "the character literal is not closed on its line"
        case TokenKind.STRAY_COMMENT_END if not cut:
            return "'*/' closes no comment"
        case _:
            return ""
