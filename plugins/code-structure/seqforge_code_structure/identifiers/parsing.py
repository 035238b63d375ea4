"""Parse compiled code, with a limit of the parser's work that is linear in the length of the code.

The parser of tree-sitter takes quadratic time for some texts with errors, such as `while (a) b while (a) b`. It reports
its progress after every hundred operations. The limit is a number of reports, so it is the same on every machine. A
text such as `.a = .a = …` stays below it, although each report takes long: 12 s for 100,000 characters, on a Zen 5.
"""

from functools import cache
from itertools import count

from tree_sitter import Parser, Point, Tree

from seqforge_code_structure.identifiers.grammar import LANGUAGE
from seqforge_code_structure.identifiers.opaque_macros import find_text_macros, remove_opaque_code
from seqforge_code_structure.identifiers.rewriting import RULES_FOR_ALL_CODE, rewrite

FEWEST_REPORTS = 1_000
"""Number of reports of progress for which all code may be parsed, also short code that needs many."""

REPORTS_PER_CHARACTER = 0.1
"""Number of further reports for each character. Units of Linux need at most a quarter of them."""

TOO_MUCH_WORK = "not analyzed: its errors take the parser too long"


class TooMuchWorkError(Exception):
    """The parser needs more operations than the limit."""


@cache
def _create_parser() -> Parser:
    return Parser(LANGUAGE)


def parse_code(code: bytes) -> Tree:
    """Parse code as it is.

    Raises:
        TooMuchWorkError: If the parser needs too many operations.
    """
    parser = _create_parser()
    limit = FEWEST_REPORTS + REPORTS_PER_CHARACTER * len(code)
    reports = count(1)

    def read(start: int, _: Point) -> bytes:
        return code[start:]

    def is_too_much(_position: int, _has_error: bool) -> bool:
        return next(reports) > limit

    try:
        # The parser reports its progress only if it reads the code from a function.
        return parser.parse(read, progress_callback=is_too_much)
    except ValueError:
        parser.reset()
        raise TooMuchWorkError from None


def rewrite_and_parse(text: str, code: bytes) -> tuple[bytes, Tree]:
    """Return the code of a unit as it is parsed, and its syntax tree.

    Most code parses without the rules that repair it, and these take longer than the parser.

    Args:
        text: The text that contains the unit.
        code: The compiled code of the unit.

    Raises:
        TooMuchWorkError: If the parser needs too many operations.
    """
    rewritten = rewrite(code, RULES_FOR_ALL_CODE)
    tree = parse_code(rewritten)
    if not tree.root_node.has_error:
        return rewritten, tree
    repaired = rewrite(code)
    if repaired != rewritten:
        tree = parse_code(repaired)
    if tree.root_node.has_error:
        simpler = remove_opaque_code(repaired, find_text_macros(text))
        if simpler != repaired and not (other := parse_code(simpler)).root_node.has_error:
            return simpler, other
    return repaired, tree
