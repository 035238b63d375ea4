"""Optimizers of `torch.optim`, with weight decay on matrices only and torch's fused kernels where they exist."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import nn

from seqforge.interfaces import Optimizer
from seqforge_essentials.initializers import is_bias

_Algorithm = Callable[..., torch.optim.Optimizer]
"""A class of `torch.optim`."""

_LearningRate = Annotated[float, Field(gt=0, description="Learning rate, before the factor of the schedule.")]
_WeightDecay = Annotated[
    float, Field(ge=0, description="Weight decay (an L2 penalty) of matrices; biases and other vectors have none.")
]
_Epsilon = Annotated[float, Field(gt=0, description="Constant in the denominator that prevents division by 0.")]
_Momentum = Annotated[float, Field(ge=0, lt=1, description="Momentum: the share of the last update that is kept.")]
_Beta1 = Annotated[float, Field(ge=0, lt=1, description="Decay of the running mean of the gradient.")]
_Beta2 = Annotated[float, Field(ge=0, lt=1, description="Decay of the running mean of the squared gradient.")]


class _TorchOptimizer(Optimizer):
    """An optimizer of `torch.optim` and its options, by the names that torch uses."""

    algorithm: ClassVar[_Algorithm]

    def __init__(self, weight_decay: float, **options: Any) -> None:
        self._weight_decay = weight_decay
        self._options = options

    def build(self, parameters: Iterable[tuple[str, nn.Parameter]]) -> torch.optim.Optimizer:
        """Build the torch optimizer."""
        groups = parameter_groups(parameters, self._weight_decay)
        types = {(parameter.device.type, parameter.dtype) for group in groups for parameter in group["params"]}
        fused = all(_has_fused_kernel(self.algorithm, device, dtype) for device, dtype in types)
        return self.algorithm(groups, **self._options, **({"fused": True} if fused else {}))


class SGD(_TorchOptimizer):
    """Stochastic gradient descent with momentum.

    Sutskever et al. 2013, "On the Importance of Initialization and Momentum in Deep Learning".

    Raises:
        ValueError: If `nesterov` is set and the momentum is 0.
    """

    algorithm = torch.optim.SGD

    def __init__(
        self,
        learning_rate: _LearningRate = 1.0,
        momentum: _Momentum = 0.9,
        nesterov: Annotated[bool, Field(description="Use Nesterov momentum; needs a momentum above 0.")] = False,
        weight_decay: _WeightDecay = 0.0,
    ) -> None:
        if nesterov and momentum == 0:
            raise ValueError("nesterov needs a momentum above 0, such as 0.9")
        super().__init__(weight_decay, lr=learning_rate, momentum=momentum, nesterov=nesterov)


class Adam(_TorchOptimizer):
    """Kingma and Ba 2015, "Adam: A Method for Stochastic Optimization"."""

    algorithm = torch.optim.Adam

    def __init__(
        self,
        learning_rate: _LearningRate = 2e-3,
        beta1: _Beta1 = 0.9,
        beta2: _Beta2 = 0.999,
        epsilon: _Epsilon = 1e-8,
        weight_decay: _WeightDecay = 0.0,
    ) -> None:
        super().__init__(weight_decay, lr=learning_rate, betas=(beta1, beta2), eps=epsilon)


class AdamW(Adam):
    """Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization": Adam with decay outside the scaling."""

    algorithm = torch.optim.AdamW

    def __init__(
        self,
        learning_rate: _LearningRate = 2e-3,
        beta1: _Beta1 = 0.9,
        beta2: _Beta2 = 0.999,
        epsilon: _Epsilon = 1e-8,
        weight_decay: Annotated[
            float, Field(ge=0, description="Weight decay of matrices, per step and multiplied by the learning rate.")
        ] = 0.01,
    ) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, weight_decay)


class NAdam(Adam):
    """Dozat 2016, "Incorporating Nesterov Momentum into Adam"."""

    algorithm = torch.optim.NAdam


class RAdam(Adam):
    """Liu et al. 2020, "On the Variance of the Adaptive Learning Rate and Beyond": Adam that needs no warm-up."""

    algorithm = torch.optim.RAdam


class Adamax(Adam):
    """Kingma and Ba 2015, section 7.1: Adam with a decaying maximum of the gradient instead of its root mean square."""

    algorithm = torch.optim.Adamax


class RMSprop(_TorchOptimizer):
    """Gradient descent with gradients divided by their running root mean square. The defaults are those of char-rnn.

    Tieleman and Hinton 2012, "Lecture 6.5: RMSprop", Coursera; centered as in Graves 2013, "Generating Sequences with
    Recurrent Neural Networks".
    """

    algorithm = torch.optim.RMSprop

    def __init__(
        self,
        learning_rate: _LearningRate = 2e-3,
        decay_rate: _Beta2 = 0.95,
        momentum: _Momentum = 0.0,
        centered: Annotated[bool, Field(description="Divide by the standard deviation instead.")] = False,
        epsilon: _Epsilon = 1e-8,
        weight_decay: _WeightDecay = 0.0,
    ) -> None:
        super().__init__(
            weight_decay, lr=learning_rate, alpha=decay_rate, momentum=momentum, centered=centered, eps=epsilon
        )


class Adagrad(_TorchOptimizer):
    """Gradient descent with gradients divided by the root of the sum of all their squares. min-char-rnn uses it.

    Duchi et al. 2011, "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization".
    """

    algorithm = torch.optim.Adagrad

    def __init__(
        self, learning_rate: _LearningRate = 0.1, epsilon: _Epsilon = 1e-8, weight_decay: _WeightDecay = 0.0
    ) -> None:
        super().__init__(weight_decay, lr=learning_rate, eps=epsilon)


def parameter_groups(parameters: Iterable[tuple[str, nn.Parameter]], weight_decay: float) -> list[dict[str, Any]]:
    """Separate the matrices, which decay, from biases, gains and other vectors, which do not.

    Weight decay makes a function smoother by shrinking the factors of its inputs. A bias is no such factor, and a gain
    has no reason to be near 0 (Goodfellow et al. 2016, "Deep Learning", section 7.1).

    Returns:
        The groups that are not empty, in the format of `torch.optim`, each with its `weight_decay`. If nothing decays,
        there is one group, since an optimizer step costs time per group. The order of the parameters, by which
        checkpoints identify them, does not depend on the weight decay.
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
    """Try one step on one number: fused kernels depend on torch's version, the device and the dtype."""
    probe = torch.zeros(1, device=device, dtype=dtype, requires_grad=True)
    probe.grad = torch.zeros_like(probe)
    try:
        algorithm([probe], fused=True).step()
    except (RuntimeError, TypeError):
        return False
    return True
