"""Documents kept in a file while a vocabulary learns from them."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from seqforge.interfaces import Document, Vocabulary


@contextmanager
def learnt_from(documents: Iterator[Document], vocabulary: Vocabulary, folder: Path) -> Generator[Iterator[Document]]:
    """Show a vocabulary every document, and give them all once more.

    Reading a corpus twice (decompressing an archive, say) would cost more than writing and reading a file.

    Args:
        documents: The corpus.
        vocabulary: Learns.
        folder: Where the file lies meanwhile.

    Yields:
        The documents again.
    """
    path = folder / "spool.tmp"
    index: list[tuple[str, int]] = []
    with path.open("w+b") as spool:

        def contents() -> Iterator[bytes]:
            for document in documents:
                spool.write(document.content)
                index.append((document.name, len(document.content)))
                yield document.content

        shown = contents()
        vocabulary.learn(shown)
        for _ in shown:
            pass  # A vocabulary that has seen enough may stop; the rest is to be encoded all the same.
        spool.seek(0)
        yield (Document(name, spool.read(length)) for name, length in index)
    path.unlink()
