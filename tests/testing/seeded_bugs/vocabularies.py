"""Vocabularies that are wrong."""

import numpy as np

from seeded_bugs.bug import bug
from seqforge.kinds import CodedVocabulary, UnknownSymbolError, Vocabulary
from seqforge.testing.vocabulary_suite import VocabularySuite


class Letters(CodedVocabulary):
    """A correct vocabulary of code points."""

    def __init__(self):
        self.adopt(np.empty(0, dtype=np.uint32))

    def codes(self, content):
        return np.array([*map(ord, content.decode())], dtype=np.uint32)

    def adopt(self, codes):
        self.known = [int(code) for code in codes]

    @property
    def size(self):
        return len(self.known)

    def encode_bytes(self, content):
        ids = {code: index for index, code in enumerate(self.known)}
        for position, code in enumerate(self.codes(content).tolist()):
            if code not in ids:
                raise UnknownSymbolError(chr(code), position)
        return np.array([ids[code] for code in self.codes(content).tolist()], dtype=np.int64)

    def decode_tokens(self, tokens):
        return "".join(chr(self.known[token]) for token in tokens).encode()

    def state(self):
        return {"codes": self.known}

    def restore(self, state):
        if state.keys() != {"codes"}:
            raise ValueError("not the state of letters")
        self.adopt(np.array(state["codes"], dtype=np.uint32))


@bug(VocabularySuite, "test_codes_agree_with_ids", "encode_bytes disagrees with `codes`")
class CodesOfLowerCase(Letters):
    """A subclass overrides `codes` alone."""

    def codes(self, content):
        return Letters.codes(self, content.decode().lower().encode())

    def encode_bytes(self, content):
        ids = {code: index for index, code in enumerate(self.known)}
        return np.array([ids.get(ord(each), 0) for each in content.decode()], dtype=np.int64)


@bug(VocabularySuite, "test_codes_agree_with_ids", "`codes` does not return unsigned integers")
class SignedCodes(Letters):
    """Codes may be negative, as far as their type tells."""

    def codes(self, content):
        return Letters.codes(self, content).astype(np.int64)


@bug(VocabularySuite, "test_a_text_survives_encoding", "is decoded as b'")
class DecodesInLowerCase(Letters):
    """`decode` changes capital letters."""

    def decode_tokens(self, tokens):
        return super().decode_tokens(tokens).lower()


@bug(VocabularySuite, "test_an_unknown_symbol_is_an_error", "`encode_bytes(content=…)` raises KeyError")
class RaisesKeyError(Letters):
    """An unknown symbol is a `KeyError`."""

    def encode_bytes(self, content):
        ids = {code: index for index, code in enumerate(self.known)}
        return np.array([ids[code] for code in self.codes(content).tolist()], dtype=np.int64)


@bug(
    VocabularySuite, "test_an_unknown_symbol_is_an_error", "an unknown symbol in 'the \u2603 cat' is replaced silently"
)
class ReplacesUnknownSymbols(Letters):
    """An unknown symbol gets the id 0."""

    def encode_bytes(self, content):
        ids = {code: index for index, code in enumerate(self.known)}
        return np.array([ids.get(code, 0) for code in self.codes(content).tolist()], dtype=np.int64)


@bug(
    VocabularySuite,
    "test_ids_do_not_depend_on_the_order_of_documents",
    "the token ids of …depend on the order of the documents",
)
class OrderOfASet(Letters):
    """Ids are in the order in which symbols were found."""

    def learn(self, contents):
        self.known = list({code: None for content in contents for code in self.codes(content).tolist()})


@bug(
    VocabularySuite,
    "test_ids_do_not_depend_on_the_order_of_documents",
    "the token ids of …depend on the order of the documents",
)
class HashesOfSymbols(Letters):
    """Ids are in the order of a set of characters, which depends on `PYTHONHASHSEED`."""

    def learn(self, contents):
        symbols = {chr(code) for content in contents for code in self.codes(content).tolist()}
        self.known = [ord(symbol) for symbol in symbols]


@bug(VocabularySuite, "test_the_state_survives_json", "state returned …, not a table of plain JSON values")
class StateWithAnArray(Letters):
    """The state contains an array."""

    def state(self):
        return {"codes": np.array(self.known)}


@bug(VocabularySuite, "test_the_state_survives_json", "the size changes when a state is restored")
class ForgetsTheLastSymbol(Letters):
    """`restore` loses a symbol."""

    def restore(self, state):
        super().restore({"codes": state["codes"][:-1]} if "codes" in state else state)


@bug(VocabularySuite, "test_a_wrong_state_is_a_value_error", "`restore` accepts the state of another vocabulary")
class AcceptsEveryState(Letters):
    """`restore` accepts every table."""

    def restore(self, state):
        self.known = state.get("codes", [])


@bug(VocabularySuite, "test_a_text_survives_encoding", "the token ids of the text '…differ from those of its bytes")
class StripsText(Letters):
    """Spaces around a text are lost, but not those around its bytes."""

    def encode(self, text):
        return super().encode(text.strip() if isinstance(text, str) else text)


@bug(
    VocabularySuite,
    "test_ids_do_not_depend_on_the_order_of_documents",
    "the size depends on the order of the documents: expected 14, got 256",
)
class LearnsFromTheFirst(Letters):
    """The size is that of the first document."""

    learns = True

    def learn(self, contents):
        self.known = sorted({*self.codes(next(iter(contents))).tolist()})


@bug(
    VocabularySuite,
    "test_an_unknown_symbol_is_an_error",
    "the UnknownSymbolError names no symbol of 'the \u2603 cat': got '?' at position 4",
)
class NamesAnotherSymbol(Letters):
    """The error names a question mark."""

    def encode_bytes(self, content):
        try:
            return super().encode_bytes(content)
        except UnknownSymbolError as error:
            raise UnknownSymbolError("?", error.position) from error


@bug(
    VocabularySuite,
    "test_an_unknown_symbol_is_an_error",
    "an unknown symbol in 'the \u2603 cat' is not replaced by '#': got b'the   cat'",
)
class ReplacedByASpace(Letters):
    """An unknown symbol is replaced by another one than the class states."""

    unknown = "#"

    def encode_bytes(self, content):
        ids = {code: index for index, code in enumerate(self.known)}
        return np.array([ids.get(code, ids[ord(" ")]) for code in self.codes(content).tolist()], dtype=np.int64)


@bug(VocabularySuite, "test_a_text_survives_encoding", "`size` is 0 after learning")
class LearnsNothing(Letters):
    """The learned symbols are forgotten."""

    def learn(self, contents):
        pass


@bug(VocabularySuite, "test_a_text_survives_encoding", "`size` is 3.0, not an integer that is at least 0")
class SizeWithAFraction(Letters):
    """The size is a floating-point number."""

    learns = True
    size = 3.0

    def learn(self, contents):
        pass


@bug(VocabularySuite, "test_a_text_survives_encoding", "have another text one by one than together")
class HalfBytes(Vocabulary):
    """A symbol is half a byte, so that a sample which is printed while it is drawn has no text."""

    size = 16

    def encode_bytes(self, content):
        numbers = np.frombuffer(content, dtype=np.uint8)
        return np.stack([numbers >> 4, numbers & 15], axis=1).ravel()

    def decode_tokens(self, tokens):
        pairs = np.array(tokens[: len(tokens) // 2 * 2], dtype=np.uint8).reshape(-1, 2)
        return (pairs[:, 0] << 4 | pairs[:, 1]).tobytes()

    def state(self):
        return {}

    def restore(self, state):
        if state:
            raise ValueError("not the state of half bytes")
