"""Languages: the tables in `languages/`, with the patterns and queries that are made from them."""

import re
import tomllib
from functools import cache
from importlib import import_module, resources
from typing import Any, Literal, NamedTuple, get_args

from tree_sitter import Language as Grammar
from tree_sitter import Parser, Query

LanguageName = Literal["go", "java", "javascript", "json", "latex", "python", "rust", "xml"]
NAMES: tuple[str, ...] = get_args(LanguageName)

_BRACKETS = {"opening": r"(?P<opening>[(\[{])", "closing": r"(?P<closing>[)\]}])"}
"""Patterns of the brackets of most languages."""


class Language(NamedTuple):
    """A language.

    Attributes:
        tokens: Pattern whose groups are `skipped`, which contains no bracket; `literal`, a comment or string;
            `unclosed`, one that does not end; and `opening` and `closing`. Two of these match if they are a pair of
            brackets, or equal, as the names of tags.
        ends: Patterns of the ends of comments and strings that may have several lines.
        parser: Parser, or None.
        blocks: Query of statements, as `@statement`, whose parents are blocks; or None.
        names: Query of names, as `seqforge_code_syntax.tree` describes; or None.
    """

    tokens: re.Pattern[str]
    ends: list[re.Pattern[str]]
    parser: Parser | None
    blocks: Query | None
    names: Query | None


@cache
def read_language(name: LanguageName) -> Language:
    """Return a language by its name."""
    content = resources.files("seqforge_code_syntax").joinpath(f"languages/{name}.toml").read_text("utf-8")
    table: dict[str, Any] = {"skipped": [], "literals": [], **_BRACKETS, **tomllib.loads(content)}
    literals: list[dict[str, Any]] = table["literals"]
    beginnings = [each["opening"] + _describe_content(**each) for each in literals]
    wholes = [beginning + each["closing"] for beginning, each in zip(beginnings, literals, strict=True)]
    groups = {"skipped": table["skipped"], "literal": wholes, "unclosed": beginnings}
    patterns = [f"(?P<{group}>{'|'.join(parts) or '(?!)'})" for group, parts in groups.items()]
    tokens = re.compile("|".join([*patterns, table["opening"], table["closing"]]))
    ends = [re.compile(each["closing"]) for each in literals if each.get("lines")]
    if "grammar" not in table:
        return Language(tokens, ends, None, None, None)
    capsule: object = getattr(import_module(table["grammar"]), table.get("function", "language"))()
    grammar = Grammar(capsule)
    queries = {key: Query(grammar, table[key]) if key in table else None for key in ("blocks", "names")}
    return Language(tokens, ends, Parser(grammar), **queries)


def _describe_content(opening: str, closing: str, lines: bool = False, escapes: bool = True) -> str:
    """Return the pattern of what is between the ends of a literal. It takes linear time."""
    escape = r"\\[\s\S]?|" if escapes else ""
    excluded = ("" if lines else r"\n") + (r"\\" if escapes else "") or r"\0"
    return rf"(?:{escape}(?!{closing})[^{excluded}])*+"
