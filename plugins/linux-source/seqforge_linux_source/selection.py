"""Which files of a source become documents."""

from collections.abc import Sequence

import pathspec

from seqforge.errors import ExperimentError


class Selection:
    """Chooses files by name: patterns in, patterns out, and the ending.

    Patterns are those of `.gitignore`: `kernel/**` is everything in `kernel/`, `*.h` every header anywhere, and a
    pattern after a `!` takes back what one before it matched.

    Args:
        include: Patterns of which a name must match one.
        exclude: Patterns of which it must match none.
        suffixes: Endings of which it must have one.

    Raises:
        ExperimentError: Where a pattern is none.
    """

    def __init__(self, include: Sequence[str], exclude: Sequence[str], suffixes: Sequence[str]) -> None:
        self.include = tuple(include)
        self.exclude = tuple(exclude)
        self.suffixes = tuple(suffixes)
        self._include = _compile("include", include)
        self._exclude = _compile("exclude", exclude)

    def accepts(self, name: str) -> bool:
        """Tell whether a file becomes a document.

        Args:
            name: Relative to the kernel's root.
        """
        # The ending first: it is the cheapest to look at, and turns away the most.
        return name.endswith(self.suffixes) and self._include.match_file(name) and not self._exclude.match_file(name)

    def __str__(self) -> str:
        return f"include {list(self.include)}, exclude {list(self.exclude)}, suffixes {list(self.suffixes)}"


def _compile(option: str, patterns: Sequence[str]) -> pathspec.GitIgnoreSpec:
    try:
        return pathspec.GitIgnoreSpec.from_lines(patterns)
    except ValueError as error:
        raise ExperimentError(
            f"linux-source: {option}: {error}", hint='Patterns are those of .gitignore, such as "kernel/**".'
        ) from error
