"""Encoding of documents to token ids: by this process, and after some seconds by one for each core."""

import itertools
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future
from contextlib import suppress
from functools import partial
from typing import Any

import cloudpickle  # pyright: ignore[reportMissingTypeStubs]
from numpy.typing import DTypeLike

from seqforge.data.token_file import Tokens, token_type
from seqforge.errors import located
from seqforge.hardware import own_cores
from seqforge.kinds import Document, Vocabulary

START_SECONDS = 5.0
"""Time after which further processes start. Each takes about two seconds to start."""

BATCH_SIZE = 1 << 20
"""Minimum size in bytes of the documents that a process receives at once."""

_MOST_PROCESSES = 16
"""Largest number of processes, since one more reads the documents and writes the tokens of all."""

Lookup = Callable[[Document], Tokens | None]
"""A function that returns the tokens of a document if they are known."""


def encode_documents(
    documents: Iterator[Document], vocabulary: Vocabulary, find: Lookup | None = None
) -> Generator[tuple[Document, Tokens]]:
    """Yield each document with its tokens `[length]`, in order.

    Args:
        documents: The documents.
        vocabulary: The vocabulary, which has learned.
        find: Function that returns the tokens of a document if they are known. By default, none are.

    Raises:
        DataError: If a document cannot be encoded.
    """
    encode_text = partial(_encode_text, vocabulary, token_type(vocabulary))

    def encode(document: Document) -> Tokens:
        with located(document.name):
            return encode_text(document.content)

    processes, started = min(own_cores(), _MOST_PROCESSES), time.monotonic()
    for document in documents:
        tokens = find(document) if find else None
        yield document, encode(document) if tokens is None else tokens
        if processes > 1 and time.monotonic() - started > START_SECONDS:
            break
    else:
        return
    # Imported here, since most corpora are encoded before.
    from loky import ProcessPoolExecutor  # pyright: ignore[reportMissingTypeStubs]

    pickled = b""
    with suppress(Exception):
        pickled = cloudpickle.dumps(encode_text)
    # One thread each, also for libraries in C and in Rust.
    threads = {"OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1"}
    pool: Any = ProcessPoolExecutor(processes, initializer=_start, initargs=(pickled, os.getpid()), env=threads)
    pending = deque[tuple[_Batch, Future[list[Tokens]] | None]]()
    try:
        for batch in itertools.chain(_divide(documents, find), itertools.repeat([], 2 * processes)):
            future = None
            with suppress(BrokenExecutor):
                future = pool.submit(_encode_texts, [document.content for document, tokens in batch if tokens is None])
            pending.append((batch, future))
            if len(pending) > 2 * processes:
                batch, future = pending.popleft()
                encoded = (encode(document) for document, tokens in batch if tokens is None)
                with suppress(Exception):  # If another process cannot encode them, this one meets the same error.
                    encoded = iter(future.result()) if future else encoded
                for document, tokens in batch:
                    yield document, next(encoded) if tokens is None else tokens
    finally:
        pool.shutdown(kill_workers=True)


_Batch = list[tuple[Document, Tokens | None]]
"""Documents, each with its tokens if they are known."""


def _divide(documents: Iterator[Document], find: Lookup | None) -> Iterator[_Batch]:
    """Yield the documents in batches."""
    batch: _Batch = []
    size = 0
    for document in documents:
        batch.append((document, find(document) if find else None))
        size += len(document.content)
        if size >= BATCH_SIZE:
            yield batch
            batch, size = [], 0
    yield batch


def _encode_text(vocabulary: Vocabulary, dtype: DTypeLike, content: bytes) -> Tokens:
    """Return the token ids `[length]` of a text in UTF-8, in the integer type of the token file."""
    return vocabulary.encode(content).astype(dtype, copy=False)


_received: list[Callable[[bytes], Tokens]] = []
"""How a process encodes for another one. It stays empty if the vocabulary cannot be pickled."""


def _start(pickled: bytes, parent: int) -> None:
    """Prepare a process that encodes. The process that started it handles interrupts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    with suppress(Exception):
        _received.append(cloudpickle.loads(pickled))


def _end_with(parent: int) -> None:
    """End this process after its parent, which may be killed."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _encode_texts(contents: Sequence[bytes]) -> list[Tokens]:
    return [*map(_received[0], contents)]
