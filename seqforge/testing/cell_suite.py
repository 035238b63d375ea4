"""The conformance suite of cells, for subclasses in the tests of a plugin."""

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings, strategies
from hypothesis.strategies import DataObject
from torch import Tensor

from seqforge.interfaces import Cell, State, map_state, scan
from seqforge.testing.strategies import CellFactory, cell_cases, new_cell, run_on_each, seeds, sizes

CellResult = tuple[Tensor, State]
"""Outputs `[time, batch, hidden]` of a cell, and the state after the last step."""


# Several subclasses run the same methods, which hypothesis would report as a mistake.
_SETTINGS = settings(
    deadline=None, suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow], max_examples=10
)


class CellSuite:
    """Tests that every cell must pass. List your cells in a subclass whose name begins with `Test`.

    ```python
    from functools import partial
    from typing import ClassVar

    from seqforge.testing import CellSuite


    class TestLSTM(CellSuite):
        cells: ClassVar = {"plain": LSTM, "peepholes": partial(LSTM, peepholes=True)}
    ```

    Each function takes an input size and a hidden size, and returns a cell. It is a class, a `functools.partial` with
    options, or a lambda for a wrapper, such as `lambda i, h: Residual(i, inner=LSTM(i, h))`. It may round the sizes up
    if the cell does not support all of them. The names appear in the test ids, such as
    `test_gradients_are_right[peepholes]`.

    Tests run in float64 on the CPU, so that a mistake is larger than rounding errors. Except in tests of training,
    cells are in evaluation mode and must not draw random numbers.

    Attributes:
        cells: Functions that return a cell for an input size and a hidden size, by name.
    """

    cells: ClassVar[Mapping[str, CellFactory]]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run every test on every cell. pytest calls this.

        Raises:
            UsageError: If the subclass lists no cell.
        """
        run_on_each(self, metafunc, "cells", "make_cell", "MyCell")

    @given(data=strategies.data())
    @settings(_SETTINGS, max_examples=20)
    def test_any_size_is_read(self, make_cell: CellFactory, data: DataObject) -> None:
        """Outputs and states have the right shape and type for any length, batch size and number of features."""
        cell, inputs, state = data.draw(cell_cases(make_cell, time=sizes(9), batch=sizes(9), features=sizes(70)))
        time, batch, _ = inputs.shape
        start = cell.initial_state(batch)
        assert hasattr(start, "_fields"), "the state is not a NamedTuple"
        assert all(tensor.shape[:1] == (batch,) for tensor in start), "the batch is not the first axis of the state"

        outputs, after = cell(inputs, state)
        output, after_step = cell.step(cell.project(inputs)[0], state)

        assert outputs.shape == (time, batch, cell.hidden_size), f"forward returns outputs of {tuple(outputs.shape)}"
        assert output.shape == (batch, cell.hidden_size), f"step returns an output of {tuple(output.shape)}"
        assert outputs.dtype == output.dtype == inputs.dtype, "the dtype of the outputs differs from that of the inputs"
        assert type(after) is type(after_step) is type(start), "the type of the state changes"
        assert _types(after) == _types(after_step) == _types(start), "the shape or dtype of the state changes"

    @given(data=strategies.data())
    @settings(_SETTINGS, max_examples=20)
    def test_forward_is_the_scan_of_step(self, make_cell: CellFactory, data: DataObject) -> None:
        """`forward` agrees with the scan of `step`, with and without gradients."""
        cell, inputs, state = data.draw(cell_cases(make_cell, time=sizes(9), batch=sizes(9), features=sizes(70)))
        expected = scan(cell.step, cell.project(inputs), state)
        _assert_close(cell(inputs, state), expected, "forward differs from the scan of step")
        with torch.no_grad():
            _assert_close(cell(inputs, state), expected, "forward without gradients differs from the scan of step")

    @given(data=strategies.data())
    @_SETTINGS
    def test_forward_has_the_gradients_of_the_scan(self, make_cell: CellFactory, data: DataObject) -> None:
        """The gradients of `forward` agree with those of the scan of `step`."""
        cell, inputs, state = data.draw(cell_cases(make_cell))
        inputs, state, leaves = _with_gradients(cell, inputs, state)
        fast = _gradients(cell(inputs, state), leaves)
        plain = _gradients(scan(cell.step, cell.project(inputs), state), leaves)
        message = "the gradients differ between forward and the scan of step"
        torch.testing.assert_close(fast, plain, rtol=1e-8, atol=1e-9, msg=lambda detail: f"{message}: {detail}")

    @given(data=strategies.data())
    @_SETTINGS
    def test_symbols_are_unit_vectors(self, make_cell: CellFactory, data: DataObject) -> None:
        """If a cell reads symbols, outputs and gradients agree with those for one-hot vectors."""
        cell, inputs, state = data.draw(cell_cases(make_cell))
        if not cell.reads_symbols:
            return
        symbols = inputs.argmax(-1)
        vectors = torch.nn.functional.one_hot(symbols, cell.input_size).double()
        _, state, leaves = _with_gradients(cell, inputs, state)
        short, whole = cell(symbols, state), cell(vectors, state)
        _assert_close(short, whole, "the outputs for symbols differ from those for one-hot vectors")
        message = "the gradients for symbols differ from those for one-hot vectors"
        torch.testing.assert_close(
            _gradients(short, leaves[1:]), _gradients(whole, leaves[1:]), msg=lambda detail: f"{message}: {detail}"
        )

    @given(data=strategies.data())
    @_SETTINGS
    def test_the_stepper_steps(self, make_cell: CellFactory, data: DataObject) -> None:
        """The stepper, which generation uses, agrees with `step`."""
        cell, inputs, state = data.draw(cell_cases(make_cell))
        with torch.no_grad():
            read = cell.stepper(inputs.shape[1])
            _assert_close(
                scan(read, inputs, state), scan(cell.step, cell.project(inputs), state), "the stepper differs from step"
            )

    @given(data=strategies.data())
    @_SETTINGS
    def test_products_in_bfloat16_leave_the_state_its_type(self, make_cell: CellFactory, data: DataObject) -> None:
        """Under autocast the state keeps its dtype, and the outputs are close to those in float32."""
        cell, inputs, state = data.draw(cell_cases(make_cell))
        cell, inputs = cell.float(), inputs.float()
        state = map_state(lambda tensor: tensor.float() if tensor.is_floating_point() else tensor, state)
        expected, _ = cell(inputs, state)
        with torch.autocast("cpu", torch.bfloat16):
            outputs, after = cell(inputs, state)
        assert _types(after) == _types(state), "under autocast the dtype of the state changes"
        largest = expected.abs().max().clamp(min=1)
        assert (outputs.float() - expected).abs().max() <= 0.1 * largest, "under autocast the outputs differ too much"

    @given(data=strategies.data())
    @settings(_SETTINGS, max_examples=4)
    def test_gradients_are_right(self, make_cell: CellFactory, data: DataObject) -> None:
        """Gradients of parameters, inputs and state agree with finite differences."""
        cell, inputs, state = data.draw(cell_cases(make_cell, time=sizes(3), batch=sizes(2), features=sizes(3)))
        inputs, state, leaves = _with_gradients(cell, inputs, state)

        def read(*_: Tensor) -> tuple[Tensor, ...]:
            # gradcheck modifies the leaves in place. The arguments are not used, because the cell reads the leaves.
            return _differentiable(cell(inputs, state))

        torch.autograd.gradcheck(read, leaves)

    @given(data=strategies.data())
    @_SETTINGS
    def test_chunks_with_the_state_carried_give_the_whole(self, make_cell: CellFactory, data: DataObject) -> None:
        """A sequence in two chunks, with the state carried, gives the same result as the whole sequence."""
        cell, inputs, state = data.draw(cell_cases(make_cell, time=strategies.integers(2, 9)))
        cut = data.draw(strategies.integers(1, len(inputs) - 1), label="cut")
        first, between = cell(inputs[:cut], state)
        second, after = cell(inputs[cut:], between)
        _assert_close((torch.cat([first, second]), after), cell(inputs, state), "chunks differ from the whole sequence")

    @given(data=strategies.data())
    @_SETTINGS
    def test_rows_do_not_mix(self, make_cell: CellFactory, data: DataObject) -> None:
        """The result of a row depends neither on the other rows nor on its position in the batch."""
        cell, inputs, state = data.draw(cell_cases(make_cell, batch=strategies.integers(2, 5)))
        outputs, after = cell(inputs, state)
        for row in range(inputs.shape[1]):
            rows = slice(row, row + 1)
            alone = cell(inputs[:, rows], _rows(state, rows))
            _assert_close(alone, (outputs[:, rows], _rows(after, rows)), f"row {row} alone differs")

    @given(data=strategies.data())
    @_SETTINGS
    def test_reading_again_gives_the_same_bits(self, make_cell: CellFactory, data: DataObject) -> None:
        """Equal parameters, inputs, state and random state give bit-identical outputs and gradients."""
        cell, inputs, state = data.draw(cell_cases(make_cell))
        inputs, state, leaves = _with_gradients(cell.train(), inputs, state)

        def read() -> tuple[CellResult, tuple[Tensor, ...]]:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                result = cell(inputs, state)
                return result, _gradients(result, leaves)

        (outputs, after), gradients = read()
        (outputs_again, after_again), gradients_again = read()
        assert _same_bits((outputs, *after), (outputs_again, *after_again)), "a second call returns different outputs"
        assert _same_bits(gradients, gradients_again), "a second call returns different gradients"

    @given(data=strategies.data())
    @_SETTINGS
    def test_the_initial_state_depends_on_the_batch_size_alone(self, make_cell: CellFactory, data: DataObject) -> None:
        """The initial state depends on neither earlier sequences nor random numbers, and is the same for every row."""
        cell, inputs, state = data.draw(cell_cases(make_cell))
        batch = inputs.shape[1]
        start = map_state(torch.clone, cell.initial_state(batch))
        cell(inputs, state)
        again = cell.initial_state(batch)
        assert _same_bits(start, again), "the initial state changes from call to call"
        row = cell.initial_state(1)
        assert all(_same_bits(_rows(start, slice(n, n + 1)), row) for n in range(batch)), "the rows of the state differ"

    @given(data=strategies.data())
    @settings(_SETTINGS, max_examples=5)
    def test_parameters_survive_safetensors(self, make_cell: CellFactory, data: DataObject) -> None:
        """A cell that loads the saved parameters has bit-identical parameters and outputs."""
        cell, inputs, state = data.draw(cell_cases(make_cell))
        other = new_cell(make_cell, cell.input_size, cell.hidden_size, data.draw(seeds()))
        other.load_state_dict(safetensors.torch.load(safetensors.torch.save(cell.state_dict())))
        saved, loaded = tuple(cell.state_dict().values()), tuple(other.state_dict().values())
        assert _same_bits(saved, loaded), "a parameter changes when it is saved and loaded"
        (outputs, after), (outputs_loaded, after_loaded) = cell(inputs, state), other(inputs, state)
        message = "a cell that loads the saved parameters returns different outputs"
        assert _same_bits((outputs, *after), (outputs_loaded, *after_loaded)), message

    @given(data=strategies.data())
    @settings(_SETTINGS, max_examples=5)
    def test_float_and_double_are_survived(self, make_cell: CellFactory, data: DataObject) -> None:
        """A cell that is cast to float32, and back to float64, computes in that type, with nearly equal outputs."""
        cell, inputs, _ = data.draw(cell_cases(make_cell))
        expected, _ = cell(inputs, cell.initial_state(inputs.shape[1]))
        for dtype in (torch.float32, torch.float64):
            cell.to(dtype)
            start = cell.initial_state(inputs.shape[1])
            outputs, after = cell(inputs.to(dtype), start)
            assert outputs.dtype == dtype, f"after a cast to {dtype} the cell returns outputs in {outputs.dtype}"
            assert _types(after) == _types(start), f"after a cast to {dtype} the shape or dtype of the state changes"
            torch.testing.assert_close(outputs, expected, rtol=1e-3, atol=1e-4, check_dtype=False)

    @given(data=strategies.data())
    @settings(_SETTINGS, max_examples=5)
    def test_a_detached_state_cuts_the_gradient(self, make_cell: CellFactory, data: DataObject) -> None:
        """No gradient flows through a state detached by `map_state`, as truncated backpropagation requires."""
        cell, inputs, state = data.draw(cell_cases(make_cell))
        earlier = inputs.clone().requires_grad_()
        _, between = cell(earlier, state)
        outputs, _ = cell(inputs, map_state(torch.detach, between))
        (gradient,) = torch.autograd.grad(outputs.sum(), earlier, allow_unused=True)
        assert gradient is None, "a gradient bypasses the detached state"

    def test_training_lowers_the_loss(self, make_cell: CellFactory) -> None:
        """A few optimizer steps bring the outputs of a cell closer to those of a cell with other parameters."""
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


def _assert_close(actual: CellResult, expected: CellResult, claim: str) -> None:
    torch.testing.assert_close(
        (actual[0], *actual[1]),
        (expected[0], *expected[1]),
        rtol=1e-9,
        atol=1e-9,
        msg=lambda detail: f"{claim}: {detail}",
    )


def _same_bits(left: tuple[Tensor, ...], right: tuple[Tensor, ...]) -> bool:
    return all(a.dtype == b.dtype and torch.equal(a, b) for a, b in zip(left, right, strict=True))


def _types(state: State) -> list[tuple[torch.Size, torch.dtype]]:
    return [(tensor.shape, tensor.dtype) for tensor in state]


def _rows(state: State, rows: slice) -> State:
    return map_state(lambda tensor: tensor[rows], state)


def _differentiable(result: CellResult) -> tuple[Tensor, ...]:
    outputs, state = result
    return (outputs, *(tensor for tensor in state if tensor.is_floating_point()))


def _with_gradients(cell: Cell[Any], inputs: Tensor, state: State) -> tuple[Tensor, State, tuple[Tensor, ...]]:
    """Return inputs and state as leaves of a new graph, and all its leaves: inputs, state and parameters."""
    inputs = inputs.clone().requires_grad_()
    state = map_state(lambda tensor: tensor.clone().requires_grad_(tensor.is_floating_point()), state)
    parameters = [parameter for parameter in cell.parameters() if parameter.requires_grad]
    return inputs, state, (inputs, *(tensor for tensor in state if tensor.requires_grad), *parameters)


def _gradients(result: CellResult, leaves: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return the gradients of a weighted sum of outputs and state, in which every number has a different weight."""
    total = torch.zeros((), dtype=result[0].dtype)
    for tensor in _differentiable(result):
        total = total + (tensor * torch.linspace(0.5, 1.5, tensor.numel(), dtype=tensor.dtype).view_as(tensor)).sum()
    return torch.autograd.grad(total, leaves, allow_unused=True, materialize_grads=True)
