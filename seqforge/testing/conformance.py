"""What all suites share: the table of components, one sentence for each failure, and the comparison of tensors."""

import functools
import inspect
import logging
import traceback
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any, ClassVar, NoReturn, TypeVar, cast
from unittest import SkipTest

import torch
from torch import Tensor

from seqforge.errors import PluginError, SeqforgeError
from seqforge.faults import describe_value, is_authors_code, place_of
from seqforge.kinds.table import KINDS

__tracebackhide__ = True  # pytest leaves the frames of this module out of tracebacks

# torch logs each tensor that it compiles, and pytest would print all of it above the message of a failure.
logging.getLogger("torch.__trace").propagate = False

ComponentT = TypeVar("ComponentT")

Factory = Callable[[], ComponentT]
"""Function that returns a component: a class or `partial(Class, option=…)`."""


Parts = dict[str, Tensor]
"""Results of a component by the name that a message gives them, such as "`state.hidden`"."""

GLOBAL_SEED = (
    "it sets the seed of torch, so that the other random numbers of a run repeat: use a `torch.Generator` of its own"
)


class ConformanceError(AssertionError):
    """A component does not do what its interface requires."""


class Suite:
    """Tests that every component of a kind must pass.

    A subclass lists the components in a table: a function for each, such as a class or a `functools.partial` with
    options. The tests call components as the engine does. An exception of a component becomes a failure that names the
    call, the file and the line.

    Attributes:
        table: Name of the attribute that contains the table: the plural of the kind of component.
        expected_failures: Reasons why tests fail, by `test_name` or `test_name[component]`. pytest reports such a test
            as an expected failure, and as a failure if it passes.
        only_built: Why `seqforge plugins check` builds a component, but does not run the tests; "" if it runs them.
    """

    table: ClassVar[str]
    only_built: ClassVar[str] = ""
    expected_failures: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls, kind: str = "") -> None:
        super().__init_subclass__()
        if kind:
            cls.table = KINDS[kind].plural
        if cls.__module__.startswith("seqforge.testing"):
            for name, test in list(vars(cls).items()):
                if name.startswith("test_"):
                    setattr(cls, name, _describing_errors(test))

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """Run every test on every component. pytest calls this.

        Raises:
            UsageError: If the subclass lists no component, or expects the failure of a test that does not exist.
        """
        import pytest  # `seqforge plugins check` runs the suites without pytest.

        functions: Mapping[str, Callable[..., Any]] = getattr(self, self.table, {})
        if not functions:
            raise pytest.UsageError(
                f"{type(self).__name__} must list its {self.table}: {self.table} = {{'plain': MyClass}}"
            )
        for name in self.expected_failures:
            test, _, component = name.removesuffix("]").partition("[")
            if not hasattr(self, test) or (component and component not in functions):
                raise pytest.UsageError(f"{type(self).__name__} expects a failure of {name}, which does not exist")
        if "make" in metafunc.fixturenames:
            test, cases = metafunc.function.__name__, list[Any]()
            for name, make in functions.items():
                reason = self.expected_failures.get(f"{test}[{name}]") or self.expected_failures.get(test)
                marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
                cases.append(pytest.param(make, id=name, marks=marks))
            metafunc.parametrize("make", cases)


def name_of(component: Any) -> str:
    """Return the name of a component for a message: a text itself, or the name of a class or a function."""
    if isinstance(component, str):
        return component
    while isinstance(component, functools.partial):
        component = component.func
    return getattr(component, "__name__", type(component).__name__)


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


def require_no_fault(component: Any, fault: str | None) -> None:
    """Raise the error for what a contract finds wrong, if anything.

    Raises:
        ConformanceError: If there is a fault.
    """
    if fault is not None:
        fail(component, fault)


def require_equal(
    component: Any,
    problem: str,
    actual: Parts,
    expected: Parts,
    tolerance: float = 1e-9,
    slack: Mapping[str, Tensor] | None = None,
) -> None:
    """Check that results are equal up to a tolerance, relative and absolute; with 0, that their bits are.

    Args:
        component: Component that returned the results.
        problem: What a difference means. `{part}` stands for the name of the result that differs.
        actual: Results of the component.
        expected: Results that the interface requires.
        tolerance: Largest difference.
        slack: What is allowed in addition, for each number of a result.

    Raises:
        ConformanceError: If a result differs.
    """
    for part, wanted in expected.items():
        result, found = _describe_difference(actual[part], wanted, tolerance, slack[part] if slack else 0.0)
        if result:
            fail(component, problem.format(part=part), expected=result, got=found)


def _describe_difference(actual: Tensor, expected: Tensor, tolerance: float, slack: Tensor | float) -> tuple[str, str]:
    """Return the expected and the actual result as texts for a message; both are empty if they are equal."""
    actual, expected = actual.detach(), expected.detach()
    if actual.shape != expected.shape:
        return f"a tensor {list(expected.shape)}", f"{list(actual.shape)}"
    if tolerance == 0 and actual.dtype != expected.dtype:
        return f"{expected.dtype}", f"{actual.dtype}"
    one, other = actual.to("cpu", torch.float64), expected.to("cpu", torch.float64)
    wrong = (one != other) & ~(one.isnan() & other.isnan())
    if tolerance:
        wrong &= ~((one - other).abs() <= tolerance * (1 + other.abs()) + slack)
    if not wrong.any():
        return "", ""
    position = cast("list[int]", wrong.nonzero()[0].tolist())
    digits = 17 if tolerance == 0 else 6
    place = f" at {position}" if position else ""
    return f"{other[tuple(position)].item():.{digits}g}{place}", f"{one[tuple(position)].item():.{digits}g}"


def describe_error(component: Any, error: Exception) -> ConformanceError:
    """Return the failure for an exception of a component, with the call, the file and the line that raised it.

    What the engine says about a wrong result stays as it is. An exception outside of the author's code concerns the
    component that the test concerns.
    """
    if isinstance(error, PluginError):
        return ConformanceError(error.message)
    message = error.message if isinstance(error, SeqforgeError) else str(error).partition("\n")[0]
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    own = [frame for frame in frames if is_authors_code(frame.f_globals.get("__name__", ""))]
    call = f"`{_shown_call(own[0])}`" if own else "a call"
    return ConformanceError(f"{name_of(component)}: {call} raises {type(error).__name__}: {message}{place_of(error)}")


def name_like(test: Callable[..., None], check: Callable[..., None]) -> Callable[..., None]:
    """Return a test with the name and the docstring of a check that it calls. pytest reads the test's own arguments."""
    test.__name__, test.__qualname__, test.__doc__ = check.__name__, check.__qualname__, check.__doc__
    return test


def _describing_errors(test: Callable[..., None]) -> Callable[..., None]:
    """Return a test of a suite that converts exceptions of components to failures."""

    @functools.wraps(test)
    def run(suite: Suite, **arguments: Any) -> None:
        component = arguments.get("make", type(suite))
        seed = torch.initial_seed()
        try:
            test(suite, **arguments)
        except (AssertionError, SkipTest):
            raise
        except Exception as error:  # noqa: BLE001 - the message describes it
            raise describe_error(component, error) from None
        if torch.initial_seed() != seed:
            fail(component, GLOBAL_SEED)

    return run


def _shown_call(frame: FrameType) -> str:
    """Return the call of a function as text, such as `score(texts=[''])`."""
    names, _, _, values = inspect.getargvalues(frame)
    texts = {name: describe_value(values[name]) for name in names if name not in ("self", "cls")}
    shown = [f"{name}={text if len(text) <= 100 else text[:100] + '…'}" for name, text in texts.items()]
    return f"{frame.f_code.co_name}({', '.join(shown)})"
