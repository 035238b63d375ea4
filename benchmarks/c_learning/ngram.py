"""An unsmoothed character n-gram model: the baseline of Goldberg's reply to the post.

The next symbol is drawn as often as it follows the last `order` symbols in the training text, and nothing else is ever
drawn (https://nbviewer.org/gist/yoavg/d76121dfde2618422139). It is exact, and takes 13 bytes for each symbol of the
text, some 40 while it is fitted.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class NGram:
    """All places of a text, sorted by the `order` symbols that begin there.

    Attributes:
        tokens: The training text. It is read as a ring, so that every context has a next symbol.
        order: Symbols of the context.
        places: Indices of the text, those of the same context side by side.
        first: For each index of the text, where those of its context begin in `places`.
        count: For each index of the text, how many those are.
    """

    tokens: NDArray[np.uint8]
    order: int
    places: NDArray[np.int32]
    first: NDArray[np.int32]
    count: NDArray[np.int32]

    def successors(self, place: int) -> NDArray[np.uint8]:
        """Give what follows each occurrence of a context.

        Args:
            place: Where in the text the context begins.
        """
        first, count = self.first[place], self.count[place]
        return self.tokens[(self.places[first : first + count] + self.order) % len(self.tokens)]

    def begins(self, prompt: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Find the contexts that end with a prompt, and give where they begin.

        Args:
            prompt: At most `order` symbols.
        """
        offset = self.order - len(prompt)
        found = np.ones(len(self.tokens), dtype=bool)
        for position, symbol in enumerate(prompt):
            found &= np.roll(self.tokens, -offset - position) == symbol
        return np.flatnonzero(found)

    def sample(self, begins: NDArray[np.int64], length: int, draws: np.random.Generator) -> NDArray[np.uint8]:
        """Draw texts side by side.

        A context is known by a place of the text at which it stands: of its places one is drawn, what follows there is
        the next symbol, and one place further on the next context stands.

        Args:
            begins: For each text, a place of its first context.
            length: Symbols to draw for each.
            draws: Decides which.

        Returns:
            The symbols, a text in each row, without the first contexts.
        """
        drawn = np.empty((length, len(begins)), dtype=np.uint8)
        places = begins
        for row in drawn:
            places = self.places[draws.integers(self.first[places], self.first[places] + self.count[places])]
            row[:] = self.tokens[(places + self.order) % len(self.tokens)]
            places = (places + 1) % len(self.tokens)
        return drawn.T


def fit(tokens: NDArray[np.uint8], order: int) -> NGram:
    """Fit a model.

    Args:
        tokens: The training text, not empty.
        order: Symbols of the context, at least 1.
    """
    classes = ranks(tokens, order)
    counts = np.bincount(classes)
    first = np.cumsum(counts) - counts
    places = np.argsort(classes, kind="stable").astype(np.int32)
    return NGram(tokens, order, places, first.astype(np.int32)[classes], counts.astype(np.int32)[classes])


def ranks(tokens: NDArray[np.uint8], length: int) -> NDArray[np.int64]:
    """Number the stretches of a length that begin at each place of a ring, in their order; equal ones alike.

    By doubling, as suffix arrays are sorted (Karp, Miller & Rosenberg 1972): a stretch is two shorter ones, side by
    side or overlapping, whose numbers are known.

    Args:
        tokens: The text.
        length: Symbols of a stretch.
    """
    classes, known = np.unique(tokens, return_inverse=True)[1], 1
    while known < length:
        step = min(known, length - known)
        pairs = classes * (classes.max() + 1) + np.roll(classes, -step)
        classes, known = np.unique(pairs, return_inverse=True)[1], known + step
    return classes
