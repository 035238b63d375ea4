"""The conformance suite of optimizers, for subclasses in the tests of a plugin."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar, cast

import safetensors.torch
import torch
from torch import Tensor, nn

from seqforge.kinds import Optimizer
from seqforge.kinds.optimizer import AveragingOptimizer, build_optimizer
from seqforge.runs.training_state import join_optimizer_state, split_optimizer_state
from seqforge.testing.conformance import Factory, Suite, fail, require_equal

_STEPS = 100


class OptimizerSuite(Suite, kind="optimizer"):
    """Tests that every optimizer must pass, listed as those of `CellSuite`.

    Attributes:
        optimizers: Functions that return an optimizer, by name. List one with each option that adds a state.
    """

    optimizers: ClassVar[Mapping[str, Factory[Optimizer]]]

    def test_every_parameter_is_in_one_group(self, make: Factory[Optimizer]) -> None:
        """`build` returns a torch optimizer with every parameter once, and a positive learning rate in every group."""
        model = _Model()
        optimizer = build_optimizer(make(), model.named_parameters())
        found = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
        for name, parameter in model.named_parameters():
            if found.count(id(parameter)) != 1:
                problem = f"parameter `{name}` is not in exactly one parameter group"
                fail(make, problem, expected="once", got=f"{found.count(id(parameter))} times")
        for group in optimizer.param_groups:
            if not float(group["lr"]) > 0:
                fail(make, "the learning rate of a group is not positive", got=group["lr"])

    def test_a_quadratic_decreases(self, make: Factory[Optimizer]) -> None:
        """100 steps lower a quadratic loss."""
        model = _Model()
        optimizer = build_optimizer(make(), model.named_parameters())
        before = _loss(model).item()
        _train(model, optimizer, _STEPS)
        after = _loss(model).item()
        if not after < before:
            fail(make, f"{_STEPS} steps do not lower a quadratic", expected=f"below {before:.6g}", got=f"{after:.6g}")

    def test_the_state_survives_a_checkpoint(self, make: Factory[Optimizer]) -> None:
        """Steps after a checkpoint are bit-identical to those without one, and no two parameters share a state."""
        model, resumed = _Model(), _Model()
        optimizer = build_optimizer(make(), model.named_parameters())
        _train(model, optimizer, 5, noise=4.0)
        _require_own_states(make, optimizer)
        resumed.load_state_dict(model.state_dict())
        other = build_optimizer(make(), resumed.named_parameters())
        tensors, scalars = split_optimizer_state(optimizer)
        scalars = json.loads(json.dumps(scalars))
        tensors = safetensors.torch.load(safetensors.torch.save({k: v.contiguous() for k, v in tensors.items()}))
        join_optimizer_state(other, make(), resumed.named_parameters(), tensors, scalars)
        problem = "`{part}` differs after a checkpoint: a part of the state is not in it"
        # The signs of these gradients change in each step, so that a momentum has an effect on its sign, too.
        for trained, its_optimizer in ((model, optimizer), (resumed, other)):
            _train(trained, its_optimizer, 10, noise=4.0)
        require_equal(make, problem, resumed.state_dict(), model.state_dict(), tolerance=0.0)

    def test_biases_do_not_decay(self, make: Factory[Optimizer]) -> None:
        """A step without gradients changes no bias and no gain, except by noise. It may shrink matrices."""
        before = {name: parameter.detach().clone() for name, parameter in _Model().named_parameters()}
        one, other = (_step_without_gradients(make, seed) for seed in (0, 1))
        if not all(torch.equal(one[name], other[name]) for name in one):
            return  # The optimizer adds noise to the gradients.
        for name, parameter in one.items():
            change = "decays" if parameter.norm() <= before[name].norm() else "grows"
            if (name != "weight" and not torch.equal(parameter, before[name])) or change == "grows":
                wanted = "weight decay on matrices only"
                fail(make, f"parameter `{name}` {change} without a gradient", expected=wanted)

    def test_a_learning_rate_of_zero_changes_nothing(self, make: Factory[Optimizer]) -> None:
        """A step with the learning rate 0 changes nothing, so that a changed learning rate takes effect.

        An optimizer that averages the weights may move them towards the average.
        """
        model = _Model()
        optimizer = build_optimizer(make(), model.named_parameters())
        if isinstance(optimizer, AveragingOptimizer):
            return
        _train(model, optimizer, 3)
        for group in optimizer.param_groups:
            group["lr"] = 0.0
        before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
        _train(model, optimizer, 1)
        problem = (
            "`{part}` changes in a step with the learning rate 0, so that a learning rate that falls has no effect"
        )
        require_equal(make, problem, model.state_dict(), before, tolerance=0.0)


class _Model(nn.Module):
    """A matrix, a bias and a gain, whose minimum is not at 0."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(4, 3, generator=generator))
        self.bias = nn.Parameter(torch.randn(4, generator=generator))
        self.gain = nn.Parameter(torch.randn(4, generator=generator))


def _loss(model: _Model, noise: float = 0.0, step: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(step)
    parts = [
        (parameter - 2 - noise * torch.randn(parameter.shape, generator=generator)).square().sum()
        for parameter in model.parameters()
    ]
    return torch.stack(parts).sum()


def _train(model: _Model, optimizer: torch.optim.Optimizer, steps: int, noise: float = 0.0) -> None:
    for step in range(steps):
        optimizer.zero_grad()
        cast("Any", _loss(model, noise, step)).backward()
        optimizer.step()


def _step_without_gradients(make: Factory[Optimizer], seed: int) -> dict[str, Tensor]:
    model = _Model()
    optimizer = build_optimizer(make(), model.named_parameters())
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        optimizer.step()
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def _require_own_states(make: Factory[Optimizer], optimizer: torch.optim.Optimizer) -> None:
    """Check that no tensor is in the states of two parameters."""
    owners: dict[int, str] = {}
    for parameter, moments in optimizer.state.items():
        for name, value in moments.items():
            if isinstance(value, Tensor):
                shape = list(parameter.shape)
                if value.data_ptr() in owners and value.numel():
                    problem = f"two parameters share the state {name!r}, such as one of the shape {shape}"
                    fail(make, problem, expected="a state for each parameter")
                owners[value.data_ptr()] = name
