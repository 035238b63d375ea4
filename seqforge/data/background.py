"""Bytes consumed on a second thread, in order, while the first goes on making more."""

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

BATCH_SIZE = 1 << 20
"""Bytes that pieces are joined to, about: a change of threads for each piece would cost more than it gains."""

MOST_WAITING = 2 * BATCH_SIZE
"""Bytes that wait at most, or one large piece; it bounds the memory where the second thread is the slower one."""

Piece = bytes | memoryview


@contextmanager
def in_background(consume: Callable[[Piece], object]) -> Generator[Callable[[Piece], None]]:
    """Consume pieces of bytes, small ones joined, on a thread of its own.

    This gains time where `consume` leaves the interpreter to others, as hashing and writing do.

    Args:
        consume: Is called with one batch after another, which joined are the pieces joined.

    Yields:
        A function that takes a piece, which must not change any more. It waits only while `MOST_WAITING` bytes do.
        What `consume` raised, it raises, or the end of the block does; by then every piece has been consumed.
    """
    small: list[Piece] = []
    size = 0
    waiting: deque[tuple[Future[object], int]] = deque()

    def take(piece: Piece) -> None:
        nonlocal size
        length = memoryview(piece).nbytes
        if size + length > BATCH_SIZE:
            hand_over(b"".join(small), size)
            small.clear()
            size = 0
        if length > BATCH_SIZE:
            # As it is: a large document is not copied.
            hand_over(piece, length)
        else:
            small.append(piece)
            size += length

    def hand_over(batch: Piece, length: int) -> None:
        while waiting and sum(theirs for _, theirs in waiting) + length > MOST_WAITING:
            waiting.popleft()[0].result()
        waiting.append((thread.submit(consume, batch), length))

    with ThreadPoolExecutor(max_workers=1) as thread:
        yield take
        hand_over(b"".join(small), size)
        for batch, _ in waiting:
            batch.result()
