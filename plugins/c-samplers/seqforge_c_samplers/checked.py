"""Samples that are checked line by line, and drawn again from where a check fails, as by the sampler `scoped`."""

from __future__ import annotations

import re
from abc import abstractmethod
from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Annotated, Any, NamedTuple, cast

from pydantic import Field
from seqforge_code_structure.identifiers.checks import find_repeated, find_undeclared
from seqforge_code_structure.identifiers.context import Context
from seqforge_code_structure.identifiers.lexicon_file import read_lexicon, read_linux_lexicon
from seqforge_code_structure.identifiers.reading import UnitNames, read_units
from seqforge_code_structure.units import split_units
from tree_sitter import Node

from seqforge.kinds import ExperimentPath, RedrawingSampler, Review, SamplingContext, UnknownSymbolError, Vocabulary
from seqforge_c_samplers.brackets import (
    close_text,
    count_bracket_faults,
    count_indented_comments,
    find_open_conditions,
)

LONGEST_UNCHECKED = 300
"""Number of characters without a check. Longer text, such as a call without an end, is drawn again."""

_OUTSIDE = frozenset(
    {
        "declaration",
        "enum_specifier",
        "expression_statement",
        "function_definition",
        "struct_specifier",
        "type_definition",
        "union_specifier",
    }
)
"""Nodes outside of functions. A statement there can only be the call of a macro."""


class Memory(NamedTuple):
    """Memory after the settled symbols of a sample.

    Attributes:
        vocabulary: Vocabulary of the model.
        units: What the sampler remembers of the complete units at the beginning of the sample.
        text: The text after them, and before it the `#if` lines of these units that are open.
        faults: Number of faults of this text that the prompt has, and that need not be corrected.
        room: Number of symbols that remain.
    """

    vocabulary: Vocabulary
    units: Any
    text: bytes
    faults: int
    room: int


class CheckedSampler(RedrawingSampler):
    """A sampler that checks the text at the end of each line, and has it drawn again if it has a fault.

    Before the check, `close_text` closes what the text leaves open. A sample ends with the last line after which there
    is room for this, so it always passes the check.
    """

    checked_line = re.compile(rb"^.*\n", re.MULTILINE)
    """A line after which the text is checked."""

    @abstractmethod
    def count_faults(self, text: str, closing: str, units: Any) -> int:
        """Return the number of faults in a text.

        Args:
            text: The text, which begins with a unit.
            closing: Text that closes what it leaves open, or "".
            units: What `remember` returned for the units before it.
        """

    def remember(self, text: str, units: Any) -> Any:
        """Return what later checks need to know of a complete unit and of those before it; by default nothing."""
        return None

    def has_early_fault(self, memory: Memory, text: bytes) -> bool:
        """Return whether the last line of a text has a fault before it is complete; by default, this is not known."""
        return False

    def start(self, context: SamplingContext) -> Memory:
        """Return the memory after the prompt, whose faults need not be corrected."""
        text = context.vocabulary.decode(cast("list[int]", context.prompt.tolist()))
        memory = self._forget_units(Memory(context.vocabulary, None, text, 0, context.length))
        judged = self._last_place(memory.text, 0, len(memory.text))
        plain = _plain(memory.text)
        plain += close_text(plain)
        # The last line of the prompt is judged for its brackets only, since it may be incomplete.
        brackets = count_bracket_faults(plain, split_units(plain))
        faults = max(self._count_faults(memory, memory.text[:judged]), brackets)
        return memory._replace(faults=faults)

    def settle(self, memory: Memory, tokens: Sequence[int]) -> Memory:
        """Return the memory after symbols were settled."""
        text = memory.text + memory.vocabulary.decode_tokens(tokens)
        return self._forget_units(memory._replace(text=text, room=memory.room - len(tokens)))

    def review(self, memory: Memory, tokens: Sequence[int], new: int) -> Review:
        """Keep the symbols up to the last line after which the text has no fault, and settle complete units."""
        text = memory.text + memory.vocabulary.decode_tokens(tokens)
        judged = len(text) - len(memory.vocabulary.decode_tokens(tokens[len(tokens) - new :]))
        stays = not self.has_early_fault(memory, text)
        places = self._places(text, judged)
        for place in reversed(places):
            if self._count_faults(memory, text[:place]) <= memory.faults:
                kept = len(tokens) if stays and place == places[-1] else self._count(memory, tokens, text, place)
                settled = 0
                if text[text.rfind(b"\n", 0, place - 1) + 1] not in b" \t":  # Before an indented line, no unit begins.
                    *complete, last = split_units(_plain(text[:place]))
                    # A brace that a unit leaves open may still be closed, after what seems to be other units.
                    if sum(unit.defect_count for unit in complete) <= memory.faults:
                        settled = min(kept, self._count(memory, tokens, text, last.start))
                return Review(kept, settled)
        previous = self._last_place(text, len(memory.text), judged)
        if stays and not places and len(text) - previous < LONGEST_UNCHECKED:
            return Review(len(tokens), 0)
        return Review(self._count(memory, tokens, text, previous), 0)

    def finish(self, memory: Memory, tokens: Sequence[int]) -> Sequence[int]:
        """Return the symbols up to the last line after which there is room to close everything, and close it."""
        start, text = len(memory.text), memory.text + memory.vocabulary.decode_tokens(tokens)
        places = [place for place in self._places(text, start) if text[place - 2 : place - 1] not in (b"{", b",")]
        for place in [*reversed(places), start]:
            plain = _plain(text[:place])
            for closing in (close_text(plain), close_text(plain, compact=True)):
                whole = text[start:place] + closing.encode()
                try:
                    symbols = memory.vocabulary.encode(whole).tolist()
                except UnknownSymbolError:
                    continue
                if len(symbols) > memory.room or memory.vocabulary.decode(symbols) != whole:
                    continue  # A vocabulary with `unknown` replaces what it does not know.
                if self.count_faults(plain, closing, memory.units) <= memory.faults:
                    return symbols
        return []

    def _places(self, text: bytes, start: int) -> list[int]:
        """Return the ends of the lines after which the text is checked, from a position on."""
        return [match.end() for match in self.checked_line.finditer(text, text.rfind(b"\n", 0, start) + 1)]

    def _last_place(self, text: bytes, start: int, stop: int) -> int:
        """Return the last of these ends up to a position, or the start."""
        while end := text.rfind(b"\n", start, stop) + 1:
            stop = end - 1
            if self.checked_line.match(text, text.rfind(b"\n", 0, stop) + 1):
                break
        return end or start

    def _count_faults(self, memory: Memory, text: bytes) -> int:
        plain = _plain(text)
        return self.count_faults(plain, close_text(plain), memory.units)

    def _count(self, memory: Memory, tokens: Sequence[int], text: bytes, stop: int) -> int:
        """Return the number of symbols that end at or before a position of the text, which ends with all of them."""
        start = len(memory.text)
        if len(text) - start == len(tokens):  # each symbol is one byte
            return min(max(stop - start, 0), len(tokens))
        lengths = (len(memory.vocabulary.decode_tokens([token])) for token in tokens)
        return max(0, bisect([*accumulate(lengths, initial=start)], stop) - 1)

    def _forget_units(self, memory: Memory) -> Memory:
        """Remember the units before the last one, which is not complete before another one follows.

        The `#if` lines of these units whose `#endif` may follow later remain in the text.
        """
        plain, units = _plain(memory.text), memory.units
        *complete, last = [unit.start for unit in split_units(plain)] or [0]
        for start, stop in pairwise([*complete, last]):
            units = self.remember(plain[start:stop], units)
        conditions = "".join(find_open_conditions(plain[:last]))
        text = conditions.encode("latin-1") + memory.text[last:]
        return memory._replace(units=units, text=text, faults=0 if last else memory.faults)


def _plain(text: bytes) -> str:
    """Return a text as the analyses read it, with one character for each byte."""
    return text.decode("latin-1")


def _may_be_outside(node: Node, text: str) -> bool:
    """Return whether a node of a text may be outside of functions, where no line is indented."""
    # The tree lacks annotations at the beginning of the line.
    start = text.rfind("\n", 0, node.start_byte) + 1
    if node.type not in _OUTSIDE or text[start : start + 1].isspace():
        return False
    return node.type != "expression_statement" or [child.type for child in node.named_children] == ["call_expression"]


class Balanced(CheckedSampler):
    """Balanced brackets, comments, literals and directives in generated C.

    The sampler checks the brackets at the end of each line, and has the text drawn again if one closes nothing or the
    wrong one. Each branch of an `#if` and each macro must balance by itself. A sample ends with a line after which
    everything open can be closed, and closes it. Errors in the prompt remain.
    """

    def count_faults(self, text: str, closing: str, units: Any) -> int:
        """Return the number of brackets, comments and literals that are wrong."""
        whole = text + closing
        return count_bracket_faults(whole, split_units(whole))


_LOCAL = 4
"""Locality of a name in the lexicon from which it is that of a local variable, whatever follows."""
_NAME = re.compile(rb"[A-Za-z_]\w*+")
_USE = re.compile(rb"(?:[a-z_ ]\(|[!&]|= |^\t+(?=\w+(?:->|[.[]| [-+|&]?= )))([a-z]\w*+)(?=[^\w(])")
"""The use of a variable, not its declaration, nor the argument of a macro in capital letters, which may declare it."""
_BLANK_LINES = "\n\n\n"
_RULES = {"undefined-name", "undefined-return", "redeclared-name", "duplicate-name"}


class Scoped(CheckedSampler):
    """Statements that parse and names that are declared, in generated C.

    The sampler parses the text at the end of each statement, and has it drawn again if it does not parse, uses a name
    that nothing declares, or declares a name twice. The lexicon contains the names that headers declare. Brackets,
    comments and literals are balanced as with `balanced`, which this sampler replaces.
    """

    checked_line = re.compile(rb"^[ \t]*+(?:(?:#|\*|/\*).*[^\\\n]|.*(?:[;{}]|\*/)[ \t]*)\n", re.MULTILINE)

    def __init__(
        self,
        lexicon: Annotated[
            ExperimentPath | None,
            Field(
                description="Lexicon file of `seqforge c-lexicon`. Default: that of Linux 6.12, a part of the plugin."
            ),
        ] = None,
    ) -> None:
        self._lexicon = read_lexicon(lexicon) if lexicon else read_linux_lexicon()

    def has_early_fault(self, memory: Memory, text: bytes) -> bool:
        """Return whether the last line uses a variable with the name of a local one, which is nowhere before."""
        before, _, line = text.rpartition(b"\n")
        if memory.faults or before.endswith(b"\\") or b"*/" in line or text.rfind(b"/*") > text.rfind(b"*/"):
            return False
        start = len(text) - len(line)
        return any(
            start + use.start(1) >= len(memory.text)
            and self._lexicon.locality(name := use[1].decode()) >= _LOCAL
            and use[1] not in _NAME.findall(text, 0, start + use.start(1))
            and not any(name in unit.declared for unit in memory.units or ())
            for use in _USE.finditer(line.partition(b'"')[0])
        )

    def remember(self, text: str, units: tuple[UnitNames, ...] | None) -> tuple[UnitNames, ...]:
        """Return the names of a unit and of those before it."""
        return (*(units or ()), *read_units(text, split_units(text)))

    def count_faults(self, text: str, closing: str, units: tuple[UnitNames, ...] | None) -> int:
        """Return the number of faults: wrong brackets, and if there are none, wrong statements, and then names."""
        whole = text + closing
        parts = split_units(whole)
        wrong = count_bracket_faults(whole, parts) + f"\n{text}".count(_BLANK_LINES) + count_indented_comments(text)
        if wrong:
            return wrong
        names = read_units(whole, parts)
        early = sum(unit.defect_count for unit in split_units(text, end_missing=True)) if closing else 0
        if wrong := early + sum(not unit.parses for unit in names):
            return wrong
        for unit in names:
            outside = unit.tree.root_node.named_children if unit.tree else ()
            wrong += sum(not _may_be_outside(node, whole) for node in outside) + len(unit.misplaced)
        if wrong:
            return wrong
        context = Context.of([*(units or ()), *names], self._lexicon, strict=False, whole=False)
        functions = [(function, unit) for unit in names for function in unit.functions]
        checks = (find_undeclared, find_repeated)
        found = [defect for each in functions for find in checks for defect in find(*each, context)]
        return sum(defect.rule in _RULES for defect in found)
