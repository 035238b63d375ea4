"""Cells with wrong types, or tensors that are not registered."""

import torch
from torch import nn

from seeded_bugs.bug import bug
from seeded_bugs.sound_cell import Memory, Sound
from seqforge.kinds import Backend, scan
from seqforge.testing.cell_suite import CellSuite


@bug(CellSuite, "test_tensors_are_registered", "tensor `gain[0]` is not registered as a parameter or buffer")
class UnregisteredWeight(Sound):
    """A weight is in a list."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.gain = [torch.randn(hidden_size)]

    def step(self, projected, state):
        return super().step(projected * self.gain[0].to(projected.dtype), state)


@bug(
    CellSuite,
    "test_a_cast_to_another_type_is_followed",
    "after a cast to torch.float32 the type of `state.hidden` changes",
)
class AlwaysDouble(Sound):
    """The initial state is always in float64."""

    def initial_state(self, batch_size):
        hidden, steps = super().initial_state(batch_size)
        return Memory(hidden.double(), steps)

    def step(self, projected, state):
        state = Memory(state.hidden.to(projected.dtype), state.steps)
        return super().step(projected, state)


@bug(
    CellSuite, "test_products_in_bfloat16_leave_the_state_its_type", "under autocast the type of `state.hidden` changes"
)
class RoundsItsState(Sound):
    """The state becomes bfloat16 under autocast."""

    def forward(self, inputs, state):
        return scan(self.step, self.project(inputs), state)


@bug(
    CellSuite,
    "test_any_size_is_read",
    "after a step the type of `state.steps` changes: expected torch.int64, got torch.float32",
)
class CountBecomesFraction(Sound):
    """A number of steps becomes a fraction."""

    def step(self, projected, state):
        output, after = super().step(projected, state)
        return output, Memory(after.hidden, after.steps * 1.0)


@bug(CellSuite, "test_parameters_survive_safetensors", "the output of a cell that loads the saved parameters differs")
class BufferThatIsNotSaved(Sound):
    """A random buffer is not persistent."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.register_buffer("gain", torch.randn(hidden_size), persistent=False)

    def step(self, projected, state):
        return super().step(projected * self.gain, state)


@bug(CellSuite, "test_tensors_are_registered", "tensor `scale` is not registered as a parameter or buffer")
class UnregisteredConstants(Sound):
    """A tensor of constants is an attribute."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.scale = torch.linspace(0.5, 1.5, hidden_size)

    def step(self, projected, state):
        return super().step(projected * self.scale.to(projected.dtype), state)


@bug(
    CellSuite,
    "test_forward_is_the_scan_of_step",
    "tensor `layers[0].weight` is not registered as a parameter or buffer",
)
class UnregisteredLayers(Sound):
    """Layers are in a list. (Other tests of the cell give the same reason.)"""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.layers = [nn.Linear(hidden_size, hidden_size)]

    def step(self, projected, state):
        return super().step(self.layers[0](projected), state)


@bug(
    CellSuite,
    "test_the_cell_computes_in_the_type_and_on_the_device_of_its_parameters",
    "float32 inside a float64 cell (cell_types.py, line …: `return Memory(torch.zeros(",
)
class Float32State(Sound):
    """The initial state is always in float32."""

    def initial_state(self, batch_size):
        return Memory(torch.zeros(batch_size, self.hidden_size), super().initial_state(batch_size).steps)


class ForgetGate(nn.Linear):
    def forward(self, inputs):
        return nn.functional.linear(inputs.float(), self.weight.float(), self.bias.float()).to(inputs.dtype)


@bug(
    CellSuite,
    "test_the_cell_computes_in_the_type_and_on_the_device_of_its_parameters",
    "float32 inside a float64 cell (layer `forget`, cell_types.py, line …)",
)
class Float32Layer(Sound):
    """A layer computes in float32."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.forget = ForgetGate(hidden_size, hidden_size)

    def step(self, projected, state):
        return super().step(projected + self.forget(state.hidden), state)


SCALE = torch.tensor([1.5])


@bug(
    CellSuite,
    "test_the_cell_computes_in_the_type_and_on_the_device_of_its_parameters",
    "a tensor on the CPU inside a cell on another device (cell_types.py, line …)",
)
class ConstantOnTheCPU(Sound):
    """A tensor of constants in the module is on the CPU, also if the cell is on a GPU."""

    def step(self, projected, state):
        return super().step(projected * SCALE, state)


@bug(
    CellSuite,
    "test_backends_agree",
    "`state.hidden` differs from the scan of `step`… (on the backend 'session/Rounding'…)",
)
class WrongWhenCompiled(Sound):
    """Only compiled code is wrong."""


class Rounding(Backend):
    """A backend that is wrong for one cell, as compiled code can be."""

    def unsupported(self, cell, context):
        return None if isinstance(cell, WrongWhenCompiled) else "it runs one cell only"

    def sequence_function(self, cell, context):
        def read(inputs, state):
            outputs, after = type(cell).forward(cell, inputs, state)
            return outputs, Memory(after.hidden * 1.001, after.steps)

        return read


@bug(
    CellSuite, "test_a_cast_to_another_type_is_followed", "in float32, the output differs from that in float64 by more"
)
class RoundsEachState(Sound):
    """The state is rounded to bfloat16 in each step of a cell in float32."""

    def step(self, projected, state):
        hidden = state.hidden.bfloat16().float() if state.hidden.dtype == torch.float32 else state.hidden
        return super().step(projected, Memory(hidden, state.steps))


@bug(
    CellSuite,
    "test_a_cast_to_another_type_is_followed",
    "in float32 without gradients, the output differs from that in float64 by more than rounding",
)
class WrongFastPath(Sound):
    """The compiled path, which runs by default in float32, is wrong."""

    def forward(self, inputs, state):
        outputs, after = super().forward(inputs, state)
        is_fast = outputs.dtype == torch.float32 and not torch.is_grad_enabled()
        return outputs * 1.001 if is_fast else outputs, after


@bug(
    CellSuite,
    "test_large_inputs_have_finite_results",
    "for inputs of about 1,000, the output is not finite (cell_types.py, line …: `weight = torch.exp(projected)`)",
)
class WithoutStabilizer(Sound):
    """An exponential gate has no stabilizer."""

    def step(self, projected, state):
        weight = torch.exp(projected)
        return super().step(weight / (1 + weight), state)


@bug(
    CellSuite,
    "test_large_inputs_have_finite_results",
    "for inputs of about 1,000, the gradient of the input is not finite (cell_types.py, line …: `gate = 1 / (1 +",
)
class NaiveSigmoid(Sound):
    """The sigmoid is computed as 1 / (1 + exp(-x))."""

    def step(self, projected, state):
        gate = 1 / (1 + torch.exp(-projected))
        return super().step(gate * projected.tanh(), state)


@bug(
    CellSuite,
    "test_large_inputs_have_finite_results",
    "for inputs of about 1,000, the gradient of the input is not finite: expected a stable form",
)
class RootOfZero(Sound):
    """The gradient of √(1 - a²) is NaN if the decay a is 1."""

    def step(self, projected, state):
        decay = torch.sigmoid(projected)
        return super().step((1 - decay.square()).sqrt() * projected.tanh(), state)


@bug(
    CellSuite,
    "test_a_cast_to_another_type_is_followed",
    "after a cast to torch.float32 the outputs have another type: expected torch.float32, got torch.float64",
)
class OutputsInFloat64(Sound):
    """The outputs are in float64, whatever the type of the parameters."""

    def step(self, projected, state):
        output, after = super().step(projected, state)
        return output.double(), after
