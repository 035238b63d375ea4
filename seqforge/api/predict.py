"""Answers to examples that a person, or another program, gives."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from seqforge.data import as_text, decode_target, encode_input, pad_inputs, readable
from seqforge.errors import DataError
from seqforge.generation import Decoding, RawPrediction, TargetVocabulary, predict_examples
from seqforge.interfaces import ExampleSpec, Value, Vocabulary
from seqforge.model import SequenceModel


@dataclass(frozen=True, slots=True)
class Prediction:
    """A model's answer to one example.

    Attributes:
        output: A text; the name of a class, or a list of names; or lists of numbers.
        text: The same as one text.
        confidence: The probability that the model gives to the answer as a whole; None of numbers, and of labels for
            each step.
    """

    output: Any
    text: str
    confidence: float | None


def predict(
    model: SequenceModel,
    spec: ExampleSpec,
    vocabulary: Vocabulary,
    inputs: Sequence[Value],
    decoding: Decoding,
    rows: int,
    tokens: int,
) -> list[Prediction]:
    """Answer examples.

    Args:
        model: On any device; left in evaluation mode.
        spec: What examples are made of.
        vocabulary: Of text.
        inputs: What is read for each.
        decoding: How sequences are written.
        rows: Examples of a batch at most.
        tokens: Steps of a batch at most, padding included, where an example alone does not have more.

    Raises:
        DataError: Where an input is not of the form.
    """
    encoded = [_encoded(spec, vocabulary, value, number) for number, value in enumerate(inputs, start=1)]
    device = next(model.parameters()).device
    symbols = TargetVocabulary(spec, vocabulary)
    predictions: dict[int, RawPrediction] = {}
    seeds = np.random.default_rng(decoding.seed)
    waiting = sorted(range(len(encoded)), key=lambda index: len(encoded[index]), reverse=True)
    model.eval()
    while waiting:
        # The longest of the batch comes first, and says how many there may be.
        count = max(1, min(rows, tokens // len(encoded[waiting[0]])))
        chosen, waiting = waiting[:count], waiting[count:]
        with torch.inference_mode():
            batch = pad_inputs([encoded[index] for index in chosen]).to(device)
            lengths = torch.tensor([len(encoded[index]) for index in chosen], device=device)
            # Each batch draws by numbers of its own.
            own = replace(decoding, seed=seeds.integers(2**63).item())
            written = predict_examples(model, spec, symbols, model.encode(batch, lengths), own)
        predictions |= dict(zip(chosen, written, strict=True))
    return [_prediction(spec, vocabulary, predictions[index]) for index in range(len(encoded))]


def _encoded(spec: ExampleSpec, vocabulary: Vocabulary, value: Value, number: int) -> Any:
    try:
        return encode_input(spec, vocabulary, value)
    except DataError as error:
        raise DataError(f"example {number}: {error.message}", hint=error.hint) from error


def _prediction(spec: ExampleSpec, vocabulary: Vocabulary, prediction: RawPrediction) -> Prediction:
    value = decode_target(spec, vocabulary, prediction.values)
    return Prediction(readable(spec, value), as_text(spec, value), prediction.confidence)
