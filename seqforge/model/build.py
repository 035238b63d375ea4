"""From an experiment to its model."""

from typing import Any

import torch

from seqforge.experiment import Experiment
from seqforge.interfaces import Attention, Cell, ExampleSpec, Initializer, Loss, Numbers
from seqforge.model.decoder import Decoder
from seqforge.model.input import EmbeddingInput, OneHotInput, SymbolInput, VectorInput
from seqforge.model.sequence_model import SequenceModel
from seqforge.model.stack import RecurrentStack
from seqforge.model.validate_cell import validate_cell


def build_model(experiment: Experiment, symbols: int, spec: ExampleSpec | None = None) -> SequenceModel:
    """Build a model with the weights before its first step, which depend on the experiment's seed alone.

    Args:
        experiment: Names cells, sizes, initializer and seed.
        symbols: Size of the vocabulary.
        spec: What labelled examples are made of; None for a language model.

    Returns:
        The model, on the CPU.

    Raises:
        PluginError: Where a component cannot be made, or a cell is not as its interface says.
    """
    initializer: Initializer = experiment.initializer.build()
    # A fork, so that building a model twice, or for a look only, disturbs nobody's random numbers.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(experiment.identity.seed)
        reads = spec.input if spec else None
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
        outputs = output_size(experiment, symbols, spec)
        writes = spec is not None and spec.output_mode == "sequence" and experiment.topology.output_mode == "sequence"
        decoder = _decoder(experiment, outputs, stack.hidden_size) if writes else None
        model = SequenceModel(input_layer, stack, outputs, experiment.training.precision, decoder)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                initializer.initialize(name, parameter)
            for cell in model.cells:
                cell.set_initial_biases()
    return model


def output_size(experiment: Experiment, symbols: int, spec: ExampleSpec | None) -> int:
    """Count what a model writes at one time.

    Args:
        experiment: Names the loss.
        symbols: Size of the vocabulary.
        spec: What labelled examples are made of; None for a language model.

    Returns:
        Numbers, or logits; of a new sequence one more, which says that it ends, or for a loss that aligns, that a step
        stands for nothing.
    """
    if spec is None:
        return symbols
    loss: type[Loss] = experiment.loss.component
    return spec.output_size(symbols) + (spec.output_mode == "sequence" or loss.aligns)


def _embedding(experiment: Experiment, symbols: int) -> EmbeddingInput | None:
    size = experiment.model.embedding_size
    return EmbeddingInput(symbols, size) if size else None


def _stack(experiment: Experiment, size: int) -> RecurrentStack:
    both = experiment.model.bidirectional
    cells: list[Cell[Any]] = []
    backward: list[Cell[Any]] = []
    for chosen in experiment.cells:
        cells.append(chosen.build(input_size=size))
        validate_cell(cells[-1], chosen)
        if both:
            backward.append(chosen.build(input_size=size))
        size = cells[-1].hidden_size * (2 if both else 1)
    return RecurrentStack(cells, experiment.model.dropout, backward)


def _decoder(experiment: Experiment, symbols: int, memory_size: int) -> Decoder:
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
    return Decoder(vectors, RecurrentStack(cells, experiment.model.dropout), memory_size, attention)
