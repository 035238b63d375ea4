"""Predictions for examples: a class, numbers, labels of steps, or a new sequence."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from seqforge.data.padded_batches import pad_inputs
from seqforge.errors import DataError, located
from seqforge.events import Report, WorkProgressed, no_report
from seqforge.experiment.settings import Decoding
from seqforge.generation.drawing import check_finite
from seqforge.kinds import ExampleSpec, Numbers, Value, Vocabulary, map_state
from seqforge.kinds.example_values import decode_target, encode_input, to_json_value, to_text
from seqforge.model.sequence_model import SequenceModel
from seqforge.model.stack import EncoderOutput


@dataclass(frozen=True, slots=True, eq=False)
class RawPrediction:
    """The prediction for one row as an array, before it is decoded.

    Attributes:
        values: Symbols `[steps]`, or numbers `[steps, size]`; a prediction that is made once has one step.
        confidence: Probability of the whole prediction; None for numbers, for labels of steps, and for alignments.
    """

    values: NDArray[Any]
    confidence: float | None


def beam_search(
    model: SequenceModel, encoded: EncoderOutput, *, width: int, normalization: float, length: int
) -> list[RawPrediction]:
    """Return the best sequence of a beam search for each row, without its end symbol.

    Each step keeps the `width` most probable continuations (Graves 2012, "Sequence Transduction with Recurrent Neural
    Networks"). A sequence that ends leaves the beam. The result is the ended sequence with the highest score log P /
    ((5 + n) / 6)^α, where n is the number of symbols including the end symbol, and α is `normalization` (Wu et al.
    2016, "Google's Neural Machine Translation System"). A width of 1 is greedy decoding. A sequence of `length` symbols
    is forced to end. The search stops when no sequence in the beam can exceed the score of the best ended one.

    Raises:
        RunError: If the logits are not finite.
    """
    rows, device = len(encoded.lengths), encoded.lengths.device
    end = model.head.out_features - 1
    decoder_context = model.decoder_context(encoded).rows(torch.arange(rows, device=device).repeat_interleave(width))
    step = model.decoder_stepper()
    states = model.decoder_states(rows * width)
    symbols = torch.full((rows * width,), end, device=device)
    live = torch.full((rows, width), -torch.inf, device=device)
    live[:, 0] = 0
    history = torch.empty((rows, width, 0), dtype=torch.int64, device=device)
    best = [RawPrediction(np.empty(0, np.int64), 0.0)] * rows
    best_scores = torch.full((rows,), -torch.inf, device=device)
    offsets = torch.arange(rows, device=device).unsqueeze(1) * width
    for count in range(1, length + 2):
        logits, states = step(symbols, decoder_context, states)
        check_finite(logits)
        totals = live.unsqueeze(-1) + logits.float().log_softmax(-1).view(rows, width, -1)
        if count > length:
            totals[..., :end] = -torch.inf
        live, indices = totals.flatten(1).topk(width)
        parents, symbols = indices // (end + 1), indices % (end + 1)
        history = torch.cat([history.gather(1, parents.unsqueeze(-1).expand(-1, -1, count - 1)),
                             symbols.unsqueeze(-1)], dim=-1)  # fmt: skip
        ended = symbols == end
        scores = _score(live, count, normalization).masked_fill(~ended, -torch.inf)
        for row in cast("list[int]", (scores.amax(1) > best_scores).nonzero().flatten().tolist()):
            beam = int(scores[row].argmax())
            # A copy, since a view would keep the history of the whole beam.
            best[row] = RawPrediction(history[row, beam, :-1].cpu().numpy().copy(), math.exp(live[row, beam]))
            best_scores[row] = scores[row, beam]
        live = live.masked_fill(ended, -torch.inf)
        # A longer sequence is never more probable, and the divisor is largest for the maximum length.
        if bool((best_scores >= _score(live.amax(1), length + 1, normalization)).all()):
            break
        sources = (parents + offsets).flatten()
        states = tuple(map_state(lambda part: part[sources], state) for state in states)  # noqa: B023
        symbols = symbols.flatten()
    return best


def _score(log_probabilities: Tensor, symbols: int, normalization: float) -> Tensor:
    """Return numbers in the order of log P / ((5 + n) / 6)^α. The power itself exceeds float32 for a large α."""
    return normalization * math.log((5 + symbols) / 6) - (-log_probabilities).log()


@dataclass(frozen=True, slots=True)
class Prediction:
    """The prediction for one example.

    Attributes:
        output: A text, a class name, a list of class names, or nested lists of numbers.
        text: The output as one string.
        confidence: Probability of the whole prediction; None for numbers, for labels of steps, and for alignments.
    """

    output: Any
    text: str
    confidence: float | None


@dataclass(eq=False)
class Predictor:
    """Predicts the targets of new examples with a loaded model, which is set to evaluation mode.

    A batch has at most `rows` examples and `tokens` steps, padding included. An example with more steps is a batch of
    its own.
    """

    model: SequenceModel
    spec: ExampleSpec
    vocabulary: Vocabulary
    decoding: Decoding
    rows: int
    tokens: int

    def __post_init__(self) -> None:
        self.model.eval()
        self._count = 0

    def __call__(self, inputs: Sequence[Value], report: Report = no_report) -> list[Prediction]:
        """Return a prediction for each input, and report the progress after each batch.

        Raises:
            DataError: If an input does not fit the example spec. The message counts the inputs of all calls.
        """
        if isinstance(inputs, str | bytes) or not isinstance(inputs, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise DataError(f"the inputs are a list, not {inputs!r:.60}", hint="Write [input].")
        model, spec, vocabulary = self.model, self.spec, self.vocabulary
        encoded: list[Any] = []
        for number, value in enumerate(inputs, start=self._count + 1):
            with located(f"example {number}"):
                encoded.append(encode_input(spec, vocabulary, value))
        self._count += len(encoded)
        device = next(model.parameters()).device
        predictions: dict[int, RawPrediction] = {}
        remaining = sorted(range(len(encoded)), key=lambda index: len(encoded[index]), reverse=True)
        while remaining:
            # The first example is the longest, so it limits the size of the batch.
            count = max(1, min(self.rows, self.tokens // len(encoded[remaining[0]])))
            selected, remaining = remaining[:count], remaining[count:]
            with torch.inference_mode():
                batch = pad_inputs([encoded[index] for index in selected]).to(device)
                lengths = torch.tensor([len(encoded[index]) for index in selected], device=device)
                found = predict_examples(model, spec, model.encode(batch, lengths), self.decoding)
            predictions |= dict(zip(selected, found, strict=True))
            report(WorkProgressed("predicting", len(predictions) / len(encoded)))
        return [_decode_prediction(spec, vocabulary, predictions[index]) for index in range(len(encoded))]


def predict_examples(
    model: SequenceModel, spec: ExampleSpec, encoded: EncoderOutput, decoding: Decoding
) -> list[RawPrediction]:
    """Return the prediction for each row of an encoder output."""
    if model.decoder is not None:
        normalization = decoding.length_normalization
        return beam_search(model, encoded, width=decoding.beam, normalization=normalization, length=decoding.length)
    if spec.output_mode == "once":
        return _predict_once(model.predict(encoded.last), isinstance(spec.target, Numbers))
    lengths = cast("list[int]", encoded.lengths.tolist())
    outputs = model.predict(encoded.outputs).cpu()
    if isinstance(spec.target, Numbers):
        return [RawPrediction(outputs[:length, row].numpy(), None) for row, length in enumerate(lengths)]
    likeliest = outputs.argmax(-1)
    rows = [likeliest[:length, row] for row, length in enumerate(lengths)]
    if spec.output_mode == "sequence":
        rows = [collapse_alignment(row, blank=outputs.shape[-1] - 1) for row in rows]
    return [RawPrediction(row.numpy(), None) for row in rows]


def collapse_alignment(path: Int[Tensor, " time"], blank: int) -> Int[Tensor, " steps"]:
    """Return the sequence of a CTC alignment: merge repeated symbols, then remove blanks (Graves et al. 2006)."""
    merged = cast("Tensor", torch.unique_consecutive(path))
    return merged[merged != blank]


def _predict_once(outputs: Float[Tensor, "batch outputs"], numbers: bool) -> list[RawPrediction]:
    if numbers:
        return [RawPrediction(row[None], None) for row in outputs.cpu().numpy()]
    confidences, likeliest = outputs.float().softmax(-1).max(-1)
    return [
        RawPrediction(np.array([int(index)], dtype=np.int64), float(confidence))
        for index, confidence in zip(likeliest, confidences, strict=True)
    ]


def _decode_prediction(spec: ExampleSpec, vocabulary: Vocabulary, prediction: RawPrediction) -> Prediction:
    value = decode_target(spec, vocabulary, prediction.values)
    return Prediction(to_json_value(spec, value), to_text(spec, value), prediction.confidence)
