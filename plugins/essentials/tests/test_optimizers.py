"""Optimizers: steps, weight decay, fused kernels, and checkpoints."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from seqforge_essentials.optimizers import (
    SGD,
    Adagrad,
    Adam,
    AdamW,
    Lion,
    RMSprop,
    ScheduleFree,
    _has_fused_kernel,
    parameter_groups,
)
from torch import nn

from seqforge.kinds import Optimizer
from seqforge.kinds.optimizer import AveragingOptimizer

REFERENCES: dict[str, tuple[Callable[..., Optimizer], dict[str, Any], type[torch.optim.Optimizer], dict[str, Any]]] = {
    "sgd": (SGD, {"momentum": 0.0}, torch.optim.SGD, {"lr": 1.0}),
    "sgd-nesterov": (
        SGD,
        {"learning_rate": 0.1, "nesterov": True},
        torch.optim.SGD,
        {"lr": 0.1, "momentum": 0.9, "nesterov": True},
    ),
    "adam": (Adam, {}, torch.optim.Adam, {"lr": 2e-3}),
    "adam-options": (
        Adam,
        {"learning_rate": 0.1, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3},
        torch.optim.Adam,
        {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-3},
    ),
    "adamw": (AdamW, {"weight_decay": 0.0}, torch.optim.AdamW, {"lr": 2e-3, "weight_decay": 0.0}),
    "rmsprop": (
        RMSprop,
        {"momentum": 0.5},
        torch.optim.RMSprop,
        {"lr": 2e-3, "alpha": 0.95, "momentum": 0.5},
    ),
    "adagrad": (Adagrad, {}, torch.optim.Adagrad, {"lr": 0.1, "eps": 1e-8}),
}


class Model(nn.Module):
    """A layer with a matrix, a bias of two rows, and a gain."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.input_weight = nn.Parameter(torch.randn(6, 4, generator=generator))
        self.bias = nn.Parameter(torch.randn(2, 6, generator=generator))
        self.gain = nn.Parameter(torch.randn(6, generator=generator))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.gain * torch.tanh(inputs @ self.input_weight.T + self.bias.sum(0))


def train(model: Model, optimizer: torch.optim.Optimizer, first: int, last: int) -> None:
    for step in range(first, last):
        inputs = torch.randn(8, 4, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        (model(inputs) - inputs.sum(1, keepdim=True)).square().mean().backward()
        optimizer.step()


@pytest.mark.parametrize("name", REFERENCES)
def test_steps_equal_those_of_torch(name: str):
    component, options, algorithm, torch_options = REFERENCES[name]
    model, reference = Model(), Model()
    train(model, component(**options).build(model.named_parameters()), 0, 20)
    train(reference, algorithm(reference.parameters(), **torch_options), 0, 20)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter, reference.get_parameter(name), rtol=1e-4, atol=1e-5)
        assert not torch.equal(parameter, Model().get_parameter(name))


@pytest.mark.parametrize("name", REFERENCES)
def test_parameters_stay_finite_if_the_gradient_stays_the_same(name: str):
    component, options, *_ = REFERENCES[name]
    parameter, gradient = nn.Parameter(torch.zeros(1000)), torch.linspace(-0.1, 0.1, 1000)
    optimizer = component(**options).build([("weight", parameter)])
    for _ in range(400):
        parameter.grad = gradient.clone()
        optimizer.step()
    assert parameter.isfinite().all()


@pytest.mark.parametrize("component", [SGD, Adam, AdamW, RMSprop, Adagrad, Lion, ScheduleFree])
def test_weight_decay_shrinks_only_matrices(component: Callable[..., Optimizer]):
    model = Model()
    optimizer = component(learning_rate=0.01, weight_decay=0.5).build(model.named_parameters())
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    before = Model()
    assert model.input_weight.norm() < before.input_weight.norm()
    assert torch.equal(model.bias, before.bias)
    assert torch.equal(model.gain, before.gain)


def test_lion_moves_every_parameter_by_the_learning_rate_and_decays_by_it():
    model, means = Model(), dict.fromkeys(dict(Model().named_parameters()), 0.0)
    optimizer = Lion(learning_rate=0.01, beta1=0.8, beta2=0.95, weight_decay=0.5).build(model.named_parameters())
    for step in range(3):
        before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
        train(model, optimizer, step, step + 1)
        for name, parameter in model.named_parameters():
            gradient, kept = parameter.grad, 0.995 if name == "input_weight" else 1.0
            expected = kept * before[name] - 0.01 * torch.sign(0.8 * means[name] + 0.2 * gradient)
            torch.testing.assert_close(parameter.detach(), expected)
            means[name] = 0.95 * means[name] + 0.05 * gradient


def test_schedule_free_trains_between_its_steps_and_their_average():
    model, beta, rates = Model(), 0.8, [0.01, 0.02, 0.005, 0.01]
    optimizer = ScheduleFree(learning_rate=0.01, beta1=beta, beta2=0.9, weight_decay=0.5).build(
        model.named_parameters()
    )
    assert isinstance(optimizer, AveragingOptimizer)
    steps = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    averages, squares = dict(steps), dict.fromkeys(steps, 0.0)
    for step, rate in enumerate(rates):
        optimizer.param_groups[0]["lr"] = optimizer.param_groups[1]["lr"] = rate
        before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
        train(model, optimizer, step, step + 1)
        inputs = torch.randn(8, 4, generator=torch.Generator().manual_seed(step))
        other = Model()
        other.load_state_dict(before)
        (other(inputs) - inputs.sum(1, keepdim=True)).square().mean().backward()
        share = max(rates[: step + 1]) ** 2 / sum(max(rates[: last + 1]) ** 2 for last in range(step + 1))
        for name, parameter in model.named_parameters():
            gradient = other.get_parameter(name).grad
            squares[name] = 0.9 * squares[name] + 0.1 * gradient.square()
            update = gradient / ((squares[name] / (1 - 0.9 ** (step + 1))).sqrt() + 1e-8)
            update += (0.5 if name == "input_weight" else 0.0) * before[name]
            steps[name] = steps[name] - rate * update
            averages[name] = (1 - share) * averages[name] + share * steps[name]
            torch.testing.assert_close(optimizer.average_of(parameter), averages[name])
            torch.testing.assert_close(parameter.detach(), (1 - beta) * steps[name] + beta * averages[name])


def test_groups_contain_every_parameter_once_and_are_not_empty():
    model = Model()
    groups = parameter_groups(model.named_parameters(), 0.3)
    assert [[id(parameter) for parameter in group["params"]] for group in groups] == [
        [id(model.input_weight)],
        [id(model.bias), id(model.gain)],
    ]
    assert [group["weight_decay"] for group in groups] == [0.3, 0.0]
    assert len(parameter_groups([("head.bias", model.gain)], 0.3)) == 1


@pytest.mark.parametrize("component", [SGD, Adam, AdamW, RMSprop, Adagrad, Lion, ScheduleFree])
def test_the_order_of_the_parameters_does_not_depend_on_the_weight_decay(component: Callable[..., Optimizer]):
    reverse_order = list(Model().named_parameters())[::-1]  # Parameters that do not decay come first.
    orders = [
        [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
        for optimizer in (component(weight_decay=decay).build(reverse_order) for decay in (0.0, 0.5))
    ]
    assert orders[0] == orders[1]
    assert len(component(weight_decay=0.0).build(reverse_order).param_groups) == 1


def test_a_fused_kernel_is_used_if_torch_has_one():
    for component, algorithm in ((Adam, torch.optim.Adam), (SGD, torch.optim.SGD)):
        optimizer = component().build(Model().named_parameters())
        assert optimizer.param_groups[0]["fused"] is (
            True if _has_fused_kernel(algorithm, "cpu", torch.float32) else None
        )
    assert "fused" not in RMSprop().build(Model().named_parameters()).param_groups[0]


def test_the_plain_kernel_is_used_if_torch_has_no_fused_one():
    assert not _has_fused_kernel(torch.optim.RMSprop, "cpu", torch.float32)
    # Only the plain kernel supports complex numbers.
    assert not _has_fused_kernel(torch.optim.Adam, "cpu", torch.complex64)
    parameter = nn.Parameter(torch.ones(2, 2, dtype=torch.complex64))
    optimizer = Adam().build([("weight", parameter)])
    parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    assert (parameter.real < 1).all()


def test_nesterov_without_momentum_is_an_error():
    with pytest.raises(ValueError, match="nesterov needs a momentum above 0"):
        SGD(momentum=0.0, nesterov=True)
