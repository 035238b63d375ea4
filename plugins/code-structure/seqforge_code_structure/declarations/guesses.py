"""Guesses of declarations, and the C code that contains them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

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
