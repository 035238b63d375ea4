"""Read the macros that a text defines: which names their bodies use, and what they do with arguments."""

import re
from dataclasses import dataclass, field

_WORD = re.compile(r"[A-Za-z_]\w*+")
_BRACE = re.compile("([{}])")
_NOT_CODE = re.compile(r"/\*[\s\S]*?\*/|//.*|\"(?:[^\"\\]|\\.)*+\"|'(?:[^'\\]|\\.){1,12}+'")
_DEFINITION = re.compile(r"[ \t\n]*+#[ \t]*+define[ \t]++([A-Za-z_]\w*+)(?:\(([\w\s,.\\]*+)\))?")
_DECLARED = re.compile(
    r"(?:^|[;{}(])[ \t]*+(?!(?:return|goto|else|case|sizeof|typedef)\b)(?:[A-Za-z_]\w*+[ \t]++){0,6}?"
    r"[A-Za-z_]\w*+(?:[ \t]++\**+[ \t]*+|\*++[ \t]*+)([A-Za-z_]\w*+)[ \t]*+(?=[=;,\[:]|$)",
    re.MULTILINE,
)
_MORE_DECLARED = re.compile(
    r"[ \t]*+(?:=[^,;()]{0,200}+)?,[ \t]*+\**([A-Za-z_]\w*+)(?=[ \t]*+(?:[=;,\[]|$))", re.MULTILINE
)
_AFTER_OPERATOR = re.compile(r"(?:#|(?<!\.)\.|->)[ \t]*+(\w++)")
_BEFORE_PASTE = re.compile(r"\b(\w++)[ \t]*+##")
_MEMBER = re.compile(r"\b(?:offsetof\w*+|container_of|sizeof_field)\b([^;]*)")
_LAST_ARGUMENT = re.compile(r",[ \t]*+(\w++)[ \t]*+\)")
_AFTER_TYPE = re.compile(r"\b(?:struct|union)[ \t]++\w++[ \t]*+,[ \t]*+(\w++)")
LONGEST_BODY = 20_000
"""Length limit of the bodies that are read, in characters. Any further text of a macro is ignored."""

MOST_PARAMETERS = 32
"""Number of the parameters that are read. Any further ones are ignored."""


@dataclass(slots=True)
class Macros:
    """The macros of a text.

    Attributes:
        pasted: For each macro, the indices of its parameters that are no expressions: they are parts of names, text, or
            names of members. A name that is defined twice has those of both definitions.
        used: Words in their bodies, except their parameters.
    """

    pasted: dict[str, set[int]] = field(default_factory=lambda: {})
    used: set[str] = field(default_factory=lambda: set())

    def read(self, text: str, start: int, stop: int) -> None:
        """Add the macro that a directive defines, if it defines one."""
        directive = text[start : min(stop, start + LONGEST_BODY)]
        if not (match := _DEFINITION.match(directive)):
            return
        parameters = _WORD.findall(match[2] or "")[:MOST_PARAMETERS]
        body = _NOT_CODE.sub(" ", directive[match.end() :]).replace("\\\n", " ").replace("\\\r\n", " ")
        words = set(_WORD.findall(body))
        self.used |= words - set(parameters)
        pasted = self.pasted.setdefault(match[1], set())
        if parameters:
            found = find_pasted(body)
            pasted.update(index for index, parameter in enumerate(parameters) if parameter in found)

    def update(self, others: "Macros") -> None:
        """Add all macros of another unit."""
        self.used |= others.used
        for name, pasted in others.pasted.items():
            self.pasted.setdefault(name, set()).update(pasted)


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


def leave_out_bodies(code: str) -> str:
    """Return a piece of C without what stands between two braces; a brace may lack its pair."""
    parts: list[str] = []
    opened: list[int] = []
    for part in _BRACE.split(code):
        if part == "{":
            opened.append(len(parts))
        elif part == "}" and opened:
            del parts[opened.pop() :]
        else:
            parts.append(part)
    return "".join(parts)


def find_pasted(body: str) -> set[str]:
    """Return the words of the body of a macro that are part of a name, text, or the name of a member."""
    members = [name for found in _MEMBER.findall(body) for name in _LAST_ARGUMENT.findall(found)]
    return {*members, *_AFTER_OPERATOR.findall(body), *_BEFORE_PASTE.findall(body), *_AFTER_TYPE.findall(body)}
