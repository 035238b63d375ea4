"""The program of a step whose hidden units exchange numbers by U h at most, and its C++ source.

The forward and the backward pass each read the gates, compute one hidden unit after another, and store the results.
`kernels/traced.hpp` contains the loops over steps, rows and units.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from seqforge_native.traced.graph import TRANSCENDENTAL, Node, needed_by
from seqforge_native.traced.trace import Trace

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


_TEMPLATE = """\
#include "traced.hpp"

namespace seqforge {{
// The dynamic linker would merge variables of the programs of two kernels that have the same name.
namespace {{

struct Program {{
    static constexpr int gates = {gates}, saved_vectors = {saved}, other_parts = {others};
    static constexpr bool carries_hidden = {carries_hidden}, outputs_hidden = {outputs_hidden};
    static constexpr bool reads_hidden = {reads_hidden};
    static constexpr bool starts_from_input[gates] = {{{starts}}};

    template <class Element>
    static void forward(const Forward<Element> &call, const Place &at, const Vector *sums,
                        const Element *gates_in) {{
{forward}
    }}

    template <class Element>
    static void backward_at(const Backward<Element> &call, const Place &at, Vector hidden_gradient) {{
{backward}
    }}
}};

}} // namespace
}} // namespace seqforge

extern "C" {{
std::int64_t seqforge_lanes() {{ return seqforge::lanes; }}
{functions}(seqforge::Program, {element})
}}
"""


@dataclass(frozen=True, slots=True)
class Program:
    """A traced step, divided into two passes.

    Attributes:
        trace: Traced step.
        gate_sums: For each gate, the node that adds its two sides, if nothing else reads either side; otherwise None.
        saved: Nodes that the forward pass stores for the backward pass, in addition to the states.
    """

    trace: Trace
    gate_sums: tuple[Node | None, ...]
    saved: tuple[Node, ...]

    @property
    def one_gradient(self) -> bool:
        """Whether both sides of the gates have the same gradient."""
        return not self.has_product or self.trace.input_gate_gradients == self.trace.recurrent_gate_gradients

    @property
    def has_product(self) -> bool:
        """Whether the step has a recurrent product."""
        return bool(self.trace.recurrent_gate_gradients)

    @property
    def reads_hidden(self) -> bool:
        """Whether the forward pass reads the hidden state other than in the recurrent product."""
        nodes = needed_by([*self.trace.outputs, *self.saved])
        return any(node.operation == "state" and node.index == 0 for node in nodes)


def plan(trace: Trace) -> Program:
    """Choose what the forward pass stores: gates and slow operations. The backward pass repeats the rest."""
    gate_sums = _gate_sums(trace)
    worth_saving = [
        node
        for node in needed_by([*trace.outputs, *trace.gradients])
        if (node.operation in TRANSCENDENTAL or is_gate(node) or node in gate_sums)
        and not (node.backward or node.shared)
    ]
    saved = [node for node in needed_by(trace.gradients, worth_saving) if node in worth_saving]
    return Program(trace, gate_sums, tuple(saved))


def is_gate(node: Node) -> bool:
    """Return whether a node is one side of a gate."""
    return node.operation in ("input_gate", "recurrent_gate")


def _gate_sums(trace: Trace) -> tuple[Node | None, ...]:
    """Return `Program.gate_sums`. The kernel adds the product of such a gate to its input side."""
    results = [*trace.outputs, *trace.gradients]
    nodes = needed_by(results)
    return tuple(_gate_sum(gate, nodes, results) for gate in range(trace.gates))


def _gate_sum(gate: int, nodes: Sequence[Node], results: Sequence[Node]) -> Node | None:
    """Return the node that adds both sides of a gate, if no other node reads a side, and no side is a result."""
    sides = {node for node in nodes if is_gate(node) and node.index == gate}
    readers = [node for node in nodes if sides.intersection(node.arguments)]
    if len(sides) != 2 or len(readers) != 1 or sides.intersection(results):
        return None
    (reader,) = readers
    return reader if reader.operation == "add" and sides == set(reader.arguments) else None


def write_source(program: Program, dtype: torch.dtype) -> str:
    """Return the C++ source of a kernel with products in a type; it includes `traced.hpp`."""
    trace = program.trace
    return _TEMPLATE.format(
        gates=trace.gates,
        saved=len(program.saved),
        others=len(trace.state_gradients) - 1,
        carries_hidden=_boolean(not trace.state_gradients[0].is_constant(0.0)),
        outputs_hidden=_boolean(trace.writes_hidden),
        reads_hidden=_boolean(program.reads_hidden),
        starts=", ".join(_boolean(node is not None) for node in program.gate_sums),
        forward=_forward(program),
        backward=_backward(program),
        functions="TRACED_FUNCTIONS" if program.has_product else "ELEMENTWISE_FUNCTIONS",
        element=ELEMENTS[dtype],
    )


def _boolean(value: bool) -> str:
    return "true" if value else "false"


def _forward(program: Program) -> str:
    trace = program.trace
    sums = {node: f"sums[{gate}]" for gate, node in enumerate(program.gate_sums) if node is not None}
    lines = statements([*trace.outputs, *program.saved], sums, partial(_leaf, forward=True))
    output, hidden, *others = trace.outputs
    lines.append(f"keep_hidden<Program>(call, at, {variable(hidden)});")
    if not trace.writes_hidden:
        lines.append(f"store(call.outputs + at.before, {variable(output)});")
    lines += [f"store({_further_state(index)} + at.after, {variable(node)});" for index, node in enumerate(others)]
    if program.saved:
        saved = [
            f"store(call.activations + at.before * saved_vectors + {slot} * lanes, {variable(node)});"
            for slot, node in enumerate(program.saved)
        ]
        lines += ["if (call.activations) {", *(f"    {line}" for line in saved), "}"]
    return indented(lines)


def _backward(program: Program) -> str:
    trace = program.trace
    saved = {
        node: f"load(call.activations + at.before * saved_vectors + {slot} * lanes)"
        for slot, node in enumerate(program.saved)
    }
    lines = statements(trace.gradients, saved, partial(_leaf, forward=False))
    sides = [("input", trace.input_gate_gradients)]
    if not program.one_gradient:
        sides.append(("recurrent", trace.recurrent_gate_gradients))
    for side, nodes in sides:
        lines += [
            f"store(call.{side}_gradient + at.before * gates + {gate} * lanes, filled(call, at, {variable(node)}));"
            for gate, node in enumerate(nodes)
        ]
    hidden, *others = trace.state_gradients
    if not hidden.is_constant(0.0):
        lines.append(f"store(call.hidden_gradient + at.once, filled(call, at, {variable(hidden)}));")
    lines += [
        f"store({_further_state_gradient(index)} + at.once, filled(call, at, {variable(node)}));"
        for index, node in enumerate(others)
    ]
    lines += [
        f"add_to_parameter(call, at.unit, {index}, filled(call, at, {variable(node)}));"
        for index, node in enumerate(trace.parameter_gradients)
        if not node.is_constant(0.0)
    ]
    return indented(lines)


def _leaf(node: Node, *, forward: bool) -> str:
    match node.operation:
        case "input_gate":
            return f"load(gates_in + {node.index} * lanes)"
        case "recurrent_gate":
            return f"sums[{node.index}]"
        case "state" if node.index:
            return f"load({_further_state(node.index - 1)} + at.before)"
        case "state":
            return "load(call.carried + at.once)" if forward else "load(call.hidden + at.before)"
        case "state_gradient":
            return f"load({_further_state_gradient(node.index - 1)} + at.once)" if node.index else "hidden_gradient"
        case _:
            return expression(node)


def _further_state(index: int) -> str:
    return f"call.others + part(call.sizes, {index}, (call.sizes.steps + 1) * call.sizes.rows)"


def _further_state_gradient(index: int) -> str:
    return f"call.other_gradients + part(call.sizes, {index}, call.sizes.rows)"
