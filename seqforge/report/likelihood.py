"""How likely a language model finds text: its confidence in each symbol, and the value of a carried state.

The confidence is the probability of each symbol, beside the likeliest symbols there. The value of a carried state is
how much better the model predicts with it than after a state reset, by the distance to the reset.
"""

import math
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from seqforge.data.batches import TokenStream
from seqforge.data.dataset import Dataset
from seqforge.data.splits import SplitName
from seqforge.events import WorkProgressed
from seqforge.generation.generator import encode_prompt, encode_text
from seqforge.model.sequence_model import SequenceModel
from seqforge.report.facts import rounded
from seqforge.report.inspection import decode_symbols, predict_symbols
from seqforge.runs.loaded_run import LoadedRun

LENGTH, CONTEXT = 1200, 400
"""Number of symbols that are shown, and of symbols that the model reads before them."""

LIKELIEST = 5
"""Number of likeliest symbols at each place."""

PIECES = 9
"""Number of pieces of held-out text, of which the one of median likelihood is shown."""

MEMORY_PIECES, MEMORY_CONTEXT, MEMORY_LENGTH = 128, 256, 384
"""Number of pieces of text, symbols read before each with a carried state, and symbols that are scored."""

BINS = 20
"""Number of distances, which are spread evenly on a logarithmic scale."""

MOST_LOGITS = 1 << 26
"""Maximum number of logits that are in memory at once: 256 MiB, also for a vocabulary of thousands of symbols."""


def choose_split(dataset: Dataset) -> SplitName:
    """Return the validation split, or the training split if the validation split has no symbol to predict."""
    return "validation" if dataset.splits["validation"].length >= 2 else "training"


def read_pieces(dataset: Dataset, split: SplitName, count: int, length: int, seed: int) -> NDArray[np.int64]:
    """Return pieces of a split at random positions, `[count, length]`; shorter ones if the split is shorter."""
    stream = TokenStream(dataset.token_file, dataset.splits[split])
    length = min(length, len(stream))
    starts = np.random.default_rng(seed).integers(0, len(stream) - length + 1, count)
    return stream.read(starts.tolist(), length)


@torch.inference_mode()
def next_symbol_nats(model: SequenceModel, tokens: Int[Tensor, "length batch"]) -> Float[Tensor, "time batch"]:
    """Return the negative log-likelihood of each token but the first, from the initial state."""
    device = next(model.parameters()).device
    rows = max(1, MOST_LOGITS // (len(tokens) * model.head.out_features))
    parts: list[Tensor] = []
    for part in torch.split(tokens, rows, dim=1):
        logits, _ = model(part[:-1].to(device), model.initial_states(part.shape[1]))
        losses = functional.cross_entropy(logits.flatten(0, 1).float(), part[1:].flatten().to(device), reduction="none")
        parts.append(losses.view(len(part) - 1, -1).cpu())
    return torch.cat(parts, dim=1)


def collect_confidences(run: LoadedRun, text: str | None) -> dict[str, Any] | None:
    """Return the probability of each symbol of a text under the language model of a run.

    Without a text, it is held-out text, which the model reads after the text before it.

    Returns:
        The `source` of the text, and for each place the symbol, its probability and the likeliest symbols as pairs of
        symbol and probability. None if the corpus is not available and no text is passed.

    Raises:
        DataError: If the text is empty, or has a symbol that is not in the vocabulary.
    """
    vocabulary, dataset = run.vocabulary, run.available_dataset
    if text is not None:
        context = encode_prompt(vocabulary, None).numpy()
        tokens = encode_text(vocabulary, text, "text of the report").numpy()[:LENGTH]
        source = "your text"
    elif dataset is not None:
        split = choose_split(dataset)
        pieces = read_pieces(dataset, split, PIECES, CONTEXT + LENGTH, seed=1)
        losses = next_symbol_nats(run.model, torch.as_tensor(pieces.T.copy())).mean(0)
        # The piece of median likelihood is neither the easiest nor the hardest text.
        piece = pieces[int(losses.argsort()[len(pieces) // 2])]
        start = min(CONTEXT, max(1, len(piece) // 4))
        context, tokens = piece[:start], piece[start:]
        source = "held-out text" if split == "validation" else "training text"
    else:
        return None
    read = torch.as_tensor(np.concatenate([context, tokens[:-1]]))
    probabilities = predict_symbols(run.model, read)[len(context) - 1 :].double().numpy()
    chosen = probabilities[np.arange(len(tokens)), tokens]
    count = min(LIKELIEST, probabilities.shape[1])
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :count]
    names = decode_symbols(vocabulary, order.ravel())
    likeliest = [
        [*zip(names[row * count : (row + 1) * count], rounded(probabilities[row, order[row]], 3), strict=True)]
        for row in range(len(order))
    ]
    mean = float(-np.log2(np.maximum(chosen, 1e-30)).mean())
    return {
        "source": source,
        "bits": round(mean, 3),
        "symbols": decode_symbols(vocabulary, tokens),
        "probabilities": rounded(chosen, 3),
        "likeliest": likeliest,
    }


def collect_memory(run: LoadedRun) -> dict[str, Any] | None:
    """Compare the likelihood of the same text after a state reset, and with the state of the text before it.

    Returns:
        Lists of equal length: the mean `distance` to the reset, and the bits per character after a `reset` and with a
        `carried` state at these distances. None if the text is too short.
    """
    dataset = run.available_dataset
    if dataset is None:
        return None
    split = choose_split(dataset)
    if dataset.splits[split].length < 4 * (MEMORY_CONTEXT + MEMORY_LENGTH):
        return None
    run.report(WorkProgressed("measuring memory"))
    tokens = torch.as_tensor(
        read_pieces(dataset, split, MEMORY_PIECES, MEMORY_CONTEXT + MEMORY_LENGTH + 1, seed=3).T.copy()
    )
    carried = next_symbol_nats(run.model, tokens)[MEMORY_CONTEXT:]
    reset = next_symbol_nats(run.model, tokens[MEMORY_CONTEXT:])
    scale = 1 / math.log(2) / dataset.characters_per_token(split)
    edges = np.unique(np.geomspace(1, MEMORY_LENGTH + 1, BINS + 1).round().astype(int))
    table: dict[str, list[float]] = {"distance": [], "reset": [], "carried": []}
    for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        table["distance"].append(round((start + stop - 1) / 2, 1))
        for name, nats in (("reset", reset), ("carried", carried)):
            table[name].append(round(float(nats[start - 1 : stop - 1].mean()) * scale, 4))
    return table
