"""Languages: the tables in `languages/`, with the patterns and queries that are made from them."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import import_module, resources
from typing import Any, Literal, get_args

from tree_sitter import Language as Grammar
from tree_sitter import Query

LanguageName = Literal["go", "java", "javascript", "json", "latex", "python", "rust", "xml"]
NAMES: tuple[str, ...] = get_args(LanguageName)

_BRACKETS = {"opening": r"(?P<opening>[(\[{])", "closing": r"(?P<closing>[)\]}])"}
"""Patterns of the brackets of most languages."""


@dataclass(frozen=True, slots=True)
class Language:
    """A language.

    Attributes:
        tokens: Pattern of what decides about brackets. Its groups are `skipped` for what contains none; `literal` for a
            comment or a string; `unclosed` for one that does not end; and `opening` and `closing` for brackets, of
            which two match if their texts are equal or a pair of brackets.
        ends: Patterns of the ends of comments and strings that may have several lines.
        grammar: Grammar of tree-sitter, or None.
        blocks: Query of statements, as `@statement`, whose parents are blocks; or None.
        names: Query of names, as `seqforge_code_syntax.names` describes; or None.
    """

    tokens: re.Pattern[str]
    ends: tuple[re.Pattern[str], ...]
    grammar: Grammar | None
    blocks: Query | None
    names: Query | None


@cache
def read_language(name: LanguageName) -> Language:
    """Return a language by its name."""
    content = resources.files("seqforge_code_syntax").joinpath(f"languages/{name}.toml").read_text("utf-8")
    table: dict[str, Any] = tomllib.loads(content)
    grammar = None
    if module := table.get("grammar"):
        capsule: object = getattr(import_module(module), table.get("function", "language"))()
        grammar = Grammar(capsule)
    queries = {key: Query(grammar, table[key]) if grammar and key in table else None for key in ("blocks", "names")}
    ends = dict.fromkeys(literal["closing"] for literal in table.get("literals", []) if literal.get("lines"))
    return Language(_compile_tokens(table), tuple(map(re.compile, ends)), grammar, **queries)


def _compile_tokens(table: dict[str, Any]) -> re.Pattern[str]:
    contents = [
        (literal["opening"], _describe_content(**literal), literal["closing"]) for literal in table.get("literals", [])
    ]
    alternatives = {
        "skipped": "|".join(table.get("skipped", [])) or r"(?!)",
        "literal": "|".join(f"{opening}{content}{closing}" for opening, content, closing in contents) or r"(?!)",
        "unclosed": "|".join(f"{opening}{content}" for opening, content, _ in contents) or r"(?!)",
    }
    brackets = _BRACKETS | {key: table[key] for key in _BRACKETS if key in table}
    parts = [f"(?P<{name}>{pattern})" for name, pattern in alternatives.items()]
    return re.compile("|".join([*parts, *brackets.values()]))


def _describe_content(opening: str, closing: str, lines: bool = False, escapes: bool = True) -> str:
    """Return the pattern of what is between the ends of a literal. It takes linear time."""
    escape = r"\\[\s\S]?|" if escapes else ""
    excluded = ("" if lines else r"\n") + (r"\\" if escapes else "")
    return rf"(?:{escape}(?!{closing})[^{excluded}])*+" if excluded else rf"(?:(?!{closing})[\s\S])*+"
