"""Corpora that are wrong."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import numpy as np

from seeded_bugs.bug import bug
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


class Unreadable(CorpusSuite):
    unreadable: ClassVar = {"missing": lambda: MissingFile()}


@bug(
    Unreadable, "test_a_missing_source_is_a_data_error", "`documents` of an unreadable source raises FileNotFoundError"
)
class MissingFile(Poems):
    """A missing file is an `OSError`."""

    def documents(self):
        yield Document("poem", open("/no/such/file", "rb").read())  # noqa: PTH123, SIM115


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


@bug(CorpusSuite, "test_documents_conform", "the target of 'number-2' does not fit the example spec")
class ClassThatDoesNotExist(Parity):
    """The index of a class is too large."""

    def examples(self):
        yield Example("number-2", "2", 2)


@bug(
    CorpusSuite,
    "test_documents_conform",
    "the target of 'number-12' does not have one entry for every step of the input: expected 2, got 1",
)
class LabelForEveryStep(Parity):
    """A target for every step is too short."""

    @classmethod
    def example_spec(cls, options):
        return ExampleSpec(Text(), "sequence", Classes(("even", "odd")), "every step")

    def examples(self):
        yield Example("number-12", "12", np.array([1]))


class DrawnParity(Parity):
    """A correct corpus whose training examples are drawn."""

    def examples(self):
        for example in super().examples():
            yield replace(example, split="validation")

    def training_stream(self):
        def draw(generator):
            number = int(generator.integers(self.numbers))
            return str(number), number % 2

        return draw


STREAM = "test_the_training_stream_is_a_function_of_its_generator"


@bug(CorpusSuite, STREAM, "drawn example 0 differs for the same seed of the generator")
class DrawsElsewhere(DrawnParity):
    """A second source of randomness."""

    drawn = itertools.count()

    def training_stream(self):
        return lambda generator: ("1" * (1 + next(self.drawn)), 1)


@bug(CorpusSuite, STREAM, "the training stream is the same for two seeds of the generator")
class DrawsNothing(DrawnParity):
    """The generator is not used."""

    def training_stream(self):
        return lambda generator: ("1", 1)


@bug(CorpusSuite, STREAM, "drew an Example, not a tuple")
class DrawsExamples(DrawnParity):
    """A drawn example is no pair."""

    def training_stream(self):
        return lambda generator: Example("drawn", "1", 1)


@bug(CorpusSuite, STREAM, "yielded an example with the split None; with a training stream")
class TrainingExamples(DrawnParity):
    """The finite examples have no split."""

    def examples(self):
        return Parity.examples(self)
