"""Corpora: where text comes from."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Document:
    """One named text of a corpus.

    Attributes:
        name: A stable, path-like name, unique in the corpus. Splits by document hash it.
        content: The text in UTF-8. Bytes that are not valid UTF-8 are the corpus's to convert or to refuse.
    """

    name: str
    content: bytes


class Corpus(ABC):
    """Yields named documents; the engine does vocabulary, encoding, caching, splits and batches.

    An `__init__` must be cheap: it keeps options, and reads nothing large.
    """

    @abstractmethod
    def documents(self) -> Iterator[Document]:
        """Yield every document, in a stable order, one in memory at a time.

        Raises:
            DataError: Where the source is missing, unreadable or empty.
        """

    @abstractmethod
    def fingerprint(self) -> str:
        """Digest the source and the options: the same digest only where `documents` would yield the same.

        Must be much cheaper than reading the documents. The engine names its cache of encoded tokens by it.

        Raises:
            DataError: Where the source is missing or unreadable.
        """

    @abstractmethod
    def describe(self) -> str:
        """Say in a line or two what will be read and where it was found, for the person who waits."""
