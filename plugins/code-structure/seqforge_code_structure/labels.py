"""A label for every character of a C text: what it is a part of."""

import numpy as np
from numpy.typing import NDArray

from seqforge_code_structure.lexing.tokens import Class, tokens

CLASSES = tuple(label.name.lower() for label in Class)
"""The names of the labels, by number."""


def labels(text: str) -> NDArray[np.uint8]:
    """Label every character of a text, from the text alone.

    Args:
        text: C, or what should be C.

    Returns:
        Labels `[length]`: indices into `CLASSES`.
    """
    kinds: list[int] = []
    lengths: list[int] = []
    for kind, start, stop in tokens(text):
        kinds.append(kind)
        lengths.append(stop - start)
    return np.repeat(np.array(kinds, dtype=np.uint8), np.array(lengths, dtype=np.int64))
