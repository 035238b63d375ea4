"""What every place that holds Linux source can do."""

from collections.abc import Generator
from typing import Protocol, runtime_checkable

from seqforge_linux_source.selection import Selection

LARGEST_FILE = 64 << 20
"""Bytes of the largest file that is read; the largest in Linux 6.12 has 24 MB."""


@runtime_checkable
class DecoderContext(Protocol):
    """A place that holds files under names relative to the kernel's root."""

    def files(self, selection: Selection) -> Generator[tuple[str, bytes]]:
        """Read the selected files, one in memory at a time, in a stable order.

        Args:
            selection: Which files.

        Yields:
            Names and contents.

        Raises:
            DataError: Where the place is unreadable, or a file larger than `LARGEST_FILE`.
        """
        ...

    def fingerprint(self, selection: Selection) -> str:
        """Digest what `files` would yield, at much less than its cost.

        Args:
            selection: Which files.

        Raises:
            DataError: Where the place is unreadable.
        """
        ...

    def describe(self) -> str:
        """Say what the place is and where, in a sentence."""
        ...
