"""Problems in an experiment, each with its key."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem in an experiment.

    Attributes:
        key: Dotted key in the experiment file, such as `model.cells.0.hidden_size`.
        message: Description of the problem.
        hint: How to solve it in an experiment file or on the command line. `{key}` stands for the key.
        python_hint: How to solve it in Python, if that is written differently; otherwise empty.
        unknown: Name of the key, if its table has no such key; otherwise empty.
    """

    key: str
    message: str
    hint: str = ""
    python_hint: str = ""
    unknown: str = ""

    def __str__(self) -> str:
        return self.describe()

    def describe(self, *, in_python: bool = False) -> str:
        """Return the key, the message and the hint in one line, with the hint for Python if the user writes Python."""
        hint = (self.python_hint if in_python else "") or self.hint
        return f"{self.key}: {self.message}" + (f". {hint.replace('{key}', self.key)}" if hint else "")


def join_key(*parts: str | int) -> str:
    """Join the parts of a key with dots. Empty parts are left out."""
    return ".".join(str(part) for part in parts if part != "")


def format_value(value: Any) -> str:
    """Format a value for a message: as in TOML, and shortened to 60 characters."""
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
