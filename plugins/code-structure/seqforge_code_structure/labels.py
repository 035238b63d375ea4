"""The corpus `c-characters`, which labels every character of C with a class.

Declarations are not evaluated. It classifies as types: those of C, those of Linux such as `u32` and `__le16`,
any word that ends in `_t`, and the word after `struct`, `union` or `enum`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from seqforge.data.splits import hash_to_unit_interval
from seqforge.kinds import Classes, Corpus, Example, ExampleSpec, LabelledCorpus, Text
from seqforge_code_structure.structure import DIRECTIVES, TokenKind, scan_text


class Class(IntEnum):
    """Class of a character."""

    OTHER = 0
    COMMENT = 1
    STRING = 2
    """A string or a character literal, with its quotation marks."""
    PREPROCESSOR = 3
    """A directive without its comments."""
    KEYWORD = 4
    TYPE = 5
    NUMBER = 6
    IDENTIFIER = 7


CLASSES = tuple(label.name.lower() for label in Class)
"""Names of the classes, by number."""


_WORD = re.compile(
    r"(?P<number>\.?\d(?:[eEpP][+-]|[\w.])*+)|(?P<tag>\b(?:struct|union|enum)\b)\s*+(?P<tagged>[^\W\d]\w*+)?"
    r"|(?P<word>[^\W\d]\w*+)"
)
_TYPES_OF_C_AND_LINUX = """
    void char short int long float double signed unsigned _Bool bool _Complex FILE uint ulong ushort
    s8 u8 s16 u16 s32 u32 s64 u64 __s8 __u8 __s16 __u16 __s32 __u32 __s64 __u64
    __le16 __be16 __le32 __be32 __le64 __be64 __sum16 __wsum
"""
_KEYWORDS_OF_C_AND_GCC = """
    struct union enum
    alignas alignof auto asm break case const constexpr continue default do else extern for goto if inline register
    restrict return sizeof static static_assert switch thread_local typedef typeof volatile while
    _Alignas _Alignof _Atomic _Generic _Noreturn _Static_assert _Thread_local
    __asm__ __attribute__ __const__ __inline __inline__ __restrict __typeof__ __volatile__
"""
_TYPES = frozenset(_TYPES_OF_C_AND_LINUX.split())
_KEYWORDS = frozenset(_KEYWORDS_OF_C_AND_GCC.split())
_CLASSES_OF_TOKENS: dict[int, Class] = {
    TokenKind.COMMENT: Class.COMMENT,
    TokenKind.LINE_COMMENT: Class.COMMENT,
    TokenKind.UNTERMINATED_COMMENT: Class.COMMENT,
    TokenKind.STRING: Class.STRING,
    TokenKind.CHARACTER: Class.STRING,
    TokenKind.UNTERMINATED_STRING: Class.STRING,
    TokenKind.UNTERMINATED_CHARACTER: Class.STRING,
}


def label_characters(text: str) -> NDArray[np.uint8]:
    """Return the label of every character of a text, an index into `CLASSES`, `[length]`, in linear time."""
    labels = bytearray(len(text))

    def label(start: int, stop: int, found: Class) -> None:
        labels[start:stop] = found.to_bytes() * (stop - start)

    for kind, start, stop in scan_text(text, brackets=False):
        if kind in DIRECTIVES:
            begin = start + (kind == TokenKind.DIRECTIVE)  # after the line break before it
            label(begin, stop, Class.PREPROCESSOR)
            for inside, first, last in scan_text(text, begin, stop, directives=False):
                if _CLASSES_OF_TOKENS.get(inside) == Class.COMMENT:
                    label(first, last, Class.COMMENT)
        elif kind in _CLASSES_OF_TOKENS:
            label(start, stop, _CLASSES_OF_TOKENS[kind])
    # What has a label already, such as a comment between `struct` and its name, becomes spaces.
    for match in _WORD.finditer("".join(" " if found else each for each, found in zip(text, labels, strict=True))):
        if match["tag"]:
            label(*match.span("tag"), Class.KEYWORD)
        word = match["tagged"] or match["word"]
        if word:
            is_type = match["tagged"] or word in _TYPES or word.endswith("_t")
            found = Class.KEYWORD if word in _KEYWORDS else Class.TYPE if is_type else Class.IDENTIFIER
            label(match.end() - len(word), match.end(), found)
        elif match["number"]:
            label(*match.span(), Class.NUMBER)
    return np.frombuffer(labels, dtype=np.uint8)


@dataclass(frozen=True)
class LabelledCharacters(LabelledCorpus):
    """Pieces of C with the class of every character: comment, string, keyword and so on.

    A document is labelled as a whole and then divided, so that a piece that begins inside a comment is labelled as a
    comment. Pieces begin at the start of a line, except inside a line that is longer than a piece. All pieces of a
    document are in the same split.
    """

    source: Annotated[Corpus, Field(description="Corpus of C.")]
    length: Annotated[PositiveInt, Field(description="Largest number of characters of a piece.")] = 512
    validation_fraction: Annotated[
        float,
        Field(
            ge=0,
            lt=1,
            description="Fraction of the documents whose pieces are held out, chosen by a hash of their names. It "
            "replaces that of `[data]`, which would distribute the pieces of one document over both splits.",
        ),
    ] = 0.1

    @classmethod
    def example_spec(cls, options: Mapping[str, Any]) -> ExampleSpec:
        """Return the example spec: text as input, and the class of every character as target."""
        return ExampleSpec(Text(), "sequence", Classes(CLASSES), "every step")

    def examples(self) -> Iterator[Example]:
        """Yield the pieces of every document; see `LabelledCorpus.examples`."""
        for document in self.source.documents():
            text = document.content.decode("utf-8", "replace")
            classes = label_characters(text)
            held_out = hash_to_unit_interval(document.name) < self.validation_fraction
            for start, stop in divide_lines(text, self.length):
                yield Example(
                    f"{document.name}@{start}",
                    text[start:stop],
                    classes[start:stop],
                    split="validation" if held_out else "training",
                )

    def fingerprint(self) -> str:
        """Return the fingerprint of the source; see `LabelledCorpus.fingerprint`."""
        return self.source.fingerprint()

    def describe(self) -> str:
        """Return a description of the source; see `LabelledCorpus.describe`."""
        return f"The class of each character of: {self.source.describe()}"


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
