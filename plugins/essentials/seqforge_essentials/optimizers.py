"""Optimizers, with weight decay of matrices only, and fused kernels where torch has them."""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar

import torch
from lion_pytorch import Lion as _Lion  # pyright: ignore[reportMissingTypeStubs]
from pydantic import Field
from schedulefree import AdamWScheduleFree  # pyright: ignore[reportMissingTypeStubs]
from torch import Tensor, nn

from seqforge.kinds import Optimizer
from seqforge.kinds.cell import is_recurrent_weight
from seqforge_essentials.initializers import is_bias

_Algorithm = Callable[..., torch.optim.Optimizer]
"""A class of torch optimizers."""

_TORCH_NAMES = {"learning_rate": "lr", "epsilon": "eps", "decay_rate": "alpha"}
"""Options that have another name in torch."""

LearningRate = Annotated[float, Field(gt=0, description="Learning rate, before the factor of the schedule.")]
_WeightDecay = Annotated[
    float, Field(ge=0, description="Weight decay (an L2 penalty) of matrices; biases and other vectors have none.")
]
DecoupledWeightDecay = Annotated[
    float, Field(ge=0, description="Weight decay of matrices, per step and multiplied by the learning rate.")
]
_Epsilon = Annotated[float, Field(gt=0, description="Constant in the denominator that prevents division by 0.")]
Momentum = Annotated[float, Field(ge=0, lt=1, description="Momentum: the share of the last update that is kept.")]
MeanDecay = Annotated[float, Field(ge=0, lt=1, description="Decay of the running mean of the gradient.")]
SquareDecay = Annotated[float, Field(ge=0, lt=1, description="Decay of the running mean of the squared gradient.")]


class _TorchOptimizer(Optimizer):
    """An optimizer with a class of torch. The fields of a subclass, a dataclass, are its options."""

    algorithm: ClassVar[_Algorithm]

    def build(self, parameters: Iterable[tuple[str, nn.Parameter]]) -> torch.optim.Optimizer:
        """Build the torch optimizer."""
        options = {_TORCH_NAMES.get(name, name): value for name, value in vars(self).items()}
        if "beta1" in options:
            options["betas"] = (options.pop("beta1"), options.pop("beta2"))
        groups = parameter_groups(parameters, options.pop("weight_decay"))
        types = {(parameter.device.type, parameter.dtype) for group in groups for parameter in group["params"]}
        if all(_has_fused_kernel(self.algorithm, device, dtype) for device, dtype in types):
            options["fused"] = True
        return _without_compiler(self.algorithm)(groups, **options)


@dataclass(frozen=True)
class SGD(_TorchOptimizer):
    """Stochastic gradient descent with momentum.

    Sutskever et al. 2013, "On the Importance of Initialization and Momentum in Deep Learning".

    Raises:
        ValueError: If `nesterov` is set and the momentum is 0.
    """

    algorithm = torch.optim.SGD
    learning_rate: LearningRate = 1.0
    momentum: Momentum = 0.9
    nesterov: Annotated[bool, Field(description="Use Nesterov momentum; needs a momentum above 0.")] = False
    weight_decay: _WeightDecay = 0.0

    def __post_init__(self) -> None:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0, such as 0.9")


@dataclass(frozen=True)
class Adam(_TorchOptimizer):
    """Gradient descent with running means of the gradient and of its square, corrected for their start at 0.

    Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization".
    """

    algorithm = torch.optim.Adam
    learning_rate: LearningRate = 2e-3
    beta1: MeanDecay = 0.9
    beta2: SquareDecay = 0.999
    epsilon: _Epsilon = 1e-8
    weight_decay: _WeightDecay = 0.0


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with weight decay that the running mean of the squared gradient does not scale.

    Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization".
    """

    algorithm = torch.optim.AdamW
    weight_decay: DecoupledWeightDecay = 0.01


@dataclass(frozen=True)
class RMSprop(_TorchOptimizer):
    """Gradient descent with gradients divided by their running root mean square. The defaults are those of char-rnn.

    Tieleman and Hinton 2012, "Lecture 6.5: RMSprop", Coursera.
    """

    algorithm = torch.optim.RMSprop
    learning_rate: LearningRate = 2e-3
    decay_rate: SquareDecay = 0.95
    momentum: Momentum = 0.0
    epsilon: _Epsilon = 1e-8
    weight_decay: _WeightDecay = 0.0


@dataclass(frozen=True)
class Adagrad(_TorchOptimizer):
    """Gradient descent with gradients divided by the root of the sum of all their squares. min-char-rnn uses it.

    Duchi et al. 2011, "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization".
    """

    algorithm = torch.optim.Adagrad
    learning_rate: LearningRate = 0.1
    epsilon: _Epsilon = 1e-8
    weight_decay: _WeightDecay = 0.0


@dataclass(frozen=True)
class Lion(_TorchOptimizer):
    """Gradient descent by the sign of a running mean: in a step, all parameters change by the same amount.

    Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms". Compared with AdamW, the authors advise a
    learning rate that is 3 to 10 times lower, and a weight decay that is as many times higher.
    """

    algorithm = _Lion
    learning_rate: LearningRate = 3e-4
    beta1: MeanDecay = 0.9
    beta2: MeanDecay = 0.99
    weight_decay: DecoupledWeightDecay = 0.1


_COUNTS = ("k", "weight_sum", "lr_max")
"""What Schedule-Free counts for a group: steps, the sum of the weights of the average, and the highest rate."""


class _ScheduleFree(AdamWScheduleFree):
    """Schedule-Free AdamW whose weights are always those that are trained, y, and `average_of` them is x."""

    def __init__(self, parameters: Iterable[Any], **options: Any) -> None:
        super().__init__(parameters, **options)
        for group in self.param_groups:
            group["train_mode"] = True

    def step(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take a step. What the library counts for a group is in the state of its parameters, for checkpoints."""
        for group in self.param_groups:
            states = [self.state[parameter] for parameter in group["params"]]
            counts = next((state for state in states if "k" in state), group)
            group.update({name: counts[name] for name in _COUNTS})
        super().step()
        for group in self.param_groups:
            for state in (self.state[parameter] for parameter in group["params"]):
                if state:
                    state.update({name: group[name] for name in _COUNTS})

    def average_of(self, parameter: Tensor) -> Tensor:
        """Return x, from y = (1 - β₁) z + β₁ x."""
        trained = parameter.detach()
        return torch.lerp(trained, self.state[parameter].get("z", trained), 1 - 1 / self.defaults["betas"][0])


@dataclass(frozen=True)
class ScheduleFree(_TorchOptimizer):
    """AdamW at a constant rate, whose average of the weights takes the place of a falling rate.

    Defazio et al. 2024, "The Road Less Scheduled". The average is evaluated, sampled and saved. The authors advise a
    learning rate that is 1 to 10 times higher than with a schedule, and a warmup.
    """

    algorithm = _ScheduleFree
    learning_rate: LearningRate = 2.5e-3
    beta1: Annotated[float, Field(gt=0, lt=1, description="Weight of the average in the trained weights.")] = 0.9
    beta2: SquareDecay = 0.999
    epsilon: _Epsilon = 1e-8
    weight_decay: DecoupledWeightDecay = 0.0


def parameter_groups(parameters: Iterable[tuple[str, nn.Parameter]], weight_decay: float) -> list[dict[str, Any]]:
    """Separate the matrices, which decay, from biases, gains and other vectors, which do not.

    Weight decay makes a function smoother by shrinking the weights that multiply its inputs. A bias multiplies no
    input, and a gain has no reason to be near 0 (Goodfellow et al. 2016, "Deep Learning", section 7.1).

    Returns:
        Non-empty groups in the format of `torch.optim`, each with its `weight_decay`. If nothing decays, there is one
        group, because an optimizer step costs time per group. Checkpoints identify parameters by their order, which
        does not depend on the weight decay.
    """
    decaying: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in parameters:
        (others if parameter.ndim < 2 or is_bias(name) else decaying).append(parameter)
    if not weight_decay:
        return [{"params": decaying + others, "weight_decay": 0.0}]
    groups = [{"params": decaying, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


@cache
def _has_fused_kernel(algorithm: _Algorithm, device: str, dtype: torch.dtype) -> bool:
    """Return whether torch has a fused kernel, by trying one step: that depends on its version, device and dtype."""
    probe = torch.zeros(1, device=device, dtype=dtype, requires_grad=True)
    probe.grad = torch.zeros_like(probe)
    try:
        _without_compiler(algorithm)([probe], fused=True).step()
    except (RuntimeError, TypeError):
        return False
    return True


_PREPARED = ("add_param_group", "load_state_dict", "state_dict", "zero_grad", "step")
"""Methods that torch wraps, so that it can compile what calls them."""


@cache
def _without_compiler(algorithm: _Algorithm) -> _Algorithm:
    """Return a subclass with the methods inside these wrappers, which import the compiler, for more than a second."""
    made: Any = algorithm
    methods = {name: inspect.unwrap(getattr(algorithm, name)) for name in _PREPARED}
    methods["step"] = torch.no_grad()(methods["step"])  # as one of the wrappers does
    return type(made.__name__, (made,), methods)


@dataclass(frozen=True)
class Muon(Optimizer):
    """Gradient descent whose update of a matrix is the orthogonal matrix nearest to the momentum.

    Jordan et al. 2024, "Muon: An Optimizer for Hidden Layers in Neural Networks". AdamW updates the rest: vectors, the
    weights of symbols and those of the head. An update has the root mean square that it would have with AdamW (Liu et
    al. 2025, "Muon Is Scalable for LLM Training"), so both use the same learning rate.
    """

    learning_rate: LearningRate = 5e-3
    momentum: Momentum = 0.95
    beta1: MeanDecay = 0.9
    beta2: SquareDecay = 0.99
    weight_decay: DecoupledWeightDecay = 0.1

    def build(self, parameters: Iterable[tuple[str, nn.Parameter]]) -> torch.optim.Optimizer:
        """Build the torch optimizer."""
        named = list(parameters)
        hidden = [parameter for name, parameter in named if is_hidden_weight(name, parameter)]
        others = [(name, parameter) for name, parameter in named if not is_hidden_weight(name, parameter)]
        parts: list[torch.optim.Optimizer] = []
        if hidden:
            options: dict[str, Any] = {"momentum": self.momentum, "weight_decay": self.weight_decay}
            muon = _without_compiler(torch.optim.Muon)
            parts.append(muon(hidden, self.learning_rate, adjust_lr_fn="match_rms_adamw", **options))
        if others:
            groups, betas = parameter_groups(others, self.weight_decay), (self.beta1, self.beta2)
            parts.append(_without_compiler(torch.optim.AdamW)(groups, self.learning_rate, betas=betas))
        return _without_compiler(_Together)(parts)


def is_hidden_weight(name: str, parameter: nn.Parameter) -> bool:
    """Return whether a parameter is a matrix from the outputs of units to the inputs of others.

    The columns of an embedding, or of the input weight of the lowest layer, belong to single symbols, which are often
    rare, and so do the rows of the head. An orthogonal update would be as large for the rarest symbol as for a space.
    The input weight of the lowest layer is left out behind an embedding, too: with it, an LSTM of parts of words
    reached 2.94 bits per held-out character of tiny Shakespeare after 150 steps, and without it, 2.76 (two seeds).
    """
    if parameter.ndim != 2 or is_bias(name) or {"input", "head", "convolution"} & set(name.split(".")):
        return False
    return "cells.0." not in name or is_recurrent_weight(name)


class _Together(torch.optim.Optimizer):
    """Several optimizers, each with parameters of its own, as one."""

    def __init__(self, parts: list[torch.optim.Optimizer]) -> None:
        self._parts = [(part, len(part.param_groups)) for part in parts]
        super().__init__([group for part in parts for group in part.param_groups], {})

    def step(self) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take a step of every optimizer."""
        first = 0
        for part, groups in self._parts:
            # `load_state_dict` replaces the state and the groups, with the learning rates of the schedule.
            part.state, part.param_groups = self.state, self.param_groups[first : first + groups]
            part.step()
            first += groups
