"""Exporters: formats in which other programs run a trained model."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, cast

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor, nn

from seqforge.errors import describe_type
from seqforge.kinds.cell import Cell, State
from seqforge.kinds.example_spec import ExampleSpec
from seqforge.kinds.vocabulary import Vocabulary

__all__ = ["ExportedModel", "ExportedPredictor", "Exporter", "PredictorExporter", "TrainedModel", "TrainedPredictor"]


class TrainedModel(nn.Module):
    """A trained language model, as an exporter receives it: on the CPU, in float32, in evaluation mode.

    A call computes one step as a function of tensors, which `torch.export` can trace.

    Args:
        name: Name of the run.
        vocabulary: Vocabulary of the symbols.
        input_layer: Map from symbols to vectors, or to the symbols, if the lowest cell reads these.
        cells: Layers, the lowest first.
        norm: Norm of the output of the highest layer, or None.
        head: Map from this output to the logits of the next symbol.
        initial_states: State of each layer before the first symbol, of one row.
        tables: Tables `model`, `vocabulary` and `data` of the experiment, from which seqforge builds the model again.
        facts: Facts about the run for a model card, by their titles.

    Attributes:
        symbols: Text of each symbol in UTF-8, which may be a part of a character.
        state_tensors: The tensors of the initial states by names such as `layer_0_hidden`.
    """

    def __init__(
        self,
        name: str,
        vocabulary: Vocabulary,
        input_layer: nn.Module,
        cells: Sequence[Cell[Any]],
        norm: nn.Module | None,
        head: nn.Linear,
        initial_states: Sequence[State],
        tables: Mapping[str, Any] = {},
        facts: Mapping[str, str] = {},
    ) -> None:
        super().__init__()
        self.name, self.vocabulary, self.tables, self.facts = name, vocabulary, tables, facts
        self.symbols = [vocabulary.decode([symbol]) for symbol in range(vocabulary.size)]
        self.input, self.norm, self.head = input_layer, norm, head
        self.cells = cast("Sequence[Cell[Any]]", nn.ModuleList(cells))
        self.initial_states = initial_states
        self.state_tensors = {name: tensor.detach() for name, tensor in name_states(initial_states).items()}

    def forward(
        self, symbols: Int[Tensor, "*time batch"], states: Sequence[Tensor]
    ) -> tuple[Float[Tensor, "*time batch symbols"], tuple[Tensor, ...]]:
        """Return the logits of the next symbol, and the state tensors of all layers after a symbol.

        Args:
            symbols: Last symbol of each row; or several symbols `[time, batch]`, for logits of each step.
            states: State tensors of all layers before it, in the order of `state_tensors`.
        """
        features, after, rest = self.input(symbols), list[Tensor](), list(states)
        for cell, initial in zip(self.cells, self.initial_states, strict=True):
            before, rest = type(initial)(*rest[: len(initial)]), rest[len(initial) :]
            if symbols.ndim == 1:
                features, state = cell.step(cell.project(features.unsqueeze(0)).squeeze(0), before)
            else:
                features, state = cell(features, before)
            after += state
        return self.head(features if self.norm is None else self.norm(features)), tuple(after)


@dataclass(frozen=True, slots=True)
class TrainedPredictor:
    """A trained model of labelled examples, as an exporter receives it: on the CPU, in float32, in evaluation mode.

    `torch.export` can trace its modules. They return tables of tensors.

    Attributes:
        name: Name of the run.
        vocabulary: Vocabulary of texts.
        spec: Shape of the examples.
        encoder: Reads examples, symbols `[time, batch]` or numbers `[time, batch, size]`, and the length of each row,
            `[batch]`. Without a decoder, it returns `outputs`, logits or numbers: `[batch, outputs]` if the target is
            predicted once, and otherwise `[time, batch, outputs]`.
        decoder: Reads the last symbol of each row, `[batch]`, and the tensors of the encoder. It returns the `logits`
            of the next symbol, and the tensors that replace others, with `next_` before their names. The symbol with
            the highest index begins and ends every sequence. None if there is no decoder.
    """

    name: str
    vocabulary: Vocabulary
    spec: ExampleSpec
    encoder: nn.Module
    decoder: nn.Module | None


def name_states(states: Sequence[State]) -> dict[str, Tensor]:
    """Return the tensors of the states of layers by names such as `layer_0_hidden`."""
    named = (cast("Any", state)._asdict().items() for state in states)
    return {f"layer_{layer}_{field}": tensor for layer, items in enumerate(named) for field, tensor in items}


class ExportedModel(ABC):
    """A model in an exported folder, run by the target program. It keeps the recurrent state between calls.

    Attributes:
        program: Name and version of the program.
    """

    program: str

    @abstractmethod
    def read(self, symbols: NDArray[np.int64]) -> NDArray[np.floating[Any]]:
        """Read one row of symbols, `[length]`, after those of earlier calls.

        Returns:
            Logits of the next symbol after each of them, `[length, symbols]`.
        """


class Exporter(ABC):
    """A format in which other programs run a language model.

    The engine calls `write` with a new folder and then `open`, and compares what the program computes with the run. It
    keeps the folder only if they agree.

    Attributes:
        exact: Whether the program computes what the run computes, except for rounding. If False, as for quantized
            weights, a difference is reported and is no error.
    """

    exact: ClassVar[bool] = True

    @abstractmethod
    def write(self, model: TrainedModel, folder: Path) -> None:
        """Write the files of a model to a folder, which is empty.

        Raises:
            PluginError: If the format cannot represent the model.
        """

    @abstractmethod
    def open(self, folder: Path) -> ExportedModel:
        """Return the model of a folder that `write` has filled.

        Raises:
            PluginError: If the program is not installed.
        """


class ExportedPredictor(ABC):
    """A model of labelled examples in an exported folder, computed by the program for which the format is.

    Attributes:
        program: Name and version of the program.
    """

    program: str

    @abstractmethod
    def run(self, part: Literal["encoder", "decoder"], tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return the tensors that a part of `TrainedPredictor` returns.

        The encoder reads `inputs` and `lengths`, and the decoder `symbols` and the tensors of the encoder.
        """


class PredictorExporter(Exporter):
    """A format in which other programs also run models of labelled examples, such as classifiers.

    The engine compares the predictions for held-out examples with those of the run.
    """

    @abstractmethod
    def write_predictor(self, model: TrainedPredictor, folder: Path) -> None:
        """Write the files of a model of labelled examples to a folder, as `write` does for a language model."""

    @abstractmethod
    def open_predictor(self, folder: Path) -> ExportedPredictor:
        """Return the model of a folder that `write_predictor` has filled; see `open`."""


def logits_fault(logits: Any, length: int, size: int) -> str | None:
    """Return what is wrong with a result of `ExportedModel.read` for a number of symbols, or None."""
    if not isinstance(logits, np.ndarray):
        return f"returned {describe_type(logits)}, not an array"
    logits = cast("NDArray[Any]", logits)
    if logits.shape != (length, size) or logits.dtype.kind != "f":
        return f"returned an array {list(logits.shape)} of {logits.dtype}, not [{length}, {size}] numbers"
    return None
