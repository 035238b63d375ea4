"""What a model predicts before and after one update."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from seqforge import train
from seqforge.errors import DataError


def test_an_inspection_is_a_step_of_the_optimizer_from_the_initial_states(experiment: Any, tmp_path: Path) -> None:
    optimizer, training = {"use": "sgd", "learning_rate": 0.3}, {"steps": 2, "gradient_clip_norm": 1e9}
    run = train(experiment(optimizer=optimizer, training=training), tmp_path)
    text = "line 7: the"
    inspection, model = run.inspect(text), run.model(device="cpu")
    tokens = torch.from_numpy(run.vocabulary().encode(text).astype("int64"))
    assert inspection.inputs.equal(tokens[:-1])
    assert inspection.targets.equal(tokens[1:])

    def probabilities() -> torch.Tensor:
        logits, _ = model(tokens[:-1, None], model.initial_states(1))
        return logits[:, 0].softmax(-1)

    before = probabilities()
    torch.testing.assert_close(inspection.before, before.detach())
    functional.nll_loss(before.log(), tokens[1:]).backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.sub_(0.3 * parameter.grad)
        torch.testing.assert_close(inspection.after, probabilities())
    assert run.inspect(text).before.equal(inspection.before)


def test_an_inspection_draws_the_same_dropout_again(experiment: Any, tmp_path: Path) -> None:
    run = train(experiment(model={"dropout": 0.5}, training={"steps": 1}), tmp_path)
    first = run.inspect("line")
    torch.rand(3)
    assert run.inspect("line").after.equal(first.after)
    assert len(run.inspect("li").inputs) == 1
    with pytest.raises(DataError, match="'l' is too short to inspect"):
        run.inspect("l")
