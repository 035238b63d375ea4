"""One optimizer step."""

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from seqforge_parallel_cells.ind_rnn import IndRNN
from torch import nn

from seqforge import use
from seqforge.data.batches import Batch
from seqforge.errors import NonFiniteError
from seqforge.evaluation.likelihood import score_blocks, summarize_blocks
from seqforge.kinds import IGNORED_TARGET, Cell, Loss
from seqforge.runs.checkpoints import Checkpoints
from seqforge.runs.training_state import TrainingState, new_training_state
from seqforge.tasks.language_model import text_losses
from seqforge.training.endings import describe_divergence
from seqforge.training.step import StepResult, train_step

CPU = torch.device("cpu")
SYMBOLS = 5


def batch(rows: int, time: int, seed: int = 0, continues: bool = False) -> Batch:
    tokens = torch.randint(SYMBOLS, (time + 1, rows), generator=torch.Generator().manual_seed(seed))
    return Batch(tokens[:-1], tokens[1:], continues)


def parameters(state: TrainingState) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in state.model.parameters()]


def step_on(state: TrainingState, batches: list[Batch], loss: Loss, factor: float, **clipping: float) -> StepResult:
    return train_step(state, text_losses(state, batches, loss), factor, **clipping)


class Scaled(Loss):
    """A loss multiplied by a constant."""

    def __init__(self, loss: Loss, scale: float) -> None:
        super().__init__()
        self.loss, self.scale = loss, scale

    def forward(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return self.loss(outputs, targets) * self.scale


@pytest.fixture
def loss(experiment: Any) -> Loss:
    return experiment().loss.build()


def test_accumulated_gradients_equal_one_large_batch(experiment: Any, loss: Loss) -> None:
    chosen = experiment(optimizer={"use": "sgd", "learning_rate": 1.0})
    whole, accumulated = (new_training_state(chosen, SYMBOLS, CPU) for _ in range(2))
    for number in range(3):
        large = batch(6, 7, seed=number, continues=number > 0)
        one = step_on(whole, [large], loss, 1.0)
        three = step_on(accumulated, large.divide(3), loss, 1.0)
        assert one.loss == pytest.approx(three.loss, rel=1e-5)
    for ours, theirs in zip(parameters(accumulated), parameters(whole), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_the_state_is_carried_and_detached_from_its_graph(experiment: Any, loss: Loss) -> None:
    state = new_training_state(experiment(), SYMBOLS, CPU)
    step_on(state, [batch(2, 5)], loss, 1.0)
    carried = state.recurrent[0][0]
    assert all(not part.requires_grad and part.abs().sum() > 0 for part in carried)
    fresh = step_on(state, [batch(2, 5, continues=False)], loss, 0.0)
    state.recurrent = [(carried,)]
    continued = step_on(state, [batch(2, 5, continues=True)], loss, 0.0)
    assert continued.loss != fresh.loss


def test_only_with_a_carried_state_a_dependency_across_chunks_is_learned() -> None:
    """Train on chunks of one symbol, in a text whose next symbol depends on the symbol before the chunk."""
    from seqforge import Experiment

    # "l" is followed by "l" or "o". A chunk of one symbol contains only the symbol and the state.
    table = {
        "experiment": {"name": "carry"},
        "corpus": {"use": "inline", "text": "unused"},
        "model": {"cells": [{"use": "essentials/lstm", "hidden_size": 16}]},
        "optimizer": {"use": "adam", "learning_rate": 0.02},
    }
    tokens = torch.tensor([0, 1, 2, 2, 3] * 60)

    def trained(carry: bool) -> float:
        chosen = Experiment.from_dict(table)
        state = new_training_state(chosen, 4, CPU)
        loss = chosen.loss.build()
        for _ in range(2):
            for position in range(len(tokens) - 1):
                one = Batch(tokens[position].view(1, 1), tokens[position + 1].view(1, 1), carry and position > 0)
                step_on(state, [one], loss, 1.0)
        if carry:
            chunks = [Batch(tokens[:-1].view(-1, 1), tokens[1:].view(-1, 1), continues=False)]
        else:
            chunks = [
                Batch(tokens[i].view(1, 1), tokens[i + 1].view(1, 1), continues=False) for i in range(len(tokens) - 1)
            ]
        return summarize_blocks(*score_blocks(state.model, chunks), 1.0).loss

    # Without a state the two "l"s of five symbols cost ln 2 each.
    floor_without_state = 2 / 5 * math.log(2)
    assert trained(carry=False) > 0.9 * floor_without_state
    assert trained(carry=True) < 0.5 * floor_without_state


def test_clipping_by_norm_scales_the_gradient(experiment: Any, loss: Loss) -> None:
    chosen = experiment(optimizer={"use": "sgd", "learning_rate": 1.0})
    state = new_training_state(chosen, SYMBOLS, CPU)
    before = parameters(state)
    result = step_on(state, [batch(3, 6)], loss, 1.0, clip_norm=0.01)
    moved = torch.cat([(old - new).flatten() for old, new in zip(before, parameters(state), strict=True)])
    assert result.gradient_norm > 0.01
    assert moved.norm().item() == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99, 0.999, 1 - 1e-6, 1.0, 1 + 1e-6, 1.001, 2.0, 1e6])
def test_clipping_by_norm_is_bit_identical_to_torch(experiment: Any, loss: Loss, share: float) -> None:
    """The norm is below, at and above the bound, for gradients of very different sizes."""
    chosen = experiment(optimizer={"use": "sgd", "learning_rate": 1.0})
    for scale in (1e-9, 1e-6, 1e-3, 1.0, 1e3):
        scaled = Scaled(loss, scale)
        norm = step_on(new_training_state(chosen, SYMBOLS, CPU), [batch(3, 6)], scaled, 1.0).gradient_norm
        state, plain = (new_training_state(chosen, SYMBOLS, CPU) for _ in range(2))
        result = step_on(state, [batch(3, 6)], scaled, 1.0, clip_norm=norm * share)
        assert result.gradient_norm == norm
        one = batch(3, 6)
        scaled(plain.model(one.inputs, plain.model.initial_states(3))[0], one.targets).backward()
        nn.utils.clip_grad_norm_(plain.model.parameters(), norm * share)
        plain.optimizer.step()
        for ours, theirs in zip(parameters(state), parameters(plain), strict=True):
            assert torch.equal(ours, theirs)


def test_a_step_sets_the_model_to_training_mode(experiment: Any, loss: Loss) -> None:
    state = new_training_state(experiment(), SYMBOLS, CPU)
    state.model.eval()
    step_on(state, [batch(2, 4)], loss, 1.0)
    assert all(module.training for module in state.model.modules())


def test_clipping_by_value_bounds_each_component(experiment: Any, loss: Loss) -> None:
    chosen = experiment(optimizer={"use": "sgd", "learning_rate": 1.0})
    state = new_training_state(chosen, SYMBOLS, CPU)
    before = parameters(state)
    step_on(state, [batch(3, 6)], loss, 1.0, clip_value=0.001)
    moved = torch.cat([(old - new).flatten() for old, new in zip(before, parameters(state), strict=True)])
    assert moved.abs().max().item() == pytest.approx(0.001, rel=1e-3)


def test_the_factor_of_the_schedule_multiplies_the_learning_rate(experiment: Any, loss: Loss) -> None:
    state = new_training_state(experiment(optimizer={"use": "sgd", "learning_rate": 0.5}), SYMBOLS, CPU)
    rates = [step_on(state, [batch(2, 4)], loss, factor).learning_rate for factor in (1.0, 0.5, 0.25)]
    assert rates == [0.5, 0.25, 0.125]


def test_a_loss_that_is_not_finite_is_an_error_and_changes_no_parameter(experiment: Any, loss: Loss) -> None:
    state = new_training_state(experiment(), SYMBOLS, CPU)
    with torch.no_grad():
        state.model.head.bias[0] = math.inf
    before = parameters(state)
    with pytest.raises(NonFiniteError):
        step_on(state, [batch(2, 4)], loss, 1.0)
    assert state.step == 0
    for old, new in zip(before, parameters(state), strict=True):
        assert torch.equal(old, new)


def test_the_score_equals_the_likelihood_computed_by_hand(experiment: Any) -> None:
    model = new_training_state(experiment(), SYMBOLS, CPU).model
    one = batch(3, 8)
    targets = one.targets.clone()
    targets[5:, 2] = IGNORED_TARGET
    one = Batch(one.inputs, targets, continues=False)
    score = summarize_blocks(*score_blocks(model, [one]), characters_per_token=2.0)
    with torch.no_grad():
        logits, _ = model(one.inputs, model.initial_states(3))
    kept = one.targets != IGNORED_TARGET
    nats = -nn.functional.log_softmax(logits, -1)[kept].gather(1, one.targets[kept].unsqueeze(1))
    assert score.tokens == int(kept.sum()) == 21
    assert score.loss == pytest.approx(nats.mean().item(), rel=1e-6)
    assert score.bits_per_character == pytest.approx(score.loss / math.log(2) / 2.0)
    assert score.perplexity == pytest.approx(math.exp(score.loss))


class Doubled(Cell[Any]):
    """A cell that contains a cell with constraints."""

    def __init__(self, input_size: int, hidden_size: int = 6) -> None:
        super().__init__(input_size, hidden_size)
        self.inner = IndRNN(input_size, hidden_size, largest_weight=0.1)

    def initial_state(self, batch_size: int) -> Any:
        return self.inner.initial_state(batch_size)

    def step(self, projected: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
        output, after = self.inner.step(self.inner.project(projected[None])[0], state)
        return 2 * output, after


@pytest.mark.parametrize("cell", [{"use": "ind-rnn", "hidden_size": 6, "largest_weight": 0.1}, use(Doubled)])
def test_constraints_hold_from_the_initial_weights_on(cell: Any, experiment: Any, loss: Loss) -> None:
    model = {"cells": [cell], "initializer": {"use": "uniform", "scale": 0.2}}
    chosen = experiment(model=model, optimizer={"use": "sgd", "learning_rate": 1.0})
    state = new_training_state(chosen, SYMBOLS, CPU)
    (ind_rnn,) = (cell for cell in state.model.cells if isinstance(cell, IndRNN))
    weights = [ind_rnn.recurrent_weight.detach().clone()]
    for seed in range(3):
        step_on(state, [batch(2, 5, seed)], loss, 1.0)
        weights.append(ind_rnn.recurrent_weight.detach().clone())
    for before, after in pairwise(weights):
        assert not torch.equal(before, after)
        assert before.abs().max() == after.abs().max() == torch.tensor(0.1)


@pytest.mark.parametrize(("step", "cause"), [(0, "seqforge plugins check essentials/lstm"), (1, "learning_rate")])
def test_a_first_loss_that_is_not_finite_is_not_blamed_on_the_learning_rate(
    experiment: Any, tmp_path: Path, step: int, cause: str
) -> None:
    found = describe_divergence(NonFiniteError("the loss is nan"), experiment(), Checkpoints(tmp_path), step)
    assert found.message == f"step {step + 1}: the loss is nan"
    assert cause in (found.hint or "")
    assert ("learning_rate" in (found.hint or "")) == (step > 0)
