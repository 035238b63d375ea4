"""Read the macros that a text defines: which names their bodies use and declare, and what they do with arguments."""

import re
from dataclasses import dataclass, field

_WORD = re.compile(r"[A-Za-z_]\w*+")
_NOT_CODE = re.compile(r"/\*[\s\S]*?\*/|//.*|\"(?:[^\"\\]|\\.)*+\"|'(?:[^'\\]|\\.){1,12}+'")
_DEFINITION = re.compile(r"[ \t\n]*+#[ \t]*+define[ \t]++([A-Za-z_]\w*+)(?:\(([\w\s,.\\]*+)\))?")
_DECLARED = re.compile(
    r"(?:^|[;{}(])[ \t]*+(?!(?:return|goto|else|case|sizeof|typedef)\b)(?:[A-Za-z_]\w*+[ \t]++){0,6}?"
    r"[A-Za-z_]\w*+(?:[ \t]++\**+[ \t]*+|\*++[ \t]*+)([A-Za-z_]\w*+)[ \t]*+(?=[=;,\[:]|$)",
    re.MULTILINE,
)
_MORE_DECLARED = re.compile(r"[ \t]*+(?:=[^,;()]*+)?,[ \t]*+\**([A-Za-z_]\w*+)(?=[ \t]*+(?:[=;,\[]|$))", re.MULTILINE)
LONGEST_BODY = 20_000
"""Length limit of the bodies that are read, in characters. Any further text of a macro is ignored."""

MOST_PARAMETERS = 32
"""Number of the parameters that are read. Any further ones are ignored."""


@dataclass(frozen=True, slots=True)
class Macro:
    """A macro that the text defines.

    Attributes:
        declared: Names that its body declares.
        declared_parameters: Indices of the parameters that its body declares, as in `#define new_var(n) int n = 0`.
        pasted_parameters: Indices of the parameters that are no expressions: they are parts of names, text, or names
            of members.
    """

    declared: frozenset[str] = frozenset()
    declared_parameters: frozenset[int] = frozenset()
    pasted_parameters: frozenset[int] = frozenset()


@dataclass(slots=True)
class Macros:
    """The macros of a text.

    Attributes:
        by_name: All macros. A name that is defined twice has the properties of both definitions.
        used: Words in their bodies, except their parameters.
    """

    by_name: dict[str, Macro] = field(default_factory=dict[str, Macro])
    used: set[str] = field(default_factory=set[str])

    def read(self, text: str, start: int, stop: int) -> None:
        """Add the macro that a directive defines, if it defines one."""
        directive = text[start : min(stop, start + LONGEST_BODY)]
        if not (match := _DEFINITION.match(directive)):
            return
        name = match[1]
        parameters = _WORD.findall(match[2] or "")[:MOST_PARAMETERS]
        body = _NOT_CODE.sub(" ", directive[match.end() :]).replace("\\\n", " ").replace("\\\r\n", " ")
        words = set(_WORD.findall(body))
        self.used |= words - set(parameters)
        declared = find_declared(body) if words else set[str]()
        pasted = {
            index for index, parameter in enumerate(parameters) if parameter in words and is_pasted(parameter, body)
        }
        macro = Macro(
            frozenset(declared - set(parameters)),
            frozenset(index for index, parameter in enumerate(parameters) if parameter in declared),
            frozenset(pasted),
        )
        self.add(name, macro)

    def add(self, name: str, macro: Macro) -> None:
        """Add a macro, which may be defined already."""
        if known := self.by_name.get(name):
            macro = Macro(
                known.declared | macro.declared,
                known.declared_parameters | macro.declared_parameters,
                known.pasted_parameters | macro.pasted_parameters,
            )
        self.by_name[name] = macro

    def update(self, others: "Macros") -> None:
        """Add all macros of another unit."""
        self.used |= others.used
        for name, macro in others.by_name.items():
            self.add(name, macro)


def find_declared(code: str) -> set[str]:
    """Guess the names that a piece of C declares, from a word or star before them and what follows them."""
    declared: set[str] = set()
    for match in _DECLARED.finditer(code):
        declared.add(match[1])
        position = match.end()
        while more := _MORE_DECLARED.match(code, position):
            declared.add(more[1])
            position = more.end()
    return declared


def is_pasted(parameter: str, body: str) -> bool:
    """Return whether a macro uses a parameter as a part of a name, as text, or as the name of a member."""
    part = rf"(?:#|(?<!\.)\.|->)[ \t]*+{parameter}\b|\b{parameter}[ \t]*+##"
    member = rf"\b(?:offsetof\w*+|container_of|sizeof_field)\b[^;]*,[ \t]*+{parameter}[ \t]*+\)"
    after_type = rf"\b(?:struct|union)[ \t]++\w++[ \t]*+,[ \t]*+{parameter}\b"
    return re.search(f"{part}|{member}|{after_type}", body) is not None
