"""C of the kernel made into what a C parser reads, without moving a character."""

from collections.abc import Sequence

from seqforge_code_structure.identifiers.rules import BODY_RULES, HEAD_RULES, RULES, LogitRule


def normalised(code: bytes) -> bytes:
    """Rewrite by the table of rules; a place in the result is a place in the code.

    Args:
        code: One top-level unit without comments and directives, ASCII.

    Returns:
        As many bytes, with line ends where they were.
    """
    code = _rewritten(code, RULES)
    body = code.find(b"{")
    if body < 0:
        return code
    return _rewritten(code[:body], HEAD_RULES) + _rewritten(code[body:], BODY_RULES)


def _rewritten(code: bytes, rules: Sequence[LogitRule]) -> bytes:
    for rule in rules:
        if not rule.hints or any(hint in code for hint in rule.hints):
            code = rule.pattern.sub(rule.put, code)
    return code
