"""What a model answers to examples: a class, numbers, labels of steps, or a sequence."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from seqforge.generation.beam import DecodedSequence, beam_search
from seqforge.generation.decode import draw_sequences
from seqforge.generation.target_vocabulary import TargetVocabulary
from seqforge.interfaces import ExampleSpec, Numbers, Sampler
from seqforge.model import EncoderOutput, SequenceModel


@dataclass(frozen=True, slots=True)
class Decoding:
    """How a sequence is written.

    Attributes:
        beam: Width of the beam search; 1 takes the likeliest symbol on each step.
        length_normalization: α of the beam search.
        length: Symbols to write at most.
        samplers: A chain to draw by in the place of a search; none to search.
        seed: Decides the draws.
    """

    beam: int = 1
    length_normalization: float = 0.0
    length: int = 200
    samplers: Sequence[Sampler] = field(default=())
    seed: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class RawPrediction:
    """What was written for one row.

    Attributes:
        values: Symbols `[steps]`, or numbers `[steps, size]`; what is written once is one step.
        confidence: The probability that the model gives to it as a whole; None of numbers and of labels of steps.
    """

    values: NDArray[Any]
    confidence: float | None


def predict_examples(
    model: SequenceModel, spec: ExampleSpec, symbols: TargetVocabulary, encoded: EncoderOutput, decoding: Decoding
) -> list[RawPrediction]:
    """Answer each row.

    Args:
        model: In evaluation mode.
        spec: What examples are made of.
        symbols: What a writer writes.
        encoded: What was read.
        decoding: How a sequence is written.
    """
    if model.decoder is not None:
        return [
            RawPrediction(np.array(one.symbols, dtype=np.int64), float(np.exp(one.log_probability)))
            for one in _written(model, symbols, encoded, decoding)
        ]
    if spec.output_mode == "once":
        return _once(model.predict_once(encoded), isinstance(spec.target, Numbers))
    lengths = cast("list[int]", encoded.lengths.tolist())
    outputs = model.predict_each_step(encoded).cpu()
    if isinstance(spec.target, Numbers):
        return [RawPrediction(outputs[:length, row].numpy(), None) for row, length in enumerate(lengths)]
    likeliest = outputs.argmax(-1)
    rows = [likeliest[:length, row] for row, length in enumerate(lengths)]
    if spec.output_mode == "sequence":
        rows = [collapsed(row, blank=outputs.shape[-1] - 1) for row in rows]
    return [RawPrediction(row.numpy(), None) for row in rows]


def collapsed(path: Int[Tensor, " time"], blank: int) -> Int[Tensor, " steps"]:
    """Turn an alignment into its sequence: of a run of one symbol one stays, and no blank does (Graves et al. 2006).

    Args:
        path: A symbol for each step.
        blank: The symbol that stands for none.
    """
    kept = cast("Tensor", torch.unique_consecutive(path))
    return kept[kept != blank]


def _written(
    model: SequenceModel, symbols: TargetVocabulary, encoded: EncoderOutput, decoding: Decoding
) -> list[DecodedSequence]:
    if decoding.samplers:
        return draw_sequences(model, symbols, decoding.samplers, encoded, length=decoding.length, seed=decoding.seed)
    return beam_search(
        model,
        encoded,
        width=decoding.beam,
        normalization=decoding.length_normalization,
        length=decoding.length,
    )


def _once(outputs: Float[Tensor, "batch outputs"], numbers: bool) -> list[RawPrediction]:
    if numbers:
        return [RawPrediction(row[None], None) for row in outputs.cpu().numpy()]
    confidences, likeliest = outputs.float().softmax(-1).max(-1)
    return [
        RawPrediction(np.array([int(index)], dtype=np.int64), float(confidence))
        for index, confidence in zip(likeliest, confidences, strict=True)
    ]
