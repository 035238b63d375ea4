"""Corpora that are wrong."""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np

from seeded_bugs.bug import Bug
from seqforge.kinds import (
    Classes,
    Corpus,
    Document,
    Example,
    ExampleSpec,
    LabelledCorpus,
    Text,
    WorkProgressed,
)
from seqforge.testing import CorpusSuite


class Poems(Corpus):
    """A correct corpus of three documents."""

    def documents(self) -> Iterator[Document]:
        for number in range(3):
            yield Document(f"poems/{number}.txt", f"poem {number}".encode())

    def fingerprint(self) -> str:
        return "poems-3"

    def describe(self) -> str:
        return "three poems"


class ReadOnce(Poems):
    """`documents` returns an iterator that was created in `__init__`."""

    def __init__(self):
        self.iterator = super().documents()

    def documents(self):
        return self.iterator


class ReturnsAList(Poems):
    """`documents` returns a list."""

    def documents(self):
        return list(super().documents())


class EqualNames(Poems):
    """Two documents have the same name."""

    def documents(self):
        yield Document("poem", b"one")
        yield Document("poem", b"two")


class Latin1(Poems):
    """A document is in Latin-1."""

    def documents(self):
        yield Document("poem", "Gr\xfc\xdfe".encode("latin-1"))


class AbsoluteNames(Poems):
    """Names are absolute paths."""

    def documents(self):
        yield Document("/home/me/poem.txt", b"one")


class Unordered(Poems):
    """The order of documents changes."""

    passes = 0

    def documents(self):
        Unordered.passes += 1
        yield from sorted(super().documents(), key=lambda each: each.name, reverse=Unordered.passes % 2 == 0)


class FingerprintOfTheObject(Poems):
    """The fingerprint is that of the object."""

    def fingerprint(self):
        return str(id(self))


class AllInMemory(Poems):
    """All documents are in memory at once."""

    def documents(self):
        yield from [Document(f"{number}", bytes(1 << 18)) for number in range(64)]


class ReadsLess(Poems):
    """`read` yields less than `documents`."""

    def read(self, report):
        report(WorkProgressed("reading", 0.5))
        return iter(list(self.documents())[:1])


class LongDescription(Poems):
    """The description is long."""

    def describe(self):
        return "poem\n" * 10


class MissingFile(Poems):
    """A missing file is an `OSError`."""

    def documents(self):
        yield Document("poem", open("/no/such/file", "rb").read())  # noqa: PTH123, SIM115


class Unreadable(CorpusSuite):
    unreadable: ClassVar = {"missing": MissingFile}


class Parity(LabelledCorpus):
    """A correct corpus of labelled examples."""

    def __init__(self, numbers: int = 4) -> None:
        self.numbers = numbers

    @classmethod
    def example_spec(cls, options):
        return ExampleSpec(Text(), "sequence", Classes(("even", "odd")), "once")

    def examples(self):
        for number in range(self.numbers):
            yield Example(f"number-{number}", str(number), number % 2)

    def fingerprint(self):
        return f"parity-{self.numbers}"

    def describe(self):
        return f"the numbers below {self.numbers}"


class ClassThatDoesNotExist(Parity):
    """The index of a class is too large."""

    def examples(self):
        yield Example("number-2", "2", 2)


class LabelForEveryStep(Parity):
    """A target for every step is too short."""

    @classmethod
    def example_spec(cls, options):
        return ExampleSpec(Text(), "sequence", Classes(("even", "odd")), "every step")

    def examples(self):
        yield Example("number-12", "12", np.array([1]))


BUGS = (
    Bug(
        CorpusSuite,
        "test_documents_are_the_same_in_every_pass",
        ReadOnce,
        "a second pass does not yield the same: expected 3 documents, got 0",
    ),
    Bug(
        CorpusSuite,
        "test_documents_are_the_same_in_every_pass",
        Unordered,
        "the name or order of document 0 differs in a second pass",
    ),
    Bug(CorpusSuite, "test_documents_conform", ReturnsAList, "documents returned a list, not an iterator"),
    Bug(CorpusSuite, "test_documents_conform", EqualNames, "two documents have the name 'poem'"),
    Bug(CorpusSuite, "test_documents_conform", Latin1, "the document 'poem' is not UTF-8"),
    Bug(
        CorpusSuite,
        "test_documents_conform",
        AbsoluteNames,
        "the name '/home/me/poem.txt' is not a relative, path-like name",
    ),
    Bug(
        CorpusSuite,
        "test_documents_conform",
        ClassThatDoesNotExist,
        "the target of 'number-2' does not fit the example spec",
    ),
    Bug(
        CorpusSuite,
        "test_documents_conform",
        LabelForEveryStep,
        "the target of 'number-12' does not have one entry for every step of the input: expected 2, got 1",
    ),
    Bug(
        CorpusSuite,
        "test_the_fingerprint_is_stable",
        FingerprintOfTheObject,
        "the fingerprint of another corpus differs",
    ),
    Bug(CorpusSuite, "test_one_document_is_in_memory_at_a_time", AllInMemory, "the whole corpus is in memory at once"),
    Bug(
        CorpusSuite,
        "test_reading_with_progress_yields_the_same",
        ReadsLess,
        "`read` yields other documents than `documents`",
    ),
    Bug(CorpusSuite, "test_the_description_is_short", LongDescription, "describe returned …, not one or two lines"),
    Bug(
        Unreadable,
        "test_a_missing_source_is_a_data_error",
        MissingFile,
        "`documents` of an unreadable source raises FileNotFoundError",
    ),
)
