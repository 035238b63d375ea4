"""The position of a sample in the grammar of C that the sampler `scoped` enforces."""

from __future__ import annotations

from enum import IntEnum, auto
from typing import NamedTuple

from seqforge_c_samplers.name_lists import Scope
from seqforge_c_samplers.names import WordRole


class Phase(IntEnum):
    """What may follow at a position in code. Comments and white space do not change it."""

    TOP = auto()
    """The start of a line outside of all units."""
    HEAD = auto()
    """Inside a unit, but not in the body of a function."""
    LINE_END = auto()
    """After a unit, on its last line."""
    LOST = auto()
    """After a prompt that does not follow the grammar: only brackets are constrained up to the end of the unit."""
    DIRECTIVE = auto()
    STATEMENT = auto()
    """The start of a statement."""
    WORD = auto()
    """Inside a word; its role is `CodePosition.role`."""
    NUMBER = auto()
    OPERATION = auto()
    """Inside an operator."""
    SLASH = auto()
    """After a `/`; the phase before is `CodePosition.base`."""
    OPERAND = auto()
    OPERATOR = auto()
    """After an operand."""
    STRING = auto()
    """After a string, which another may follow."""
    PREFIX = auto()
    """After a macro that a string follows."""
    CALLEE = auto()
    """After the name of a function, before its bracket."""
    MEMBER = auto()
    """After `.` or `->`."""
    TYPE_NAME = auto()
    """In the brackets of a cast or `sizeof`, after a type."""
    OPEN = auto()
    """Before the bracket of `if`, `while`, `for`, `switch` or `sizeof`, which `CodePosition.word` names."""
    BODY = auto()
    """Before the block of a `switch`."""
    WHILE = auto()
    """Before the `while` of a `do` statement."""
    GOTO = auto()
    COLON = auto()
    """Before the colon of a label."""
    SEMICOLON = auto()
    TYPE = auto()
    """In a declaration, after qualifiers."""
    TAG = auto()
    """After `struct`, `union` or `enum`."""
    DECLARATOR = auto()
    """Before the name in a declaration."""
    DECLARED = auto()
    """After the name in a declaration."""
    NAMED = auto()
    """Before the name of a member in an initializer."""
    DESIGNATOR = auto()
    """Before the `=` of a member in an initializer."""
    LISTED = auto()
    """After the `}` of an initializer."""
    TAGGED = auto()
    """After the `}` of a `struct`, `union` or `enum`."""
    ENUMERATOR = auto()
    """Before the name of an enumerator."""
    ENUMERATED = auto()
    """After the name of an enumerator."""


class Element(IntEnum):
    """Kind of an open element of a function or declaration."""

    BLOCK = auto()
    BRANCH = auto()
    """A branch of an `#if`."""
    SUBSTATEMENT = auto()
    """A statement that ends together with the next one, such as a loop or a label."""
    IF = auto()
    IF_DONE = auto()
    """An `if` that an `else` may follow."""
    DO = auto()
    EXPRESSION = auto()
    RETURN = auto()
    CASE = auto()
    GROUP = auto()
    SIZEOF = auto()
    CALL = auto()
    LOOP = auto()
    """The arguments of a macro such as `list_for_each`, which a statement follows."""
    INDEX = auto()
    CONDITION = auto()
    FOR = auto()
    TERNARY = auto()
    DECLARATION = auto()
    ARRAY = auto()
    """The size of an array in a declaration."""
    LIST = auto()
    """The braces of an initializer."""
    ELEMENT = auto()
    """The index of an array element in an initializer."""
    MEMBERS = auto()
    """The braces of a `struct` or `union`."""
    ENUMERATORS = auto()
    """The braces of an `enum`."""


RVALUE, LVALUE, STAR, CALLABLE, OBJECT = 1, 2, 4, 8, 16
"""Flags of an expression so far: nothing can be assigned to it, whatever its last operand is; its last operand can be
assigned to; this operand begins with `*`; it can be called; it may have members or elements."""
IN_LOOP, IN_SWITCH = 1, 2
"""Flags of what is around a statement: a loop, in which `break` and `continue` may be used, or a `switch`, in which
`break`, `case` and `default` may be used."""


class Frame(NamedTuple):
    """An open element.

    Attributes:
        kind: Its kind.
        below: The element around it, or None.
        depth: Number of open elements, including this one.
        scope: Scope at its start.
        flags: Flags of the expression around it.
        note: For a condition, the keyword before it; for the brackets of `for`, the number of semicolons so far; for a
            declaration, `typedef` if it is one; otherwise "".
        around: `IN_LOOP` and `IN_SWITCH`, if it is inside of them.
        own: Names that its block declares.
    """

    kind: Element
    below: Frame | None
    depth: int
    scope: Scope
    flags: int = 0
    note: str = ""
    around: int = 0
    own: frozenset[str] = frozenset()


class Function(NamedTuple):
    """A function, or a declaration outside of functions.

    Attributes:
        file: Scope outside of it.
        is_body: Whether it is a function.
        returns: Whether it returns a value.
        labels: Labels that it defines so far.
        pending: Targets of jumps whose labels are still missing.
    """

    file: Scope
    is_body: bool = True
    returns: bool = True
    labels: frozenset[str] = frozenset()
    pending: frozenset[str] = frozenset()


class CodePosition(NamedTuple):
    """The position of a sample in the grammar of statements and names.

    Attributes:
        phase: What may follow.
        scope: Names that are declared.
        function: The function around it; outside of functions, one with the names of the file.
        frame: The innermost open element, or None outside of functions.
        word: The word, number or operator so far; in a head or a directive, its text. At the start of an operand, what
            precedes it, such as `call` for the opening bracket of a call. In `TYPE_NAME` and `DECLARATOR`, the type so
            far, such as `basic` if further words of a basic type may follow, or `star` after a `*`.
        role: Role of the word.
        flags: Flags of the expression so far.
        base: Phase before a `/`, or before a word with the role `FREE`.
    """

    phase: Phase
    scope: Scope
    function: Function
    frame: Frame | None = None
    word: str = ""
    role: WordRole = WordRole.OPERAND
    flags: int = 0
    base: Phase = Phase.TOP

    @property
    def top(self) -> Frame:
        """The innermost open element. There is one in every function."""
        assert self.frame is not None  # noqa: S101
        return self.frame

    def push(self, kind: Element, phase: Phase, note: str = "", word: str = "", around: int = 0) -> CodePosition:
        """Open an element."""
        below = self.frame
        depth, outer = (below.depth, below.around) if below else (0, 0)
        frame = Frame(kind, below, depth + 1, self.scope, self.flags, note, outer | around)
        return CodePosition(phase, self.scope, self.function, frame, word, self.role, 0, self.base)

    def pop(self, phase: Phase, flags: int = 0, word: str = "") -> CodePosition:
        """Close the innermost element. Names that it declares stay in scope."""
        return CodePosition(phase, self.scope, self.function, self.top.below, word, self.role, flags, self.base)

    def spell(self, word: str) -> CodePosition:
        """Replace the word so far."""
        return CodePosition(self.phase, self.scope, self.function, self.frame, word, self.role, self.flags, self.base)

    def go(self, phase: Phase, flags: int = 0, word: str = "") -> CodePosition:
        """Continue in another phase."""
        # A call of the class takes a third of the time of `_replace`.
        return CodePosition(phase, self.scope, self.function, self.frame, word, self.role, flags, self.base)
