"""Names and scopes: the declarations of functions, and their uses of names that they do not declare."""

import sys
from dataclasses import dataclass, field
from typing import NamedTuple

_KEYWORDS = """
    auto break case const continue default do else enum extern for goto if register return sizeof static struct switch
    typedef union volatile while
"""
KEYWORDS = frozenset(_KEYWORDS.split())
"""Keywords that are never names."""


class NameUse(NamedTuple):
    """A use of a name that the function does not declare.

    Attributes:
        start: Position of the use in the text.
        called: Whether the name is that of a called function.
        returned: Whether the use is inside a `return` statement.
        alone: Whether the name is the whole expression of the `return`.
        callee: Name of the function or macro of which the name is a whole argument, or "". The macro may be a loop.
        argument: Index of this argument.
    """

    name: str
    start: int
    called: bool = False
    returned: bool = False
    alone: bool = False
    callee: str = ""
    argument: int = 0


class Call(NamedTuple):
    """A call of a function by its name.

    Attributes:
        start: Position of the name in the text.
        stop: Position after the arguments.
    """

    name: str
    start: int
    stop: int
    arguments: int


@dataclass(slots=True)
class Declaration:
    """A name that a function declares.

    Attributes:
        start: Position of the name in the text.
        variable: Whether the name is that of an ordinary local variable, which should be used.
        statement: Text of the declaration up to its semicolon, if the name is that of an unused variable, or "".
        depth: Number of open scopes at the declaration.
    """

    name: str
    start: int
    variable: bool
    used: bool = False
    statement: str = ""
    depth: int = 0


@dataclass(slots=True)
class Function:
    """The names of one function, including those of nested functions.

    Attributes:
        start: Position of its first character.
        stop: Position after its last character.
        free: Uses of names that the function does not declare, in the order of the text.
        declarations: Parameters and local names, in the order of the text.
        repeated: Pairs of declarations of one name in one scope.
        labels: Labels that the function defines.
        label_places: Position of each definition of a label.
        jumps: Target label of each jump, with its position in the text.
        macro_arguments: Number of arguments of the macro that defines the function, or 0 if none does.
    """

    start: int
    stop: int
    free: list[NameUse] = field(default_factory=lambda: [])
    declarations: list[Declaration] = field(default_factory=lambda: [])
    repeated: list[tuple[Declaration, Declaration]] = field(default_factory=lambda: [])
    labels: set[str] = field(default_factory=lambda: set())
    label_places: list[tuple[str, int]] = field(default_factory=lambda: [])
    jumps: list[tuple[str, int]] = field(default_factory=lambda: [])
    macro_arguments: int = 0


class Scopes:
    """The scopes of one unit, opened and closed in the order of the text.

    Attributes:
        functions: All functions so far.
        declared: Names that are declared outside of functions.
        function: The open function, or None.
        visible: The innermost declaration of each name that the open scopes of a function declare.
        stop: End of the innermost open scope.
    """

    __slots__ = ("_around", "_hidden", "declared", "function", "functions", "stop", "visible")

    def __init__(self) -> None:
        self.functions: list[Function] = []
        self.declared: set[str] = set()
        self.function: Function | None = None
        self.visible: dict[str, Declaration] = {}
        self.stop = sys.maxsize
        self._hidden: list[tuple[int, list[tuple[str, Declaration | None]]]] = []
        """For each open scope, its end, and the names that it declares with the declarations that they hide."""
        self._around = 0
        """Number of scopes around the open function. It is positive in malformed text only."""

    def open(self, stop: int) -> None:
        """Open a scope that ends at a position."""
        self._hidden.append((stop, []))
        self.stop = stop

    def open_function(self, start: int, stop: int) -> None:
        """Open the scope of a function. A nested function belongs to the function around it."""
        if self.function is None:
            self._around = len(self._hidden)
            self.function = Function(start, stop)
            self.functions.append(self.function)
        self.open(stop)

    def move(self, position: int) -> None:
        """Close the scopes, and the function, that end at or before a position."""
        while self._hidden and self._hidden[-1][0] <= position:
            for name, before in reversed(self._hidden.pop()[1]):
                if before is None:
                    del self.visible[name]
                else:
                    self.visible[name] = before
            if len(self._hidden) == self._around:
                self.function = None
        self.stop = self._hidden[-1][0] if self._hidden else sys.maxsize

    def use(self, name: str) -> bool:
        """Mark the variable of a name as used, and return whether there is one."""
        declaration = self.visible.get(name)
        if declaration is None:
            return False
        declaration.used = True
        return True

    def add_free(self, use: NameUse) -> None:
        """Add a use of a name that no open scope declares."""
        if self.function is not None:
            self.function.free.append(use)

    def declare(self, name: str, start: int, variable: bool = False) -> None:
        """Declare a name in the innermost scope, or outside of functions."""
        if self.function is None:
            self.declared.add(name)
            return
        depth, earlier = len(self._hidden), self.visible.get(name)
        declaration = Declaration(name, start, variable, depth=depth)
        self.function.declarations.append(declaration)
        # The outermost block of a function is the scope of its parameters.
        outermost = self._around + 2
        if earlier and variable and depth >= outermost and (earlier.depth == depth or depth == outermost):
            self.function.repeated.append((earlier, declaration))
        self._hidden[-1][1].append((name, earlier))
        self.visible[name] = declaration
