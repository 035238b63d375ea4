"""Tasks of memory: the input is read first, and its parts are asked for afterwards."""

import numpy as np
from numpy.typing import NDArray

from seqforge_formal.answers import with_queries, write

LETTERS = "abcd"
DIGITS = "01234"
NOISE = "."
"""Symbol without a meaning."""

KEYS = "abcdefghijklmnopqrstuvwxyzαβγδεζ"
VALUES = "0123456789ABCDEF"


def copy(generator: np.random.Generator, length: int) -> tuple[str, NDArray[np.int64]]:
    """Draw letters; the answers are the same letters."""
    letters = generator.integers(0, len(LETTERS), length // 2)
    return with_queries(write(letters, LETTERS), letters)


def reverse(generator: np.random.Generator, length: int) -> tuple[str, NDArray[np.int64]]:
    """Draw letters; the answers are the letters from the last one to the first one."""
    letters = generator.integers(0, len(LETTERS), length // 2)
    return with_queries(write(letters, LETTERS), letters[::-1])


def bucket_sort(generator: np.random.Generator, length: int) -> tuple[str, NDArray[np.int64]]:
    """Draw digits; the answers are the digits in ascending order."""
    digits = generator.integers(0, len(DIGITS), length // 2)
    return with_queries(write(digits, DIGITS), np.sort(digits))


def selective_copy(generator: np.random.Generator, length: int) -> tuple[str, NDArray[np.int64]]:
    """Draw letters between noise; the answers are the letters in their order."""
    count = max(1, length // 4)
    letters = generator.integers(0, len(LETTERS), count)
    text = np.full(length - count, NOISE)
    places = np.sort(generator.permutation(len(text))[:count])
    text[places] = list(write(letters, LETTERS))
    return with_queries("".join(text), letters)


def missing_duplicate(generator: np.random.Generator, length: int) -> tuple[str, int]:
    """Draw bits and repeat them with one of them hidden; the answer is the hidden bit."""
    bits = generator.integers(0, 2, length // 2)
    hidden = int(generator.integers(0, len(bits)))
    text = write(bits, "01")
    return f"{text}{text[:hidden]}_{text[hidden + 1 :]}", int(bits[hidden])


def associative_recall(generator: np.random.Generator, length: int) -> tuple[str, NDArray[np.int64]]:
    """Draw pairs of a key and a value, then noise, then all keys in another order; the answers are their values."""
    count = min(length // 3, len(KEYS))
    keys, values = generator.permutation(len(KEYS))[:count], generator.integers(0, len(VALUES), count)
    pairs = "".join(KEYS[key] + VALUES[value] for key, value in zip(keys, values, strict=True))
    pairs += NOISE * (length - 3 * count)
    order = generator.permutation(count)
    target = np.zeros(length, dtype=np.int64)
    target[len(pairs) :] = values[order] + 1
    return pairs + write(keys[order], KEYS), target


def adding(generator: np.random.Generator, length: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw numbers from 0 to 1, two of which are marked; the answer is their sum."""
    numbers, marks = generator.random(length), np.zeros(length)
    marks[generator.permutation(length)[:2]] = 1
    steps = np.stack([numbers, marks], axis=1).astype(np.float32)
    return steps, np.array([steps[marks == 1, 0].sum()])
