"""Read the training text and the held-out windows of a run, and draw samples."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from seqforge_code_structure.identifiers.lexicon import Lexicon
from seqforge_code_structure.identifiers.lexicon_building import build_lexicon, count_names

from benchmarks.c_learning.ngram import NGram
from seqforge import Run
from seqforge.data.dataset import prepare
from seqforge.kinds import Vocabulary
from seqforge.storage.files import write_atomically

PROMPT = "\n}\n\n"
"""The end of a function: prompt of every sample, and text before every window, so that each begins with a unit."""


@dataclass(frozen=True, slots=True)
class RunText:
    """The training text and the real code of a run.

    Attributes:
        vocabulary: Vocabulary of characters.
        training: Tokens of the concatenated documents of the training split.
        training_documents: Documents of the training split.
        real_documents: Real code to compare with: the validation split, or new files of another version of Linux.
    """

    vocabulary: Vocabulary
    training: NDArray[np.uint8]
    training_documents: list[str]
    real_documents: list[str]

    def encode(self, text: str) -> NDArray[np.uint8]:
        """Return the tokens of a text."""
        return self.vocabulary.encode(text.encode()).astype(np.uint8)

    def windows(self, length: int) -> Iterator[str]:
        """Yield windows of real code that follow the prompt and do not overlap.

        Args:
            length: Characters of each window.
        """
        for text in self.real_documents:
            start = text.find(PROMPT)
            while start >= 0 and start + len(PROMPT) + length <= len(text):
                start += len(PROMPT)
                yield text[start : start + length]
                start = text.find(PROMPT, start + length - len(PROMPT))

    def lexicon(self) -> Lexicon:
        """Return the lexicon of the training split."""
        return build_lexicon(map(count_names, self.training_documents))


def read_run(run: Run, version: Path | None = None) -> RunText:
    """Return the text of a run. The cache is used if it contains the text.

    Args:
        run: A run with a vocabulary of at most 256 characters.
        version: Source of another version of Linux, whose new files are the real code: no rule was chosen with them.
    """
    dataset = prepare(run.experiment, lambda progress: None)
    tokens, spans = dataset.token_file.map(), dataset.splits["training"]
    training = [
        tokens.read(start, stop) for start, stop in zip(spans.starts.tolist(), spans.stops.tolist(), strict=True)
    ]
    return RunText(
        dataset.vocabulary,
        np.concatenate(training).astype(np.uint8),
        list(dataset.documents("training")),
        read_new_files(run, version) if version else list(dataset.documents("validation")),
    )


def read_new_files(run: Run, version: Path) -> list[str]:
    """Return the files of another version of Linux, in the folders of a run, whose names the run's version lacks."""
    known = {document.name for document in run.experiment.corpus.build().documents()}
    other = Run.open(run.path, [f"corpus.source={version}"]).experiment.corpus.build()
    return [document.content.decode() for document in other.documents() if document.name not in known]


def load_or_compute(path: Path, compute: Callable[[], Any]) -> Any:
    """Return a JSON value from a file. If the file is missing, compute the value and write the file first.

    Args:
        path: Path of the file.
        compute: Function that returns the value.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(compute()).encode())
    return json.loads(path.read_text(encoding="utf-8"))


def sample_run(run: Run, step: int, count: int, length: int) -> list[str]:
    """Return samples of one checkpoint, without the prompt.

    Args:
        run: The run, with the samplers of its experiment.
        step: Step of the checkpoint.
        count: Number of samples.
        length: Characters of each sample.
    """
    # A symbol has at least one character, except for the bytes of one outside of ASCII.
    texts = run.sample(PROMPT, length=length, count=count, seed=1, checkpoint=str(step))
    return [text.removeprefix(PROMPT)[:length] for text in texts]


def sample_ngram(model: NGram, source: RunText, count: int, length: int) -> list[str]:
    """Return samples of an n-gram model, each from a random context that ends with the prompt.

    Args:
        model: Model that was fitted to the training text.
        source: Text of the run.
        count: Number of samples.
        length: Characters of each sample.
    """
    draws = np.random.default_rng(1)
    begins = draws.choice(model.begins(source.encode(PROMPT)), count)
    return [source.vocabulary.decode(row.tolist()).decode() for row in model.sample(begins, length, draws)]
