"""Optimizers, schedules and initializers that are wrong."""

import random

import torch
from torch import nn

from seeded_bugs.bug import bug
from seqforge.kinds import Initializer, Optimizer, Schedule
from seqforge.testing.initializer_suite import InitializerSuite
from seqforge.testing.optimizer_suite import OptimizerSuite
from seqforge.testing.schedule_suite import ScheduleSuite


class Adam(Optimizer):
    """A correct optimizer."""

    algorithm = torch.optim.Adam

    def build(self, parameters):
        return self.algorithm([parameter for _, parameter in parameters], lr=0.01)


@bug(OptimizerSuite, "test_biases_do_not_decay", "parameter `bias` decays without a gradient")
class DecaysEverything(Adam):
    """Weight decay applies to biases too."""

    def build(self, parameters):
        return torch.optim.AdamW([parameter for _, parameter in parameters], lr=0.01, weight_decay=0.1)


@bug(OptimizerSuite, "test_every_parameter_is_in_one_group", "parameter `bias` is not in exactly one parameter group")
class LeavesOutTheBias(Adam):
    """Only matrices are trained."""

    def build(self, parameters):
        return super().build((name, parameter) for name, parameter in parameters if parameter.ndim > 1)


class Ascent(torch.optim.SGD):
    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = -parameter.grad
        super().step()


@bug(OptimizerSuite, "test_a_quadratic_decreases", "100 steps do not lower a quadratic")
class ClimbsTheLoss(Adam):
    """Steps have the wrong sign."""

    algorithm = Ascent


class HiddenMomentum(torch.optim.SGD):
    def __init__(self, parameters, lr):
        super().__init__(parameters, lr=lr)
        self.steps = 0

    def step(self, closure=None):
        self.steps += 1
        for group in self.param_groups:
            group["lr"] = 0.01 / self.steps
        super().step()


@bug(OptimizerSuite, "test_the_state_survives_a_checkpoint", "`weight` differs after a checkpoint")
class StateInAnAttribute(Adam):
    """The number of steps is an attribute, which is in no checkpoint."""

    algorithm = HiddenMomentum


class Lion(torch.optim.Optimizer):
    """The sign of a momentum, which is in an attribute."""

    shared = False

    def __init__(self, parameters, lr):
        super().__init__(parameters, {"lr": lr})
        self.momentum = {}

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"]:
                momentum = self.momentum.setdefault(parameter.shape if self.shared else parameter, parameter.grad * 0)
                parameter.sub_(group["lr"] * (0.9 * momentum + 0.1 * parameter.grad).sign())
                momentum.mul_(0.99).add_(0.01 * parameter.grad)
                if self.shared:
                    self.state[parameter]["momentum"] = momentum


@bug(
    OptimizerSuite,
    "test_the_state_survives_a_checkpoint",
    "differs after a checkpoint: a part of the state is not in it",
)
class HiddenLion(Adam):
    """The momentum of Lion is an attribute."""

    algorithm = Lion


class SharedLion(Lion):
    shared = True


@bug(OptimizerSuite, "test_the_state_survives_a_checkpoint", "two parameters share the state 'momentum'")
class StateByShape(Adam):
    """Parameters of one shape share their state."""

    algorithm = SharedLion


class FixedRate(torch.optim.SGD):
    def step(self, closure=None):
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.data -= 0.01 * parameter.grad


@bug(
    OptimizerSuite,
    "test_a_learning_rate_of_zero_changes_nothing",
    "`weight` changes in a step with the learning rate 0, so that a learning rate that falls has no effect",
)
class IgnoresTheSchedule(Adam):
    """The learning rate is a constant in the code."""

    algorithm = FixedRate


class Constant(Schedule):
    """A correct schedule."""

    def factor(self, progress):
        return 1.0


@bug(
    ScheduleSuite,
    "test_factors_are_finite_and_not_negative",
    "`factor(progress=Progress(step=0, epoch=0.0, fraction=0.0))` raises ZeroDivisionError",
)
class Inverse(Constant):
    """The factor divides by the step."""

    def factor(self, progress):
        return 1 / progress.step


@bug(
    ScheduleSuite,
    "test_factors_are_finite_and_not_negative",
    "factor returned …, not a finite number that is at least 0",
)
class FallsBelowZero(Constant):
    """The factor becomes negative after step 100."""

    def factor(self, progress):
        return 1 - progress.step / 100


@bug(ScheduleSuite, "test_a_factor_depends_on_progress_alone", "`factor` at step …depends on earlier calls")
class CountsCalls(Constant):
    """The factor depends on how often it was computed."""

    calls = 0

    def factor(self, progress):
        self.calls += 1
        return 1 / self.calls


@bug(ScheduleSuite, "test_a_factor_depends_on_progress_alone", "`factor` at step …depends on earlier calls")
class RandomFactor(Constant):
    """The factor is random."""

    def factor(self, progress):
        return random.random()


@bug(ScheduleSuite, "test_a_restored_schedule_continues", "the factor at step …differs in a resumed run")
class ForgetsTheBest(Constant):
    """The best loss is not in the state."""

    best, reduced = 1e9, 1.0

    def factor(self, progress):
        return self.reduced

    def observe(self, validation_loss):
        if not validation_loss < self.best:
            self.reduced *= 0.5
        self.best = min(self.best, validation_loss)

    def state(self):
        return {"reduced": self.reduced}

    def restore(self, state):
        self.reduced = state["reduced"]


@bug(InitializerSuite, "test_hidden_units_differ", "rows of `stack.cells.0.input_weight` are equal")
class Ones(Initializer):
    """All numbers are equal."""

    def initialize(self, name, parameter):
        parameter.fill_(1.0)


@bug(
    InitializerSuite,
    "test_every_parameter_is_filled_with_finite_numbers",
    "initialize wrote NaN or infinity to stack.cells.2.recurrent_weight",
)
class InverseOfTheShape(Initializer):
    """The scale divides by 0 for a matrix of one row."""

    def initialize(self, name, parameter):
        if parameter.ndim == 2:
            parameter.normal_().div_(len(parameter) - 1)


@bug(
    InitializerSuite,
    "test_every_parameter_is_filled_with_finite_numbers",
    "`initialize(name='stack.cells.0.bias', parameter=a parameter [64])` raises ValueError",
)
class NeedsMatrices(Initializer):
    """Vectors are an error."""

    def initialize(self, name, parameter):
        nn.init.xavier_uniform_(parameter)


@bug(
    InitializerSuite,
    "test_numbers_come_from_the_default_generator",
    "`input.embedding.weight` differs although the seed is equal",
)
class OwnGenerator(Initializer):
    """Numbers come from a generator with a random seed."""

    def initialize(self, name, parameter):
        generator = torch.Generator()
        generator.seed()
        parameter.copy_(torch.randn(parameter.shape, generator=generator))


@bug(ScheduleSuite, "test_a_factor_depends_on_progress_alone", "`factor` changes the state: expected {'calls': 0}")
class CountsItsCalls(Schedule):
    """The state is the number of calls, on which the factor does not depend."""

    calls = 0

    def factor(self, progress):
        self.calls += 1
        return 1.0

    def state(self):
        return {"calls": self.calls}


@bug(
    InitializerSuite,
    "test_every_parameter_is_filled_with_finite_numbers",
    "`initialize` changes the shape or type of `input.embedding.weight`: got [16, 50]",
)
class Transposes(Initializer):
    """A matrix becomes another one."""

    def initialize(self, name, parameter):
        parameter.data = torch.randn(*reversed(parameter.shape), dtype=parameter.dtype)


@bug(
    InitializerSuite,
    "test_every_parameter_is_filled_with_finite_numbers",
    "`initialize` changes the shape or type of `input.embedding.weight`: got [50, 16]",
)
class DrawsInFloat32(Initializer):
    """The numbers are in float32, whatever the type of the parameter."""

    def initialize(self, name, parameter):
        parameter.data = torch.randn(parameter.shape)
