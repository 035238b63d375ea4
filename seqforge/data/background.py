"""Bytes consumed on a second thread, in order, while the first goes on making more."""

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

BATCH_SIZE = 1 << 20
"""Bytes that pieces are joined to, at least: a change of threads for each piece would cost more than it gains."""

MOST_WAITING = 2
"""Batches that wait at most; it bounds the memory where the second thread is the slower one."""


@contextmanager
def in_background(consume: Callable[[bytes], object]) -> Generator[Callable[[bytes | memoryview], None]]:
    """Consume pieces of bytes, joined to larger ones, on a thread of its own.

    This gains time where `consume` leaves the interpreter to others, as hashing and writing do.

    Args:
        consume: Is called with one batch after another, which joined are the pieces joined.

    Yields:
        A function that takes a piece, which must not change any more. It waits only while `MOST_WAITING` batches do.
        What `consume` raised, it raises, or the end of the block does; by then every piece has been consumed.
    """
    pieces: list[bytes | memoryview] = []
    size = 0
    waiting: deque[Future[object]] = deque()

    def take(piece: bytes | memoryview) -> None:
        nonlocal size
        pieces.append(piece)
        size += piece.nbytes if isinstance(piece, memoryview) else len(piece)
        if size >= BATCH_SIZE:
            hand_over()

    def hand_over() -> None:
        nonlocal size
        if len(waiting) == MOST_WAITING:
            waiting.popleft().result()
        waiting.append(thread.submit(consume, b"".join(pieces)))
        pieces.clear()
        size = 0

    with ThreadPoolExecutor(max_workers=1) as thread:
        yield take
        hand_over()
        while waiting:
            waiting.popleft().result()
