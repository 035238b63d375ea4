"""From an experiment to its model."""

from typing import Any

import torch

from seqforge.experiment import Experiment
from seqforge.interfaces import Cell, Initializer
from seqforge.model.input import EmbeddingInput, OneHotInput, SymbolInput
from seqforge.model.sequence_model import SequenceModel
from seqforge.model.stack import RecurrentStack


def build_model(experiment: Experiment, symbols: int) -> SequenceModel:
    """Build a model with the weights before its first step, which depend on the experiment's seed alone.

    Args:
        experiment: Names cells, sizes, initializer and seed.
        symbols: Size of the vocabulary.

    Returns:
        The model, on the CPU.
    """
    settings = experiment.model
    initializer: Initializer = experiment.initializer.build()
    # A fork, so that building a model twice, or for a look only, disturbs nobody's random numbers.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(experiment.identity.seed)
        embedding_size = settings.embedding_size
        embedding = EmbeddingInput(symbols, embedding_size) if embedding_size else None
        cells: list[Cell[Any]] = []
        size = embedding_size or symbols
        for chosen in experiment.cells:
            cells.append(chosen.build(input_size=size))
            size = cells[-1].hidden_size
        one_hot = SymbolInput() if cells[0].reads_symbols else OneHotInput(symbols)
        stack = RecurrentStack(cells, settings.dropout)
        model = SequenceModel(embedding or one_hot, stack, symbols, experiment.training.precision)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                initializer.initialize(name, parameter)
            for cell in cells:
                cell.set_initial_biases()
    return model
