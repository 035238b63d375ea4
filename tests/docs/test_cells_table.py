"""The table of cells in `docs/reference/cells.md` has every cell, with the sizes and the kernel that it has."""

import re
from pathlib import Path

import pytest
import torch

from seqforge.kinds import BackendContext, FactoredCell, MatrixStateCell
from seqforge.model.install_backend import load_backend
from seqforge.registry.options import options_of
from seqforge.registry.registry import Registry

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "cells.md"
ROWS = {
    name: (state, parameters, kernel)
    for name, state, parameters, kernel in re.findall(
        r"^\| `([a-z0-9-]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \| \[", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
}
REGISTRY = Registry.installed()
CELLS = {entry.name: entry for entry in REGISTRY.registrations("cell") if not entry.preset_of}
OPTIONS = {"heads": ("n", 4), "key_size": ("K", 5), "bottleneck_size": ("R", 3)}


def test_the_table_has_every_cell() -> None:
    assert set(ROWS) == set(CELLS) - {"block", "zoneout"}


def evaluate(formula: str, sizes: dict[str, int]) -> float:
    """Return the value of a formula in which the signs of products are left out."""
    return eval(re.sub(r"(?<=[\w)])(?=[A-Za-z(])", "*", formula), {}, dict(sizes))


@pytest.mark.parametrize("name", ROWS)
def test_a_row_has_the_sizes_and_the_kernel_of_the_cell(name: str) -> None:
    component = REGISTRY.load(CELLS[name])
    known = options_of(REGISTRY, CELLS[name]).model_fields
    options = {option: value for option, (_, value) in OPTIONS.items() if option in known}
    state, parameters, kernel = ROWS[name]
    for input_size, hidden_size in ((20, 24), (40, 64)):
        cell = component(input_size, hidden_size=hidden_size, **options)
        sizes = {"I": input_size, "H": hidden_size, **dict(OPTIONS.values())}
        assert evaluate(parameters, sizes) == sum(parameter.numel() for parameter in cell.parameters())
        assert evaluate(state, sizes) == sum(part.numel() for part in cell.initial_state(1))
    native, context = load_backend(REGISTRY, "native"), BackendContext(torch.device("cpu"), torch.float32)
    cell = component(16, hidden_size=128)
    if native.refusal(cell, context) is not None:
        pytest.skip("native has no kernels on this machine")
    built_in = isinstance(cell, MatrixStateCell) or (isinstance(cell, FactoredCell) and cell.equations is not None)
    assert kernel == ("built in" if built_in else "program")
