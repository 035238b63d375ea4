"""`torch.export` traces a step of a model with any cell, for any number of rows."""

from pathlib import Path
from typing import Any

import pytest
import torch

from seqforge import Experiment, Registry
from seqforge.evaluation.exported import trained_model
from seqforge.model.build import build_model

CELLS = sorted(entry.qualified_name for entry in Registry.installed().registrations("cell"))
# Three cells in one graph take less time than three graphs.
STACKS = [CELLS[start : start + 3] for start in range(0, len(CELLS), 3)]


def table_of(name: str) -> dict[str, Any]:
    if name.endswith("block"):
        return {"use": name, "cell": {"use": "gated-deltanet" if "deltanet" in name else "lstm", "hidden_size": 8}}
    return {"use": name, "hidden_size": 8}


@pytest.mark.parametrize("names", STACKS, ids="+".join)
def test_a_step_with_any_cell_is_traced(names: list[str], registry: Registry) -> None:
    tables = {
        "corpus": {"use": "inline", "text": "text"},
        "vocabulary": {"use": "bytes"},
        "model": {"cells": [*map(table_of, names), "gru"], "embedding_size": 8},
    }
    experiment = Experiment.from_dict(tables, Path.cwd(), registry)
    vocabulary = experiment.vocabulary.build()
    model = trained_model("small", build_model(experiment, vocabulary.size).eval(), vocabulary)

    def arguments(rows: int) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        states = tuple(state.expand(rows, *state.shape[1:]).contiguous() for state in model.state_tensors.values())
        return torch.arange(rows), states

    batch = torch.export.Dim("batch")
    shapes = ({0: batch}, tuple({0: batch} for _ in model.state_tensors))
    with torch.no_grad():
        program = torch.export.export(model, arguments(2), dynamic_shapes=shapes).module()
        found, expected = program(*arguments(5)), model(*arguments(5))
    for one, other in zip([found[0], *found[1]], [expected[0], *expected[1]], strict=True):
        torch.testing.assert_close(one, other)
