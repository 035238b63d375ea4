"""UTF-8 to code points, a piece at a time."""

import codecs
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from seqforge.errors import DataError

_PIECE = 1 << 20


def code_points(content: bytes) -> Iterator[NDArray[np.uint8] | NDArray[np.uint32]]:
    """Give the code points of a text in pieces, so that a long text costs no multiple of its size in memory.

    Args:
        content: UTF-8 text.

    Yields:
        Code points `[length]`; of text in ASCII the bytes themselves, without a copy.

    Raises:
        DataError: Where the content is not UTF-8.
    """
    pieces = ((start, content[start : start + _PIECE]) for start in range(0, len(content), _PIECE))
    if content.isascii():
        yield from (np.frombuffer(piece, dtype=np.uint8) for _, piece in pieces)
        return
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start, piece in pieces:
        try:
            text = decoder.decode(piece, final=start + _PIECE >= len(content))
        except UnicodeDecodeError as error:
            # The decoder may hold the first bytes of a character back from the piece before.
            offset = start + len(piece) - len(error.object) + error.start
            raise DataError(
                f"byte 0x{content[offset]:02x} at offset {offset} is not UTF-8 ({error.reason})",
                hint="A corpus gives UTF-8; for bytes of any kind use the vocabulary of bytes.",
            ) from error
        yield np.frombuffer(text.encode("utf-32-le"), dtype="<u4").astype(np.uint32, copy=False)
