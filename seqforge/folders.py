"""Folders of the user's: the home directory, and where encoded corpora and downloads are kept."""

import os
from pathlib import Path

import platformdirs

from seqforge.errors import RunError

CACHE_VARIABLE = "SEQFORGE_CACHE"


def cache_folder() -> Path:
    """Give the folder of what can be made anew: `SEQFORGE_CACHE`, or the user's cache directory.

    Raises:
        RunError: Where `SEQFORGE_CACHE` begins with the home directory of nobody.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    if not chosen:
        return platformdirs.user_cache_path("seqforge", appauthor=False)
    try:
        return expanded(chosen)
    except ValueError as error:
        raise RunError(f"{CACHE_VARIABLE}: {error}") from error


def expanded(path: str | Path) -> Path:
    """Put a home directory in the place of a leading `~` or `~name`.

    Args:
        path: Any path.

    Raises:
        ValueError: Where there is no such user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{path}: there is no user of that name, or no home directory") from error
