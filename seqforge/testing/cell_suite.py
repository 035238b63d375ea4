"""What every cell must do, as tests that a plugin's author inherits."""

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings, strategies
from hypothesis.strategies import DataObject
from torch import Tensor

from seqforge.interfaces import Cell, State, map_state, scan
from seqforge.testing.strategies import CellFactory, cell_cases, new_cell, seeds, sizes
from seqforge.testing.tables import run_on_each

EncoderOutput = tuple[Tensor, State]
"""What reading a sequence gives: outputs `[time, batch, hidden]`, and the state after the last step."""


# The suite's methods run under every subclass, which hypothesis would else take for an accident.
_SETTINGS = settings(
    deadline=None, suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow], max_examples=10
)


class CellSuite:
    """Holds cells to the interface; a subclass named `Test…` names the cells, and pytest runs every check on each.

    ```python
    from functools import partial
    from typing import ClassVar

    from seqforge.testing import CellSuite


    class TestLSTM(CellSuite):
        cells: ClassVar = {"plain": LSTM, "peepholes": partial(LSTM, peepholes=True)}
    ```

    A cell is given by a function of its input size and hidden size, so that a class will do, `functools.partial`
    gives a class its options, and a wrapper is a lambda: `lambda i, h: Residual(i, inner=LSTM(i, h))`. A function may
    round the sizes up where a cell cannot have any. One table of functions, rather than a method to override, keeps
    the name of each set of options in the test's id: `test_gradients_are_right[peepholes]`.

    The numbers are float64 on the CPU, since a mistake then shows as more than rounding. But for training, cells are
    in evaluation mode, where those that draw random numbers must draw none.

    Attributes:
        cells: Functions of input size and hidden size that make the cells, by name.
    """

    cells: ClassVar[Mapping[str, CellFactory]]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run every check on every cell of the table; called by pytest.

        Args:
            metafunc: The test that is being collected.

        Raises:
            UsageError: Where the subclass names no cell.
        """
        run_on_each(self, metafunc, "cells", "make_cell", "MyCell")

    @given(data=strategies.data())
    @settings(_SETTINGS, max_examples=20)
    def test_any_size_is_read(self, make_cell: CellFactory, data: DataObject) -> None:
        """Every length, batch and number of features from 1 gives outputs and a state of the right shape and type."""
        cell, inputs, state = data.draw(cell_cases(make_cell, time=sizes(9), batch=sizes(9), features=sizes(70)))
        time, batch, _ = inputs.shape
        start = cell.initial_state(batch)
        assert hasattr(start, "_fields"), "the state is no NamedTuple"
        assert all(tensor.shape[:1] == (batch,) for tensor in start), "the batch is not the state's first axis"

        outputs, after = cell(inputs, state)
        output, after_step = cell.step(cell.project(inputs)[0], state)

        assert outputs.shape == (time, batch, cell.hidden_size), f"forward gives outputs of {tuple(outputs.shape)}"
        assert output.shape == (batch, cell.hidden_size), f"step gives an output of {tuple(output.shape)}"
        assert outputs.dtype == output.dtype == inputs.dtype, "the outputs' dtype is not the inputs'"
        assert type(after) is type(after_step) is type(start), "the state changes its type"
        assert _forms(after) == _forms(after_step) == _forms(start), "the state's tensors change shape or dtype"

    @given(data=strategies.data())
    @settings(_SETTINGS, max_examples=20)
    def test_forward_is_the_scan_of_step(self, make_cell: CellFactory, data: DataObject) -> None:
        """`forward` gives what `step` gives one step at a time, whether gradients are wanted or not."""
        cell, inputs, state = data.draw(cell_cases(make_cell, time=sizes(9), batch=sizes(9), features=sizes(70)))
        expected = scan(cell.step, cell.project(inputs), state)
        _assert_close(cell(inputs, state), expected, "forward differs from the scan of step")
        with torch.no_grad():
            _assert_close(cell(inputs, state), expected, "forward without gradients differs from the scan of step")

    @given(data=strategies.data())
    @_SETTINGS
    def test_forward_has_the_gradients_of_the_scan(self, make_cell: CellFactory, data: DataObject) -> None:
        """Whatever `forward` does to be fast, its gradients are those of `step`."""
        cell, inputs, state = data.draw(cell_cases(make_cell))
        inputs, state, leaves = _with_gradients(cell, inputs, state)
        fast = _gradients(cell(inputs, state), leaves)
        plain = _gradients(scan(cell.step, cell.project(inputs), state), leaves)
        message = "forward's gradients differ from the scan's"
        torch.testing.assert_close(fast, plain, rtol=1e-8, atol=1e-9, msg=lambda detail: f"{message}: {detail}")

    @given(data=strategies.data())
    @_SETTINGS
    def test_symbols_are_unit_vectors(self, make_cell: CellFactory, data: DataObject) -> None:
        """A cell that reads symbols gives what the unit vectors that they stand for give, gradients included."""
        cell, inputs, state = data.draw(cell_cases(make_cell))
        if not cell.reads_symbols:
            return
        symbols = inputs.argmax(-1)
        vectors = torch.nn.functional.one_hot(symbols, cell.input_size).double()
        _, state, leaves = _with_gradients(cell, inputs, state)
        short, whole = cell(symbols, state), cell(vectors, state)
        _assert_close(short, whole, "symbols are read otherwise than unit vectors")
        message = "the gradients by symbols differ"
        torch.testing.assert_close(
            _gradients(short, leaves[1:]), _gradients(whole, leaves[1:]), msg=lambda detail: f"{message}: {detail}"
        )

    @given(data=strategies.data())
    @_SETTINGS
    def test_the_stepper_steps(self, make_cell: CellFactory, data: DataObject) -> None:
        """The stepper of generation gives, one step at a time, what `step` gives."""
        cell, inputs, state = data.draw(cell_cases(make_cell))
        with torch.no_grad():
            read = cell.stepper(inputs.shape[1])
            _assert_close(
                scan(read, inputs, state), scan(cell.step, cell.project(inputs), state), "the stepper differs from step"
            )

    @given(data=strategies.data())
    @_SETTINGS
    def test_products_in_bfloat16_leave_the_state_its_type(self, make_cell: CellFactory, data: DataObject) -> None:
        """Under autocast the state is as precise as ever, and the outputs are near to float32's."""
        cell, inputs, state = data.draw(cell_cases(make_cell))
        cell, inputs = cell.float(), inputs.float()
        state = map_state(lambda tensor: tensor.float() if tensor.is_floating_point() else tensor, state)
        expected, _ = cell(inputs, state)
        with torch.autocast("cpu", torch.bfloat16):
            outputs, after = cell(inputs, state)
        assert _forms(after) == _forms(state), "under autocast the state changes its type"
        largest = expected.abs().max().clamp(min=1)
        assert (outputs.float() - expected).abs().max() <= 0.1 * largest, "under autocast the outputs are others"

    @given(data=strategies.data())
    @settings(_SETTINGS, max_examples=4)
    def test_gradients_are_right(self, make_cell: CellFactory, data: DataObject) -> None:
        """Gradients of parameters, inputs and state agree with finite differences."""
        cell, inputs, state = data.draw(cell_cases(make_cell, time=sizes(3), batch=sizes(2), features=sizes(3)))
        inputs, state, leaves = _with_gradients(cell, inputs, state)

        def read(*_: Tensor) -> tuple[Tensor, ...]:
            # gradcheck moves the leaves in place, so that the cell sees it.
            return _differentiable(cell(inputs, state))

        torch.autograd.gradcheck(read, leaves)

    @given(data=strategies.data())
    @_SETTINGS
    def test_chunks_with_the_state_carried_give_the_whole(self, make_cell: CellFactory, data: DataObject) -> None:
        """A sequence cut in two anywhere gives what it gives in one piece."""
        cell, inputs, state = data.draw(cell_cases(make_cell, time=strategies.integers(2, 9)))
        cut = data.draw(strategies.integers(1, len(inputs) - 1), label="cut")
        first, between = cell(inputs[:cut], state)
        second, after = cell(inputs[cut:], between)
        _assert_close((torch.cat([first, second]), after), cell(inputs, state), "chunks differ from the whole")

    @given(data=strategies.data())
    @_SETTINGS
    def test_rows_do_not_mix(self, make_cell: CellFactory, data: DataObject) -> None:
        """Each row gives alone what it gives in a batch, so that neither its neighbours nor its place matter."""
        cell, inputs, state = data.draw(cell_cases(make_cell, batch=strategies.integers(2, 5)))
        outputs, after = cell(inputs, state)
        for row in range(inputs.shape[1]):
            place = slice(row, row + 1)
            alone = cell(inputs[:, place], _rows(state, place))
            _assert_close(alone, (outputs[:, place], _rows(after, place)), f"row {row} alone differs from the batch's")

    @given(data=strategies.data())
    @_SETTINGS
    def test_reading_again_gives_the_same_bits(self, make_cell: CellFactory, data: DataObject) -> None:
        """The same parameters, inputs, state and random state give the same outputs and gradients, bit for bit."""
        cell, inputs, state = data.draw(cell_cases(make_cell))
        inputs, state, leaves = _with_gradients(cell.train(), inputs, state)

        def read() -> tuple[EncoderOutput, tuple[Tensor, ...]]:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                reading = cell(inputs, state)
                return reading, _gradients(reading, leaves)

        (outputs, after), gradients = read()
        (outputs_again, after_again), gradients_again = read()
        assert _same_bits((outputs, *after), (outputs_again, *after_again)), "reading again gives other outputs"
        assert _same_bits(gradients, gradients_again), "reading again gives other gradients"

    @given(data=strategies.data())
    @_SETTINGS
    def test_the_initial_state_depends_on_the_batch_size_alone(self, make_cell: CellFactory, data: DataObject) -> None:
        """Neither what was read before nor random numbers nor a row's place change the state before the first step."""
        cell, inputs, state = data.draw(cell_cases(make_cell))
        batch = inputs.shape[1]
        start = map_state(torch.clone, cell.initial_state(batch))
        cell(inputs, state)
        again = cell.initial_state(batch)
        assert _same_bits(start, again), "the initial state changes from call to call"
        row = cell.initial_state(1)
        assert all(_same_bits(_rows(start, slice(n, n + 1)), row) for n in range(batch)), "its rows differ"

    @given(data=strategies.data())
    @settings(_SETTINGS, max_examples=5)
    def test_parameters_survive_safetensors(self, make_cell: CellFactory, data: DataObject) -> None:
        """Another cell that loads the saved parameters has the same ones, and gives the same outputs, bit for bit."""
        cell, inputs, state = data.draw(cell_cases(make_cell))
        other = new_cell(make_cell, cell.input_size, cell.hidden_size, data.draw(seeds()))
        other.load_state_dict(safetensors.torch.load(safetensors.torch.save(cell.state_dict())))
        saved, loaded = tuple(cell.state_dict().values()), tuple(other.state_dict().values())
        assert _same_bits(saved, loaded), "a parameter changes when it is saved and loaded"
        (outputs, after), (outputs_loaded, after_loaded) = cell(inputs, state), other(inputs, state)
        message = "with the saved parameters loaded, another cell gives other outputs"
        assert _same_bits((outputs, *after), (outputs_loaded, *after_loaded)), message

    @given(data=strategies.data())
    @settings(_SETTINGS, max_examples=5)
    def test_float_and_double_are_survived(self, make_cell: CellFactory, data: DataObject) -> None:
        """A cell cast to float32 and back works in that type throughout, and gives about the same outputs."""
        cell, inputs, _ = data.draw(cell_cases(make_cell))
        expected, _ = cell(inputs, cell.initial_state(inputs.shape[1]))
        for dtype in (torch.float32, torch.float64):
            cell.to(dtype)
            start = cell.initial_state(inputs.shape[1])
            outputs, after = cell(inputs.to(dtype), start)
            assert outputs.dtype == dtype, f"cast to {dtype}, the cell gives outputs in {outputs.dtype}"
            assert _forms(after) == _forms(start), f"cast to {dtype}, the state changes shape or dtype"
            torch.testing.assert_close(outputs, expected, rtol=1e-3, atol=1e-4, check_dtype=False)

    @given(data=strategies.data())
    @settings(_SETTINGS, max_examples=5)
    def test_a_detached_state_cuts_the_gradient(self, make_cell: CellFactory, data: DataObject) -> None:
        """No gradient flows past a state that `map_state` detached: what truncated backpropagation rests on."""
        cell, inputs, state = data.draw(cell_cases(make_cell))
        earlier = inputs.clone().requires_grad_()
        _, between = cell(earlier, state)
        outputs, _ = cell(inputs, map_state(torch.detach, between))
        (gradient,) = torch.autograd.grad(outputs.sum(), earlier, allow_unused=True)
        assert gradient is None, "a gradient flows around the detached state"

    def test_training_lowers_the_loss(self, make_cell: CellFactory) -> None:
        """A few steps bring a cell nearer to the outputs of another with other parameters."""
        cell = new_cell(make_cell, 3, 4, seed=1).train()
        teacher = new_cell(make_cell, 3, 4, seed=2)
        inputs = torch.randn(6, 8, cell.input_size, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
        target = teacher(inputs, teacher.initial_state(8))[0].detach()
        optimizer = torch.optim.Adam(cell.parameters(), lr=0.01)
        losses: list[float] = []
        for _ in range(20):
            optimizer.zero_grad()
            outputs, _ = cell(inputs, cell.initial_state(8))
            loss = torch.nn.functional.mse_loss(outputs, target)
            cast("Any", loss).backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < losses[0], f"20 steps of Adam raise the loss from {losses[0]:.6f} to {losses[-1]:.6f}"


def _assert_close(actual: EncoderOutput, expected: EncoderOutput, claim: str) -> None:
    torch.testing.assert_close(
        (actual[0], *actual[1]),
        (expected[0], *expected[1]),
        rtol=1e-9,
        atol=1e-9,
        msg=lambda detail: f"{claim}: {detail}",
    )


def _same_bits(left: tuple[Tensor, ...], right: tuple[Tensor, ...]) -> bool:
    return all(a.dtype == b.dtype and torch.equal(a, b) for a, b in zip(left, right, strict=True))


def _forms(state: State) -> list[tuple[torch.Size, torch.dtype]]:
    return [(tensor.shape, tensor.dtype) for tensor in state]


def _rows(state: State, rows: slice) -> State:
    return map_state(lambda tensor: tensor[rows], state)


def _differentiable(reading: EncoderOutput) -> tuple[Tensor, ...]:
    outputs, state = reading
    return (outputs, *(tensor for tensor in state if tensor.is_floating_point()))


def _with_gradients(cell: Cell[Any], inputs: Tensor, state: State) -> tuple[Tensor, State, tuple[Tensor, ...]]:
    """Make the inputs and the state leaves of the graph, and list all leaves: inputs, state, parameters."""
    inputs = inputs.clone().requires_grad_()
    state = map_state(lambda tensor: tensor.clone().requires_grad_(tensor.is_floating_point()), state)
    parameters = [parameter for parameter in cell.parameters() if parameter.requires_grad]
    return inputs, state, (inputs, *(tensor for tensor in state if tensor.requires_grad), *parameters)


def _gradients(reading: EncoderOutput, leaves: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Differentiate a sum of the outputs and the state that weighs every number differently."""
    total = torch.zeros((), dtype=reading[0].dtype)
    for tensor in _differentiable(reading):
        total = total + (tensor * torch.linspace(0.5, 1.5, tensor.numel(), dtype=tensor.dtype).view_as(tensor)).sum()
    return torch.autograd.grad(total, leaves, allow_unused=True, materialize_grads=True)
