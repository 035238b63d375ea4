"""The programs of every cell become no longer: `program_sizes.json` has their numbers of instructions and their memory.

No other test notices a program that computes the same with more instructions. After an intended change, or with a
version of torch that records other operations, run this test with SEQFORGE_WRITE_SIZES=1, and review the difference.
"""

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import torch
from seqforge_native.row_programs.arrangement import Code
from seqforge_native.row_programs.matrix_program import compile_programs
from seqforge_native.row_programs.memory import UntraceableError
from seqforge_native.row_programs.model_program import compile_model
from seqforge_native.row_programs.step_program import compile_step
from torch import Tensor, nn
from torch.nn import functional

from seqforge.kinds import Cell, ElementwiseCell, GenerationModel, HiddenState, MatrixStateCell
from seqforge.registry.registry import Registry

GOLDEN = Path(__file__).with_name("program_sizes.json")
REGISTRY = Registry.installed()
CELLS = [entry.qualified_name for entry in REGISTRY.registrations("cell") if not entry.preset_of]
SIZE, SYMBOLS = 24, 9


class Pieces(ElementwiseCell[HiddenState]):
    """Takes joined numbers apart, adds joined numbers, and keeps a part of its state: all without copies."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, 3 * hidden_size)

    def pointwise(self, input_gates: Tensor, state: HiddenState) -> tuple[Tensor, HiddenState]:
        a, b, c = torch.tanh(input_gates).chunk(3, dim=1)
        first, second = torch.cat([a + b, b * c], 1).chunk(2, dim=1)
        zeros = torch.zeros_like(a)
        both = torch.cat([first, zeros], 1) + torch.cat([zeros, second], 1) + torch.cat([c, a], 1)
        left, middle = both[:, : self.hidden_size], both[:, self.hidden_size + 4 : self.hidden_size + 20]
        return left * first, HiddenState(left * second + functional.pad(middle, (4, 4)) * state.hidden)


def new_cell(name: str, input_size: int) -> Cell[Any]:
    if name == "pieces":
        return Pieces(input_size, SIZE)
    options: dict[str, Any] = {"hidden_size": SIZE}
    if name == "essentials/block":
        inner = partial(new_cell, "essentials/gru")
        options = {"cell": inner, "convolution": 3, "gate": "silu", "feed_forward": "swiglu"}
    if name == "essentials/zoneout":
        options = {"cell": partial(new_cell, "essentials/gru"), "probabilities": {"hidden": 0.1}}
    return REGISTRY.load(REGISTRY.find("cell", name))(input_size, **options)


def sizes_of(code: Code) -> dict[str, int]:
    return {
        "phases": len(code.phases),
        "instructions": len(code.instructions),
        "products": len(code.products),
        "row_size": code.row_size,
        "temporary_size": code.temporary_size,
    }


def programs_of(name: str) -> dict[str, Any]:
    """Return the sizes of each program of a cell; none that the kernels do not run."""
    found = dict[str, Any]()
    cells = [new_cell(name, SIZE), new_cell(name, SIZE)]
    tensors = torch.zeros(SYMBOLS, SIZE), torch.zeros(SYMBOLS, SIZE), torch.zeros(SYMBOLS)
    model = GenerationModel(cells, *tensors, [], torch.float32, nn.LayerNorm(SIZE))
    found["model"] = sizes_of(compile_model(model).code)
    try:
        programs = compile_programs(cells[0]) if isinstance(cells[0], MatrixStateCell) else compile_step(cells[0])
    except UntraceableError:
        return found
    return found | {"forward": sizes_of(programs.forward.code), "backward": sizes_of(programs.backward.code)}


def test_no_program_becomes_longer() -> None:
    found = {name: programs_of(name) for name in [*CELLS, "pieces"]}
    if os.environ.get("SEQFORGE_WRITE_SIZES"):
        GOLDEN.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    expected = json.loads(GOLDEN.read_text(encoding="utf-8"))
    assert {name: [*programs] for name, programs in found.items()} == {name: [*each] for name, each in expected.items()}
    longer = {
        f"{name}, {program}, {part}": (expected[name][program][part], size)
        for name, programs in found.items()
        for program, sizes in programs.items()
        for part, size in sizes.items()
        if size > expected[name][program][part]
    }
    assert not longer
