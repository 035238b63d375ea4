"""A component that is wrong in one way, and the sentence with which its suite names the bug."""

import inspect
import re
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from seqforge.kinds import Backend
from seqforge.testing.conformance import ConformanceError, Suite

ClassT = TypeVar("ClassT", bound=type[Any])


class Bug(NamedTuple):
    """A component with a bug.

    Attributes:
        suite: Suite that must find it.
        check: Name of the test of the suite.
        component: Class of the component. Its docstring describes the bug.
        message: Parts of the message of the suite that name the bug, in their order, separated by "…".
    """

    suite: type[Suite]
    check: str
    component: Any
    message: str

    @property
    def description(self) -> str:
        """Description of the bug."""
        return inspect.cleandoc(self.component.__doc__)

    def is_named_by(self, failure: str) -> bool:
        """Return whether a message of the suite contains the parts of `message`."""
        return re.search(".*".join(map(re.escape, self.message.split("…"))), failure, re.S) is not None

    def failure(self) -> str:
        """Return the message with which the suite fails on the component, or "" if it passes."""
        table = {self.suite.table: {"bug": self.component}}
        if issubclass(self.component, Backend):
            table = {"backend": self.component}
        suite: Any = type(self.suite.__name__, (self.suite,), table)()
        make = next(iter(getattr(suite, suite.table).values()))
        check = getattr(suite, self.check)
        supplied = {"make": make, "dtype": getattr(suite, "dtypes", [None])[0]}
        try:
            check(**{name: value for name, value in supplied.items() if name in inspect.signature(check).parameters})
        except ConformanceError as error:
            return str(error)
        return ""


BUGS: list[Bug] = []


def bug(suite: type[Suite], check: str, message: str) -> Callable[[ClassT], ClassT]:
    """Add the bug of the class below to the list, with the arguments of `Bug`."""

    def add(component: ClassT) -> ClassT:
        BUGS.append(Bug(suite, check, component, message))
        return component

    return add
