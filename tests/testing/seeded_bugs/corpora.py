"""Corpora that are wrong."""

from collections.abc import Iterator
from typing import ClassVar

from seeded_bugs.bug import bug
from seqforge.errors import DataError
from seqforge.kinds import Corpus, Document, WorkProgressed
from seqforge.kinds.corpus import PART_SIZE
from seqforge.testing.corpus_suite import CorpusSuite


class Poems(Corpus):
    """A correct corpus of three documents."""

    def documents(self) -> Iterator[Document]:
        for number in range(3):
            yield Document(f"poems/{number}.txt", f"poem {number}".encode())

    def fingerprint(self) -> str:
        return "poems-3"

    def describe(self) -> str:
        return "three poems"


@bug(
    CorpusSuite,
    "test_documents_are_the_same_in_every_pass",
    "a second pass does not yield the same: expected 3 documents, got 0",
)
class ReadOnce(Poems):
    """`documents` returns an iterator that was created in `__init__`."""

    def __init__(self):
        self.iterator = super().documents()

    def documents(self):
        return self.iterator


@bug(CorpusSuite, "test_documents_conform", "documents returned a list, not an iterator")
class ReturnsAList(Poems):
    """`documents` returns a list."""

    def documents(self):
        return list(super().documents())


@bug(CorpusSuite, "test_documents_conform", "two documents have the name 'poem'")
class EqualNames(Poems):
    """Two documents have the same name."""

    def documents(self):
        yield Document("poem", b"one")
        yield Document("poem", b"two")


@bug(CorpusSuite, "test_documents_conform", "the document 'poem' is not UTF-8")
class Latin1(Poems):
    """A document is in Latin-1."""

    def documents(self):
        yield Document("poem", "Gr\xfc\xdfe".encode("latin-1"))


@bug(CorpusSuite, "test_documents_conform", "the name '/home/me/poem.txt' is not a relative, path-like name")
class AbsoluteNames(Poems):
    """Names are absolute paths."""

    def documents(self):
        yield Document("/home/me/poem.txt", b"one")


@bug(
    CorpusSuite, "test_documents_are_the_same_in_every_pass", "the name or order of document 0 differs in a second pass"
)
class Unordered(Poems):
    """The order of documents changes."""

    passes = 0

    def documents(self):
        Unordered.passes += 1
        yield from sorted(super().documents(), key=lambda each: each.name, reverse=Unordered.passes % 2 == 0)


@bug(CorpusSuite, "test_documents_conform", "the documents are in the order of `hash`, which differs in every process")
class InASet(Poems):
    """The names of documents are in a set."""

    def documents(self):
        for name in {f"poems/{number}.txt" for number in range(40)}:
            yield Document(name, name.encode())


@bug(CorpusSuite, "test_the_fingerprint_is_stable", "the fingerprint of another corpus differs")
class FingerprintOfTheObject(Poems):
    """The fingerprint is that of the object."""

    def fingerprint(self):
        return str(id(self))


@bug(CorpusSuite, "test_one_document_is_in_memory_at_a_time", "the whole corpus is in memory at once")
class AllInMemory(Poems):
    """All documents are in memory at once."""

    def documents(self):
        yield from [Document(f"{number}", bytes(1 << 18)) for number in range(64)]


@bug(CorpusSuite, "test_reading_with_progress_yields_the_same", "`read` yields other documents than `documents`")
class ReadsLess(Poems):
    """`read` yields less than `documents`."""

    def read(self, report):
        report(WorkProgressed("reading", 0.5))
        return iter(list(self.documents())[:1])


@bug(CorpusSuite, "test_the_description_is_short", "describe returned …, not one or two lines")
class LongDescription(Poems):
    """The description is long."""

    def describe(self):
        return "poem\n" * 10


@bug(CorpusSuite, "test_documents_conform", "two documents have the name 'large'")
class PartsThatAreApart(Poems):
    """The parts of a large document do not follow each other."""

    def documents(self):
        yield Document("large", bytes(PART_SIZE))
        yield Document("small", b"one")
        yield Document("large", b"two")


@bug(CorpusSuite, "test_documents_conform", "the corpus yields nothing: expected at least one document, or a DataError")
class YieldsNothing(Poems):
    """There is no document."""

    def documents(self):
        yield from ()


@bug(
    CorpusSuite,
    "test_documents_are_the_same_in_every_pass",
    "the content of document 0 ('poem') differs in a second pass",
)
class CountsPasses(Poems):
    """A document contains the number of the pass."""

    passes = 0

    def documents(self):
        CountsPasses.passes += 1
        yield Document("poem", str(CountsPasses.passes).encode())


@bug(
    CorpusSuite,
    "test_reading_with_progress_yields_the_same",
    "`read` reports something else than its progress: expected WorkProgressed, got 0.5",
)
class ReportsFractions(Poems):
    """The progress is a number."""

    def read(self, report):
        report(0.5)
        return self.documents()


class Unreadable(CorpusSuite):
    unreadable: ClassVar = {"missing": lambda: MissingFile()}


@bug(
    Unreadable, "test_a_missing_source_is_a_data_error", "`documents` of an unreadable source raises FileNotFoundError"
)
class MissingFile(Poems):
    """A missing file is an `OSError`."""

    def documents(self):
        yield Document("poem", open("/no/such/file", "rb").read())  # noqa: PTH123, SIM115


class Damaged(CorpusSuite):
    unreadable: ClassVar = {"damaged": lambda: ErrorWithoutAMessage()}


@bug(Damaged, "test_a_missing_source_is_a_data_error", "the DataError that `documents` raises has no message")
class ErrorWithoutAMessage(Poems):
    """A damaged file is an error without a message."""

    def documents(self):
        yield Document("poem", b"one")
        raise DataError(" ")


class Missing(CorpusSuite):
    unreadable: ClassVar = {"missing": lambda: IgnoresWhatIsMissing()}


@bug(Missing, "test_a_missing_source_is_a_data_error", "`documents` reads an unreadable source: expected a DataError")
class IgnoresWhatIsMissing(Poems):
    """A missing folder has no documents."""

    def documents(self):
        yield from ()
