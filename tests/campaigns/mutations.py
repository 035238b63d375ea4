"""Random changes of files: of their bytes, their words and their place in a folder."""

import os
import random
import re
import shutil
from pathlib import Path

WORDS = [
    b"", b"\0", b"\xff\xfe", b"-1", b"0", b"1", b"1e999", b"nan", b"1e-320", b"4294967296", b"9223372036854775807",
    b"-9223372036854775809", b"1" * 5000, b"true", b"null", b"[]", b"{}", b'""', b"[" * 2000, b'{"a":' * 2000, b"../..",
    b"/dev/zero", b"/etc/passwd", "\u202e\u00e9\U0001f600".encode(), b"\x1b[31m", b"\r\n", b"'", b'"', b"=", b"use",
    b"version", b"a" * 70000,
]  # fmt: skip
"""Words that readers may not expect."""

_TOKEN = re.compile(rb"[\w.+-]+")


def mutate(content: bytes, generator: random.Random) -> bytes:
    """Return a content with one to four random changes."""
    for _ in range(generator.choice((1, 1, 1, 2, 4))):
        content = generator.choice(_MUTATIONS)(content, generator)
    return content


def _flip(content: bytes, generator: random.Random) -> bytes:
    changed = bytearray(content or b"\0")
    for _ in range(generator.choice((1, 1, 8))):
        changed[generator.randrange(len(changed))] ^= 1 << generator.randrange(8)
    return bytes(changed)


def _delete(content: bytes, generator: random.Random) -> bytes:
    start, stop = _piece(content, generator)
    return content[:start] + content[stop:]


def _repeat(content: bytes, generator: random.Random) -> bytes:
    start, stop = _piece(content, generator)
    place = generator.randrange(len(content) + 1)
    return content[:place] + content[start:stop] * generator.choice((1, 2, 50)) + content[place:]


def _truncate(content: bytes, generator: random.Random) -> bytes:
    return content[: generator.randrange(len(content) + 1)]


def _overwrite(content: bytes, generator: random.Random) -> bytes:
    start, stop = _piece(content, generator)
    return content[:start] + generator.randbytes(stop - start) + content[stop:]


def _insert_word(content: bytes, generator: random.Random) -> bytes:
    place = generator.randrange(len(content) + 1)
    return content[:place] + generator.choice(WORDS) + content[place:]


def _replace_token(content: bytes, generator: random.Random) -> bytes:
    """Replace a number or a name by another word, or by one of the same file."""
    tokens = list(_TOKEN.finditer(content[: 1 << 20]))
    if not tokens:
        return _insert_word(content, generator)
    token = generator.choice(tokens)
    word = generator.choice((generator.choice(WORDS), generator.choice(tokens)[0]))
    return content[: token.start()] + word + content[token.end() :]


def _piece(content: bytes, generator: random.Random) -> tuple[int, int]:
    start = generator.randrange(len(content) + 1)
    return start, min(len(content), start + generator.choice((1, 4, 64, 4096)))


_MUTATIONS = [_flip, _delete, _repeat, _truncate, _overwrite, _insert_word, _replace_token, _replace_token]


def replace_entry(path: Path, generator: random.Random) -> None:
    """Delete a file or a folder, or put another kind of file in its place."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    match generator.randrange(6):
        case 0:
            path.mkdir()
        case 1:
            path.symlink_to(generator.choice(("/dev/zero", "/etc/passwd", "missing", path.name, "..")))
        case 2:
            os.mkfifo(path)
        case 3:
            path.touch()
        case 4:
            path.symlink_to(generator.choice(list(path.parent.parent.rglob("*")) or ["/"]))
        case _:
            pass
