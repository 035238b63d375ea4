"""The division of a traced step into stages, between which hidden units exchange numbers, and its C++ source."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch

from seqforge_native.traced.expression import TOTALS, TRANSCENDENTAL, Node, Product, needed_by
from seqforge_native.traced.program import ELEMENTS, expression, indented, is_gate, name_of, statements
from seqforge_native.traced.trace import Trace

_TEMPLATE = """\
#include "stages.hpp"

namespace seqforge {{
// The dynamic linker would merge variables of the programs of two kernels that have the same name.
namespace {{

struct Program {{
    static constexpr int saved_vectors = {saved};

    struct Forwards {{
        static constexpr int gates = {gates}, slots = {forward.slots};
        static constexpr int totals = {totals}, forward_totals = {totals};
        static constexpr bool is_forward = true;
        template <class Element, class Rows> static void compute(const Stages<Element> &call, Rows &rows) {{
{forward.source}
        }}
    }};

    struct Backwards {{
        static constexpr int gates = {gates}, slots = {backward.slots};
        static constexpr int totals = {backward_totals}, forward_totals = {totals};
        static constexpr bool is_forward = false;
        template <class Element, class Rows> static void compute(const Stages<Element> &call, Rows &rows) {{
{backward.source}
        }}
    }};
}};

}} // namespace
}} // namespace seqforge

extern "C" {{
std::int64_t seqforge_lanes() {{ return seqforge::lanes; }}
STAGED_FUNCTIONS(seqforge::Program, {element})
}}
"""

Operand = tuple[Node, ...]
"""Numbers of a hidden unit that are multiplied together by the blocks of a weight."""


@dataclass(frozen=True, slots=True)
class Direction:
    """The forward or the backward direction of a step.

    Attributes:
        source: C++ statements of the stages.
        slots: Registers of a hidden unit that later stages read.
        totals: Reductions, in the order in which they are stored for each row.
        products: Products, in the order of their packed weights.
        operands: Numbers that are stored for all steps: inputs of the products, and factors of gradients of weights.
    """

    source: str
    slots: int
    totals: tuple[Node, ...]
    products: tuple[Product, ...]
    operands: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class StagedProgram:
    """A traced step, divided into stages.

    Attributes:
        trace: Traced step.
        saved: Nodes that the forward pass stores for each hidden unit, in addition to the states.
        forward: Forward direction; the backward pass can read its reductions.
        backward: Backward direction.
    """

    trace: Trace
    saved: tuple[Node, ...]
    forward: Direction
    backward: Direction


@dataclass(frozen=True, slots=True)
class _Sink:
    """A statement that stores a number; `late` if only the last stage may execute it."""

    node: Node
    statement: str
    late: bool = False


def plan_stages(trace: Trace) -> StagedProgram:
    """Choose what the forward pass stores, and divide both directions into stages."""
    factors = [node for terms in trace.weights for term in terms for node in term]
    everything = needed_by([*trace.outputs, *trace.gradients, *factors])
    totals = [node for node in everything if node.operation in TOTALS and not node.learning]
    worth_saving = [
        node
        for node in everything
        if (node.operation in TRANSCENDENTAL or node.operation == "part" or is_gate(node))
        and not (node.learning or node.shared or node.single)
    ]
    learning = [node for node in factors if node.learning]
    needed = needed_by([*trace.gradients, *learning], [*worth_saving, *totals])
    saved = tuple(node for node in needed if node in worth_saving)
    needed_totals = [node for node in needed if node in totals]
    sinks = [
        _Sink(trace.outputs[0], "store(call.outputs + at.before, {});"),
        *(
            _Sink(node, f"store({_state(index)} + at.after, filled(call, at, {{}}));")
            for index, node in enumerate(trace.outputs[1:])
        ),
        *(_Sink(node, f"if (call.activations) store({_saved(slot)}, {{}});") for slot, node in enumerate(saved)),
    ]
    forward = _divide(trace, sinks, [node for node in factors if not node.learning], {}, needed_totals)
    known = {node: f"load({_saved(slot)})" for slot, node in enumerate(saved)}
    known |= {node: f"broadcast(memory.forward_totals[{index}])" for index, node in enumerate(forward.totals)}
    sinks = [
        *(
            _Sink(node, f"store(call.input_gradient + at.before * gates + {gate} * lanes, filled(call, at, {{}}));")
            for gate, node in enumerate(trace.input_gates)
        ),
        *(
            _Sink(node, f"add_to_parameter(call, at.unit, {index}, filled(call, at, {{}}));")
            for index, node in enumerate(trace.parameters)
            if not node.is_constant(0.0)
        ),
        *(
            _Sink(node, f"store({_state_gradient(index)}, filled(call, at, {{}}));", late=True)
            for index, node in enumerate(trace.state)
        ),
    ]
    return StagedProgram(trace, saved, forward, _divide(trace, sinks, learning, known))


def _divide(
    trace: Trace,
    sinks: Sequence[_Sink],
    factors: Sequence[Node],
    known: Mapping[Node, str],
    further_totals: Sequence[Node] = (),
) -> Direction:
    """Divide one direction into stages.

    Args:
        trace: Traced step.
        sinks: What to store.
        factors: Factors of gradients of weights, which become operands.
        known: Expressions of nodes that need not be computed.
        further_totals: Reductions to compute even if no other node of this direction needs them.
    """
    nodes = needed_by([*(sink.node for sink in sinks), *factors, *further_totals], list(known))
    stages = _stages(nodes, known)
    exchanges = [node for node in nodes if node not in known and node.operation in {"product", *TOTALS}]
    exchanges.sort(key=lambda node: stages[node])
    products = [node for node in exchanges if node.operation == "product"]
    totals = [node for node in exchanges if node.operation in TOTALS]
    operands = list(dict.fromkeys(node.arguments for node in products))
    inputs = {node for operand in operands for node in operand}
    operands += [(node,) for node in dict.fromkeys(factors) if node not in inputs]
    starts = dict(zip(operands, accumulate(map(len, operands), initial=0), strict=False))
    multiplied = [trace.products[node.index] for node in products]
    slots = dict(zip(products, accumulate(map(_results, multiplied), initial=0), strict=False))

    last = max([0, *(stages[node] for node in nodes)])
    stored: list[list[tuple[Node, str]]] = [[] for _ in range(last + 1)]
    for sink in sinks:
        stored[last if sink.late else stages[sink.node]].append((sink.node, sink.statement))
    for operand, start in starts.items():
        for index, node in enumerate(operand):
            place = f"operand(call, at, {start}, {len(operand)}, {index})"
            stored[stages[node]].append((node, f"store({place}, filled(call, at, {{}}));"))
    for node in totals:
        same = [other for other in totals if stages[other] == stages[node]]
        stored[stages[node] - 1].append((node.arguments[0], _REDUCE[node.operation].format(same.index(node), "{}")))

    given = dict(known)
    given |= {node: f"broadcast(memory.totals[{index}])" for index, node in enumerate(totals)}
    given |= {
        node: _slot(slots[node.arguments[0]] + node.index)
        for node in nodes
        if node.operation == "part" and node not in known
    }
    slot_count = sum(map(_results, multiplied))
    carried: dict[Node, int] = {}
    for stage in range(last, 0, -1):
        earlier = [node for node in nodes if stages[node] < stage and _must_be_kept(node) and node not in given]
        for node in needed_by([node for node, _ in stored[stage]], [*given, *earlier]):
            if node in earlier and node not in carried:
                carried[node] = slot_count + len(carried)
                place = f"memory.slots + {carried[node]} * lanes"
                stored[stages[node]].append((node, f"store({place}, {{}});"))

    lines: list[str] = []
    starts_of_blocks = list(accumulate((product.count for product in multiplied), initial=0))
    for stage in range(last + 1):
        here = {**given, **{node: _slot(slot) for node, slot in carried.items() if stages[node] < stage}}
        reductions = [node for node in totals if stages[node] == stage + 1]
        first = totals.index(reductions[0]) if reductions else 0
        kinds = ", ".join(f"Reduction::{node.operation}" for node in reductions)
        lines += [
            f"rows.template compute<{kinds}>({first}, [&](const Place &at, const StageMemory<Element> &memory) {{",
            *(f"    {line}" for line in statements([node for node, _ in stored[stage]], here, _leaf)),
            *(f"    {statement.format(name_of(node))}" for node, statement in stored[stage]),
            "});",
        ]
        for product, node, blocks in zip(multiplied, products, starts_of_blocks, strict=False):
            if stages[node] == stage + 1:
                kind = f"{product.count}, {'true' if product.transposed else 'false'}"
                lines.append(f"rows.template multiply<{kind}>({starts[product.inputs]}, {blocks}, {slots[node]});")
    return Direction(indented(lines), slot_count + len(carried), tuple(totals), tuple(multiplied), tuple(operands))


_REDUCE = {
    "sum": "memory.partial[{0}] = memory.partial[{0}] + filled(call, at, {1});",
    "largest": "memory.partial[{0}] = greater_of(memory.partial[{0}], filled(call, at, {1}, broadcast(-INFINITY)));",
}


def _stages(nodes: Sequence[Node], known: Collection[Node]) -> dict[Node, int]:
    """Return the stage in which each node can be computed: the number of exchanges before it."""
    found: dict[Node, int] = {}
    for node in nodes:
        before = 0 if node in known else max((found[argument] for argument in node.arguments), default=0)
        found[node] = before + (node not in known and node.operation in {"product", *TOTALS})
    return found


def _must_be_kept(node: Node) -> bool:
    """Return whether a later stage cannot compute a node again from leaves and reductions."""
    return bool(node.arguments) and not (node.single or node.shared)


def _results(product: Product) -> int:
    return product.count if product.transposed else 1


def _leaf(node: Node) -> str:
    match node.operation:
        case "input_gate":
            return f"load(memory.gates + {node.index} * lanes)"
        case "state":
            return f"load({_state(node.index)} + at.before)"
        case "state_gradient":
            return f"load({_state_gradient(node.index)})"
        case _:
            return expression(node)


def _slot(index: int) -> str:
    return f"load(memory.slots + {index} * lanes)"


def _saved(slot: int) -> str:
    return f"call.activations + at.before * saved_vectors + {slot} * lanes"


def _state(index: int) -> str:
    return f"call.states + part(call.sizes, {index}, (call.sizes.steps + 1) * call.sizes.rows)"


def _state_gradient(index: int) -> str:
    return f"call.state_gradients + part(call.sizes, {index}, call.sizes.rows) + at.once"


def write_staged_source(program: StagedProgram, dtype: torch.dtype) -> str:
    """Return the C++ source of a kernel with products in a type; it includes `stages.hpp`."""
    return _TEMPLATE.format(
        saved=len(program.saved),
        gates=program.trace.gates,
        totals=len(program.forward.totals),
        backward_totals=len(program.backward.totals),
        forward=program.forward,
        backward=program.backward,
        element=ELEMENTS[dtype],
    )
