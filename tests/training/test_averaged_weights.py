"""Averages of the weights: their values, and what a run evaluates, samples, saves and resumes."""

from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_essentials.cells.rnn import RNN
from seqforge_essentials.schedules import Constant

from seqforge import Registry, Run, train
from seqforge.errors import ExperimentError
from seqforge.experiment.settings import Training
from seqforge.generation.generator import sample_texts
from seqforge.model.input import OneHotInput
from seqforge.model.sequence_model import SequenceModel
from seqforge.model.stack import RecurrentStack
from seqforge.runs.checkpoint_files import TRAINING
from seqforge.runs.metrics_log import read_metrics
from seqforge.runs.training_state import TrainingState, average_weights, averaged_model
from seqforge.tasks.language_model import SAMPLE_SEED_STRIDE


def new_state() -> TrainingState:
    model = SequenceModel(OneHotInput(2), RecurrentStack([RNN(2, 1)]), 1).double()
    return TrainingState(model, torch.optim.SGD(model.parameters()), Constant())


def set_weights(state: TrainingState, value: float) -> None:
    for parameter in state.parameters:
        parameter.detach().fill_(value)


def averages_of(values: list[float], stale: list[int], training: Training) -> tuple[list[float], list[float]]:
    """Return the weight inside and outside of the context after each step; the weights are the values."""
    state = new_state()
    inside: list[float] = []
    outside: list[float] = []
    for value, evaluations in zip(values, stale, strict=True):
        set_weights(state, value)
        state.stale_evaluations = evaluations
        average_weights(state, training)
        with averaged_model(state):
            inside.append(state.model.head.bias.item())
            assert all(bool((parameter == inside[-1]).all()) for parameter in state.parameters)
        outside.append(state.model.head.bias.item())
    return inside, outside


NUMBERS = st.lists(st.floats(-100, 100), min_size=1, max_size=20)


@given(values=NUMBERS, decay=st.floats(0.01, 0.9999))
@settings(deadline=None, max_examples=50)
def test_the_average_weighs_each_step_by_the_decay(values: list[float], decay: float) -> None:
    found, trained = averages_of(values, [0] * len(values), Training(average_decay=decay))
    assert trained == values
    for count in range(1, len(values) + 1):
        weights = [decay ** (count - 1 - step) for step in range(count)]
        expected = sum(weight * value for weight, value in zip(weights, values, strict=False)) / sum(weights)
        assert found[count - 1] == pytest.approx(expected, rel=1e-6, abs=1e-6)


@given(values=NUMBERS)
@settings(deadline=None, max_examples=50)
def test_a_decay_of_1_is_the_mean(values: list[float]) -> None:
    found, _ = averages_of(values, [0] * len(values), Training(average_decay=1.0))
    for count in range(1, len(values) + 1):
        assert found[count - 1] == pytest.approx(sum(values[:count]) / count, rel=1e-9, abs=1e-9)


def test_the_average_begins_after_evaluations_without_a_new_best_loss() -> None:
    training = Training(average_after=2)
    # It goes on after a new best loss.
    found, _ = averages_of([1.0, 2.0, 3.0, 5.0, 9.0], [0, 1, 2, 3, 0], training)
    assert found == [1, 2, 3, 4, pytest.approx(17 / 3)]


def test_without_a_decay_the_model_has_its_weights() -> None:
    assert averages_of([1.0, 2.0], [0, 0], Training()) == ([1.0, 2.0], [1.0, 2.0])


def losses_of(run: Run, event: str) -> list[float]:
    return [record["loss"] for record in read_metrics(run.directory.metrics) if record["event"] == event]


def trained_weights(run: Run, step: int) -> dict[str, torch.Tensor]:
    tensors = safetensors.torch.load_file(run.checkpoints.path(step) / TRAINING)
    return {name: tensor for name, tensor in tensors.items() if name.startswith("trained.")}


def test_a_run_evaluates_samples_and_saves_the_average(experiment: Any, tmp_path: Path) -> None:
    plain = train(experiment(), tmp_path / "plain")
    run = train(experiment(training={"average_decay": 0.8}, evaluation={"tokens": 1000}), tmp_path / "averaged")
    # The average does not change what is trained.
    losses = (
        [r["loss"] for r in read_metrics(each.directory.metrics) if r["event"] == "step"] for each in (run, plain)
    )
    assert next(losses) == next(losses)
    weights = list(plain.model("latest").parameters())
    assert not trained_weights(plain, 12)
    for found, expected in zip(trained_weights(run, 12).values(), weights, strict=True):
        assert found.shape == expected.shape
    model = run.model("latest")
    assert any(not torch.equal(one, two) for one, two in zip(model.parameters(), weights, strict=True))
    # What the run logged are the loss and the sample of the saved model.
    assert run.evaluate(checkpoint="latest").loss == pytest.approx(losses_of(run, "evaluation")[-1], rel=1e-5)
    sampling, seed = run.experiment.sampling, run.experiment.identity.seed + 12 * SAMPLE_SEED_STRIDE
    samplers = [sampler.build() for sampler in run.experiment.samplers]
    options: dict[str, Any] = {"count": 1, "length": sampling.length, "seed": seed}
    (expected,) = sample_texts(model, run.vocabulary(), samplers, sampling.prompt, **options)
    assert expected.strip("\n") in sorted(run.directory.samples.iterdir())[-1].read_text()


@pytest.mark.parametrize("option", ["average_decay", "average_after"])
def test_an_optimizer_that_averages_itself_leaves_no_second_average(
    experiment: Any, tmp_path: Path, option: str
) -> None:
    chosen = experiment(optimizer={"use": "schedule-free"}, training={option: 1})
    with pytest.raises(ExperimentError, match=f"training.{option}: the optimizer averages the weights itself"):
        train(chosen, tmp_path)


def test_the_average_of_an_optimizer_is_evaluated_and_saved(experiment: Any, tmp_path: Path) -> None:
    optimizer = {"use": "schedule-free", "learning_rate": 0.05}
    run = train(experiment(optimizer=optimizer, evaluation={"tokens": 1000}), tmp_path)
    model = run.model("latest")
    for trained, parameter in zip(trained_weights(run, 12).values(), model.parameters(), strict=True):
        assert not torch.equal(trained, parameter)
    assert run.evaluate(checkpoint="latest").loss == pytest.approx(losses_of(run, "evaluation")[-1], rel=1e-5)


def test_a_resumed_run_may_begin_an_average(experiment: Any, tmp_path: Path, registry: Registry) -> None:
    run = train(experiment(training={"keep_checkpoints": 9}), tmp_path)
    Run.open(run.path, ["training.steps=16", "training.average_decay=1.0"], registry).resume()
    assert trained_weights(run, 16)
    assert not trained_weights(run, 12)


def test_a_resumed_run_without_an_average_has_the_trained_weights() -> None:
    state = new_state()
    for value in (1.0, 3.0):
        set_weights(state, value)
        average_weights(state, Training(average_decay=1.0))
    average_weights(state, Training())
    assert state.averaged_steps == 0
    with averaged_model(state):
        assert state.model.head.bias.item() == 3
