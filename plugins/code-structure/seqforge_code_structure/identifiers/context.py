"""The text around a function, and how it decides which undeclared names of the function are errors."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from seqforge_code_structure.identifiers.evidence import find_local_names
from seqforge_code_structure.identifiers.lexicon import Flag, Lexicon, is_constant
from seqforge_code_structure.identifiers.macros import Macros
from seqforge_code_structure.identifiers.names import Declaration, Function, NameUse
from seqforge_code_structure.identifiers.reading import UnitNames

FEWEST_FILES = 100
"""Smallest number of files of a training text whose lexicon is assumed to contain most global names."""

GLOBAL_UNDERSCORES = 2
"""Smallest number of underscores of an unknown name that is probably that of a global variable."""

FEW_UNKNOWN = 2
"""Largest number of variables that are undeclared and unknown in a text that declares all its names."""

_COUNTER = re.compile(
    r"(?:(?:unsigned|signed|long|short|int|char|bool|s?size_t|[us](?:8|16|32|64))\s+)+[^(=]*=\s*-?\d[^(]*"
)
"""A declaration of a number, which many functions have alike and no macro uses."""


@dataclass(frozen=True, slots=True)
class Context:
    """The text around a function, as far as its checks depend on it.

    Attributes:
        lexicon: Lexicon of the training text. If it is None, only a strict check finds undefined names.
        strict: Whether every name must be declared by the text, except names of called functions and constants.
        whole: Whether the text is a whole file, which contains the declarations of its own global names.
        complete: Whether it is whole and seems to declare all its names: it includes no headers, and few of the names
            that its functions use are undeclared and unknown.
        declared: Names that the text declares outside of functions.
        locals: Names that functions of the text declare.
        macros: Macros of the text.
        free: Number of functions that use each name without declaring it.
        unused: Number of functions with an unused variable of each declaration with an initializer.
    """

    lexicon: Lexicon | None
    strict: bool
    whole: bool
    complete: bool = False
    declared: set[str] = field(default_factory=set[str])
    locals: set[str] = field(default_factory=set[str])
    macros: Macros = field(default_factory=Macros)
    free: Counter[str] = field(default_factory=Counter[str])
    unused: Counter[str] = field(default_factory=Counter[str])

    @classmethod
    def of(cls, units: Sequence[UnitNames], lexicon: Lexicon | None, *, strict: bool, whole: bool) -> "Context":
        """Return the context of the functions of a text, which consists of the units."""
        context = cls(lexicon, strict, whole)
        for unit in units:
            context._add(unit)
        if not whole or any(unit.includes for unit in units):
            return context
        # A file that another one includes has many variables that are undeclared and unknown.
        used = {use.name for unit in units for function in unit.functions for use in function.free if not use.called}
        unknown = {name for name in used - context.declared if not is_constant(name) and context.is_novel(name)}
        return replace(context, complete=len(unknown) <= FEW_UNKNOWN)

    def _add(self, unit: UnitNames) -> None:
        """Add the names of a unit."""
        self.declared.update(unit.declared)
        self.locals.update([found.name for function in unit.functions for found in function.declarations])
        self.macros.update(unit.macros)
        for function in unit.functions:
            self.free.update({use.name for use in function.free})
            unused = [found for found in function.declarations if found.variable and not found.used]
            alike = {found.statement for found in unused if "=" in found.statement}
            self.unused.update({text for text in alike if not _COUNTER.fullmatch(text)})

    def find_local(self, function: Function, unit: UnitNames, candidates: Sequence[NameUse]) -> set[str] | None:
        """Return the undeclared names that the evidence of an excerpt shows to be local.

        In a unit with syntax errors, which may hide a declaration, a name must also be one that is always declared. In
        a whole file, the lexicon alone decides, and the result is None.
        """
        lexicon = self.lexicon
        if lexicon is None or lexicon.files < FEWEST_FILES or self.whole or self.strict:
            return None
        local = find_local_names(candidates, function, unit, self.free, lexicon)
        if not unit.parses:
            local &= {
                use.name
                for use in candidates
                if lexicon.must_be_declared(use.name, argument=bool(use.callee), whole=False)
            }
        return local

    def is_undefined(self, use: NameUse, local: set[str] | None) -> bool:
        """Return whether the use of an undeclared name is an error. `local` is from `find_local`."""
        name, lexicon = use.name, self.lexicon
        if self.strict or lexicon is None:
            return self.strict
        if name in self.locals and lexicon.is_mostly_local(name):
            return True
        if local is not None:
            return name in local
        if lexicon.must_be_declared(name, argument=bool(use.callee), whole=self.whole):
            return True
        return self.complete and self.is_novel(name)

    def is_novel(self, name: str) -> bool:
        """Return whether the training text does not contain a name. Correct code has such names, too."""
        return self.lexicon is not None and not self.lexicon.has(name, Flag.VARIABLE)

    def is_no_known_global(self, use: NameUse) -> bool:
        """Return whether a name that is returned alone cannot be a global one: it is local, or short and unknown."""
        name, lexicon = use.name, self.lexicon
        # A name with capital letters may be a constant of a header, and a long unknown name a global variable.
        if not use.alone or not name.islower() or lexicon is None or not lexicon.is_mostly_local(name):
            return False
        return bool(lexicon.flags(name)) or name.count("_") < GLOBAL_UNDERSCORES

    def is_from_header(self, name: str) -> bool:
        """Return whether a header may declare a name: several functions of a file use it, and none declares it."""
        return self.whole and self.free[name] > 1 and name not in self.locals

    def declares(self, use: NameUse) -> bool:
        """Return whether a name is an argument that a macro of a header may declare."""
        if not use.callee or use.callee in self.macros.pasted:
            return False
        if use.callee.endswith("_scoped"):  # Such a loop declares its variable.
            return True
        return self.lexicon is not None and self.lexicon.has(use.callee, Flag.PASTES)

    def excuses(self, use: NameUse) -> bool:
        """Return whether a name is an argument that a macro pastes."""
        if not use.callee:
            return False
        if use.callee in self.macros.pasted:
            return use.argument in self.macros.pasted[use.callee]
        if self.lexicon is None:
            return is_constant(use.callee)
        if is_constant(use.callee):
            return not self.lexicon.has(use.callee, Flag.EVALUATES)
        return self.lexicon.has(use.callee, Flag.PASTES)

    def may_be_used_by_macros(self, declaration: Declaration) -> bool:
        """Return whether macros of headers may use a variable.

        In a whole text, this is assumed if several functions declare and initialize it alike, and none uses it.
        """
        if self.lexicon is not None and self.lexicon.has(declaration.name, Flag.USED_BY_MACROS):
            return True
        name = declaration.name
        return name in self.macros.used or (self.whole and self.unused[declaration.statement] > 1)
