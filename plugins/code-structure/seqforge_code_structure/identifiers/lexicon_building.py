"""Build a lexicon: count, for each name of a training text, the files in which functions use and declare it."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from seqforge_code_structure.identifiers.lexicon import LARGEST_LOCALITY, Flag, Lexicon, is_constant, word_keys
from seqforge_code_structure.identifiers.reading import UnitNames, read_unit
from seqforge_code_structure.units import split_units

FREE_FRACTION = 0.1
"""A name counts as always declared if less than this fraction of the files that contain it use it undeclared."""

UNUSED_FRACTION = 0.02
"""Macros are assumed to use a variable that is unused in at least this fraction of the files that declare it."""

FEWEST_UNUSED = 2
"""Smallest number of files with the unused variable for this assumption, since a single one may be a mistake."""

SHARED_WEIGHT = 3
"""Number of undeclared uses that a file counts for if it declares the name for all other files."""

PASTED_FRACTION = 0.1
"""A macro is assumed to paste its arguments if it has an undeclared one in at least this fraction of its files."""

FEWEST_NAMES = 5
"""Smallest number of names with a word for the locality of the word."""

LONGEST_PIECE = 100_000
"""Length limit of a piece in characters. Each piece of a longer file counts as a file."""


class Count(NamedTuple):
    """Numbers of files of the training text that contain a name.

    Attributes:
        free: Files in which a function uses the name undeclared, not as an argument, and that do not declare it at all.
        argument: Files in which a function uses the name undeclared as an argument, and that do not declare it at all.
        own: Files that declare the name outside of functions, and in which a function uses it.
        shared: Files that declare the name outside of functions, other than `static`.
        bound: Files in which a function declares the name.
        unused: Files in which a function declares the name as a local variable and does not use it.
        called: Files in which a function calls a function or macro of this name.
        pasted: Number of pairs of a file and an undeclared argument of this function or macro that must be declared.
    """

    free: int = 0
    argument: int = 0
    own: int = 0
    shared: int = 0
    bound: int = 0
    unused: int = 0
    called: int = 0
    pasted: int = 0

    def to_flags(self) -> Flag:
        """Return the properties of the name."""
        free, argument, own, shared, bound, unused, called, pasted = self

        def always_declared(undeclared: int) -> bool:
            return undeclared < FREE_FRACTION * (undeclared + bound)

        visible = free + SHARED_WEIGHT * shared
        properties = {
            Flag.LOCAL: always_declared(visible),
            Flag.LOCAL_IN_EXCERPT: always_declared(visible + own),
            Flag.LOCAL_ARGUMENT: always_declared(visible + argument),
            Flag.LOCAL_ARGUMENT_IN_EXCERPT: always_declared(visible + argument + own),
            Flag.MAY_BE_LOCAL: bound > 0,
            Flag.MOSTLY_LOCAL: bound > 0 and bound >= free,
            Flag.USED_BY_MACROS: unused >= FEWEST_UNUSED and unused >= UNUSED_FRACTION * bound,
            Flag.VARIABLE: free + argument + own + bound > 0,
            Flag.PASTES: pasted > 0 and pasted >= PASTED_FRACTION * called,
            Flag.EVALUATES: called > 0 and pasted < PASTED_FRACTION * called,
        }
        return Flag(sum(flag for flag, holds in properties.items() if holds))

    @property
    def locality(self) -> int:
        """The locality of the name in an excerpt."""
        return _to_locality(self.bound, self.free + SHARED_WEIGHT * self.shared + self.own + self.argument)


def _to_locality(local: float, other: float) -> int:
    """Return twice the binary logarithm of a ratio, as a whole number in the limits of a locality."""
    locality = round(2 * math.log2((local + 0.25) / (other + 0.25)))
    return max(-LARGEST_LOCALITY, min(LARGEST_LOCALITY, locality))


PieceNames = tuple[dict[str, set[str]], set[tuple[str, str]]]
"""The names of a piece of a file for each attribute of `Count`, and its undeclared arguments, each after the function
or macro that takes it."""


def count_names(text: str) -> list[PieceNames]:
    """Return the names of the pieces of a file."""
    return list(map(_find_names, read_pieces(text)))


def _find_names(units: Iterable[UnitNames]) -> PieceNames:
    found: dict[str, set[str]] = {name: set() for name in Count._fields}
    arguments: set[tuple[str, str]] = set()
    declared = set[str]()
    for unit in units:
        declared |= unit.declared
        if unit.shared:
            found["shared"] |= unit.declared - unit.macros.pasted.keys()
    for unit in units:
        if not unit.parses:
            continue
        for function in unit.functions:
            found["bound"].update([declaration.name for declaration in function.declarations])
            unused = {item.name for item in function.declarations if item.variable and not item.used}
            found["unused"] |= unused - unit.possibly_used - unit.macros.used
            for use in function.free:
                name = use.name
                if use.called:
                    found["called"].add(name)
                elif name in declared:
                    found["own"].add(name)
                elif not use.callee:
                    found["free"].add(name)
                else:
                    found["argument"].add(name)
                    if not is_constant(name):
                        arguments.add((use.callee, name))
    return found, arguments


def build_lexicon(files: Iterable[Iterable[PieceNames]], fewest_files: int = 1) -> Lexicon:
    """Count the names of a training text. The lexicon of a text without C functions is empty.

    Args:
        files: The names of each file, from `count_names`.
        fewest_files: Smallest number of files that must contain a name. Rarer names are left out, except those that
            functions of the training text only declare.
    """
    number_of_files = 0
    counts: dict[str, Counter[str]] = {name: Counter() for name in Count._fields}
    all_arguments: Counter[tuple[str, str]] = Counter()
    for pieces in files:
        number_of_files += 1
        for found, arguments in pieces:
            for kind, names in found.items():
                counts[kind].update(names)
            all_arguments.update(arguments)
    counts["pasted"] = _count_pasted(all_arguments, counts)
    flags: dict[str, Flag] = {}
    localities: dict[str, int] = {}
    # The numbers of names that have a word: names of local variables, and names that no function declares.
    local, other = Counter[str](), Counter[str]()
    for name in set[str]().union(*counts.values()):
        count = Count(**{kind: counter[name] for kind, counter in counts.items()})
        flag = count.to_flags()
        if flag & Flag.VARIABLE and not is_constant(name):
            if flag & Flag.LOCAL_ARGUMENT_IN_EXCERPT:
                local.update(word_keys(name))
            elif not flag & Flag.MAY_BE_LOCAL:
                other.update(word_keys(name))
        # Most checks need no names of functions, since a call of an unknown function is no error.
        needed = flag & Flag.VARIABLE or flag & Flag.PASTES or is_constant(name)
        only_local = count == Count(bound=count.bound, unused=count.unused) and not is_constant(name)
        if needed and (max(count) >= fewest_files or only_local):
            flags[name] = flag
            if flag & Flag.VARIABLE:
                localities[name] = count.locality
    every, numbers = other.total() / max(1, local.total()), local + other
    for word in (word for word, number in numbers.items() if number >= FEWEST_NAMES):
        if locality := _to_locality(every * local[word], other[word]):
            localities[word] = locality
    return Lexicon.from_flags(number_of_files, flags, localities)


def _count_pasted(arguments: Counter[tuple[str, str]], counts: Mapping[str, Counter[str]]) -> Counter[str]:
    """Count, for each function or macro, its undeclared arguments that are probably no variables.

    These are names that functions otherwise declare, or that a macro with a name in capital letters receives and
    nothing else uses. A function receives such names, too: global names of headers.
    """
    free, own, bound = (counts[kind] for kind in ("free", "own", "bound"))
    pasted: Counter[str] = Counter()
    for (callee, name), files in arguments.items():
        local = bound[name] and free[name] < FREE_FRACTION * (free[name] + bound[name])
        if local or (is_constant(callee) and not (free[name] or own[name] or bound[name])):
            pasted[callee] += files
    return pasted


def read_pieces(text: str) -> Iterator[list[UnitNames]]:
    """Yield the units of a text in pieces of at most `LONGEST_PIECE` characters, or of one longer unit."""
    piece: list[UnitNames] = []
    for unit in split_units(text):
        if piece and unit.stop - piece[0].start > LONGEST_PIECE:
            yield piece
            piece = []
        piece.append(read_unit(text, unit))
    if piece:
        yield piece
