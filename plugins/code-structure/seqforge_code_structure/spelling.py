"""Write a C text with its usual spellings: brackets for digraphs, and tokens that no line continuation divides.

The result has the same length, and every token begins at the same position or, inside a token that a continuation
divides, a few characters earlier. All analyses of a text read the result.
"""

import re

_DIGRAPHS = {"<%": "{ ", "%>": "} ", "<:": "[ ", ":>": "] ", "%:": "# "}
_DIGRAPH = re.compile("|".join(_DIGRAPHS))
# These patterns begin with a rare character, since a search that begins with a word or a lookbehind is slow.
_CONTINUATIONS = r"\r?\n(?:\\\r?\n)*+"
_DIVIDED = re.compile(
    rf"\\(?:(?<=[\w/]\\)({_CONTINUATIONS})([\w*/]\w*+)|(?<=\*\\)({_CONTINUATIONS})(/))((?:\\\r?\n)*+)"
)
_DIGIT_SEPARATOR = re.compile(r"'(?:(?<=\d')(?<![uU]8')(?=[\dA-Fa-f])|(?<=[\dA-Fa-f]{4}')(?=[\dA-Fa-f]{4}))")


def normalize_spelling(text: str) -> str:
    """Replace digraphs, join divided tokens, and remove the separators of digits.

    A digraph becomes its bracket and a space. A continuation inside a name, a number, `/*`, `//` or `*/` moves behind
    it. A separator such as that of `1'000` becomes a digit.
    """
    if any(digraph in text for digraph in _DIGRAPHS):
        text = _DIGRAPH.sub(lambda match: _DIGRAPHS[match[0]], text)
    if "\\\n" in text or "\\\r\n" in text:
        text = _DIVIDED.sub(_join, text)
    if "'" in text:
        text = _DIGIT_SEPARATOR.sub("0", text)
    return text


def _join(match: re.Match[str]) -> str:
    continuations, after = match.group(1, 2) if match[1] else match.group(3, 4)
    return f"{after}\\{continuations}{match[5]}"
