"""A model with equal probabilities, and vocabularies of pieces of C."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from seqforge_essentials.cells.rnn import RNN

from seqforge.generation.generator import sample_texts
from seqforge.kinds import Sampler, UnknownSymbolError, Vocabulary
from seqforge.model.input import OneHotInput
from seqforge.model.sequence_model import SequenceModel
from seqforge.model.stack import RecurrentStack


class Words(Vocabulary):
    """Symbols of any length; text is encoded with the longest ones."""

    def __init__(self, words: Iterable[bytes]) -> None:
        self.words = list(words)

    @property
    def size(self) -> int:
        return len(self.words)

    def encode_bytes(self, content: bytes) -> np.ndarray[Any, np.dtype[np.int64]]:
        tokens, position = list[int](), 0
        while position < len(content):
            fitting = [word for word in self.words if content.startswith(word, position)]
            if not fitting:
                raise UnknownSymbolError(chr(content[position]), position)
            word = max(fitting, key=len)
            tokens.append(self.words.index(word))
            position += len(word)
        return np.array(tokens, dtype=np.int64)

    def decode_tokens(self, tokens: Sequence[int]) -> bytes:
        return b"".join(self.words[token] for token in tokens)

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        pass


def draw(
    sampler: Sampler, vocabulary: Vocabulary, prompt: str, *, count: int = 4, length: int = 150, seed: int = 0
) -> list[str]:
    """Draw samples from a model that expects every symbol with the same probability."""
    cell = RNN(vocabulary.size, 2)
    model = SequenceModel(OneHotInput(vocabulary.size), RecurrentStack([cell]), vocabulary.size)
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.zero_()
    return sample_texts(model, vocabulary, [sampler], prompt, count=count, length=length, seed=seed)
