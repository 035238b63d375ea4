"""Guesses of declarations with their C code, and demands on the types of expressions, which change these guesses."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from tree_sitter import Node, Tree

from seqforge_code_structure.identifiers.lexicon import is_constant
from seqforge_code_structure.syntax import child_of, follow_declarator, text_of, walk

_SIZE = 4096
_SIZES = re.compile(r"MAX|NUM|NR|LAST|COUNT|SIZE|LEN|END")
"""Words in the names of constants that are sizes."""

_DEEPEST = 100
"""Number of records inside one another, above which a member is a pointer."""


Value = TypeVar("Value")


def add_new(table: dict[str, Value], name: str, value: Value) -> bool:
    """Add a name to a table if it is new, and return whether it is."""
    is_new = name not in table
    table.setdefault(name, value)
    return is_new


class Shape(NamedTuple):
    """A type, as far as its uses determine it.

    Attributes:
        pointers: Number of times that it can be dereferenced.
        base: "long", "struct NAME", "union NAME", or "function" for a function that returns a long.
    """

    pointers: int = 0
    base: str = "long"

    def declare(self, name: str) -> str:
        """Return the declaration of a name with this type."""
        stars = "*" * self.pointers
        return f"long (*{stars}{name})()" if self.base == "function" else f"{self.base} {stars}{name}"


@dataclass(slots=True)
class Guesses:
    """Declarations of the names that a unit does not declare.

    Members have one type for each name, in all structures.

    Attributes:
        types: Types by name.
        variables: Global variables by name.
        functions: Types of results by the name of the function.
        constants: Names of constants.
        texts: Macros, with their parameters, and what they are replaced by.
        members: Types of members by name.
        records: For each `struct NAME` or `union NAME`, its members.
        enumerations: Names of enumerations.
    """

    types: dict[str, Shape] = field(default_factory=dict[str, Shape])
    variables: dict[str, Shape] = field(default_factory=dict[str, Shape])
    functions: dict[str, Shape] = field(default_factory=dict[str, Shape])
    constants: dict[str, None] = field(default_factory=dict[str, None])
    texts: dict[str, str] = field(default_factory=dict[str, str])
    members: dict[str, Shape] = field(default_factory=dict[str, Shape])
    records: dict[str, dict[str, None]] = field(default_factory=dict[str, dict[str, None]])
    enumerations: dict[str, None] = field(default_factory=dict[str, None])

    def shapes(self) -> Iterator[Shape]:
        """Yield all types."""
        for table in (self.types, self.variables, self.functions, self.members):
            yield from table.values()

    def lines(self) -> Iterator[str]:
        """Yield the declarations. None of them depends on the preprocessor's access to files."""
        for name, text in self.texts.items():
            yield f"#define {name} {text}"
        if self.constants:
            # Different values, so that labels of a switch differ, and large ones for the sizes of arrays.
            values = (
                f"{name} = {value + _SIZE * bool(_SIZES.search(name))}" for value, name in enumerate(self.constants)
            )
            yield f"enum {{ {', '.join(values)} }};"
        for name in self.enumerations:
            yield f"enum {name} {{ seqforge_of_{name} }};"
        records = dict(self.records)
        for shape in self.shapes():
            if shape.base.startswith(("struct ", "union ")):
                records.setdefault(shape.base, {})
        yield from (f"{record};" for record in records)
        for name, shape in self.types.items():
            yield f"typedef {shape.declare(name)};"
        yield from self._define_records(records)
        for name, shape in self.variables.items():
            yield f"extern {shape.declare(name)};"
        for name, shape in self.functions.items():
            if shape != Shape():
                yield f"{shape.base} {'*' * shape.pointers}{name}();"

    def _define_records(self, records: dict[str, dict[str, None]]) -> Iterator[str]:
        """Yield the definitions of records, those of members first. A member that contains its own is a pointer."""
        open_, done = set[str](), set[str]()

        def define(record: str) -> Iterator[str]:
            open_.add(record)
            members: list[str] = []
            for name in records[record]:
                shape = self.members.get(name, Shape())
                if shape.pointers == 0 and shape.base in records and shape.base not in done:
                    if shape.base in open_ or len(open_) - len(done) > _DEEPEST:
                        shape = Shape(1, shape.base)
                    else:
                        yield from define(shape.base)
                members.append(f"{shape.declare(name)};")
            done.add(record)
            yield f"{record} {{ long seqforge_first; {' '.join(members)} }};"

        for record in records:
            if record not in done:
                yield from define(record)


_NEW = "struct seqforge_"
"""Beginning of the name of a structure that no name of the unit refers to."""

_RECORD = re.compile(r"\b(?:struct|union) \w+")
_CONSTANT_PLACES = frozenset(
    {"case_statement", "initializer_pair", "init_declarator", "array_declarator", "enumerator", "initializer_list"}
)
_DECLARATIONS = frozenset({"declaration", "parameter_declaration", "field_declaration"})


def find_locals(root: Node) -> dict[str, tuple[str, int]]:
    """Return the variables and parameters that a tree declares, by name. The first one of a name counts.

    Each has the name of its type if the unit does not declare it, or "", and the number of times that its declaration
    dereferences this type.
    """
    found: dict[str, tuple[str, int]] = {}
    for node in walk(root):
        if node.type in _DECLARATIONS:
            kind = node.child_by_field_name("type")
            name = text_of(kind) if kind is not None and kind.type == "type_identifier" else ""
            for declarator in node.children_by_field_name("declarator"):
                *around, declared = follow_declarator(declarator)
                pointers = sum(each.type in ("pointer_declarator", "array_declarator") for each in around)
                if declared.type == "identifier":
                    found.setdefault(text_of(declared), (name, pointers))
    return found


class Demands:
    """The expressions of a unit, and what errors of a compiler demand of them.

    Each public method except `is_called` changes the guesses so that an error at a position disappears, and returns
    whether a guess changed.

    Args:
        defined: Names of functions and constants that the unit defines.
    """

    def __init__(self, tree: Tree, guesses: Guesses, defined: set[str]) -> None:
        self._root = tree.root_node
        self.guesses = guesses
        self.defined = defined
        self._locals = find_locals(self._root)
        self._known = defined | self._locals.keys()

    def is_called(self, name: str, position: int) -> bool:
        """Return whether the name at a position is that of a called function."""
        node = self._leaf(position)
        return child_of(node.parent, "function") == node and text_of(node) == name

    def access_member(self, position: int) -> bool:
        """Make the operand of `.` a structure, or that of `->` a pointer to one."""
        node = self._around(position, "field_expression")
        if node is None or (operand := node.child_by_field_name("argument")) is None:
            return False
        return self._set(operand, int(any(child.type == "->" for child in node.children)), _new_record(operand))

    def dereference(self, position: int, kind: str) -> bool:
        """Make the operand of `*`, a `pointer_expression`, or of `[…]`, a `subscript_expression`, a pointer."""
        node = self._around(position, kind)
        return self._set(child_of(node, "argument"), 1, "")

    def call(self, position: int) -> bool:
        """Make what is called a function."""
        return self._set(child_of(self._around(position, "call_expression"), "function"), 0, "function")

    def make_constant(self, position: int) -> bool:
        """Make the names in an expression constants, since the expression must be constant."""
        node = self._leaf(position)
        while node.parent is not None and node.parent.type not in _CONSTANT_PLACES:
            node = node.parent
        if node.type == "case" and node.parent is not None:
            node = node.parent.child_by_field_name("value") or node
        changed = False
        for each in walk(node):
            name = text_of(each) if each.type == "identifier" else ""
            if name in self.guesses.variables:
                del self.guesses.variables[name]
                self.guesses.constants[name] = None
                changed = True
            elif self.is_called(name, each.start_byte) and name not in self.defined:
                changed |= add_new(self.guesses.texts, f"{name}(...)", "1")
                self.guesses.functions.pop(name, None)
        return changed

    def make_macro(self, position: int) -> bool:
        """Make a function in the expression at a position a macro, with any arguments and a result to assign to."""
        node = self._leaf(position)
        while node.parent is not None and node.type not in ("expression_statement", "compound_statement"):
            for call in walk(node):
                name = text_of(child_of(call, "function") or node) if call.type == "call_expression" else ""
                if name.isidentifier() and name not in self._known and f"{name}(...)" not in self.guesses.texts:
                    shape = self.guesses.functions.pop(name, Shape())
                    self.guesses.texts[f"{name}(...)"] = f"(*({shape.base} *{'*' * shape.pointers})0)"
                    return True
            node = node.parent
        return False

    def _leaf(self, position: int) -> Node:
        """Return the smallest node at a position."""
        return self._root.descendant_for_byte_range(position, position + 1) or self._root

    def _around(self, position: int, kind: str) -> Node | None:
        """Return the innermost node of a kind around a position, or None."""
        node: Node | None = self._leaf(position)
        while node is not None and node.type != kind:
            node = node.parent
        return node

    def _owner(self, node: Node) -> tuple[dict[str, Shape] | None, str]:
        """Return the guesses and the name that decide the type of an expression, or None."""
        name = text_of(node)
        if node.type == "identifier":
            if name in self._locals:
                return self.guesses.types, self._locals[name][0]
            if name in self.guesses.texts or name in self.defined:
                return None, ""
            return self.guesses.variables, name
        if node.type == "field_expression" and (member := node.child_by_field_name("field")) is not None:
            return self.guesses.members, text_of(member)
        callee = node.child_by_field_name("function")
        if callee and callee.type == "identifier" and text_of(callee) not in self._known:
            return self.guesses.functions, text_of(callee)
        return None, ""

    def _set(self, node: Node | None, pointers: int, base: str) -> bool:
        """Demand that an expression can be dereferenced a number of times, and then has a base type ("" for any)."""
        changed = False
        waiting = [(node, pointers)]
        while waiting:
            node, pointers = waiting.pop()
            if node is None:
                continue
            argument = node.child_by_field_name("argument")
            if node.type == "parenthesized_expression":
                waiting.append((next((each for each in node.named_children if each.type != "comment"), None), pointers))
            elif node.type == "subscript_expression":
                waiting.append((argument, pointers + 1))
            elif node.type == "pointer_expression":
                step = 1 if any(child.type == "*" for child in node.children) else -1
                waiting.append((argument, pointers + step))
            elif node.type == "conditional_expression":
                branches = (node.child_by_field_name(name) for name in ("consequence", "alternative"))
                waiting += [(branch, pointers) for branch in branches]
            elif node.type in ("assignment_expression", "binary_expression", "update_expression"):
                # The left operand of `+` is a pointer, the right one a number.
                waiting.append((argument or node.child_by_field_name("left"), pointers))
            elif node.type == "cast_expression":
                changed |= self._change_cast(node, pointers, base)
            else:
                changed |= self._change_owner(node, pointers, base)
        return changed

    def _change_cast(self, node: Node, pointers: int, base: str) -> bool:
        """Change the type of a cast, if the unit does not declare it."""
        kind = node.child_by_field_name("type")
        names = (text_of(each) for each in walk(kind) if each.type == "type_identifier")
        stars = text_of(kind).count("*") if kind else 0
        return self._change(self.guesses.types, next(names, ""), pointers - stars, base)

    def _change_owner(self, node: Node, pointers: int, base: str) -> bool:
        """Change the guess that decides the type of an expression."""
        shapes, name = self._owner(node)
        if shapes is None:
            return False
        if shapes is self.guesses.types:
            pointers -= self._locals[text_of(node)][1]
        elif shapes is self.guesses.variables and is_constant(name):
            self.guesses.constants.pop(name, None)
        return self._change(shapes, name, pointers, base)

    def _change(self, shapes: dict[str, Shape], name: str, pointers: int, base: str) -> bool:
        """Change the guess of a name as `_set` describes, and return whether it is another one now."""
        if pointers < 0 or (shapes is self.guesses.types and name not in shapes):
            return False
        old = shapes.get(name, Shape())
        is_new_record = base.startswith(_NEW)
        # A record that is known already is as good as a new one.
        keeps = not base or (is_new_record and _RECORD.match(old.base) is not None)
        new = Shape(pointers if base else max(pointers, old.pointers), old.base if keeps else base)
        shapes[name] = new
        return new != old


def _new_record(node: Node) -> str:
    """Return the name of a structure for the type of an expression."""
    words = re.findall(r"\w+", text_of(node))
    return f"{_NEW}{words[-1] if words and not words[-1].isdigit() else 'record'}"
