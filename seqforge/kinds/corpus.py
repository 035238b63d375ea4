"""Corpora: sources of named text documents. Also the type of their path options."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

from pydantic import AfterValidator, ValidationInfo

from seqforge.errors import DataError, describe_type, with_article
from seqforge.events import Report
from seqforge.faults import wrong_result
from seqforge.storage.paths import expand_home

__all__ = ["Corpus", "Document", "ExperimentPath"]


PART_SIZE = 1 << 24
"""Size in bytes from which a document may be divided."""


@dataclass(frozen=True, slots=True)
class Document:
    """A named text of a corpus.

    A long document may come in parts of at least `PART_SIZE` bytes, except for the last: consecutive documents of the
    same name.

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
            report: Function to call repeatedly with a `WorkProgressed`. The engine reports the number of documents
                itself. Of an event whose `work` is "encoding", it uses only the `fraction`.
        """
        return self.documents()

    def weights(self) -> Mapping[str, float]:
        """Return the weight of each source in training, if there are several; by default none.

        The first part of the name of a document, before the first slash, is that of its source. In training, the
        sources have shares of the tokens in proportion to their weights, which are positive.
        """
        return {}

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a text that differs if the source has changed, such as a hash of a file.

        It is empty if the options and the code, which the engine compares itself, determine the documents. It must take
        much less time than reading the documents, since it is a part of the key of the engine's cache.

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


ItemT = TypeVar("ItemT")


def read_items(items: Any, kind: type[ItemT], method: Callable[[], object]) -> Iterator[ItemT]:
    """Yield the documents or the examples of a corpus, and convert its OSErrors to DataErrors.

    The cache would report an OSError as a failure to write the cache. The items are what the method of the corpus
    returned: they should be an iterator of the kind.

    Raises:
        DataError: If the corpus raises an OSError.
        PluginError: If the corpus yields something else.
    """
    if not isinstance(items, Iterator):
        raise wrong_result(method, f"returned {describe_type(items)}, not an iterator")
    try:
        for item in cast("Iterator[Any]", items):
            if not isinstance(item, kind):
                raise wrong_result(method, f"yielded {describe_type(item)}, not {with_article(kind.__name__)}")
            content = getattr(item, "content", b"")
            if not isinstance(content, bytes):
                raise wrong_result(method, f"yielded a Document whose content is {describe_type(content)}, not bytes")
            yield item
    except OSError as error:
        raise DataError(f"the corpus cannot be read: {error}") from error


def read_fingerprint(corpus: Any) -> str:
    """Return the fingerprint of a corpus, labelled or not.

    Raises:
        PluginError: If it is not text.
    """
    text: Any = corpus.fingerprint()
    if isinstance(text, str):
        return text
    raise wrong_result(corpus.fingerprint, f"returned {describe_type(text)}, not text")


def read_description(corpus: Any) -> str:
    """Return the description of a corpus, labelled or not.

    Raises:
        PluginError: If it is not one or two lines of text.
    """
    text: Any = corpus.describe()
    if isinstance(text, str) and 1 <= len(text.strip().splitlines()) <= 2:
        return text
    raise wrong_result(corpus.describe, f"returned {text!r:.60}, not one or two lines")
