"""From an experiment to its model."""

from typing import Any

import torch

from seqforge.experiment import Experiment
from seqforge.interfaces import Attention, Cell, Form, Initializer, Loss, Numbers
from seqforge.model.decoder import Writer
from seqforge.model.input import EmbeddingInput, OneHotInput, SymbolInput, VectorInput
from seqforge.model.sequence_model import SequenceModel
from seqforge.model.stack import RecurrentStack
from seqforge.model.validate_cell import refuse_unfit


def build_model(experiment: Experiment, symbols: int, form: Form | None = None) -> SequenceModel:
    """Build a model with the weights before its first step, which depend on the experiment's seed alone.

    Args:
        experiment: Names cells, sizes, initializer and seed.
        symbols: Size of the vocabulary.
        form: What labelled examples are made of; None for a language model.

    Returns:
        The model, on the CPU.

    Raises:
        PluginError: Where a component cannot be made, or a cell is not as its interface says.
    """
    initializer: Initializer = experiment.initializer.build()
    # A fork, so that building a model twice, or for a look only, disturbs nobody's random numbers.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(experiment.identity.seed)
        reads = form.reads if form else None
        if isinstance(reads, Numbers):
            vectors = VectorInput(reads.size, experiment.model.embedding_size)
            stack = _stack(experiment, experiment.model.embedding_size or reads.size)
            input_layer = vectors
        else:
            embedding = _embedding(experiment, symbols)
            stack = _stack(experiment, experiment.model.embedding_size or symbols)
            cells = [*stack.layers[:1], *stack.backward_layers[:1]]
            one_hot = SymbolInput() if all(cell.reads_symbols for cell in cells) else OneHotInput(symbols)
            input_layer = embedding or one_hot
        outputs = written_at_once(experiment, symbols, form)
        writes = form is not None and form.written == "sequence" and experiment.topology.writes == "sequence"
        writer = _writer(experiment, outputs, stack.hidden_size) if writes else None
        model = SequenceModel(input_layer, stack, outputs, experiment.training.precision, writer)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                initializer.initialize(name, parameter)
            for cell in model.cells:
                cell.set_initial_biases()
    return model


def written_at_once(experiment: Experiment, symbols: int, form: Form | None) -> int:
    """Count what a model writes at one time.

    Args:
        experiment: Names the loss.
        symbols: Size of the vocabulary.
        form: What labelled examples are made of; None for a language model.

    Returns:
        Numbers, or logits; of a new sequence one more, which says that it ends, or for a loss that aligns, that a step
        stands for nothing.
    """
    if form is None:
        return symbols
    loss: type[Loss] = experiment.loss.component
    return form.outputs(symbols) + (form.written == "sequence" or loss.aligns)


def _embedding(experiment: Experiment, symbols: int) -> EmbeddingInput | None:
    size = experiment.model.embedding_size
    return EmbeddingInput(symbols, size) if size else None


def _stack(experiment: Experiment, size: int) -> RecurrentStack:
    both = experiment.model.bidirectional
    cells: list[Cell[Any]] = []
    backward: list[Cell[Any]] = []
    for chosen in experiment.cells:
        cells.append(chosen.build(input_size=size))
        refuse_unfit(cells[-1], chosen)
        if both:
            backward.append(chosen.build(input_size=size))
        size = cells[-1].hidden_size * (2 if both else 1)
    return RecurrentStack(cells, experiment.model.dropout, backward)


def _writer(experiment: Experiment, symbols: int, memory_size: int) -> Writer:
    """Build a writer of the reader's own kind of layers, which never reads backwards."""
    vectors = _embedding(experiment, symbols) or OneHotInput(symbols)
    size = (experiment.model.embedding_size or symbols) + memory_size
    cells: list[Cell[Any]] = []
    for chosen in experiment.cells:
        cells.append(chosen.build(input_size=size))
        size = cells[-1].hidden_size
    attention: Attention | None = None
    if experiment.attention is not None:
        attention = experiment.attention.build(query_size=size, memory_size=memory_size)
    return Writer(vectors, RecurrentStack(cells, experiment.model.dropout), memory_size, attention)
