"""Corpora of these tests, in a module that other processes can import too."""

import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from seqforge_essentials.vocabularies import Bytes, Characters

from seqforge.data.dataset import load_token_file
from seqforge.data.token_file import TokenFile
from seqforge.kinds import Corpus, Document, Vocabulary

VOCABULARIES: dict[str, type[Vocabulary]] = {"bytes": Bytes, "characters": Characters}


class Documents(Corpus):
    """Documents given by name; counts how often they are read."""

    def __init__(self, documents: dict[str, str]) -> None:
        self.contents = {name: text.encode() for name, text in documents.items()}
        self.times_read = 0

    def documents(self) -> Iterator[Document]:
        self.times_read += 1
        for name, content in self.contents.items():
            yield Document(name, content)

    def fingerprint(self) -> str:
        return hashlib.sha256(repr(self.contents).encode()).hexdigest()

    def describe(self) -> str:
        return f"{len(self.contents)} documents"


class Watched(Documents):
    """Calls a function before each document, with the number of documents before it."""

    def __init__(self, documents: dict[str, str], before: Callable[[int], object]) -> None:
        super().__init__(documents)
        self.before = before

    def documents(self) -> Iterator[Document]:
        for count, document in enumerate(super().documents()):
            self.before(count)
            yield document


class Generated(Corpus):
    """Many documents, generated one by one, so that they are never all in memory."""

    def __init__(self, count: int, size: int) -> None:
        self.count = count
        self.line = "int naïve(void) { return 0x%06x; } /* € */\n"
        self.lines = size // len((self.line % 0).encode())

    def documents(self) -> Iterator[Document]:
        for number in range(self.count):
            yield Document(f"document-{number}", (self.line % number * self.lines).encode())

    def fingerprint(self) -> str:
        return f"{self.count} {self.lines}"

    def describe(self) -> str:
        return f"{self.count} documents"


TEXTS = {f"document-{number}": f"The document of number {number}, naïve.\n" * 50 for number in range(20)}


def encode(corpus: Corpus, vocabulary: str) -> TokenFile:
    return load_token_file(corpus, VOCABULARIES[vocabulary](), {}, lambda _: None)


def encode_at_once(vocabulary: str, log: Path, started: Event, other_started: Event) -> None:
    """Encode, but wait at the sixth document until the other process is about to encode the same corpus."""

    def before(count: int) -> None:
        if count == 0:
            with log.open("a") as file:
                file.write("read\n")
        if count == 5 and not other_started.wait(timeout=60):
            raise TimeoutError("the other process did not start")

    started.set()
    encode(Watched(TEXTS, before), vocabulary)
    with log.open("a") as file:
        file.write("done\n")


class WithoutCodes(Vocabulary):
    """Hides the codes of another vocabulary, so that it learns before it encodes."""

    learns = True

    def __init__(self, inner: Vocabulary) -> None:
        self.inner = inner

    def learn(self, contents: Iterable[bytes]) -> None:
        self.inner.learn(contents)

    @property
    def size(self) -> int:
        return self.inner.size

    def encode_bytes(self, content: bytes) -> Any:
        return self.inner.encode(content)

    def decode_tokens(self, tokens: Sequence[int]) -> bytes:
        return self.inner.decode_tokens(tokens)

    def state(self) -> dict[str, Any]:
        return self.inner.state()

    def restore(self, state: dict[str, Any]) -> None:
        self.inner.restore(state)


class ExitsWhileEncoding(Bytes):
    """A vocabulary that ends the process while it encodes."""

    def __init__(self) -> None:
        self.encoded = 0

    def encode_bytes(self, content: bytes):
        self.encoded += 1
        if self.encoded == 10:
            os._exit(9)
        return super().encode_bytes(content)


def exit_while_reading(vocabulary: str) -> None:
    encode(Watched(TEXTS, lambda count: os._exit(9) if count == 10 else None), vocabulary)


def exit_while_encoding() -> None:
    load_token_file(Documents(TEXTS), ExitsWhileEncoding(), {}, lambda _: None)


def wait_while_encoding() -> None:
    def before(count: int) -> None:
        if count == 10:
            sys.stdout.write("encoding\n")
            sys.stdout.flush()
            sys.stdin.readline()

    encode(Watched(TEXTS, before), "bytes")


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
