"""What all suites share: one sentence for each failure, the comparison of tensors, and the table of components."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NoReturn, cast

import pytest
import torch
from torch import Tensor

from seqforge.errors import SeqforgeError
from seqforge.faults import place_of
from seqforge.kinds.cell_tensors import TensorFault

__tracebackhide__ = True  # pytest leaves the frames of this module out of tracebacks

Parts = Mapping[str, Tensor]
"""Results of a component by the name that a message gives them, such as "`state.hidden`"."""


class ConformanceError(AssertionError):
    """A component does not do what its interface requires."""

    __module__ = "seqforge.testing"  # the public name, which pytest prints


class Suite:
    """Tests that every component of a kind must pass.

    A subclass lists the components in a table: a function without required arguments for each, such as a class or a
    `functools.partial` with options. To leave a test out, set it to None in your subclass, and say why in a comment.

    Attributes:
        table: Name of the attribute that contains the table.
        argument: Argument of the tests that receives a function.
    """

    table: ClassVar[str]
    argument: ClassVar[str] = "make"

    def components(self, config: pytest.Config) -> Mapping[str, Callable[..., Any]]:
        """Return the functions that return components, by the name that appears in the ids of the tests."""
        return getattr(self, self.table, {})

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run every test on every component. pytest calls this.

        Raises:
            UsageError: If the subclass lists no component.
        """
        functions = self.components(metafunc.config)
        if not functions:
            raise pytest.UsageError(
                f"{type(self).__name__} must list its {self.table}: {self.table} = {{'plain': MyClass}}"
            )
        if self.argument in metafunc.fixturenames:
            metafunc.parametrize(self.argument, list(functions.values()), ids=list(functions))


def name_of(component: Any) -> str:
    """Return the name of a component for a message: a text itself, or the name of a class or a function."""
    if isinstance(component, str):
        return component
    while isinstance(component, functools.partial):
        component = component.func
    return component.__name__ if hasattr(component, "__name__") else type(component).__name__


def fail(component: Any, problem: str, *, expected: Any = None, got: Any = None) -> NoReturn:
    """Raise the error for a component that does not conform.

    Args:
        component: The component, its class, the function that returns it, or a name.
        problem: What is wrong, as a sentence without a full stop.
        expected: What the interface requires, if the problem does not state it.
        got: What the component did.

    Raises:
        ConformanceError: Always.
    """
    figures = [f"{label} {value}" for label, value in (("expected", expected), ("got", got)) if value is not None]
    raise ConformanceError(": ".join([name_of(component), problem, *filter(None, [", ".join(figures)])]))


class calling:  # noqa: N801 - it reads as a verb
    """Convert an exception inside the block to a failure that names the component, the action, the file and the line.

    Args:
        component: Component that is called.
        action: What is called and with what, such as "`decode` of an empty list".
        allowed: Exceptions that pass through.

    Raises:
        ConformanceError: If the block raises another exception.
    """

    def __init__(self, component: Any, action: str, *allowed: type[Exception]) -> None:
        self._component, self._action, self._allowed = component, action, allowed

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, (ConformanceError, *self._allowed)):
            message = error.message if isinstance(error, SeqforgeError) else str(error).partition("\n")[0]
            description = f"{self._action} raises {type(error).__name__}: {message}{place_of(error)}"
            raise ConformanceError(f"{name_of(self._component)}: {description}") from error


def require_no_fault(component: Any, fault: TensorFault | None) -> None:
    """Raise the error for a fault of a tensor, if there is one.

    Raises:
        ConformanceError: If there is.
    """
    if fault is not None:
        fail(component, fault.problem, expected=fault.expected, got=fault.got)


def require_equal(component: Any, problem: str, actual: Parts, expected: Parts, tolerance: float = 1e-9) -> None:
    """Check that results are equal up to a tolerance, relative and absolute; with 0, that their bits are.

    Args:
        component: Component that returned the results.
        problem: What a difference means. `{part}` stands for the name of the result that differs.
        actual: Results of the component.
        expected: Results that the interface requires.
        tolerance: Largest difference.

    Raises:
        ConformanceError: If a result differs.
    """
    for part, wanted in expected.items():
        result, found = _describe_difference(actual[part], wanted, tolerance)
        if result:
            fail(component, problem.format(part=part), expected=result, got=found)


def _describe_difference(actual: Tensor, expected: Tensor, tolerance: float) -> tuple[str, str]:
    """Return the expected and the actual result as texts for a message; both are empty if they are equal."""
    actual, expected = actual.detach(), expected.detach()
    if actual.shape != expected.shape:
        return f"a tensor {list(expected.shape)}", f"{list(actual.shape)}"
    if tolerance == 0 and actual.dtype != expected.dtype:
        return f"{expected.dtype}", f"{actual.dtype}"
    one, other = actual.to("cpu", torch.float64), expected.to("cpu", torch.float64)
    wrong = (one != other) & ~(one.isnan() & other.isnan())
    if tolerance:
        wrong &= ~((one - other).abs() <= tolerance * (1 + other.abs()))
    if not wrong.any():
        return "", ""
    position = cast("list[int]", wrong.nonzero()[0].tolist())
    digits = 17 if tolerance == 0 else 6
    place = f" at {position}" if position else ""
    return f"{other[tuple(position)].item():.{digits}g}{place}", f"{one[tuple(position)].item():.{digits}g}"
