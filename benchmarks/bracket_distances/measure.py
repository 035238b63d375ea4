"""The probability of right closing brackets of held-out text, under the model of a run and under n-gram models."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.bracket_distances.ngram import Tokens, predict_symbols
from benchmarks.bracket_distances.pairs import CLOSING, Pair, find_pairs
from seqforge.api.run import Run
from seqforge.data.dataset import Dataset, prepare
from seqforge.errors import DataError
from seqforge.evaluation.baseline import held_out_windows
from seqforge.evaluation.intervals import Interval, bootstrap_mean
from seqforge.events import Report, WorkProgressed
from seqforge.kinds import Vocabulary
from seqforge.model.sequence_model import SequenceModel

_PIECE = 4_000_000
"""Number of tokens of the training text that are in memory at once."""

_STEPS = 256
"""Number of time steps that the model computes in one call."""


@dataclass(frozen=True, slots=True)
class BracketScore:
    """The probabilities at one range of distances.

    Attributes:
        shortest: Smallest distance.
        longest: Largest distance.
        brackets: Number of closing brackets.
        probability: Mean probability of the right closing bracket, by predictor.
        accuracy: Share of places at which it is more probable than the other two closing brackets, by predictor.
        intervals: Bootstrap interval of the mean probability over windows of text, by predictor.
    """

    shortest: int
    longest: int
    brackets: int
    probability: dict[str, float]
    accuracy: dict[str, float]
    intervals: dict[str, Interval]


def measure(
    run: Run, kinds: str, orders: Sequence[int], *, windows: int, length: int, checkpoint: str, report: Report
) -> list[BracketScore]:
    """Measure closing brackets in windows of held-out text.

    Args:
        run: Run of a language model whose tokens are characters.
        kinds: The closing brackets to measure.
        orders: Orders of the n-gram models, which are fitted to the training text of the run.
        windows: Number of windows.
        length: Characters of each window.
        checkpoint: Checkpoint of the run.
        report: Function that receives the progress.

    Returns:
        One measurement for each range of distances from a power of two to the next that occurs.

    Raises:
        DataError: If the model is no language model, there is no held-out text or no bracket in it, or a token is not a
            character.
    """
    if run.experiment.labelled:
        raise DataError(
            f"{run.path}: the model was trained on labelled examples, so it predicts no brackets",
            hint="Use the run of a language model of C.",
        )
    dataset = prepare(run.experiment, report)
    vocabulary = dataset.vocabulary
    texts = held_out_windows(dataset, None, count=windows, length=length, seed=run.experiment.identity.seed)
    if not texts:
        raise DataError("the validation split is empty", hint="Train with data.validation_fraction above 0.")
    tokens = [vocabulary.encode(text).astype(np.int64) for text in texts]
    usable = [number for number, text in enumerate(texts) if len(tokens[number]) == len(text) == length]
    if not usable:
        raise DataError(
            "no window of held-out text has one token for each character",
            hint="Use a run with the vocabulary characters or bytes, and a --length shorter than the split.",
        )
    places = [
        (row, pair)
        for row, number in enumerate(usable)
        for pair in find_pairs(texts[number])
        if pair.matches and texts[number][pair.closing] in kinds
    ]
    if not places:
        raise DataError("the held-out text has no pair of these brackets", hint="Increase --windows or --length.")
    inputs = np.stack([tokens[number] for number in usable])
    closing = _closing_tokens(vocabulary)
    rights = np.array([CLOSING.index(texts[usable[row]][pair.closing]) for row, pair in places])
    predictions = {"model": _predict(run.model(checkpoint, "cpu"), inputs, places, closing, report)}
    if orders:
        contexts = [inputs[row, max(0, pair.closing - max(orders)) : pair.closing] for row, pair in places]
        pieces = _read_training_text(dataset, report)
        for order, found in predict_symbols(pieces, contexts, orders, vocabulary.size).items():
            predictions[f"{order}-gram"] = _select(found, closing)
    return list(_tabulate(places, rights, predictions, len(usable)))


def _closing_tokens(vocabulary: Vocabulary) -> list[int | None]:
    """Return the token of each closing bracket; None if it does not occur in the corpus."""
    tokens: list[int | None] = []
    for bracket in CLOSING:
        try:
            tokens.append(int(vocabulary.encode(bracket)[0]))
        except DataError:
            tokens.append(None)
    return tokens


def _select(probabilities: NDArray[np.float64], closing: Sequence[int | None]) -> NDArray[np.float64]:
    """Return the probabilities `[places, 3]` of the closing brackets."""
    none = np.zeros(len(probabilities))
    return np.stack([none if token is None else probabilities[:, token] for token in closing], axis=1)


def _predict(
    model: SequenceModel,
    inputs: Tokens,
    places: Sequence[tuple[int, Pair]],
    closing: Sequence[int | None],
    report: Report,
) -> NDArray[np.float64]:
    """Return the probabilities `[places, 3]` of the closing brackets under the model."""
    rows = np.array([row for row, _ in places])
    positions = np.array([pair.closing for _, pair in places])
    found = np.zeros((len(places), len(CLOSING)))
    tokens = torch.from_numpy(np.ascontiguousarray(inputs.T))
    states: Any = model.initial_states(len(inputs))
    with torch.inference_mode():
        for start in range(0, len(tokens), _STEPS):
            report(WorkProgressed("reading held-out text", start / len(tokens)))
            logits, states = model(tokens[start : start + _STEPS], states)
            # The output of a step predicts the next one.
            here = np.flatnonzero((positions > start) & (positions <= start + _STEPS))
            steps = torch.from_numpy(positions[here] - 1 - start)
            chosen = logits[steps, torch.from_numpy(rows[here])].double().softmax(-1).numpy()
            found[here] = _select(chosen, closing)
    return found


def _read_training_text(dataset: Dataset, report: Report) -> Iterator[Tokens]:
    """Yield the tokens of the training split in pieces."""
    spans = dataset.splits["training"]
    done = 0
    rest: list[Tokens] = []
    for start, stop in zip(spans.starts.tolist(), spans.stops.tolist(), strict=True):
        for begin in range(start, stop, _PIECE):
            end = min(stop, begin + _PIECE)
            rest.append(dataset.token_file.map().read(begin, end).astype(np.int64))
            done += end - begin
            if sum(map(len, rest)) >= _PIECE:
                report(WorkProgressed("counting n-grams", done / spans.length))
                yield np.concatenate(rest)
                rest = []
    if rest:
        yield np.concatenate(rest)


def _tabulate(
    places: Sequence[tuple[int, Pair]],
    rights: NDArray[np.int64],
    predictions: dict[str, NDArray[np.float64]],
    windows: int,
) -> Iterator[BracketScore]:
    """Yield a measurement for each range of distances that occurs.

    Args:
        places: Window and pair of each closing bracket.
        rights: Index in `CLOSING` of each closing bracket.
        predictions: Probabilities `[places, 3]` of the closing brackets, by predictor.
        windows: Number of windows.
    """
    rows = np.array([row for row, _ in places])
    bins = np.array([pair.distance.bit_length() for _, pair in places])
    for number in np.unique(bins).tolist():
        inside = np.flatnonzero(bins == number)
        probability: dict[str, float] = {}
        accuracy: dict[str, float] = {}
        intervals: dict[str, Interval] = {}
        for name, found in predictions.items():
            right = found[inside, rights[inside]]
            probability[name] = float(right.mean())
            accuracy[name] = float((found[inside].argmax(axis=1) == rights[inside]).mean())
            totals = np.bincount(rows[inside], weights=right, minlength=windows)
            interval = bootstrap_mean(totals, np.bincount(rows[inside], minlength=windows))
            if interval is not None:
                intervals[name] = interval
        yield BracketScore(1 << number - 1, (1 << number) - 1, len(inside), probability, accuracy, intervals)
