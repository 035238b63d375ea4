"""Bytes consumed on a background thread: all of them, in order, in batches, and no error is lost."""

import threading
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seqforge.data import token_writer
from seqforge.data.token_writer import consume_in_background


@given(st.lists(st.binary(max_size=20)), st.integers(1, 40))
def test_every_piece_is_consumed_in_order(pieces: list[bytes], batch_size: int):
    consumed: list[bytes | memoryview] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(token_writer, "BATCH_SIZE", batch_size)
        with consume_in_background(consumed.append) as take:
            for number, piece in enumerate(pieces):
                take(memoryview(piece) if number % 2 else piece)
    assert b"".join(consumed) == b"".join(pieces)
    # Two consecutive batches together exceed the batch size.
    assert all(len(one) + len(other) > batch_size for one, other in pairwise(consumed[:-1]) if one and other)


def test_a_large_piece_is_not_copied():
    consumed: list[bytes | memoryview] = []
    large = bytes(2 * token_writer.BATCH_SIZE)
    with consume_in_background(consumed.append) as take:
        take(b"small")
        take(large)
    assert consumed[0] == b"small"
    assert consumed[1] is large


def test_another_thread_consumes_the_pieces():
    threads: list[int] = []
    with consume_in_background(lambda _: threads.append(threading.get_ident())) as take:
        take(b"one")
    assert threads
    assert threading.get_ident() not in threads


def test_no_more_bytes_wait_than_the_limit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(token_writer, "BATCH_SIZE", 0)
    monkeypatch.setattr(token_writer, "LARGEST_QUEUE", 3)
    release = threading.Event()
    blocked = threading.Event()
    taken: list[bytes] = []

    def produce() -> None:
        with consume_in_background(lambda _: release.wait()) as take:
            for number in range(10):
                take(bytes([number]))
                taken.append(bytes([number]))
                if len(taken) == 3:
                    blocked.set()

    producer = threading.Thread(target=produce)
    producer.start()
    assert blocked.wait(60)
    producer.join(0.2)
    assert len(taken) == 3
    release.set()
    producer.join()
    assert len(taken) == 10


@pytest.mark.parametrize("pieces", [1, 10])
def test_an_error_of_the_consumer_is_raised(monkeypatch: pytest.MonkeyPatch, pieces: int):
    monkeypatch.setattr(token_writer, "BATCH_SIZE", 0)

    def full(_: bytes | memoryview) -> None:
        raise OSError("the disk is full")

    def make() -> None:
        with consume_in_background(full) as take:
            for _ in range(pieces):
                take(b"a")

    with pytest.raises(OSError, match="the disk is full"):
        make()
