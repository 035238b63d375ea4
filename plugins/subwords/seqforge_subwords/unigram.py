"""The vocabulary `unigram`: parts of words, chosen so that the most probable division of the text is short."""

import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from pydantic import Field
from tokenizers import models, trainers

from seqforge_subwords.subwords import BYTES, Subwords, train

_DIGITS = 6
"""Decimal digits of a logarithm that are kept. The library adds numbers in an order that changes from run to run."""


class Unigram(Subwords):
    """Unigram language model (Kudo 2018, https://arxiv.org/abs/1804.10959) of the parts of words.

    Each symbol has a probability, and a word is divided so that the product of the probabilities is largest. Among the
    symbols are the 256 bytes.
    """

    def __init__(
        self,
        size: Annotated[
            int, Field(description="Largest number of symbols, the 256 bytes included.", ge=257, le=1 << 20)
        ] = 4096,
    ) -> None:
        self._size = size
        self._adopt([(symbol, 0.0) for symbol in BYTES])

    def learn(self, contents: Iterable[bytes]) -> None:
        """Find the symbols and their probabilities."""
        trainer = trainers.UnigramTrainer(vocab_size=self._size, initial_alphabet=list(BYTES), show_progress=False)
        found = json.loads(train(models.Unigram(), trainer, contents))["model"]["vocab"]
        scores = {symbol: round(score, _DIGITS) for symbol, score in found}
        # The library numbers rare bytes in any order, and leaves them out if there is nothing to learn from.
        lowest = min((score for symbol, score in scores.items() if len(symbol) > 1), default=0.0)
        scores |= {symbol: max(scores.get(symbol, lowest), lowest) for symbol in BYTES}
        self._adopt(sorted(scores.items(), key=lambda item: (-item[1], item[0])))

    def state(self) -> dict[str, Any]:
        """Return the symbols with the logarithms of their probabilities, one in each line."""
        return {"symbols": "\n".join(f"{symbol} {score!r}" for symbol, score in self._scores)}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the symbols.

        Raises:
            ValueError: If the state is not that of a unigram model.
        """
        symbols = state.get("symbols")
        if not isinstance(symbols, str) or set(state) != {"symbols"}:
            raise ValueError('the state of the vocabulary `unigram` must be {"symbols": "…"}')
        self._adopt([_symbol(line) for line in symbols.splitlines()])

    def _adopt(self, scores: Sequence[tuple[str, float]]) -> None:
        """Set the symbols and the logarithms of their probabilities. Token ids follow the order."""
        names = [symbol for symbol, _ in scores]
        if not BYTES.keys() <= {*names} or len({*names}) < len(names):
            raise ValueError("the symbols must be distinct, with all bytes among them")
        self._scores = scores
        self._use(models.Unigram(list(scores), None, False), names)


def _symbol(line: str) -> tuple[str, float]:
    """Return the symbol and the logarithm of a line.

    Raises:
        ValueError: If the line has another form, or the symbol stands for no bytes.
    """
    symbol, score = line.split(" ")
    if not symbol or not BYTES.keys() >= {*symbol}:
        raise ValueError(f"{symbol!r} does not stand for bytes")
    return symbol, float(score)
