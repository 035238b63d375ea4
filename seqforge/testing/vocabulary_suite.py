"""The conformance suite of vocabularies, for subclasses in the tests of a plugin."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from seqforge.errors import PluginError
from seqforge.kinds import CodedVocabulary, UnknownSymbolError, Vocabulary
from seqforge.kinds.vocabulary import distinct_codes
from seqforge.testing.conformance import Suite, calling, fail

VocabularyFactory = Callable[[], Vocabulary]
"""Function that returns a vocabulary: a class or `partial(Class, option=…)`."""

_MANY = "".join(map(chr, range(0x4E00, 0x4F00)))
"""So many symbols that the order of a set depends on the order in which they were added."""

TEXTS = ("the cat sat\n\ton the mat.\r\n", "Grüße — naïve façade, 漢字 и 😀", "\0\x7f\u0301\u2028", _MANY, _MANY[::-1])
"""Texts in ASCII and with characters of two to four bytes, control characters and a combining one."""


class VocabularySuite(Suite):
    """Tests that every vocabulary must pass. List yours in a subclass whose name begins with `Test`.

    ```python
    class TestSyllables(VocabularySuite):
        vocabularies: ClassVar = {"syllables": Syllables}
    ```

    Attributes:
        vocabularies: Functions that return a vocabulary that has learned nothing, by name.
        texts: Documents that the vocabulary learns and encodes. Replace them if it does not accept every text.
        unknown: Text that a vocabulary which learned `texts` may not know.
    """

    table: ClassVar[str] = "vocabularies"
    vocabularies: ClassVar[Mapping[str, VocabularyFactory]]
    texts: ClassVar[Sequence[str]] = TEXTS
    unknown: ClassVar[str] = "the ☃ cat"

    def test_a_text_survives_encoding(self, make: VocabularyFactory) -> None:
        """`decode` returns the text that `encode` received, as text or as bytes."""
        vocabulary = self._learned(make)
        for text in ("", *self.texts):
            tokens = _encode(make, vocabulary, text)
            if not np.array_equal(tokens, _encode(make, vocabulary, text.encode())):
                fail(make, f"`encode` returns other ids for the text {text[:20]!r} than for its bytes")
            with calling(make, f"`decode` of the ids of {text[:20]!r}"):
                decoded: Any = vocabulary.decode(iter(tokens.tolist()))
            if decoded != text.encode():
                wrong = f"`decode` does not return the text {text[:20]!r} that `encode` received"
                fail(make, wrong, expected=repr(text.encode()[:20]), got=f"{decoded!r:.40}")

    def test_ids_do_not_depend_on_the_order_of_documents(self, make: VocabularyFactory) -> None:
        """Two vocabularies that learned the same documents in another order have the same ids."""
        one, other = self._learned(make), _learn(make, self.texts[::-1])
        if one.size != other.size:
            problem = "the size depends on the order of the documents"
            fail(make, problem, expected=one.size, got=other.size)
        for text in self.texts:
            expected, got = _encode(make, one, text), _encode(make, other, text)
            if not np.array_equal(expected, got):
                problem = f"the token ids of {text[:20]!r} depend on the order of the documents"
                fail(make, problem, expected=expected[:8].tolist(), got=got[:8].tolist())

    def test_the_state_survives_json(self, make: VocabularyFactory) -> None:
        """A vocabulary that restores a state encodes and decodes as the one that returned it."""
        vocabulary, other = self._learned(make), make()
        with calling(make, "`state`"):
            state: Any = vocabulary.state()
        try:
            text = json.dumps(state, allow_nan=False)
        except (TypeError, ValueError) as error:
            fail(make, "`state` does not return plain JSON values", got=str(error))
        with calling(make, "`restore` of a state"):
            other.restore(json.loads(text))
        if other.size != vocabulary.size:
            fail(make, "the size changes when a state is restored", expected=vocabulary.size, got=other.size)
        for known in self.texts:
            expected, got = _encode(make, vocabulary, known), _encode(make, other, known)
            if not np.array_equal(expected, got):
                problem = f"the token ids of {known[:20]!r} change when a state is restored"
                fail(make, problem, expected=expected[:8].tolist(), got=got[:8].tolist())

    def test_a_wrong_state_is_a_value_error(self, make: VocabularyFactory) -> None:
        """`restore` raises a `ValueError` for the state of another vocabulary."""
        try:
            with calling(make, "`restore` of the state of another vocabulary", ValueError):
                make().restore({"of another vocabulary": [1, 2, 3]})
        except ValueError:
            return
        fail(make, "`restore` accepts the state of another vocabulary", expected="a ValueError")

    def test_an_unknown_symbol_is_an_error(self, make: VocabularyFactory) -> None:
        """`encode` raises an `UnknownSymbolError` for a symbol that was not learned, or encodes it without loss."""
        vocabulary = self._learned(make)
        try:
            with calling(make, f"`encode` of {self.unknown!r}", UnknownSymbolError, PluginError):
                tokens = vocabulary.encode(self.unknown)
                decoded = vocabulary.decode(tokens.tolist())
        except UnknownSymbolError as error:
            if not (
                error.symbol and error.symbol in self.unknown and 0 <= error.position <= len(self.unknown.encode())
            ):
                place = f"{error.symbol!r} at position {error.position}"
                fail(make, f"the UnknownSymbolError names no symbol of {self.unknown!r}", got=place)
            return
        except PluginError as error:
            fail(make, f"`encode` of {self.unknown!r} returns something else than token ids", got=error.message)
        if decoded != self.unknown.encode():
            wanted = "an UnknownSymbolError, or ids that decode to the text"
            fail(
                make, f"an unknown symbol in {self.unknown!r} is replaced silently", expected=wanted, got=repr(decoded)
            )

    def test_codes_agree_with_ids(self, make: VocabularyFactory) -> None:
        """The id of a symbol of a `CodedVocabulary` is the rank of its code, as the engine computes it."""
        vocabulary = self._learned(make)
        if not isinstance(vocabulary, CodedVocabulary):
            return
        contents = [text.encode() for text in self.texts]
        with calling(make, "`codes`"):
            codes = [vocabulary.codes(content) for content in contents]
        known = distinct_codes(codes)
        for text, found in zip(self.texts, codes, strict=True):
            if found.dtype.kind != "u":
                fail(make, "`codes` does not return unsigned integers", got=found.dtype)
            tokens, ranks = _encode(make, vocabulary, text), np.searchsorted(known, found)
            if not np.array_equal(tokens, ranks):
                fail(
                    make,
                    f"`codes` and `encode` disagree on {text[:20]!r}",
                    expected=f"ids {ranks[:8].tolist()}, the ranks of the codes",
                    got=tokens[:8].tolist(),
                )

    def _learned(self, make: VocabularyFactory) -> Vocabulary:
        return _learn(make, self.texts)


def _learn(make: VocabularyFactory, texts: Sequence[str]) -> Vocabulary:
    with calling(make, "`learn`"):
        vocabulary = make()
        if vocabulary.learns:
            vocabulary.learn(text.encode() for text in texts)
    size: Any = vocabulary.size
    if not isinstance(size, int) or size < 1:
        fail(make, "`size` is not a number of at least 1", got=repr(size))
    return vocabulary


def _encode(make: VocabularyFactory, vocabulary: Vocabulary, text: str | bytes) -> Any:
    shown = repr(text if isinstance(text, str) else text.decode())[:22]
    with calling(make, f"`encode` of {shown}"):
        return vocabulary.encode(text)
