"""The texts that are compared: the training text, real windows that were held out, and samples."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from seqforge_code_structure.identifiers.building import build_lexicon
from seqforge_code_structure.identifiers.lexicon import Lexicon

from benchmarks.c_learning.ngram import NGram
from seqforge import Run
from seqforge.data import prepare
from seqforge.files import write_atomically
from seqforge.interfaces import Vocabulary

PROMPT = "\n}\n\n"
"""What every sample is given, and stands before every window: a function's end, so that each begins with a unit."""


@dataclass(frozen=True, slots=True)
class DecoderContext:
    """The text that a run was trained on, and what was held out.

    Attributes:
        vocabulary: Of characters.
        training: Tokens of the training split, its documents one after the other.
        training_documents: The same as texts.
        validation_documents: Those of the validation split.
    """

    vocabulary: Vocabulary
    training: NDArray[np.uint8]
    training_documents: list[str]
    validation_documents: list[str]

    def encode(self, text: str) -> NDArray[np.uint8]:
        """Turn a text into tokens."""
        return self.vocabulary.encode(text.encode()).astype(np.uint8)

    def windows(self, length: int) -> Iterator[str]:
        """Cut held-out documents into windows that follow the prompt, none of which overlap.

        Args:
            length: Characters of each.
        """
        for text in self.validation_documents:
            start = text.find(PROMPT)
            while start >= 0 and start + len(PROMPT) + length <= len(text):
                start += len(PROMPT)
                yield text[start : start + length]
                start = text.find(PROMPT, start + length - len(PROMPT))

    def lexicon(self) -> Lexicon:
        """Count the names of the training split."""
        return build_lexicon(self.training_documents)


def read(run: Run) -> DecoderContext:
    """Read the text of a run, from the cache where it is there.

    Args:
        run: With a vocabulary of at most 256 symbols, each a character.
    """
    dataset = prepare(run.experiment, lambda progress: None)
    tokens, spans = dataset.token_file.map(), dataset.splits["training"]
    training = [
        tokens.read(start, stop) for start, stop in zip(spans.starts.tolist(), spans.stops.tolist(), strict=True)
    ]
    return DecoderContext(
        dataset.vocabulary,
        np.concatenate(training).astype(np.uint8),
        list(dataset.documents("training")),
        list(dataset.documents("validation")),
    )


def kept(path: Path, make: Callable[[], Any]) -> Any:
    """Make a value of JSON, or read the one that was made before.

    Args:
        path: Where it is kept.
        make: Makes it.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(make()).encode())
    return json.loads(path.read_text(encoding="utf-8"))


def written(run: Run, step: int, count: int, length: int) -> list[str]:
    """Let the model of one moment write.

    Args:
        run: With its sampler.
        step: Of a checkpoint.
        count: Samples.
        length: Characters of each.
    """
    texts = run.sample(PROMPT, length=length, count=count, seed=1, checkpoint=str(step))
    return [text.removeprefix(PROMPT) for text in texts]


def written_by(model: NGram, source: DecoderContext, count: int, length: int) -> list[str]:
    """Let an n-gram model write, each text after another of the contexts that end with the prompt.

    Args:
        model: Of the training text.
        source: Tells what its symbols stand for.
        count: Samples.
        length: Characters of each.
    """
    draws = np.random.default_rng(1)
    begins = draws.choice(model.begins(source.encode(PROMPT)), count)
    return [source.vocabulary.decode(row.tolist()).decode() for row in model.sample(begins, length, draws)]
