"""Batches of a training split without end, whose examples the corpus draws."""

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from seqforge.data.padded_batches import BatchShare, PaddedBatch, pad_inputs, pad_targets
from seqforge.distribution.world import World
from seqforge.errors import DataError, located
from seqforge.faults import wrong_result
from seqforge.kinds import Draw, ExampleSpec, LabelledCorpus, Text, Vocabulary
from seqforge.kinds.example_values import convert_target, encode_input
from seqforge.kinds.labelled_corpus import drawn_fault

WINDOW = 16
"""Number of batches that are drawn together and then divided by length, so that batches have little padding."""

_Encoded = tuple[NDArray[Any], NDArray[Any]]
"""The encoded input and the encoded target of an example."""


class DrawnBatches:
    """The batches of a training stream, each a pure function of the seed and the batch number.

    Args:
        corpus: Corpus with a training stream.
        spec: Shape of the examples.
        vocabulary: Vocabulary of their text.
        rows: Number of examples in a batch.
        tokens: Maximum number of steps in a batch: those of inputs and targets together, padding included.
        seed: Seed of the examples.
        end: Symbol that ends every target sequence, or None.
    """

    def __init__(
        self,
        corpus: LabelledCorpus,
        spec: ExampleSpec,
        vocabulary: Vocabulary,
        rows: int,
        tokens: int,
        seed: int,
        end: int | None,
    ) -> None:
        self._draw = cast("Draw", corpus.training_stream())
        self._corpus, self._spec, self._vocabulary = corpus, spec, vocabulary
        self._rows, self._tokens = rows, tokens
        self._seed, self._end = seed, end
        self._window: tuple[int, list[list[_Encoded]]] | None = None

    def part(self, number: int, world: World) -> tuple[PaddedBatch, BatchShare]:
        """Return the examples of a batch that this process reads, and their share; see `BucketedBatches.part`.

        Raises:
            DataError: If an example does not fit the example spec or the vocabulary, or the batch has too many steps.
        """
        window, position = divmod(number, WINDOW)
        if self._window is None or self._window[0] != window:
            self._window = (window, self._draw_window(window))
        examples = self._window[1][position]
        whole = self._pad(examples)
        share = world.share(len(examples))
        own = examples[share.start : share.stop]
        batch = whole if world.size == 1 else self._pad(own or examples[:1])
        targets = batch.target_count if own else 0
        return batch, BatchShare(targets, whole.target_count, int(whole.lengths.sum()))

    def _draw_window(self, window: int) -> list[list[_Encoded]]:
        generator = np.random.default_rng([self._seed, window])
        examples = [self._draw_example(generator) for _ in range(WINDOW * self._rows)]
        examples.sort(key=lambda example: len(example[0]) + len(example[1]))
        starts = self._rows * generator.permutation(WINDOW)
        return [examples[start : start + self._rows] for start in starts]

    def _draw_example(self, generator: np.random.Generator) -> _Encoded:
        spec = self._spec
        drawn = self._draw(generator)
        if fault := drawn_fault(drawn):
            raise wrong_result(self._corpus.training_stream, fault)
        with located("a drawn example"):
            values, target = encode_input(spec, self._vocabulary, drawn[0]), convert_target(spec, drawn[1])
            if isinstance(spec.target, Text):
                target = self._vocabulary.encode(target.tobytes())
        if spec.output_mode == "every step" and len(values) != len(target):
            raise DataError(f"a drawn example has {len(values)} steps, and its target has {len(target)}")
        return values, target

    def _pad(self, examples: list[_Encoded]) -> PaddedBatch:
        inputs, targets = zip(*examples, strict=True)
        steps = len(examples) * (max(map(len, inputs)) + max(map(len, targets)) + 1)
        if steps > self._tokens:
            raise DataError(
                f"a batch of {len(examples)} drawn examples has {steps:,} steps, and may have {self._tokens:,}",
                hint="Lower training.batch_size, or raise training.batch_tokens.",
            )
        lengths = torch.tensor([len(steps) for steps in inputs])
        return PaddedBatch(pad_inputs(inputs), lengths, pad_targets(self._spec, targets, self._end))
