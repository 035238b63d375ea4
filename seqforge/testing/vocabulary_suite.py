"""The conformance suite of vocabularies, for subclasses in the tests of a plugin."""

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from seqforge.component_state import checked_state
from seqforge.faults import wrong_result
from seqforge.kinds import CodedVocabulary, UnknownSymbolError, Vocabulary
from seqforge.kinds.vocabulary import distinct_codes, rank_fault, size_fault
from seqforge.testing.conformance import Factory, Suite, fail, require_no_fault

_MANY = "".join(map(chr, range(0x4E00, 0x4F00)))
"""So many symbols that the order of a set depends on the order in which they were added."""

TEXTS = ("the cat sat\n\ton the mat.\r\n", "Grüße — naïve façade, 漢字 и 😀", "\0\x7f\u0301\u2028", _MANY, _MANY[::-1])
"""Texts in ASCII and with characters of two to four bytes, control characters and a combining one."""


class VocabularySuite(Suite, kind="vocabulary"):
    """Tests that every vocabulary must pass, listed as those of `CellSuite`.

    Attributes:
        vocabularies: Functions that return a vocabulary that has learned nothing, by name.
        texts: Documents that the vocabulary learns and encodes. Replace them if it does not accept every text.
        unknown: Text that a vocabulary which learned `texts` may not know.
    """

    vocabularies: ClassVar[Mapping[str, Factory[Vocabulary]]]
    texts: ClassVar[Sequence[str]] = TEXTS
    unknown: ClassVar[str] = "the ☃ cat"

    def test_a_text_survives_encoding(self, make: Factory[Vocabulary]) -> None:
        """`decode` returns the text that `encode` received, as text or as bytes, also token by token."""
        vocabulary = _learn(make, self.texts)
        for text in ("", *self.texts):
            if vocabulary.unknown is not None:  # What was decoded before must survive.
                text = vocabulary.decode(vocabulary.encode(text).tolist()).decode("utf-8", "surrogateescape")
            tokens = vocabulary.encode(text)
            if not np.array_equal(tokens, vocabulary.encode(text.encode())):
                fail(make, f"the token ids of the text {text[:40]!r} differ from those of its bytes")
            if (decoded := vocabulary.decode(iter(tokens.tolist()))) != text.encode():
                fail(make, f"the text {text[:40]!r} is decoded as {decoded[:40]!r}")
            if (singly := b"".join(vocabulary.decode([token]) for token in tokens.tolist())) != decoded:
                problem = f"the tokens of {text[:40]!r} have another text one by one than together"
                fail(make, problem, expected=decoded[:40], got=singly[:40])

    def test_ids_do_not_depend_on_the_order_of_documents(self, make: Factory[Vocabulary]) -> None:
        """Two vocabularies that learned the same documents in another order have the same ids."""
        one, other = _learn(make, self.texts), _learn(make, self.texts[::-1])
        if one.size != other.size:
            problem = "the size depends on the order of the documents"
            fail(make, problem, expected=one.size, got=other.size)
        self._require_same_ids(make, "depend on the order of the documents", one, other)

    def test_the_state_survives_json(self, make: Factory[Vocabulary]) -> None:
        """A vocabulary that restores a state encodes and decodes as the one that returned it."""
        vocabulary, other = _learn(make, self.texts), make()
        other.restore(json.loads(json.dumps(checked_state(vocabulary.state))))
        if other.size != vocabulary.size:
            fail(make, "the size changes when a state is restored", expected=vocabulary.size, got=other.size)
        self._require_same_ids(make, "change when a state is restored", vocabulary, other)

    def test_a_wrong_state_is_a_value_error(self, make: Factory[Vocabulary]) -> None:
        """`restore` raises a `ValueError` for the state of another vocabulary."""
        try:
            make().restore({"of another vocabulary": [1, 2, 3]})
        except ValueError:
            return
        fail(make, "`restore` accepts the state of another vocabulary", expected="a ValueError")

    def test_an_unknown_symbol_is_an_error(self, make: Factory[Vocabulary]) -> None:
        """`encode` raises an `UnknownSymbolError` for a symbol that was not learned, or encodes it without loss.

        A vocabulary with a text for unknown symbols must replace it by this text.
        """
        vocabulary = _learn(make, self.texts)
        try:
            tokens = vocabulary.encode(self.unknown)
            decoded = vocabulary.decode(tokens.tolist())
        except UnknownSymbolError as error:
            if not (
                error.symbol and error.symbol in self.unknown and 0 <= error.position <= len(self.unknown.encode())
            ):
                place = f"{error.symbol!r} at position {error.position}"
                fail(make, f"the UnknownSymbolError names no symbol of {self.unknown!r}", got=place)
            return
        if vocabulary.unknown is not None:
            if vocabulary.unknown.encode() not in decoded:
                problem = f"an unknown symbol in {self.unknown!r} is not replaced by {vocabulary.unknown!r}"
                fail(make, problem, got=repr(decoded))
        elif decoded != self.unknown.encode():
            wanted = "an UnknownSymbolError, or ids that decode to the text"
            fail(
                make, f"an unknown symbol in {self.unknown!r} is replaced silently", expected=wanted, got=repr(decoded)
            )

    def test_codes_agree_with_ids(self, make: Factory[Vocabulary]) -> None:
        """The id of a symbol of a `CodedVocabulary` is the rank of its code, as the engine computes it."""
        vocabulary = _learn(make, self.texts)
        if not isinstance(vocabulary, CodedVocabulary):
            return
        contents = [text.encode() for text in self.texts]
        codes = [vocabulary.codes(content) for content in contents]
        known = distinct_codes(codes)
        for content, found in zip(contents, codes, strict=True):
            if found.dtype.kind != "u":
                fail(make, "`codes` does not return unsigned integers", got=found.dtype)
            if fault := rank_fault(vocabulary, known, content):
                raise wrong_result(vocabulary.encode_bytes, fault)

    def _require_same_ids(self, make: Factory[Vocabulary], problem: str, one: Vocabulary, other: Vocabulary) -> None:
        for text in self.texts:
            expected, got = one.encode(text), other.encode(text)
            if not np.array_equal(expected, got):
                problem = f"the token ids of {text[:20]!r} {problem}"
                fail(make, problem, expected=expected[:8].tolist(), got=got[:8].tolist())


def _learn(make: Factory[Vocabulary], texts: Sequence[str]) -> Vocabulary:
    vocabulary = make()
    if vocabulary.learns:
        vocabulary.learn(text.encode() for text in texts)
    require_no_fault(make, size_fault(vocabulary) or (None if vocabulary.size else "`size` is 0 after learning"))
    return vocabulary
