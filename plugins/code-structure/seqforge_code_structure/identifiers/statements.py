"""Find errors that a compiler sees in single statements and declarations, in trees without syntax errors."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from tree_sitter import Node

from seqforge_code_structure.compiled_code import CompiledCode
from seqforge_code_structure.defects import MOST_DEFECTS, Defect
from seqforge_code_structure.syntax import Captures, follow_declarator, order_captures, text_of

_LOOPS = ("while_statement", "do_statement", "for_statement")
_VALUE_OF_CALL = ("call_expression", "conditional_expression", "comma_expression", "cast_expression", "ERROR")
"""Kinds of expressions that may have the type void, since they may be calls."""
_OBJECTS = ("identifier", "init_declarator", "array_declarator")


def read_statements(compiled: CompiledCode, captures: Captures) -> list[Defect]:
    """Return the errors in a unit that parses, from its captures and the compiled code of its text."""
    defects: list[Defect] = []
    # Asking a node for its parent takes time that grows with the number of its siblings.
    around: list[Node] = []
    for begin, _, capture, node in order_captures(captures, ("construct", *RULES_OF_NODES)):
        while around and around[-1].end_byte <= begin:
            around.pop()
        if capture == "construct":
            around.append(node)
            continue
        rule, check = RULES_OF_NODES[capture]
        for place, message, reason in check(node, around):
            start, stop = place.start_byte, place.end_byte
            is_original = compiled.code[reason.start_byte : reason.end_byte] == (reason.text or b"")
            is_certain = is_original and not compiled.has_condition(min(start, reason.start_byte), start)
            if is_certain and len(defects) < MOST_DEFECTS:
                defects.append(Defect(start, stop, rule, message))
    return defects


def _is_inside(around: Sequence[Node], kinds: Iterable[str]) -> bool:
    """Return whether the innermost of the nodes around a statement, up to its function, is of some kinds."""
    for number, node in reversed(list(enumerate(around))):
        if node.type in kinds:
            return True
        if node.type == "function_definition":
            # The loop of a macro parses as a function in a function.
            return any(other.type == "function_definition" for other in around[:number])
    return True  # A unit without a function is the argument of a macro.


_Found = Iterator[tuple[Node, str, Node]]
"""Places of errors, the messages, and the nodes that make them errors unless the rewriting of macros changed these."""


def _check_place(name: str, *kinds: str) -> Callable[[Node, Sequence[Node]], _Found]:
    """Return a check that a statement is inside a loop or `switch`."""

    def check(node: Node, around: Sequence[Node]) -> _Found:
        if not _is_inside(around, kinds):
            first = node.child(0) or node
            yield first, f"{text_of(first)!r} outside of a {name}", first

    return check


def _check_cases(node: Node, _around: Sequence[Node]) -> _Found:
    """Yield the cases of a `switch` whose value is that of an earlier one."""
    seen: set[str] = set()
    waiting = list(reversed(node.named_children))
    while waiting:
        each = waiting.pop()
        if each.type == "case_statement":
            value = each.child_by_field_name("value")
            text = text_of(value) if value else "default"
            # Literals are empty here, and a predefined macro such as __LINE__ has several values.
            if text in seen and "'" not in text and not text.startswith("__"):
                yield each.child(0) or each, f"'{'case ' * (value is not None)}{text}' is twice in a switch", node
            seen.add(text)
            waiting += reversed(each.named_children)
        elif each.type in ("compound_statement", "labeled_statement"):
            waiting += reversed(each.named_children)


def _check_return(node: Node, around: Sequence[Node]) -> _Found:
    function = next((each for each in reversed(around) if each.type == "function_definition"), None)
    kind = function.child_by_field_name("type") if function else None
    declarator = function.child_by_field_name("declarator") if function else None
    if kind is None or declarator is None or kind.type in ("type_identifier", "macro_type_specifier"):
        return
    name = declarator.child_by_field_name("declarator")
    is_void = kind.text == b"void" and name is not None and name.type == "identifier"
    values = node.named_children
    if is_void and values and not _may_be_void(values[0]):
        yield node.child(0) or node, "a function of type void returns a value", kind
    if kind.text != b"void" and not values:
        yield node.child(0) or node, "a function with a result returns no value", kind


def _may_be_void(node: Node) -> bool:
    while node.type == "parenthesized_expression" and (children := node.named_children):
        node = children[0]
    return node.type in _VALUE_OF_CALL or (node.type == "identifier" and text_of(node).isupper())


def _check_members(node: Node, _around: Sequence[Node]) -> _Found:
    seen: set[str] = set()
    for member in node.named_children:
        for declarator in member.children_by_field_name("declarator"):
            *_, name = follow_declarator(declarator)
            if name.type == "field_identifier" and text_of(name) in seen:
                yield name, f"member {text_of(name)!r} is twice in a structure", node
            seen.add(text_of(name))


def _check_declaration(node: Node, _around: Sequence[Node]) -> _Found:
    kind = node.child_by_field_name("type")
    if kind is None or kind.text != b"void":
        return
    for declarator in node.children_by_field_name("declarator"):
        name = declarator.child_by_field_name("declarator") or declarator
        if name.type == "identifier" and declarator.type in _OBJECTS:
            yield name, f"variable {text_of(name)!r} of type void", kind


def _report(message: str) -> Callable[[Node, Sequence[Node]], _Found]:
    """Return a check that no node passes."""
    return lambda node, _: iter([(node, message, node)])


RULES_OF_NODES: dict[str, tuple[str, Callable[[Node, Sequence[Node]], _Found]]] = {
    "break": ("misplaced-statement", _check_place("loop or switch", *_LOOPS, "switch_statement")),
    "continue": ("misplaced-statement", _check_place("loop", *_LOOPS)),
    "case": ("misplaced-statement", _check_place("switch", "switch_statement")),
    "cases": ("duplicate-name", _check_cases),
    "members": ("duplicate-name", _check_members),
    "return": ("type-mismatch", _check_return),
    "declaration": ("type-mismatch", _check_declaration),
    "target": ("type-mismatch", _report("assignment to a value")),
    "unseparated": ("type-mismatch", _report("assignment in an initializer: a comma may be missing")),
    "called_value": ("type-mismatch", _report("call of a value")),
}
"""For each capture of `unit.scm`, the rule of the error and the check of a node."""
