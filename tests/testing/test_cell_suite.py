"""The suite accepts a correct cell, and each of its checks rejects a cell with the fault for which it checks."""

from typing import ClassVar, NamedTuple

import pytest
import torch
from hypothesis import Phase, given, is_hypothesis_test, settings, strategies
from torch import nn

from seqforge.interfaces import Cell, scan
from seqforge.testing import CellSuite

pytest_plugins = ["pytester"]


class Memory(NamedTuple):
    hidden: torch.Tensor
    steps: torch.Tensor


class Sound(Cell[Memory]):
    """A vanilla RNN that also counts its steps, so that its state contains integers."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.input_weight = nn.Parameter(torch.randn(hidden_size, input_size) * 0.5)
        self.recurrent_weight = nn.Parameter(torch.randn(hidden_size, hidden_size) * 0.5)

    def initial_state(self, batch_size):
        hidden = self.recurrent_weight.new_zeros(batch_size, self.hidden_size)
        return Memory(hidden, torch.zeros(batch_size, dtype=torch.int64))

    def project(self, inputs):
        return inputs @ self.input_weight.t()

    def step(self, projected, state):
        hidden = torch.tanh(projected + state.hidden @ self.recurrent_weight.t())
        return hidden, Memory(hidden, state.steps + 1)


class TestSound(CellSuite):
    cells: ClassVar = {"sound": Sound}


class PlainTuple(Sound):
    def initial_state(self, batch_size):
        return tuple(super().initial_state(batch_size))

    def step(self, projected, state):
        output, after = super().step(projected, Memory(*state))
        return output, tuple(after)


class BatchSecond(Sound):
    def initial_state(self, batch_size):
        hidden, steps = super().initial_state(batch_size)
        return Memory(hidden.t(), steps)

    def step(self, projected, state):
        output, after = super().step(projected, Memory(state.hidden.t(), state.steps))
        return output, Memory(after.hidden.t(), after.steps)


class SingleStepOnly(Sound):
    def forward(self, inputs, state):
        output, after = self.step(self.project(inputs)[0], state)
        return output.unsqueeze(0), after


class CountBecomesFraction(Sound):
    def step(self, projected, state):
        output, after = super().step(projected, state)
        return output, Memory(after.hidden, after.steps * 1.0)


class OtherForward(Sound):
    def forward(self, inputs, state):
        outputs, after = super().forward(inputs, state)
        return outputs + 1e-6, after


class OtherForwardWithoutGradients(OtherForward):
    def forward(self, inputs, state):
        return Sound.forward(self, inputs, state) if torch.is_grad_enabled() else super().forward(inputs, state)


class ForwardCutsTheGradient(Sound):
    def forward(self, inputs, state):
        return super().forward(inputs, Memory(state.hidden.detach(), state.steps))


class WrongSlope(torch.autograd.Function):
    """The identity, with half of its gradient."""

    @staticmethod
    def forward(context, tensor):
        return tensor.clone()

    @staticmethod
    def backward(context, gradient):
        return gradient / 2


class WrongGradient(Sound):
    def step(self, projected, state):
        output, after = super().step(projected, state)
        return WrongSlope.apply(output), after


class WrongGradientOfTheState(Sound):
    def step(self, projected, state):
        return super().step(projected, Memory(WrongSlope.apply(state.hidden), state.steps))


class WrongGradientOfAParameter(Sound):
    def project(self, inputs):
        return inputs @ WrongSlope.apply(self.input_weight).t()


class ForgetsBetweenChunks(Sound):
    def forward(self, inputs, state):
        return super().forward(inputs, self.initial_state(inputs.shape[1]))


class CentresTheBatch(Sound):
    def step(self, projected, state):
        return super().step(projected - projected.mean(dim=0), state)


class FirstRowDiffers(Sound):
    def step(self, projected, state):
        return super().step(projected + torch.eye(len(projected), 1, dtype=projected.dtype), state)


class DrawsFromItsOwnGenerator(Sound):
    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.generator = torch.Generator().manual_seed(0)

    def step(self, projected, state):
        noise = torch.randn(projected.shape, generator=self.generator, dtype=projected.dtype)
        return super().step(projected + noise, state)


class WritesIntoItsState(Sound):
    def forward(self, inputs, state):
        outputs, after = super().forward(inputs, state)
        state.hidden.data.copy_(after.hidden)
        return outputs, after


class RandomStart(Sound):
    def initial_state(self, batch_size):
        hidden, steps = super().initial_state(batch_size)
        return Memory(torch.randn_like(hidden), steps)


class StartsWhereItStopped(Sound):
    last = 0.0

    def initial_state(self, batch_size):
        hidden, steps = super().initial_state(batch_size)
        return Memory(hidden + self.last, steps)

    def step(self, projected, state):
        output, after = super().step(projected, state)
        self.last = output.mean().item()
        return output, after


class RowsStartApart(Sound):
    def initial_state(self, batch_size):
        hidden, steps = super().initial_state(batch_size)
        return Memory(hidden + torch.arange(batch_size).unsqueeze(1), steps)


class UnregisteredWeight(Sound):
    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.gain = [torch.randn(hidden_size)]

    def step(self, projected, state):
        return super().step(projected * self.gain[0].to(projected.dtype), state)


class AlwaysDouble(Sound):
    def initial_state(self, batch_size):
        hidden, steps = super().initial_state(batch_size)
        return Memory(hidden.double(), steps)

    def step(self, projected, state):
        state = Memory(state.hidden.to(projected.dtype), state.steps)
        return super().step(projected, state)


class RemembersOutsideItsState(Sound):
    last: torch.Tensor | None = None

    def forward(self, inputs, state):
        outputs, after = super().forward(inputs, state)
        if self.last is not None:
            outputs = outputs + 0 * self.last.mean()
        self.last = outputs
        return outputs, after


class Uphill(torch.autograd.Function):
    """The identity, with a negated gradient."""

    @staticmethod
    def forward(context, tensor):
        return tensor.clone()

    @staticmethod
    def backward(context, gradient):
        return -gradient


class ClimbsTheLoss(Sound):
    def forward(self, inputs, state):
        outputs, after = super().forward(inputs, state)
        return Uphill.apply(outputs), after


class MisreadsSymbols(Sound):
    reads_symbols = True

    def project(self, inputs):
        if not inputs.is_floating_point():
            inputs = torch.nn.functional.one_hot(inputs, self.input_size).to(self.input_weight.dtype) * 1.01
        return super().project(inputs)


class StandsStill(Sound):
    def stepper(self, batch_size):
        read = super().stepper(batch_size)
        return lambda inputs, state: (read(inputs, state)[0], state)


class RoundsItsState(Sound):
    def forward(self, inputs, state):
        return scan(self.step, self.project(inputs), state)


FAULTS = [
    ("test_symbols_are_unit_vectors", MisreadsSymbols, "the outputs for symbols differ"),
    ("test_the_stepper_steps", StandsStill, "stepper differs"),
    ("test_products_in_bfloat16_leave_the_state_its_type", RoundsItsState, "the dtype of the state changes"),
    ("test_any_size_is_read", PlainTuple, "not a NamedTuple"),
    ("test_any_size_is_read", BatchSecond, "first axis"),
    ("test_any_size_is_read", SingleStepOnly, "forward returns outputs of"),
    ("test_any_size_is_read", CountBecomesFraction, "dtype"),
    ("test_forward_is_the_scan_of_step", OtherForward, "forward differs"),
    ("test_forward_is_the_scan_of_step", OtherForwardWithoutGradients, "forward without gradients differs"),
    ("test_forward_has_the_gradients_of_the_scan", ForwardCutsTheGradient, "gradients differ"),
    ("test_gradients_are_right", WrongGradient, "Jacobian mismatch"),
    ("test_gradients_are_right", WrongGradientOfTheState, "Jacobian mismatch"),
    ("test_gradients_are_right", WrongGradientOfAParameter, "Jacobian mismatch"),
    ("test_chunks_with_the_state_carried_give_the_whole", ForgetsBetweenChunks, "chunks differ"),
    ("test_rows_do_not_mix", CentresTheBatch, "alone differs"),
    ("test_rows_do_not_mix", FirstRowDiffers, "alone differs"),
    ("test_reading_again_gives_the_same_bits", DrawsFromItsOwnGenerator, "different outputs"),
    ("test_reading_again_gives_the_same_bits", WritesIntoItsState, "different outputs"),
    ("test_the_initial_state_depends_on_the_batch_size_alone", RandomStart, "from call to call"),
    ("test_the_initial_state_depends_on_the_batch_size_alone", StartsWhereItStopped, "from call to call"),
    ("test_the_initial_state_depends_on_the_batch_size_alone", RowsStartApart, "rows of the state differ"),
    ("test_parameters_survive_safetensors", UnregisteredWeight, "returns different outputs"),
    ("test_float_and_double_are_survived", AlwaysDouble, "cast to torch.float32 the shape or dtype"),
    ("test_a_detached_state_cuts_the_gradient", RemembersOutsideItsState, "bypasses the detached state"),
    ("test_training_lowers_the_loss", ClimbsTheLoss, "raise the loss"),
]


@pytest.mark.parametrize(("check", "broken", "message"), FAULTS, ids=[broken.__name__ for _, broken, _ in FAULTS])
def test_a_check_rejects_a_faulty_cell(check, broken, message):
    with pytest.raises((AssertionError, RuntimeError), match=message):
        run(getattr(CellSuite, check), broken)


def run(check, make_cell):
    if not is_hypothesis_test(check):
        return check(CellSuite(), make_cell)

    # Run the check without shrinking the failing example, which takes long.
    @given(data=strategies.data())
    @settings(max_examples=4, phases=[Phase.generate], derandomize=True, database=None, deadline=None)
    def quickly(data):
        check.hypothesis.inner_test(CellSuite(), make_cell, data)

    return quickly()


def test_every_check_is_shown_to_reject_a_cell():
    checks = {name for name in dir(CellSuite) if name.startswith("test_")}
    assert checks == {check for check, _, _ in FAULTS}


def test_a_subclass_runs_every_check_on_every_cell_of_its_table(pytester):
    pytester.makepyfile("""
        from functools import partial
        from seqforge.testing import CellSuite

        class TestMine(CellSuite):
            cells = {"one": print, "two": partial(print, end="")}
    """)
    result = pytester.runpytest_inprocess("--collect-only", "-q")
    result.stdout.fnmatch_lines(["*::TestMine::test_rows_do_not_mix[[]one[]]", "*::test_rows_do_not_mix[[]two[]]"])
    checks = [name for name in dir(CellSuite) if name.startswith("test_")]
    result.stdout.fnmatch_lines([f"{2 * len(checks)} tests collected*"])


def test_a_subclass_without_cells_is_an_error(pytester):
    pytester.makepyfile("""
        from seqforge.testing import CellSuite

        class TestMine(CellSuite):
            pass
    """)
    result = pytester.runpytest_inprocess("-q")
    result.stdout.fnmatch_lines(["*TestMine must list its cells: cells = {'plain': MyCell}*"])
