"""The corpus `c-characters`."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field, PositiveInt

from seqforge.data import place
from seqforge.interfaces import Classes, Corpus, Example, ExampleSpec, LabelledCorpus, Text
from seqforge_code_structure.labels import CLASSES, labels

_FORMAT = 1
"""Raised whenever the same source and options would yield other examples than before."""


class LabelledCharacters(LabelledCorpus):
    """Pieces of C, with the class of every character: comment, string, keyword and so on.

    A document is labelled as a whole and then cut, so that a piece that begins within a comment is labelled as one. A
    piece begins at a line's start, but within a line that is longer than a piece. All pieces of a document are in one
    split.

    Args:
        source: Where the C comes from.
        length: Characters of a piece at most.
        validation_fraction: Part of the documents that is held out.
    """

    def __init__(
        self,
        source: Annotated[Corpus, Field(description="Where the C comes from.")],
        length: Annotated[PositiveInt, Field(description="Characters of a piece at most.")] = 512,
        validation_fraction: Annotated[
            float,
            Field(
                ge=0,
                lt=1,
                description="Part of the documents, by a hash of their names, whose pieces are held out; it decides in "
                "the place of that of `[data]`, which would part pieces of one document.",
            ),
        ] = 0.1,
    ) -> None:
        self._source = source
        self._length = length
        self._validation_fraction = validation_fraction

    @classmethod
    def example_spec(cls, options: Mapping[str, Any]) -> ExampleSpec:
        """Return the shape: text as input, and a class for every character as target."""
        return ExampleSpec(Text(), "sequence", Classes(CLASSES), "every step")

    def examples(self) -> Iterator[Example]:
        """Yield the pieces of every document; see `LabelledCorpus.examples`."""
        for document in self._source.documents():
            text = document.content.decode("utf-8", "replace")
            classes = labels(text)
            held_out = place(document.name) < self._validation_fraction
            for start, stop in pieces(text, self._length):
                yield Example(
                    f"{document.name}@{start}",
                    text[start:stop],
                    classes[start:stop],
                    split="validation" if held_out else "training",
                )

    def fingerprint(self) -> str:
        """Digest the source and the options; see `LabelledCorpus.fingerprint`."""
        parts = [_FORMAT, self._source.fingerprint(), self._length, self._validation_fraction]
        return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()

    def describe(self) -> str:
        """Say what is labelled; see `LabelledCorpus.describe`."""
        return f"The class of each character of: {self._source.describe()}"


def pieces(text: str, length: int) -> Iterator[tuple[int, int]]:
    """Cut a text into pieces of whole lines; a line that is longer than a piece is cut too.

    Args:
        text: Anything.
        length: Characters of a piece at most.

    Yields:
        First character of each piece, and one past its last. The pieces tile the text.
    """
    start = 0
    while start < len(text):
        stop = min(start + length, len(text))
        if stop < len(text):
            stop = text.rfind("\n", start, stop) + 1 or stop
        yield start, stop
        start = stop
