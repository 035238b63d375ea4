"""Errors that a user can mend: what is wrong, where, and what to do about it."""

import contextlib
import difflib
import sys
from collections.abc import Iterable


class SeqforgeError(Exception):
    """A mistake or a mishap that the user can mend; the command line prints it without a traceback.

    Args:
        message: What is wrong and where: the file, the key, the value.
        hint: What to do about it.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class ExperimentError(SeqforgeError):
    """An experiment that cannot be run as it is written."""


class PluginError(SeqforgeError):
    """A plugin that is missing, broken, or made for another version of the interfaces."""


class DataError(SeqforgeError):
    """A corpus that is empty, too short, unreadable, or holds what the vocabulary does not."""


class RunError(SeqforgeError):
    """A run directory or checkpoint that cannot be used, or a run that had to stop."""


class NonFiniteError(RunError):
    """The loss, its gradient or a parameter is infinite or not a number."""


def warn(message: str) -> None:
    """Print one line on stderr; do nothing if stderr is closed.

    Args:
        message: The text of the line.
    """
    with contextlib.suppress(OSError):
        print(f"seqforge: {message}", file=sys.stderr)  # noqa: T201 - the only line that the core prints


_OUT_OF_MEMORY = ("can't allocate memory", "out of memory", "not enough memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Tell a want of memory, which torch says in words alone, from a fault.

    Args:
        error: What was raised.
    """
    return isinstance(error, MemoryError) or any(phrase in str(error) for phrase in _OUT_OF_MEMORY)


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Find the candidate that a mistyped name most likely meant, whatever its case.

    Args:
        name: The name as written.
        candidates: The names that would have been right.

    Returns:
        The nearest candidate, or None where nothing is close.
    """
    by_lower_case = {candidate.lower(): candidate for candidate in candidates}
    matches = difflib.get_close_matches(name.lower(), by_lower_case, n=1, cutoff=0.6)
    return by_lower_case[matches[0]] if matches else None


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Phrase a suggestion: "did you mean 'lstm'?", or the whole list where nothing is close.

    Args:
        name: The name as written.
        candidates: The names that would have been right.

    Returns:
        One sentence.
    """
    known = sorted(candidates)
    match = nearest(name, known)
    if match:
        return f"Did you mean {match!r}?"
    return f"Known: {', '.join(known)}." if known else "None is installed."
