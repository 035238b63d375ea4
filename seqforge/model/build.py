"""The model of an experiment."""

from typing import Any

import torch
from torch import nn

from seqforge.cells import new_norm
from seqforge.errors import ExperimentError
from seqforge.experiment.experiment import Experiment
from seqforge.experiment.settings import AUTO_BACKEND
from seqforge.kinds import Attention, Cell, ExampleSpec, Initializer, Loss, Numbers
from seqforge.kinds.cell import has_auxiliary_loss, recurrent_matrices, validate_cell
from seqforge.kinds.initializer import initialize_parameter
from seqforge.model.input import EmbeddingInput, OneHotInput, SymbolInput
from seqforge.model.install_backend import load_backend, load_backends
from seqforge.model.sequence_model import Decoder, RecurrentStack, SequenceModel


def build_model(experiment: Experiment, symbols: int, spec: ExampleSpec | None = None) -> SequenceModel:
    """Return a model on the CPU, with initial weights that depend on the experiment's seed only.

    `symbols` is the size of the vocabulary. A language model has no example spec.

    Raises:
        PluginError: If a component cannot be built, or a cell does not implement its interface.
        ExperimentError: If a cell has an auxiliary loss, and the examples are labelled.
    """
    initializer: Initializer = experiment.model.initializer.build()
    # The random state is restored, so that building a model again does not change the random numbers of a run.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(experiment.identity.seed)
        embedding_size = experiment.model.embedding_size
        numbers = spec.input if spec is not None and isinstance(spec.input, Numbers) else None
        if numbers is not None:
            stack = _stack(experiment, embedding_size or numbers.size, both=experiment.model.bidirectional)
            input_layer = nn.Linear(numbers.size, embedding_size) if embedding_size else nn.Identity()
        else:
            embedding = _embedding(experiment, symbols)
            stack = _stack(experiment, embedding_size or symbols, both=experiment.model.bidirectional)
            lowest = [*stack.layers[:1], *stack.backward_layers[:1]]
            one_hot = SymbolInput() if all(cell.reads_symbols for cell in lowest) else OneHotInput(symbols)
            input_layer = embedding or one_hot
        outputs = output_size(experiment, symbols, spec)
        decoder = _decoder(experiment, outputs, stack.hidden_size) if experiment.has_decoder else None
        if experiment.model.embedding_dropout and numbers is not None and decoder is None:
            raise ExperimentError(
                "model.embedding_dropout: has no effect, since the model reads numbers, not symbols",
                hint="Leave it out, or use model.input_dropout.",
            )
        name, size = experiment.model.final_norm, (decoder.stack if decoder else stack).hidden_size
        norm = new_norm(name, size) if name else None
        # Backends whose generation kernels may be used: that of the experiment, or all if it is `auto`.
        named, registry = experiment.training.backend, experiment.registry
        backends = [*load_backends(registry).values()] if named == AUTO_BACKEND else [load_backend(registry, named)]
        model = SequenceModel(input_layer, stack, outputs, experiment.training.precision, decoder, norm, backends)
        if experiment.model.weight_drop and not any(map(recurrent_matrices, model.cells)):
            raise ExperimentError("model.weight_drop: no layer has a recurrent weight matrix", hint="Leave it out.")
        if spec is not None:
            for cell in model.cells:
                if has_auxiliary_loss(cell):
                    # The state after padding says nothing about an example.
                    raise ExperimentError(
                        f"model.cells: {type(cell).__name__} has an auxiliary loss, which only a language model adds",
                        hint="Switch it off by an option of the cell, or train on text.",
                    )
        if experiment.model.tied_weights:
            model.tie_weights()
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                initialize_parameter(initializer, name, parameter)
            for cell in model.cells:
                cell.set_initial_biases()
        if experiment.model.initial_state == "learned":
            for own in [stack, *([decoder.stack] if decoder else [])]:
                own.learn_initial_states()
        model.constrain_parameters()
    return model


def output_size(experiment: Experiment, symbols: int, spec: ExampleSpec | None) -> int:
    """Return the size of one output of the model, in numbers or logits.

    If the target is a sequence, there is one more logit for its end; if the loss aligns, one more for the blank.
    """
    if spec is None:
        return symbols
    loss: type[Loss] = experiment.loss.component
    return spec.output_size(symbols) + (spec.output_mode == "sequence" or loss.aligns)


def _embedding(experiment: Experiment, symbols: int) -> EmbeddingInput | None:
    settings = experiment.model
    if settings.embedding_size:
        return EmbeddingInput(symbols, settings.embedding_size, settings.embedding_dropout or 0.0)
    for key in ("input_dropout", "embedding_dropout"):
        if getattr(settings, key):
            problem = f"model.{key}: needs model.embedding_size, since the symbols are one-hot vectors"
            raise ExperimentError(problem, hint="Add --set model.embedding_size=SIZE.")
    return None


def _stack(experiment: Experiment, size: int, *, both: bool) -> RecurrentStack:
    cells: list[Cell[Any]] = []
    backward: list[Cell[Any]] = []
    tried: set[tuple[int, int]] = set()
    for chosen in experiment.model.cells:
        cells.append(chosen.build(input_size=size))
        if (id(chosen), size) not in tried:  # The layers of one table with `repeat` are equal.
            validate_cell(cells[-1])
        tried.add((id(chosen), size))
        if both:
            backward.append(chosen.build(input_size=size))
        size = cells[-1].hidden_size * (2 if both else 1)
    return RecurrentStack(cells, experiment.model, backward)


def _decoder(experiment: Experiment, symbols: int, memory_size: int) -> Decoder:
    """Return a decoder with layers of the same cells as the encoder, in forward direction only."""
    vectors = _embedding(experiment, symbols) or OneHotInput(symbols)
    stack = _stack(experiment, (experiment.model.embedding_size or symbols) + memory_size, both=False)
    attention: Attention | None = None
    if experiment.model.attention is not None:
        attention = experiment.model.attention.build(query_size=stack.hidden_size, memory_size=memory_size)
    return Decoder(vectors, stack, memory_size, attention)
