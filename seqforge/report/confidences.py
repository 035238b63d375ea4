"""The confidence of a language model: the probability of each symbol of a text, and the likeliest symbols there."""

from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from seqforge.generation import encode_prompt, encode_text
from seqforge.report.inspection import inspect_text, predict_symbols
from seqforge.report.reading import choose_split, decode_symbols, next_symbol_nats, read_pieces
from seqforge.report.subject import Subject
from seqforge.tasks import TrainedModel

LENGTH, CONTEXT = 1200, 400
"""Number of symbols that are shown, and of symbols that the model reads before them."""

LIKELIEST = 5
"""Number of likeliest symbols at each place."""

PIECES = 9
"""Number of pieces of held-out text, of which the one of median likelihood is shown."""

SMALL = 16
"""Largest size of a vocabulary and of a text for which an update is shown."""


def collect_confidences(subject: Subject, text: str | None) -> dict[str, Any] | None:
    """Return the probability of each symbol of a text under the model of a run.

    Args:
        subject: The run of a language model.
        text: The text; None for held-out text, which the model reads after the text before it.

    Returns:
        The `source` of the text, and for each place the symbol, its probability and the likeliest symbols as pairs of
        symbol and probability. None if the corpus is not available and no text is passed.

    Raises:
        DataError: If the text is empty, or has a symbol that is not in the vocabulary.
    """
    vocabulary, dataset = subject.vocabulary, subject.dataset
    if text is not None:
        context = encode_prompt(vocabulary, None).numpy()
        tokens = encode_text(vocabulary, text, "text of the report").numpy()[:LENGTH]
        source = "your text"
    elif dataset is not None:
        split = choose_split(dataset)
        piece = _typical_piece(subject, read_pieces(dataset, split, PIECES, CONTEXT + LENGTH, seed=1))
        start = min(CONTEXT, max(1, len(piece) // 4))
        context, tokens = piece[:start], piece[start:]
        source = "held-out text" if split == "validation" else "training text"
    else:
        return None
    read = torch.as_tensor(np.concatenate([context, tokens[:-1]]))
    probabilities = predict_symbols(subject.model, read)[len(context) - 1 :].double().numpy()
    chosen = probabilities[np.arange(len(tokens)), tokens]
    count = min(LIKELIEST, probabilities.shape[1])
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :count]
    names = decode_symbols(vocabulary, order.ravel())
    likeliest = [
        [[names[row * count + rank], _short(probabilities[row, token])] for rank, token in enumerate(tokens_of_row)]
        for row, tokens_of_row in enumerate(order)
    ]
    mean = float(-np.log2(np.maximum(chosen, 1e-30)).mean())
    return {
        "source": source,
        "bits": round(mean, 3),
        "symbols": decode_symbols(vocabulary, tokens),
        "probabilities": [_short(value) for value in chosen],
        "likeliest": likeliest,
    }


def collect_update(subject: Subject) -> dict[str, Any] | None:
    """Return the probabilities of every symbol on a very short training text, before and after the first update.

    Returns:
        The `symbols` of the vocabulary, and for each step the symbol that is `read`, the `target`, and the
        probabilities `before` and `after`. None unless the text and the vocabulary are as small as those of "hello".
    """
    vocabulary, dataset = subject.vocabulary, subject.dataset
    if dataset is None or vocabulary.size > SMALL or not 2 <= dataset.splits["training"].length <= SMALL:
        return None
    text = "".join(dataset.documents("training"))
    initial = subject.task.load_model(TrainedModel(subject.directory, "initial", "cpu"))
    inspection = inspect_text(subject.experiment, initial, vocabulary, text)
    names = decode_symbols(vocabulary, np.arange(vocabulary.size))
    inputs, targets = (cast("list[int]", tokens.tolist()) for tokens in (inspection.inputs, inspection.targets))
    before, after = (
        [[_short(value) for value in row] for row in cast("list[list[float]]", part.tolist())]
        for part in (inspection.before, inspection.after)
    )
    return {"symbols": names, "read": inputs, "target": targets, "before": before, "after": after}


def _typical_piece(subject: Subject, pieces: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the piece of median likelihood, which is neither the easiest nor the hardest text."""
    losses = next_symbol_nats(subject.model, torch.as_tensor(pieces.T.copy())).mean(0)
    return pieces[int(losses.argsort()[len(pieces) // 2])]


def _short(value: float) -> float:
    return float(f"{value:.3g}")
