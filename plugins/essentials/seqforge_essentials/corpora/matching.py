"""Glob patterns to files, with an answer for the person whose pattern matches nothing."""

from collections.abc import Iterable
from pathlib import Path

from seqforge.errors import DataError


def match_files(patterns: Iterable[Path]) -> list[Path]:
    """Find the files that any of some patterns matches.

    A pattern may hold `*`, `?`, `[…]` and `**`, which stands for any number of folders; at the end of a pattern `**`
    stands for every file below. Files and folders whose names begin with a dot match only a pattern that has such a
    name itself. The part of a pattern that exists as it is written is taken literally, whatever characters it has.

    Args:
        patterns: Paths that may be patterns.

    Returns:
        The files in order of their paths, each once.

    Raises:
        DataError: Where a pattern matches no file, or a folder cannot be read.
    """
    return sorted({path for pattern in patterns for path in _matches(pattern)})


def _matches(pattern: Path) -> list[Path]:
    try:
        if pattern.is_file():
            return [pattern.parent.resolve() / pattern.name]
        if pattern.exists():
            raise DataError(f"{pattern} is not a file", hint=f"For every file below it, write {pattern / '**'}.")
        folder = next(parent for parent in pattern.parents if parent.is_dir())
        found = _glob(folder.resolve(), pattern.parts[len(folder.parts) :])
    except OSError as error:
        raise DataError(f"{error.filename}: {error.strerror}", hint="Check that you may read it.") from error
    except ValueError as error:
        raise DataError(
            f"{pattern} is not a pattern: {error}", hint="`**` must stand alone between slashes."
        ) from error
    if not found:
        raise DataError(f"no file matches {pattern}", hint=f"The nearest folder that exists is {folder}.")
    return found


def _glob(folder: Path, parts: tuple[str, ...]) -> list[Path]:
    # Before Python 3.13, a `**` at the end matches folders alone.
    pattern = "/".join((*parts, "*") if parts[-1] == "**" else parts)
    hidden_too = any(part.startswith(".") for part in parts)
    return [
        path
        for path in folder.glob(pattern)
        if path.is_file() and (hidden_too or not _is_hidden(path.relative_to(folder)))
    ]


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
