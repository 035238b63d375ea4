"""Names and scopes: what functions declare, and what they use that they do not declare."""

from dataclasses import dataclass, field
from typing import NamedTuple


class Use(NamedTuple):
    """A name that a function uses and does not declare.

    Attributes:
        name: The name.
        start: Its first character in the text.
        called: Whether it stands where a call names its function.
        returned: Whether it stands in a `return`.
        alone: Whether it is all that the `return` returns.
    """

    name: str
    start: int
    called: bool
    returned: bool
    alone: bool


@dataclass(slots=True)
class Declaration:
    """A name that a function declares.

    Attributes:
        name: The name.
        start: Its first character in the text.
        variable: Whether it is a plain local variable, for which it is a fault never to be used.
        used: Whether it is used.
    """

    name: str
    start: int
    variable: bool
    used: bool = False


@dataclass(slots=True)
class Function:
    """What one function does with names; functions nested in it are a part of it.

    Attributes:
        start: Its first character in the text.
        stop: One past its last.
        free: Names that it uses and does not declare, in order.
        declarations: Parameters and locals, in order.
        labels: Labels that it sets.
        jumps: Labels that it jumps to, each with its first character in the text.
    """

    start: int
    stop: int
    free: list[Use] = field(default_factory=list[Use])
    declarations: list[Declaration] = field(default_factory=list[Declaration])
    labels: set[str] = field(default_factory=set[str])
    jumps: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])


class Scopes:
    """The scopes of one unit, as they open and close in the order of its text.

    Attributes:
        functions: The functions so far.
        declared: The names declared outside of them.
        function: The function that is open, if one is.
    """

    __slots__ = ("_around", "_hidden", "_returns", "_visible", "declared", "function", "functions")

    def __init__(self) -> None:
        self.functions: list[Function] = []
        self.declared: set[str] = set()
        self.function: Function | None = None
        self._visible: dict[str, Declaration] = {}
        self._hidden: list[list[tuple[str, Declaration | None]]] = []
        """Of each open scope, what its declarations hid."""
        self._around = 0
        """Scopes around the function that is open; malformed text has such."""
        self._returns = 0

    def open(self) -> None:
        """Begin a scope."""
        self._hidden.append([])

    def open_function(self, start: int, stop: int) -> None:
        """Begin a function, and its scope.

        Args:
            start: Its first character in the text.
            stop: One past its last.
        """
        if self.function is None:
            self._around = len(self._hidden)
            self.function = Function(start, stop)
            self.functions.append(self.function)
        self._hidden.append([])

    def close(self) -> None:
        """End the innermost scope; with its outermost a function ends."""
        for name, before in reversed(self._hidden.pop()):
            if before is None:
                del self._visible[name]
            else:
                self._visible[name] = before
        if len(self._hidden) == self._around:
            self.function = None

    def open_return(self) -> None:
        """Begin a `return`."""
        self._returns += 1

    def close_return(self) -> None:
        """End a `return`."""
        self._returns -= 1

    def declares(self, name: str) -> bool:
        """Tell whether a name is declared in a scope that is open.

        Args:
            name: The name.
        """
        return name in self._visible

    def use(self, name: str, start: int, *, called: bool = False, alone: bool = False) -> None:
        """Resolve a name in the scopes that are open.

        Args:
            name: The name.
            start: Its first character in the text.
            called: Whether it names the function of a call.
            alone: Whether it is all that a `return` returns.
        """
        declaration = self._visible.get(name)
        if declaration is not None:
            declaration.used = True
        elif self.function is not None:
            self.function.free.append(Use(name, start, called, self._returns > 0, alone))

    def mention(self, name: str) -> None:
        """Note that a name stands where a type may: it is used if it is a variable's.

        Args:
            name: The name.
        """
        declaration = self._visible.get(name)
        if declaration is not None:
            declaration.used = True

    def declare(self, name: str, start: int, variable: bool = False) -> None:
        """Take a name into the innermost scope, or among those outside of functions.

        Args:
            name: The name.
            start: Its first character in the text.
            variable: Whether it is a plain local variable.
        """
        if self.function is None:
            self.declared.add(name)
            return
        declaration = Declaration(name, start, variable)
        self.function.declarations.append(declaration)
        self._hidden[-1].append((name, self._visible.get(name)))
        self._visible[name] = declaration
