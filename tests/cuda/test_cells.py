"""Every cell on a GPU: it has the outputs and the gradients of the CPU, in float32 and under autocast, and it steps."""

import pytest
import torch
from stacks_of_cells import table_of

from seqforge import Experiment
from seqforge.hardware import find_accelerator
from seqforge.model.build import build_model
from seqforge.model.sequence_model import SequenceModel
from seqforge.registry.registry import Registry

ACCELERATOR = find_accelerator()
DEVICE = ACCELERATOR.type if ACCELERATOR else ""
pytestmark = pytest.mark.skipif(not DEVICE, reason="needs a GPU, or -p tests.cuda.fake_device")

CELLS = [entry.qualified_name for entry in Registry.installed().registrations("cell") if not entry.preset_of]
every_cell = pytest.mark.parametrize("cell", CELLS)
SYMBOLS = 7


def new_model(cell: str) -> SequenceModel:
    """Return two layers of a cell."""
    cells = [{**table_of(cell), "repeat": 2}]
    corpus = {"use": "inline", "text": "hello"}
    torch.manual_seed(0)
    return build_model(
        Experiment.from_dict({"corpus": corpus, "model": {"embedding_size": 8, "cells": cells}}), SYMBOLS
    )


def train_once(model: SequenceModel, device: str, autocast: bool) -> list[torch.Tensor]:
    """Return the logits of a batch, the states after it, and the gradients of the parameters."""
    model.to(device)
    tokens = torch.randint(SYMBOLS, (9, 4), generator=torch.Generator().manual_seed(1)).to(device)
    with torch.autocast(device, torch.bfloat16, enabled=autocast):
        logits, states = model(tokens, model.initial_states(4))
    loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), tokens.flatten())
    gradients = torch.autograd.grad(loss, list(model.parameters()))
    return [part.cpu() for part in (logits, *(part for state in states for part in state), *gradients)]


@every_cell
@pytest.mark.parametrize("autocast", [False, True], ids=["float32", "bfloat16"])
def test_a_cell_has_the_results_of_the_cpu(cell: str, autocast: bool) -> None:
    model = new_model(cell).eval()  # In training, zoneout draws other masks on a GPU.
    expected = train_once(model, "cpu", autocast)
    tolerance = 0.1 if autocast else 1e-3
    for found, wanted in zip(train_once(model, DEVICE, autocast), expected, strict=True):
        assert found.dtype == wanted.dtype
        assert (found.float() - wanted.float()).norm() <= tolerance * (wanted.float().norm() + 1e-2)


@every_cell
def test_a_cell_steps_through_symbols_as_it_reads_them(cell: str) -> None:
    model = new_model(cell).to(DEVICE).eval()
    tokens = torch.arange(SYMBOLS, device=DEVICE).unsqueeze(1)
    with torch.no_grad():
        whole, _ = model(tokens, model.initial_states(1))
        step, states = model.stepper(), model.initial_states(1)
        for place, symbol in enumerate(tokens):
            logits, states = step(symbol, tuple(states))
            assert (logits - whole[place]).norm() <= 1e-3 * (whole[place].norm() + 1e-2)
