"""The loss in the page about labelled examples works as described."""

import re
from pathlib import Path
from typing import Any

import torch

PAGE = (Path(__file__).parents[2] / "docs/how-to/labelled-examples.md").read_text("utf-8")


def test_the_loss_with_weights_counts_a_class_as_often_as_its_weight() -> None:
    (block,) = re.findall(r'^```python title="weighted.py"\n(.*?)^```$', PAGE, re.M | re.S)
    names: dict[str, Any] = {"__name__": "a_page"}
    exec(block, names)
    loss = names["WeightedCrossEntropy"]([1.0, 3.0])
    outputs, labels = torch.randn(3, 2), torch.tensor([0, 1, 0])
    repeated = torch.cat([outputs, outputs[1:2], outputs[1:2]]), torch.cat([labels, labels[1:2], labels[1:2]])
    torch.testing.assert_close(loss(outputs, labels), torch.nn.functional.cross_entropy(*repeated))
