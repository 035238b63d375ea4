"""Mutations of functions of C: each introduces one error of a name, or deletes brackets."""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seqforge_code_structure.identifiers.checks import UNDECLARED_RULES
from seqforge_code_structure.identifiers.lexicon import Flag, Lexicon
from seqforge_code_structure.identifiers.names import Declaration, Function
from seqforge_code_structure.identifiers.reading import UnitNames
from seqforge_code_structure.structure import TokenKind, scan_text

NAME_RULES = (*UNDECLARED_RULES, "unused-variable", "undefined-label", "redeclared-name")
"""Rules of the errors of names."""

SIMPLE_DECLARATION = re.compile(
    r"\s+(?:(?:const|static|struct|union|enum|unsigned|signed|volatile|__\w+)\s+)*\w+[\s*]+\w+(?:\[[^\]]*\])?"
    r"(?:\s*=[^,;]*)?;"
)
RETURNED = re.compile(r"\breturn (\w+);")


@dataclass(frozen=True)
class HeldOutFunction:
    """A held-out function that parses.

    Attributes:
        text: Text of its unit.
        code: Compiled code of the unit.
        unit: Names of the unit.
        names: Names of the function.
        previous_locals: Local variables of the function before it in the file.
        others: Names of the other units of its file.
    """

    text: str
    code: bytes
    unit: UnitNames
    names: Function
    previous_locals: Sequence[str]
    others: Sequence[UnitNames]

    @property
    def known(self) -> set[str]:
        """All names that the function declares, or uses without declaring them."""
        return {found.name for found in (*self.names.declarations, *self.names.free)}

    @property
    def locals(self) -> list[Declaration]:
        """Local variables that the function uses."""
        return [found for found in self.names.declarations if found.variable and found.used]

    def find_uses(self, declaration: Declaration) -> list[int]:
        """Return the positions after a declaration at which its name occurs, except as the name of a member."""
        after = declaration.start + len(declaration.name)
        pattern = re.compile(rb"(?<![\w.>])" + declaration.name.encode() + rb"\b(?!\s*:)")
        return [match.start() for match in pattern.finditer(self.code, after)]


def replace_name(text: str, start: int, old: str, new: str) -> str:
    """Replace the occurrence of a name at a position by another name."""
    return text[:start] + new + text[start + len(old) :]


Mutant = tuple[str, str]
"""A mutated text, and the name with the error."""


class Mutations:
    """Mutations of a function. Each returns a mutant, or None if the mutation is not possible."""

    def __init__(self, lexicon: Lexicon, locals_: Sequence[str], generator: random.Random) -> None:
        self._locals = locals_
        self._known = [name for name in locals_ if lexicon.flags(name) & Flag.MAY_BE_LOCAL]
        self._generator = generator

    def draw_name(self, original: HeldOutFunction) -> str:
        """Draw a local variable of the held-out functions that the training text contains, too."""
        while (name := self._generator.choice(self._known)) in original.known:
            pass
        return name

    def _rename(self, original: HeldOutFunction, new: Callable[[str], str]) -> Mutant | None:
        if not original.locals:
            return None
        local = self._generator.choice(original.locals)
        places = original.find_uses(local)
        name = new(local.name)
        if not places or name in original.known:
            return None
        return replace_name(original.text, self._generator.choice(places), local.name, name), name

    def rename_to_training_local(self, original: HeldOutFunction) -> Mutant | None:
        """Rename one use of a local variable to a local variable of the training text."""
        return self._rename(original, lambda old: self.draw_name(original))

    def rename_to_previous_local(self, original: HeldOutFunction) -> Mutant | None:
        """Rename one use of a local variable to a local variable of the previous function in the file."""
        names = original.previous_locals
        return self._rename(original, lambda old: self._generator.choice(names)) if names else None

    def rename_to_any_local(self, original: HeldOutFunction) -> Mutant | None:
        """Rename one use of a local variable to a local variable of any held-out function."""
        return self._rename(original, lambda old: self._generator.choice(self._locals))

    def delete_letter(self, original: HeldOutFunction) -> Mutant | None:
        """Delete a letter from one use of a local variable with at least four letters."""

        def shorten(name: str) -> str:
            position = self._generator.randrange(1, len(name)) if len(name) > 3 else 0
            return name[:position] + name[position + 1 :] if position else name

        return self._rename(original, shorten)

    def delete_declaration(self, original: HeldOutFunction) -> Mutant | None:
        """Delete a line that declares a local variable and nothing else."""
        text = original.text
        for local in self._generator.sample(original.locals, len(original.locals)):
            start, stop = text.rfind("\n", 0, local.start) + 1, text.find("\n", local.start)
            if SIMPLE_DECLARATION.fullmatch(text[start:stop]) and original.find_uses(local):
                return text[:start] + text[stop + 1 :], local.name
        return None

    def return_training_local(self, original: HeldOutFunction) -> Mutant | None:
        """Replace a returned parameter or local variable by a local variable of the training text."""
        declared = {found.name for found in original.names.declarations}
        for match in RETURNED.finditer(original.code.decode()):
            if match[1] in declared:
                name = self.draw_name(original)
                return replace_name(original.text, match.start(1), match[1], name), name
        return None

    def return_name_of_another(self, original: HeldOutFunction, returns: Sequence[str]) -> Mutant | None:
        """Replace a returned parameter or local variable by a name that any held-out function returns."""
        declared = {found.name for found in original.names.declarations}
        name = self._generator.choice(returns)
        for match in RETURNED.finditer(original.code.decode()):
            if match[1] in declared and name not in original.known:
                return replace_name(original.text, match.start(1), match[1], name), name
        return None

    def replace_all_uses(self, original: HeldOutFunction) -> Mutant | None:
        """Replace every use of a local variable by another name of the function."""
        others = [found.name for found in original.names.declarations]
        if not original.locals:
            return None
        local = self._generator.choice(original.locals)
        places = original.find_uses(local)
        others = [name for name in others if name != local.name] or ["jiffies"]
        if not places or local.name in original.unit.possibly_used:
            return None
        text, other = original.text, self._generator.choice(others)
        for start in reversed(places):
            text = replace_name(text, start, local.name, other)
        return text, local.name

    def delete_label(self, original: HeldOutFunction) -> Mutant | None:
        """Delete a label that is the target of a jump."""
        if not original.names.jumps:
            return None
        name = self._generator.choice(original.names.jumps)[0]
        match = re.search(rf"^[ \t]*{name}[ \t]*:", original.code.decode(), re.MULTILINE)
        return (original.text[: match.start()] + original.text[match.end() :], name) if match else None

    def delete_brackets(self, original: HeldOutFunction, count: int) -> str | None:
        """Delete brackets at random positions."""
        positions = [start for kind, start, _ in scan_text(original.text) if kind == TokenKind.BRACKET]
        if len(positions) <= 2 * count:
            return None
        text = original.text
        for position in sorted(self._generator.sample(positions, count), reverse=True):
            text = text[:position] + text[position + 1 :]
        return text
