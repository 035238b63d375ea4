"""What a model expects on every step of a short text, before and after one parameter update."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from seqforge.api.run import Run
from seqforge.checkpoints.training_state import TrainingState, initial_state
from seqforge.data import Batch
from seqforge.errors import DataError, RunError
from seqforge.generation import encode_prompt
from seqforge.interfaces import Loss
from seqforge.training.step import train_step


@dataclass(frozen=True, slots=True)
class Inspection:
    """A text's confidences.

    Attributes:
        inputs: The symbol read on each step, `[time]`.
        targets: The right next symbol on each step, `[time]`.
        before: The confidence given to every symbol on each step, `[time, symbols]`.
        after: The same after one parameter update on this text.
    """

    inputs: Int[Tensor, " time"]
    targets: Int[Tensor, " time"]
    before: Float[Tensor, "time symbols"]
    after: Float[Tensor, "time symbols"]


def inspect(run: Run, text: str, checkpoint: str = "latest") -> Inspection:
    """Walk through a text as Karpathy's post walks through "hello".

    The run itself is left as it is: the update is made on a copy, by the experiment's own optimizer and loss,
    starting from the state before the first symbol.

    Args:
        run: An opened run.
        text: At least two symbols of the run's vocabulary.
        checkpoint: "latest", "best", a step, or "initial" for the weights before the first step.

    Raises:
        RunError: Where the run learnt from labelled examples.
        DataError: Where the text is too short, or holds a symbol that the vocabulary does not.
    """
    experiment = run.experiment
    if experiment.labelled:
        raise RunError(
            f"{run.path}: learnt from labelled examples, and expects no next symbol",
            hint=f"To let it answer: seqforge predict {run.path} EXAMPLE",
        )
    vocabulary = run.vocabulary()
    tokens = encode_prompt(vocabulary, text)
    if len(tokens) < 2:
        raise DataError(
            f"{text!r} is too short to trace", hint="Give at least two symbols: one to read, one to expect."
        )
    state = initial_state(experiment, vocabulary.size, torch.device("cpu"))
    state.model.load_state_dict(run.model(checkpoint, device="cpu").state_dict())
    loss: Loss = experiment.loss.build()
    before = _confidences(state, tokens[:-1])
    batch = Batch(tokens[:-1].unsqueeze(1), tokens[1:].unsqueeze(1), continues=False)
    training = experiment.training
    with torch.random.fork_rng(devices=[]):  # dropout draws
        torch.default_generator.manual_seed(experiment.identity.seed)
        train_step(state, [batch], loss, 1.0, training.gradient_clip_norm, training.gradient_clip_value)
    return Inspection(tokens[:-1], tokens[1:], before, _confidences(state, tokens[:-1]))


def _confidences(state: TrainingState, inputs: Int[Tensor, " time"]) -> Float[Tensor, "time symbols"]:
    state.model.eval()
    with torch.no_grad():
        logits, _ = state.model(inputs.unsqueeze(1), state.model.initial_states(1))
    return logits[:, 0].softmax(-1)
