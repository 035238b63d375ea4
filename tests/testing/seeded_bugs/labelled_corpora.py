"""Corpora of labelled examples that are wrong."""

import itertools
from dataclasses import replace
from typing import ClassVar

import numpy as np

from seeded_bugs.bug import bug
from seqforge.kinds import Classes, Example, ExampleSpec, LabelledCorpus, Text
from seqforge.testing.corpus_suite import CorpusSuite


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


@bug(CorpusSuite, "test_documents_conform", "its example_spec returns a dict, not an ExampleSpec")
class SpecOfOptions(Parity):
    """The spec is a table."""

    @classmethod
    def example_spec(cls, options):
        return options


class MissingExamples(CorpusSuite):
    unreadable: ClassVar = {"missing": lambda: NoNumbers()}


@bug(
    MissingExamples,
    "test_a_missing_source_is_a_data_error",
    "`examples` of an unreadable source raises ZeroDivisionError",
)
class NoNumbers(Parity):
    """Missing numbers are divided."""

    def examples(self):
        yield Example("number-0", "0", 1 // 0)


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


@bug(CorpusSuite, STREAM, "only one of two corpora with the same options has a training stream")
class StreamsAtTimes(DrawnParity):
    """Only every other corpus has a training stream."""

    streams: ClassVar = itertools.cycle([DrawnParity().training_stream(), None])

    def training_stream(self):
        return next(self.streams)


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
