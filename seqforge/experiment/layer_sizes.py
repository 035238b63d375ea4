"""The check that the cells of a model can be built for the sizes of their inputs, before the corpus is read."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from seqforge.experiment.model import Model
from seqforge.kinds import Cell
from seqforge.registry import Component, Problem, UnfitOptionsError, join_key

UNKNOWN_SIZES: Sequence[int] = (64, 97)
"""Input sizes for which the lowest cell is tried if the size of the vocabulary, which is not known yet, is its own."""


def layer_problems(model: Model, input_size: int | None) -> Iterator[Problem]:
    """Yield the problem of the lowest layer that cannot be built for its input, at its option, or that of tied weights.

    A cell states it with a `ValueError`, whose message names the option first. Other errors are those of its author,
    and are reported when the model is built.

    Args:
        model: The model.
        input_size: Size of the input of the lowest layer; None for that of a vocabulary, which is not known yet.
    """
    sizes: Sequence[int] = UNKNOWN_SIZES if input_size is None else (input_size,)
    index = -1
    previous: Component | None = None
    built_for: Sequence[int] = ()
    for component in model.cells:
        if component is previous and sizes == built_for:
            continue
        index += component is not previous  # A table with `repeat` stands for several layers.
        previous, built_for = component, sizes
        outputs: set[int] = set()
        reasons: set[str] = set()
        problem: Problem | None = None
        for size in sizes:
            try:
                with torch.device("meta"):  # without memory and numbers, so that a large cell is built in a millisecond
                    cell: Cell[Any] = component.build(input_size=size)
                outputs.add(cell.hidden_size)
            except UnfitOptionsError as error:
                reasons.add(error.reason)
                problem = _problem(component, error, index)
            except Exception:  # noqa: BLE001 - the error of an author, which is reported when the model is built
                return
        if problem is not None and len(reasons) == 1 and not outputs:
            yield problem
        if len(outputs) != 1 or reasons:
            return  # It depends on the size of the vocabulary.
        (hidden_size,) = outputs
        sizes = (hidden_size * 2 if model.bidirectional else hidden_size,)
    if model.tied_weights and model.embedding_size and sizes != (model.embedding_size,):
        difference = f"the embedding has {model.embedding_size} features, and the highest layer has {sizes[0]} outputs"
        yield Problem("model.tied_weights", difference, f"Use model.embedding_size = {sizes[0]}.")


def _problem(layer: Component, error: UnfitOptionsError, index: int) -> Problem:
    """Return the problem at the first option that the message names, or at the component."""
    named = [word for word in re.findall(r"\w+", error.reason) if word in error.component.options]
    return Problem(join_key("model.cells", index, *(layer.path_to(error.component) or []), *named[:1]), error.reason)
