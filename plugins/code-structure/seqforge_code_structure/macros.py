"""Brackets in the body of a macro: an island, which neither opens nor closes anything outside."""

from seqforge_code_structure.fault import Fault
from seqforge_code_structure.lexing.conditions import BOTH
from seqforge_code_structure.lexing.structure import Kind, structure_of_body
from seqforge_code_structure.stacks import Stacks


def judge_macro(text: str, start: int, stop: int, cut: bool) -> tuple[int, list[Fault]]:
    """Judge the brackets of a `#define`.

    Args:
        text: The whole text.
        start: The directive's first character.
        stop: One past its last.
        cut: Whether the text was cut in it: then brackets may be open at its end.

    Returns:
        How many brackets it has, and where they are wrong.
    """
    stacks = Stacks()
    count = 0
    faults: list[Fault] = []
    for match in structure_of_body(text, start, stop):
        if match.lastindex != Kind.BRACKET:
            continue
        position = match.end() - 1
        count += 1
        if (bracket := text[position]) in "([{":
            stacks.open(bracket, position, BOTH)
        elif fault := stacks.close(bracket, position, BOTH):
            faults.append(fault)
    return count, faults if cut else faults + stacks.unclosed()
