"""Errors that a user can fix. Each one states what is wrong, where, and what to do."""

import contextlib
import difflib
import importlib
import re
import shlex
import sys
import unicodedata
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any


class SeqforgeError(Exception):
    """An error that the user can fix. The command line prints it without a traceback.

    Args:
        message: What is wrong and where: file, key and value.
        hint: What the user should do. The text of the exception contains it.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class ExperimentError(SeqforgeError):
    """An experiment that cannot be run as written."""


class PluginError(SeqforgeError):
    """A plugin or a component that is missing, broken, or written for another version of the interfaces."""


class DataError(SeqforgeError):
    """A corpus that is empty, too short, unreadable, or contains symbols outside the vocabulary."""


@contextlib.contextmanager
def located(place: str) -> Generator[None]:
    """Put a place, such as the name of a document, before the message of a `DataError` that the block raises.

    Raises:
        DataError: If the block raises one.
    """
    try:
        yield
    except DataError as error:
        raise DataError(f"{place}: {error.message}", hint=error.hint) from error


class RunError(SeqforgeError):
    """A run directory or checkpoint that cannot be used, a file that cannot be written, or a run that has to stop."""


class NonFiniteError(RunError):
    """The loss, its gradient or a parameter is infinite or not a number."""


def warn(message: str) -> None:
    """Print one line on stderr. Do nothing if stderr is closed."""
    with contextlib.suppress(OSError, ValueError):  # A closed stream raises a ValueError.
        if sys.stderr is not None:  # pyright: ignore[reportUnnecessaryComparison]
            sys.stderr.write(f"seqforge: {printable(message)}\n")


def import_library(module: str, package: str) -> Any:
    """Import and return a module of a library that a plugin needs only for some of its components.

    The package is what installs it, such as `seqforge-essentials[parquet]`.

    Raises:
        PluginError: If it, or a module that it needs, is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise PluginError(
            f"the library cannot be imported: {error}", hint=f"To install it: pip install '{package}'"
        ) from error


_OUT_OF_MEMORY = (
    "can't allocate memory",
    "out of memory",
    "not enough memory",
    "failed to map segment",
    "Storage size calculation overflowed",
    "Overflow when unpacking long",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means that memory is exhausted. Torch raises a RuntimeError with such a message."""
    return isinstance(error, MemoryError) or any(phrase in str(error) for phrase in _OUT_OF_MEMORY)


MAXIMUM_NAMES = 12
"""Largest number of names that a hint lists."""


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that is most similar to a mistyped name, or None if none is similar. Case is ignored.

    A name may also be the initials of a candidate, such as `lr`.
    """
    by_lower_case = {candidate.lower(): candidate for candidate in candidates}
    matches = difflib.get_close_matches(name.lower(), by_lower_case, n=1, cutoff=0.6)
    matches += [each for each in by_lower_case if "_" in each and _initials(each) == name.lower()]
    return by_lower_case[matches[0]] if matches else None


def _initials(name: str) -> str:
    return "".join(word[:1] for word in name.split("_"))


def did_you_mean(name: str, candidates: Iterable[str], see_all: str = "") -> str:
    """Return a hint such as "Did you mean 'lstm'?", or one that lists the candidates if none is similar.

    Of more than 12 candidates, it lists the 12 nearest, and adds `see_all`, a sentence that says where all are listed.
    """
    names = sorted(candidates)
    match = nearest(name, names)
    if match:
        return f"Did you mean {match!r}?"
    if not names:
        return "None is installed."
    if len(names) <= MAXIMUM_NAMES:
        return f"Known: {', '.join(names)}."
    similar = sorted(names, key=lambda one: -difflib.SequenceMatcher(None, one.lower(), name.lower()).ratio())
    shown = sorted(similar[:MAXIMUM_NAMES])
    return f"Known: {', '.join(shown)}, and {len(names) - len(shown)} more. {see_all}".rstrip()


def describe_type(value: object) -> str:
    """Return the type of a value with its article, such as "an int". None and bytes have no article."""
    if value is None or isinstance(value, bytes):
        return "None" if value is None else "bytes"
    return with_article(type(value).__name__)


def with_article(name: str) -> str:
    """Return a name with its article, such as "an Example"."""
    return f"{'an' if _VOWEL.match(name) else 'a'} {name}"


_VOWEL = re.compile(r"[aeio]|u(?!ni|se)|ndarray", re.IGNORECASE)
"""Beginning of the name of a type with the article "an"."""


def quote_path(path: str | Path) -> str:
    """Return a path as it is typed in a command: in quotes if it has spaces or other characters with a meaning."""
    return shlex.quote(str(path))


def printable(text: str) -> str:
    """Escape the control characters of a text, except newline and tab. They could change the state of a terminal."""
    controls = {symbol for symbol in {*text} if unicodedata.category(symbol) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    controls -= {*"\n\t\u200c\u200d"}  # Scripts such as Persian, and emoji, need the zero-width joiners.
    return "".join(symbol.encode("unicode_escape").decode() if symbol in controls else symbol for symbol in text)
