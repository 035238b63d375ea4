"""Corpora: sources of named text documents. Also the type of their path options."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import AfterValidator, ValidationInfo

from seqforge.events import Report
from seqforge.storage.paths import expand_home


@dataclass(frozen=True, slots=True)
class Document:
    """A named text of a corpus.

    Attributes:
        name: Stable, path-like name, unique in the corpus. A split by document depends on a hash of it.
        content: Text in UTF-8. A corpus must convert or refuse other encodings.
    """

    name: str
    content: bytes


class Corpus(ABC):
    """A source of named documents. The engine encodes, caches, splits and batches them.

    `__init__` must only store its options, and read no data.
    """

    @abstractmethod
    def documents(self) -> Iterator[Document]:
        """Yield every document, in a stable order, one in memory at a time.

        Raises:
            DataError: If the source is missing, unreadable or empty.
        """

    def read(self, report: Report) -> Iterator[Document]:
        """Yield every document, as `documents` does, and report progress in between. The engine calls this method.

        Replace it if your corpus can read for seconds without a document, as from an archive of which few files are
        selected.

        Args:
            report: Function to call repeatedly with a `WorkProgressed`. The engine reports the documents itself.
        """
        return self.documents()

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a digest of the source and the options. Equal digests mean that `documents` yields the same.

        It must take much less time than reading the documents, since the engine uses it as the key of its cache.

        Raises:
            DataError: If the source is missing or unreadable.
        """

    @abstractmethod
    def describe(self) -> str:
        """Return one or two lines for the user about the source and its location."""


def _resolve(path: Path, info: ValidationInfo) -> Path:
    """Join a path to the folder of the experiment, after expanding a leading `~`."""
    context = cast("dict[str, Any]", info.context or {})
    folder: Path = context.get("folder", Path.cwd())
    return folder / expand_home(path)


ExperimentPath = Annotated[Path, AfterValidator(_resolve)]
"""A path option of a component, relative to the experiment file, or to the current folder if there is no file."""
