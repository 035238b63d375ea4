"""The digest by which checkpoints of earlier versions know the corpus that they were trained on."""

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seqforge.data.token_file import TokenFile

_PIECE = 1 << 20
"""Tokens that are in memory at one time."""


def digest_of_version_1(token_file: "TokenFile") -> str:
    """Digest a corpus as version 1 of the format did, which kept token ids in integers of one width.

    Args:
        token_file: Is read whole.
    """
    state = json.loads(token_file.vocabulary.read_text(encoding="utf-8"))["state"]
    digest = hashlib.blake2b(json.dumps(state, sort_keys=True).encode(), digest_size=16)
    start = 0
    for name, stop in zip(token_file.names, token_file.stops.tolist(), strict=True):
        for begin in range(start, stop, _PIECE):
            tokens = token_file.map().read(begin, min(stop, begin + _PIECE))
            digest.update(tokens.astype(token_file.dtype, copy=False).tobytes())
        digest.update(f"\0{name}\0{stop - start}\0".encode("utf-8", "surrogateescape"))
        start = stop
    return digest.hexdigest()
