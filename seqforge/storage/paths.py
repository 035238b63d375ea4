"""Paths that a user names, and the path of the cache folder."""

import os
from pathlib import Path

import platformdirs

from seqforge.errors import RunError, describe_type

CACHE_VARIABLE = "SEQFORGE_CACHE"
"""Environment variable that sets the cache folder."""


def cache_folder() -> Path:
    """Return the cache folder: that in the environment variable `SEQFORGE_CACHE`, or the user's cache directory.

    Raises:
        RunError: If there is no home directory, or `SEQFORGE_CACHE` refers to that of an unknown user.
    """
    folder = os.environ.get(CACHE_VARIABLE)
    try:
        path = expand_home(folder) if folder else platformdirs.user_cache_path("seqforge", appauthor=False)
        if folder or path.is_absolute():
            return path
    except ValueError as error:
        raise RunError(f"{CACHE_VARIABLE}: {error}") from error
    except RuntimeError:  # in a container, the user may have no entry in /etc/passwd
        pass
    raise RunError(
        "there is no cache folder, since this user has no home directory",
        hint=f"Set the environment variable {CACHE_VARIABLE} to a folder that you can write to.",
    )


def as_path(value: str | Path, argument: str) -> Path:
    """Return an argument of a function of the Python API as a path.

    Raises:
        RunError: If it is neither a text nor a path.
    """
    if not isinstance(value, str | os.PathLike):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise RunError(f"{argument} is {describe_type(value)}, not a path", hint='For example: "folder/name".')
    return Path(value)


def is_utf8(text: str) -> bool:
    """Return whether a text can be encoded in UTF-8. Text from a shell or a file system may contain other bytes."""
    return text.encode(errors="ignore").decode() == text


def expand_home(path: str | Path) -> Path:
    """Replace a leading `~` or `~name` by the home directory.

    Raises:
        ValueError: If there is no such user or home directory.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{path}: there is no user of that name, or no home directory") from error
