"""Names and scopes: what functions declare, and what they use without declaring it."""

from dataclasses import dataclass, field
from typing import NamedTuple


class Use(NamedTuple):
    """A use of a name that the function does not declare.

    Attributes:
        name: The name.
        start: Its position in the text.
        called: Whether it names the function of a call.
        returned: Whether it is inside a `return` statement.
        alone: Whether it is the whole expression of the `return`.
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
        start: Its position in the text.
        variable: Whether it is an ordinary local variable, which should be used.
        used: Whether it is used.
    """

    name: str
    start: int
    variable: bool
    used: bool = False


@dataclass(slots=True)
class Function:
    """The names of one function, including those of functions that are nested in it.

    Attributes:
        start: Its first character.
        stop: Its end position.
        free: Uses of names that it does not declare, in the order of the text.
        declarations: Parameters and local names, in the order of the text.
        labels: Labels that it defines.
        jumps: Labels that it jumps to, each with its position in the text.
    """

    start: int
    stop: int
    free: list[Use] = field(default_factory=list[Use])
    declarations: list[Declaration] = field(default_factory=list[Declaration])
    labels: set[str] = field(default_factory=set[str])
    jumps: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])


class Scopes:
    """The scopes of one unit, which open and close in the order of the text.

    Attributes:
        functions: All functions so far.
        declared: Names that are declared outside of functions.
        function: The open function, or None.
    """

    __slots__ = ("_around", "_hidden", "_returns", "_visible", "declared", "function", "functions")

    def __init__(self) -> None:
        self.functions: list[Function] = []
        self.declared: set[str] = set()
        self.function: Function | None = None
        self._visible: dict[str, Declaration] = {}
        self._hidden: list[list[tuple[str, Declaration | None]]] = []
        """For each open scope, its names and the declarations that they hide."""
        self._around = 0
        """Number of scopes around the open function, which is above 0 in malformed text only."""
        self._returns = 0

    def open(self) -> None:
        """Open a scope."""
        self._hidden.append([])

    def open_function(self, start: int, stop: int) -> None:
        """Open a function and its scope."""
        if self.function is None:
            self._around = len(self._hidden)
            self.function = Function(start, stop)
            self.functions.append(self.function)
        self._hidden.append([])

    def close(self) -> None:
        """Close the innermost scope, and the function if it is its outermost one."""
        for name, before in reversed(self._hidden.pop()):
            if before is None:
                del self._visible[name]
            else:
                self._visible[name] = before
        if len(self._hidden) == self._around:
            self.function = None

    def open_return(self) -> None:
        """Begin a `return` statement."""
        self._returns += 1

    def close_return(self) -> None:
        """End a `return` statement."""
        self._returns -= 1

    def declares(self, name: str) -> bool:
        """Return whether an open scope declares a name."""
        return name in self._visible

    def use(self, name: str, start: int, *, called: bool = False, alone: bool = False) -> None:
        """Resolve the use of a name; `Use` describes the options."""
        declaration = self._visible.get(name)
        if declaration is not None:
            declaration.used = True
        elif self.function is not None:
            self.function.free.append(Use(name, start, called, self._returns > 0, alone))

    def mention(self, name: str) -> None:
        """Resolve a name that may be a type or a variable, and mark the variable as used."""
        declaration = self._visible.get(name)
        if declaration is not None:
            declaration.used = True

    def declare(self, name: str, start: int, variable: bool = False) -> None:
        """Add a `Declaration` to the innermost scope, or a name to the names outside of functions."""
        if self.function is None:
            self.declared.add(name)
            return
        declaration = Declaration(name, start, variable)
        self.function.declarations.append(declaration)
        self._hidden[-1].append((name, self._visible.get(name)))
        self._visible[name] = declaration
