"""Properties of each character of a text that a unit of a model may represent, for any text and C in particular."""

import io
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

TAB = 8
"""Columns of a tab."""

DEEPEST = 12
"""Largest depth of brackets that is distinguished."""

_TOKEN = re.compile(
    r"(?P<comment>/\*(?:[^*]|\*(?!/))*+(?:\*/)?|//[^\n]*+)"
    r"|(?P<quote>\"(?:\\.|[^\"\\\n])*+\"?|'(?:\\.|[^'\\\n]){1,4}')"
    r"|(?P<condition>\bif\s*+\()|(?P<open>[(\[{])|(?P<close>[)\]}])"
)

Values = NDArray[np.float64]


def find_properties(symbols: Sequence[str]) -> dict[str, Values]:
    """Return the properties of a text after each of its symbols.

    Args:
        symbols: The text as symbols of one or more characters.

    Returns:
        Values `[symbols]` by the name of the property: yes (1) or no (0), or a number.
    """
    text = "".join(symbols)
    # A symbol has the property of its last character.
    ends = np.maximum(np.cumsum([len(symbol) for symbol in symbols]) - 1, 0)
    values = {**_nesting(text), **_layout(text)}
    return {name: value[ends] for name, value in values.items()}


def _nesting(text: str) -> dict[str, Values]:
    """Return the properties of each character that depend on brackets, quotation marks and comments."""
    depth, quoted, commented, condition = (np.zeros(len(text)) for _ in range(4))
    level = 0
    conditions: list[int] = []
    for match in _TOKEN.finditer(text):
        start, stop = match.span()
        match match.lastgroup:
            case "comment":
                commented[start + 1 : stop - match[0].endswith("*/")] = 1
            case "quote":
                quoted[start : stop - 1] = 1
            case "close":
                # The difference is summed below; a bracket without its match changes nothing.
                if conditions and conditions[-1] == level:
                    condition[stop - 1] -= 1
                    conditions.pop()
                if level:
                    depth[stop - 1] -= 1
                    level -= 1
            case group:
                level += 1
                depth[stop - 1] += 1
                if group == "condition":
                    condition[stop - 1] += 1
                    conditions.append(level)
    return {
        "bracket depth": np.minimum(np.cumsum(depth), DEEPEST),
        "inside quotation marks": quoted,
        "inside a comment": commented,
        "inside if (…)": np.minimum(np.cumsum(condition), 1),
    }


def _layout(text: str) -> dict[str, Values]:
    """Return the properties of each character that depend on its line."""
    position, indentation = np.zeros(len(text)), np.zeros(len(text))
    start = 0
    for line in io.StringIO(text, newline="\n"):  # Other characters, such as a form feed, do not end a line.
        stop = start + len(line)
        position[start:stop] = np.arange(1, len(line) + 1)
        columns = 0
        for index, character in enumerate(line):
            if character not in " \t":
                indentation[start + index : stop] = columns
                break
            columns += TAB - columns % TAB if character == "\t" else 1
            indentation[start + index] = columns
        if line.endswith("\n"):  # After a line break, a new line begins.
            position[stop - 1] = indentation[stop - 1] = 0
        start = stop
    return {"position in the line": position, "indentation": indentation}
