"""The classes in the documentation, except those of whole plugins, work as described."""

import re
from pathlib import Path
from typing import Any

import torch

from seqforge.kinds import scan

DOCS = Path(__file__).parents[2] / "docs"


def block_with(page: str, name: str) -> dict[str, Any]:
    """Run the one Python block of a page that defines a class, and return its names."""
    blocks = re.findall(r"^```python[^\n]*\n(.*?)^```$", (DOCS / page).read_text("utf-8"), re.M | re.S)
    (block,) = (block for block in blocks if f"class {name}(" in block)
    names: dict[str, Any] = {"__name__": "a_page"}
    exec(block, names)
    return names


def test_the_factored_cell_equals_the_scan_of_its_step() -> None:
    cell = block_with("explanation/speed.md", "Original")["Original"](input_size=3, hidden_size=4).double()
    inputs = torch.randn(5, 2, 3, dtype=torch.float64)
    state = cell.initial_state(2)
    outputs, after = cell(inputs, state)
    expected, expected_after = scan(cell.step, cell.project(inputs), state)
    torch.testing.assert_close(outputs, expected)
    torch.testing.assert_close(after.cell, expected_after.cell)


def test_the_loss_with_weights_counts_a_class_as_often_as_its_weight() -> None:
    loss = block_with("how-to/labelled-examples.md", "WeightedCrossEntropy")["WeightedCrossEntropy"]([1.0, 3.0])
    outputs, labels = torch.randn(3, 2), torch.tensor([0, 1, 0])
    repeated = torch.cat([outputs, outputs[1:2], outputs[1:2]]), torch.cat([labels, labels[1:2], labels[1:2]])
    torch.testing.assert_close(loss(outputs, labels), torch.nn.functional.cross_entropy(*repeated))


def test_the_elementwise_cell_equals_its_equation() -> None:
    cell = block_with("explanation/speed.md", "Independent")["Independent"](input_size=3, hidden_size=4).double()
    inputs, h = torch.randn(5, 2, 3, dtype=torch.float64), torch.zeros(2, 4, dtype=torch.float64)
    outputs, _ = cell(inputs, cell.initial_state(2))
    for x, output in zip(inputs, outputs, strict=True):
        h = torch.relu(x @ cell.input_weight.t() + cell.recurrent_weight * h + cell.bias)
        torch.testing.assert_close(output, h)
