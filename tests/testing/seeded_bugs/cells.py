"""Cells whose results, gradients or state are wrong."""

import torch

from seeded_bugs.bug import bug
from seeded_bugs.sound_cell import Memory, Sound
from seqforge.testing.cell_suite import CellSuite


@bug(CellSuite, "test_any_size_is_read", "the initial state is not a NamedTuple of tensors")
class PlainTuple(Sound):
    """The state is a plain tuple."""

    def initial_state(self, batch_size):
        return tuple(super().initial_state(batch_size))

    def step(self, projected, state):
        output, after = super().step(projected, Memory(*state))
        return output, tuple(after)


@bug(CellSuite, "test_any_size_is_read", "the batch is not the first axis of `state.hidden`")
class BatchSecond(Sound):
    """The batch is the second axis of a part of the state."""

    def initial_state(self, batch_size):
        hidden, steps = super().initial_state(batch_size)
        return Memory(hidden.t(), steps)

    def step(self, projected, state):
        output, after = super().step(projected, Memory(state.hidden.t(), state.steps))
        return output, Memory(after.hidden.t(), after.steps)


@bug(CellSuite, "test_any_size_is_read", "the batch is not the first axis of `state.hidden` in `initial_state(")
class NoBatch(Sound):
    """A part of the initial state has no axis for the batch."""

    def initial_state(self, batch_size):
        hidden, steps = super().initial_state(batch_size)
        return Memory(hidden[0], steps)


@bug(CellSuite, "test_any_size_is_read", "`forward` returns an output of another shape")
class SingleStepOnly(Sound):
    """`forward` reads one step only."""

    def forward(self, inputs, state):
        output, after = self.step(self.project(inputs)[0], state)
        return output.unsqueeze(0), after


@bug(CellSuite, "test_forward_is_the_scan_of_step", "the output of `forward` differs from the scan of `step`")
class OtherForward(Sound):
    """`forward` computes something else than `step`."""

    def forward(self, inputs, state):
        outputs, after = super().forward(inputs, state)
        return outputs + 1e-6, after


@bug(
    CellSuite,
    "test_forward_is_the_scan_of_step",
    "the output of `forward` without gradients differs from the scan of `step`",
)
class OtherForwardWithoutGradients(OtherForward):
    """`forward` computes something else without gradients."""

    def forward(self, inputs, state):
        return Sound.forward(self, inputs, state) if torch.is_grad_enabled() else super().forward(inputs, state)


@bug(
    CellSuite,
    "test_forward_is_the_scan_of_step",
    "the gradient of `state.hidden` of `forward` differs from the scan of `step`",
)
class ForwardCutsTheGradient(Sound):
    """`forward` detaches the state that it receives."""

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


@bug(CellSuite, "test_gradients_are_right", "the gradient of the input, `state.hidden`, `input_weight`… is wrong")
class WrongGradient(Sound):
    """The gradient of the output is wrong."""

    def step(self, projected, state):
        output, after = super().step(projected, state)
        return WrongSlope.apply(output), after


@bug(CellSuite, "test_gradients_are_right", "the gradient of …`state.hidden`… is wrong")
class WrongGradientOfTheState(Sound):
    """The gradient of the state is wrong."""

    def step(self, projected, state):
        return super().step(projected, Memory(WrongSlope.apply(state.hidden), state.steps))


@bug(CellSuite, "test_gradients_are_right", "the gradient of `input_weight` is wrong")
class WrongGradientOfAParameter(Sound):
    """The gradient of a parameter is wrong."""

    def project(self, inputs):
        return inputs @ WrongSlope.apply(self.input_weight).t()


@bug(CellSuite, "test_chunks_with_the_state_carried_give_the_whole", "the output differs after chunking")
class ForgetsBetweenChunks(Sound):
    """`forward` starts every chunk from the initial state."""

    def forward(self, inputs, state):
        return super().forward(inputs, self.initial_state(inputs.shape[1]))


@bug(CellSuite, "test_rows_do_not_mix", "the output of row 0 depends on the other rows of the batch")
class CentresTheBatch(Sound):
    """The inputs are centred over the batch."""

    def step(self, projected, state):
        return super().step(projected - projected.mean(dim=0), state)


@bug(CellSuite, "test_rows_do_not_mix", "the output of row 1 depends on the other rows of the batch")
class FirstRowDiffers(Sound):
    """The first row of a batch is a special case."""

    def step(self, projected, state):
        return super().step(projected + torch.eye(len(projected), 1, dtype=projected.dtype), state)


class Uphill(torch.autograd.Function):
    """The identity, with a negated gradient."""

    @staticmethod
    def forward(context, tensor):
        return tensor.clone()

    @staticmethod
    def backward(context, gradient):
        return -gradient


@bug(CellSuite, "test_training_lowers_the_loss", "20 steps of Adam do not lower the loss")
class ClimbsTheLoss(Sound):
    """The gradient has the wrong sign."""

    def forward(self, inputs, state):
        outputs, after = super().forward(inputs, state)
        return Uphill.apply(outputs), after


@bug(CellSuite, "test_symbols_are_unit_vectors", "the output for symbols differs from that for the unit vectors")
class MisreadsSymbols(Sound):
    """Symbols are read with another scale than vectors."""

    reads_symbols = True

    def project(self, inputs):
        if not inputs.is_floating_point():
            inputs = torch.nn.functional.one_hot(inputs, self.input_size).to(self.input_weight.dtype) * 1.01
        return super().project(inputs)


@bug(CellSuite, "test_the_stepper_steps", "… of the function that `stepper` returns differs from that of `step`")
class StandsStill(Sound):
    """`stepper` returns the old state."""

    def stepper(self):
        read = super().stepper()
        return lambda inputs, state: (read(inputs, state)[0], state)


@bug(CellSuite, "test_chunks_with_the_state_carried_give_the_whole", "`state.steps` differs after chunking")
class CountsOneChunk(Sound):
    """`forward` counts the steps of its chunk only."""

    def forward(self, inputs, state):
        outputs, after = super().forward(inputs, state)
        return outputs, Memory(after.hidden, torch.full_like(after.steps, len(inputs)))


@bug(
    CellSuite,
    "test_forward_is_the_scan_of_step",
    "the output of `forward` differs from the scan of `step`… (wrong at batch 1)",
)
class WrongAtBatch1(Sound):
    """`forward` is wrong for a batch of 1."""

    def forward(self, inputs, state):
        outputs, after = super().forward(inputs, state)
        return outputs * (1.01 if inputs.shape[1] == 1 else 1.0), after


@bug(
    CellSuite,
    "test_forward_is_the_scan_of_step",
    "the output of `forward` differs from the scan of `step`… (wrong at length 1)",
)
class WrongAtLength1(Sound):
    """`forward` is wrong for 1 step."""

    def forward(self, inputs, state):
        outputs, after = super().forward(inputs, state)
        return outputs * (1.01 if len(inputs) == 1 else 1.0), after


@bug(CellSuite, "test_rows_do_not_mix", "depends on the other rows of the batch… (wrong above batch 16)")
class WrongAboveBatch16(Sound):
    """Results are wrong from the 17th row on."""

    def step(self, projected, state):
        output, after = super().step(projected, state)
        return torch.cat([output[:16], output[16:] + output[:1]]), after


@bug(
    CellSuite,
    "test_forward_is_the_scan_of_step",
    "the output of `forward` differs from the scan of `step`… (wrong above length 32)",
)
class WrongAboveLength32(Sound):
    """Results are wrong from the 33rd step on."""

    def forward(self, inputs, state):
        outputs, after = super().forward(inputs, state)
        return torch.cat([outputs[:32], outputs[32:] * 1.01]), after


@bug(CellSuite, "test_tensors_are_registered", "`__init__` ignores `hidden_size`: expected 128 units, got 64")
class FixedSize(Sound):
    """The option `hidden_size` has no effect."""

    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, 64)


@bug(
    CellSuite,
    "test_only_the_state_and_earlier_steps_matter",
    "`forward` ignores the given state, so that every sequence starts anew",
)
class StartsAnew(ForgetsBetweenChunks):
    """The given state is ignored. (This test says so before others compare results.)"""


@bug(
    CellSuite,
    "test_only_the_state_and_earlier_steps_matter",
    "`step` ignores the given state: neither its output nor the next state depends on it",
)
class NotRecurrent(Sound):
    """The recurrent product is missing."""

    def step(self, projected, state):
        return super().step(projected, Memory(torch.zeros_like(state.hidden), state.steps))


@bug(CellSuite, "test_only_the_state_and_earlier_steps_matter", "outputs depend on later steps")
class NormalizesOverTime(Sound):
    """The input is normalized over time."""

    def project(self, inputs):
        projected = super().project(inputs)
        return projected - projected.mean(0)


@bug(
    CellSuite,
    "test_only_the_state_and_earlier_steps_matter",
    "`forward` returns the outputs from the last step to the first",
)
class ReversesTime(Sound):
    """The outputs are in the reverse order."""

    def forward(self, inputs, state):
        outputs, after = super().forward(inputs, state)
        return outputs.flip(0), after


@bug(
    CellSuite,
    "test_gradients_are_right",
    "the gradient of …`state.hidden`… is wrong (`detach` in cells.py, line …: expected a slope of",
)
class DetachesAGate(Sound):
    """A gate is detached."""

    def step(self, projected, state):
        gate = torch.sigmoid(state.hidden.detach())
        return super().step(gate * projected, state)


@bug(
    CellSuite,
    "test_forward_is_the_scan_of_step",
    "differs from the scan of `step` (`detach` in cells.py, line …wrong above length 64",
)
class DetachesBetweenBlocks(Sound):
    """`forward` detaches the state after every 64 steps."""

    def forward(self, inputs, state):
        parts = []
        for block in inputs.split(64):
            hidden = state.hidden.detach() if parts else state.hidden
            outputs, state = super().forward(block, Memory(hidden, state.steps))
            parts.append(outputs)
        return torch.cat(parts), state
