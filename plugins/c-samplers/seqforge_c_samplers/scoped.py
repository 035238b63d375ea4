"""The sampler `scoped`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import Field
from seqforge_code_structure.identifiers.checks import find_repeated, find_undeclared
from seqforge_code_structure.identifiers.context import Context
from seqforge_code_structure.identifiers.lexicon_file import read_lexicon, read_linux_lexicon
from seqforge_code_structure.identifiers.reading import UnitNames, read_units
from seqforge_code_structure.units import split_units

from seqforge_c_samplers.brackets import count_bracket_faults, count_indented_comments
from seqforge_c_samplers.checked import CheckedSampler, count_misplaced

_CHECKED_LINE = re.compile(rb"[ \t]*+(?:(?:#|\*|/\*).*[^\\\n]|.*(?:[;{}]|\*/)[ \t]*)?\n")
_BLANK_LINES = "\n\n\n"
_RULES = {"undefined-name", "undefined-return", "redeclared-name", "duplicate-name"}


class Scoped(CheckedSampler):
    """Statements that parse and names that are declared, in generated C.

    The sampler parses the text at the end of each statement, and has it drawn again if it does not parse, uses a name
    that nothing declares, or declares a name twice. The lexicon contains the names that headers declare. Brackets,
    comments and literals are balanced as with `balanced`, which this sampler replaces.
    """

    def __init__(
        self,
        lexicon: Annotated[
            Path | None,
            Field(
                description="Lexicon file of `seqforge c-lexicon`. Default: that of Linux 6.12, a part of the plugin."
            ),
        ] = None,
    ) -> None:
        self._lexicon = read_lexicon(lexicon) if lexicon else read_linux_lexicon()

    def is_checked(self, line: bytes) -> bool:
        """Return whether a line may end a statement."""
        return _CHECKED_LINE.fullmatch(line) is not None

    def remember(self, text: str, units: tuple[UnitNames, ...] | None) -> tuple[UnitNames, ...]:
        """Return the names of a unit and of those before it."""
        return (*(units or ()), *read_units(text, split_units(text)))

    def count_faults(self, text: str, closing: str, units: tuple[UnitNames, ...] | None) -> int:
        """Return the number of faults: wrong brackets, and if there are none, wrong statements, and then names."""
        whole = text + closing
        parts = list(split_units(whole))
        if (
            wrong := count_bracket_faults(whole, parts)
            + f"\n{text}".count(_BLANK_LINES)
            + count_indented_comments(text)
        ):
            return wrong
        names = read_units(whole, parts)
        early = sum(unit.defect_count for unit in split_units(text, end_missing=True)) if closing else 0
        if wrong := early + sum(not unit.parses for unit in names):
            return wrong
        for unit in names:
            misplaced = count_misplaced(unit.tree, whole) if unit.tree else 0
            wrong += misplaced + len(unit.misplaced)
        if wrong:
            return wrong
        context = Context.of([*(units or ()), *names], self._lexicon)
        functions = [(function, unit) for unit in names for function in unit.functions]
        checks = (find_undeclared, find_repeated)
        found = [defect for each in functions for find in checks for defect in find(*each, context)]
        return sum(defect.rule in _RULES for defect in found)
