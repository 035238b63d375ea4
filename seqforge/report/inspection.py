"""Inspection of a language model on a text: predictions before and after an update, probabilities, and states."""

from dataclasses import dataclass
from typing import NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from seqforge.data.batches import Batch
from seqforge.errors import DataError
from seqforge.experiment.experiment import Experiment
from seqforge.generation.generator import encode_prompt, encode_text
from seqforge.kinds import Loss, Vocabulary
from seqforge.model.sequence_model import SequenceModel
from seqforge.runs.training_state import new_training_state
from seqforge.tasks.language_model import text_losses
from seqforge.training.step import train_step


@dataclass(frozen=True, slots=True)
class Inspection:
    """The predictions of a model on each step of a text, before and after one parameter update.

    Attributes:
        inputs: Token id that each step reads, `[time]`.
        targets: Token id of the next symbol on each step, `[time]`.
        before: Probability of every symbol on each step, `[time, symbols]`.
        after: The same probabilities after one parameter update on this text, `[time, symbols]`.
    """

    inputs: Int[Tensor, " time"]
    targets: Int[Tensor, " time"]
    before: Float[Tensor, "time symbols"]
    after: Float[Tensor, "time symbols"]


class SymbolProbability(NamedTuple):
    """A symbol of a text, with its probability given the symbols before it.

    Attributes:
        symbol: The symbol as text.
        probability: Its probability.
    """

    symbol: str
    probability: float


def inspect_text(experiment: Experiment, model: SequenceModel, vocabulary: Vocabulary, text: str) -> Inspection:
    """Return the predictions on a text before and after an update, as Karpathy's post shows for the word "hello".

    The optimizer and the loss of the experiment update a copy of the model, which is on the CPU, from the initial
    states of both the optimizer and the cells.

    Raises:
        DataError: If the text has fewer than two symbols, or has a symbol that is not in the vocabulary.
    """
    tokens = encode_text(vocabulary, text)
    if len(tokens) < 2:
        raise DataError(
            f"{text!r} is too short to inspect", hint="Pass at least two symbols: one to read, one to predict."
        )
    state = new_training_state(experiment, vocabulary.size, torch.device("cpu"))
    state.model.load_state_dict(model.state_dict())
    loss: Loss = experiment.loss.build()
    before = predict_symbols(state.model, tokens[:-1])
    batch = Batch(tokens[:-1].unsqueeze(1), tokens[1:].unsqueeze(1), continues=False)
    training = experiment.training
    with torch.random.fork_rng(devices=[]):  # dropout draws random numbers
        torch.default_generator.manual_seed(experiment.identity.seed)
        clipping = training.gradient_clip_norm, training.gradient_clip_value
        train_step(state, text_losses(state, [batch], loss), 1.0, *clipping)
    return Inspection(tokens[:-1], tokens[1:], before, predict_symbols(state.model, tokens[:-1]))


def symbol_probabilities(
    model: SequenceModel, vocabulary: Vocabulary, text: str, prompt: str | None = None
) -> list[SymbolProbability]:
    """Return the probability of each symbol of a text, given the prompt and the symbols before it.

    The model is set to evaluation mode. If the prompt is None, the text starts at the beginning of a line.

    Raises:
        DataError: If the text is empty, or has a symbol that is not in the vocabulary.
    """
    start, tokens = encode_prompt(vocabulary, prompt), encode_text(vocabulary, text)
    logits = _read_logits(model, torch.cat([start, tokens[:-1]]))[len(start) - 1 :]
    likelihoods = logits.log_softmax(-1).gather(1, tokens.unsqueeze(1)).squeeze(1)
    # In float32, a probability below e^-103 would be 0, and its logarithm infinite.
    probabilities = cast("list[float]", likelihoods.double().exp().tolist())
    symbols = decode_symbols(vocabulary, tokens.numpy())
    return [SymbolProbability(*pair) for pair in zip(symbols, probabilities, strict=True)]


def layer_states(model: SequenceModel, vocabulary: Vocabulary, text: str) -> dict[str, Tensor]:
    """Return the state of every layer after each symbol of a text.

    Returns:
        Tensors `[time, …]` on the CPU by `layers.INDEX.FIELD`, such as `layers.0.hidden`. Layer 0 reads the input.

    Raises:
        DataError: If the text is empty, or has a symbol that is not in the vocabulary.
    """
    fields_over_time: dict[str, list[Tensor]] = {}
    with torch.inference_mode():
        states = model.initial_states(1)
        for token in encode_text(vocabulary, text).to(next(model.parameters()).device):
            _, states = model(token.view(1, 1), states)
            for index, state in enumerate(states):
                for field, tensor in state._asdict().items():
                    fields_over_time.setdefault(f"layers.{index}.{field}", []).append(tensor[0].cpu())
    return {name: torch.stack(tensors) for name, tensors in fields_over_time.items()}


def decode_symbols(vocabulary: Vocabulary, tokens: NDArray[np.int64]) -> list[str]:
    """Return each token as text. A token that is not valid UTF-8 by itself becomes escape sequences."""
    distinct, places = np.unique(tokens, return_inverse=True)
    symbols = [vocabulary.decode([token]).decode("utf-8", "backslashreplace") for token in distinct.tolist()]
    return [symbols[place] for place in places.tolist()]


def predict_symbols(model: SequenceModel, inputs: Int[Tensor, " time"]) -> Float[Tensor, "time symbols"]:
    """Return the probability of every symbol after each input, in evaluation mode, on the CPU."""
    return _read_logits(model, inputs).softmax(-1)


def _read_logits(model: SequenceModel, inputs: Int[Tensor, " time"]) -> Float[Tensor, "time symbols"]:
    model.eval()
    with torch.no_grad():
        tokens = inputs.unsqueeze(1).to(next(model.parameters()).device)
        logits, _ = model(tokens, model.initial_states(1))
    return logits[:, 0].float().cpu()
