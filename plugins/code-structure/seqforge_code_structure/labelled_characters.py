"""The corpus `c-characters`."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field, PositiveInt

from seqforge.data import hash_to_unit_interval
from seqforge.kinds import Classes, Corpus, Example, ExampleSpec, LabelledCorpus, Text
from seqforge_code_structure.labels import CLASSES, label_characters

_FORMAT = 1
"""Version of the examples. Increase it when the same source and options yield different examples."""


class LabelledCharacters(LabelledCorpus):
    """Pieces of C with the class of every character: comment, string, keyword and so on.

    A document is labelled as a whole and then divided, so that a piece that begins inside a comment is labelled as a
    comment. Pieces begin at the start of a line, except inside a line that is longer than a piece. All pieces of a
    document are in the same split.
    """

    def __init__(
        self,
        source: Annotated[Corpus, Field(description="Corpus of C.")],
        length: Annotated[PositiveInt, Field(description="Largest number of characters of a piece.")] = 512,
        validation_fraction: Annotated[
            float,
            Field(
                ge=0,
                lt=1,
                description="Fraction of the documents whose pieces are held out, chosen by a hash of their names. It "
                "replaces that of `[data]`, which would distribute the pieces of one document over both splits.",
            ),
        ] = 0.1,
    ) -> None:
        self._source = source
        self._length = length
        self._validation_fraction = validation_fraction

    @classmethod
    def example_spec(cls, options: Mapping[str, Any]) -> ExampleSpec:
        """Return the example spec: text as input, and the class of every character as target."""
        return ExampleSpec(Text(), "sequence", Classes(CLASSES), "every step")

    def examples(self) -> Iterator[Example]:
        """Yield the pieces of every document; see `LabelledCorpus.examples`."""
        for document in self._source.documents():
            text = document.content.decode("utf-8", "replace")
            classes = label_characters(text)
            held_out = hash_to_unit_interval(document.name) < self._validation_fraction
            for start, stop in divide_lines(text, self._length):
                yield Example(
                    f"{document.name}@{start}",
                    text[start:stop],
                    classes[start:stop],
                    split="validation" if held_out else "training",
                )

    def fingerprint(self) -> str:
        """Return a digest of the source and the options; see `LabelledCorpus.fingerprint`."""
        parts = [_FORMAT, self._source.fingerprint(), self._length, self._validation_fraction]
        return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()

    def describe(self) -> str:
        """Return a description of the source; see `LabelledCorpus.describe`."""
        return f"The class of each character of: {self._source.describe()}"


def divide_lines(text: str, length: int) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of each piece of at most `length` characters. The pieces have no gaps.

    Pieces consist of whole lines. A line that is longer than a piece is divided into several.
    """
    start = 0
    while start < len(text):
        stop = min(start + length, len(text))
        if stop < len(text):
            stop = text.rfind("\n", start, stop) + 1 or stop
        yield start, stop
        start = stop
