"""C++ of nodes: the expressions and statements of all generated kernels."""

from collections.abc import Callable, Mapping, Sequence

import torch

from seqforge_native.traced.graph import Node, needed_by

ELEMENTS = {torch.float32: "float, float32", torch.bfloat16: "seqforge::bfloat16, bfloat16"}
"""For each type of the products, the type in C++ and the suffix of the functions."""

_CALLS = {
    "neg": "zero() - {0}",
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "div": "{0} / {1}",
    "exp": "exponential_of_any({0})",
    "log": "logarithm({0})",
    "log1p": "logarithm_of_one_plus({0})",
    "sigmoid": "sigmoid({0})",
    "tanh": "hyperbolic_tangent({0})",
    "sqrt": "square_root({0})",
    "maximum": "greater_of({0}, {1})",
    "minimum": "lesser_of({0}, {1})",
    "greater": "is_greater({0}, {1})",
    "at_least_as_great": "is_at_least({0}, {1})",
    "where": "where({0}, {1}, {2})",
}


def statements(roots: Sequence[Node], given: Mapping[Node, str], leaf: Callable[[Node], str]) -> list[str]:
    """Return the statements that compute the roots.

    Args:
        roots: Nodes to compute.
        given: Expressions of nodes that are known.
        leaf: Function that returns the expression of a node without arguments.
    """
    return [
        f"const Vector {variable(node)} = {given.get(node) or (expression(node) if node.arguments else leaf(node))};"
        for node in needed_by(roots, list(given))
    ]


def expression(node: Node) -> str:
    """Return the expression of an operation, or of a leaf that all kernels read from the same address."""
    match node.operation:
        case "constant":
            return f"broadcast(static_cast<float>({node.value!r}))"
        case "parameter":
            return f"load(call.parameters + ({node.index} * call.sizes.units + at.unit) * lanes)"
        case "output_gradient":
            return "load(call.output_gradient + at.before)"
        case operation:
            return _CALLS[operation].format(*map(variable, node.arguments))


def variable(node: Node) -> str:
    """Return the C++ variable of a node."""
    return f"v{node.position}"


def indented(lines: Sequence[str]) -> str:
    """Return the lines of the body of a function."""
    return "\n".join(f"        {line}" for line in lines)
