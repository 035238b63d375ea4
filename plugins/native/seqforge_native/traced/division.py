"""The division of one direction of a step into stages, as C++ statements.

Hidden units exchange numbers between two stages: by a product with a weight, or by a reduction.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from seqforge_native.traced.graph import REDUCTIONS, Node, Product, needed_by
from seqforge_native.traced.program import expression, indented, statements, variable
from seqforge_native.traced.trace import Trace

Operand = tuple[Node, ...]
"""Numbers of a hidden unit that are multiplied together by the blocks of a weight."""


@dataclass(frozen=True, slots=True)
class Direction:
    """The forward or the backward direction of a step.

    Attributes:
        source: C++ statements of the stages.
        slots: Number of registers of a hidden unit that later stages read: results of products and of earlier stages.
        reductions: Reductions, in the order in which they are stored for each row.
        products: Products, in the order of their packed weights.
        operands: Numbers that are stored for all steps: inputs of the products, and factors of gradients of weights.
    """

    source: str
    slots: int
    reductions: tuple[Node, ...]
    products: tuple[Product, ...]
    operands: tuple[Operand, ...]


@dataclass(frozen=True, slots=True)
class Store:
    """The storing of a number.

    Attributes:
        node: The number.
        statement: C++ statement, with `{}` for the variable.
        last: Whether only the last stage may store the number, because earlier ones read the same memory.
    """

    node: Node
    statement: str
    last: bool = False


def divide(
    trace: Trace,
    stores: Sequence[Store],
    factors: Sequence[Node],
    known: Mapping[Node, str],
    further_reductions: Sequence[Node] = (),
) -> Direction:
    """Divide one direction into stages.

    Args:
        trace: Traced step.
        stores: What to store.
        factors: Factors of gradients of weights, which become operands.
        known: Expressions of nodes that need not be computed.
        further_reductions: Reductions to compute even if no other node of this direction needs them.
    """
    nodes = needed_by([*(store.node for store in stores), *factors, *further_reductions], list(known))
    stage_of = _stage_of_each(nodes, known)
    exchanges = [node for node in nodes if node not in known and _is_exchange(node)]
    exchanges.sort(key=lambda node: stage_of[node])
    products = [node for node in exchanges if node.operation == "product"]
    reductions = [node for node in exchanges if node.operation in REDUCTIONS]
    multiplied = [trace.products[node.index] for node in products]
    operands = _operands(products, factors)
    first_operand = dict(zip(operands, accumulate(map(len, operands), initial=0), strict=False))
    first_slot = dict(zip(products, accumulate(map(_result_count, multiplied), initial=0), strict=False))
    first_block = dict(zip(products, accumulate((product.count for product in multiplied), initial=0), strict=False))

    stored: list[list[tuple[Node, str]]] = [[] for _ in range(1 + max([0, *stage_of.values()]))]
    for store in stores:
        stored[-1 if store.last else stage_of[store.node]].append((store.node, store.statement))
    for operand, start in first_operand.items():
        for index, node in enumerate(operand):
            address = f"operand(call, at, {start}, {len(operand)}, {index})"
            stored[stage_of[node]].append((node, f"store({address}, filled(call, at, {{}}));"))
    for node in reductions:
        together = [other for other in reductions if stage_of[other] == stage_of[node]]
        statement = _REDUCE[node.operation].format(together.index(node), "{}")
        stored[stage_of[node] - 1].append((node.arguments[0], statement))

    given = {
        **known,
        **{node: f"broadcast(memory.totals[{index}])" for index, node in enumerate(reductions)},
        **{
            node: _slot(first_slot[node.arguments[0]] + node.index)
            for node in nodes
            if node.operation == "product_result" and node not in known
        },
    }
    result_slots = sum(map(_result_count, multiplied))
    carried = _carry(stored, nodes, stage_of, given, result_slots)

    lines: list[str] = []
    for stage, stores_of_stage in enumerate(stored):
        readable = {**given, **{node: _slot(slot) for node, slot in carried.items() if stage_of[node] < stage}}
        ending = [node for node in exchanges if stage_of[node] == stage + 1]
        reduced = [node for node in ending if node.operation in REDUCTIONS]
        first = reductions.index(reduced[0]) if reduced else 0
        kinds = ", ".join(f"Reduction::{node.operation}" for node in reduced)
        lines += [
            f"rows.template compute<{kinds}>({first}, [&](const Place &at, const StageMemory<Element> &memory) {{",
            *(f"    {line}" for line in statements([node for node, _ in stores_of_stage], readable, _leaf)),
            *(f"    {statement.format(variable(node))}" for node, statement in stores_of_stage),
            "});",
        ]
        for node in ending:
            if node.operation == "product":
                product = trace.products[node.index]
                kind = f"{product.count}, {'true' if product.transposed else 'false'}"
                start, block, slot = first_operand[product.inputs], first_block[node], first_slot[node]
                lines.append(f"rows.template multiply<{kind}>({start}, {block}, {slot});")
    slots = result_slots + len(carried)
    return Direction(indented(lines), slots, tuple(reductions), tuple(multiplied), tuple(operands))


def _stage_of_each(nodes: Sequence[Node], known: Collection[Node]) -> dict[Node, int]:
    """Return the stage in which each node can be computed: the number of exchanges before it."""
    found: dict[Node, int] = {}
    for node in nodes:
        before = 0 if node in known else max((found[argument] for argument in node.arguments), default=0)
        found[node] = before + (node not in known and _is_exchange(node))
    return found


def _is_exchange(node: Node) -> bool:
    """Return whether a node needs numbers of all hidden units, so that a stage ends before it."""
    return node.operation == "product" or node.operation in REDUCTIONS


def _operands(products: Sequence[Node], factors: Sequence[Node]) -> list[Operand]:
    """Return the inputs of the products, then the factors that are not among them."""
    operands = list(dict.fromkeys(node.arguments for node in products))
    inputs = {node for operand in operands for node in operand}
    return operands + [(node,) for node in dict.fromkeys(factors) if node not in inputs]


def _carry(
    stored: Sequence[list[tuple[Node, str]]],
    nodes: Sequence[Node],
    stage_of: Mapping[Node, int],
    given: Mapping[Node, str],
    first_slot: int,
) -> dict[Node, int]:
    """Return the slot of each node that a later stage reads, and store these nodes in the stages that compute them.

    Args:
        stored: What each stage stores; the stores of the slots are added.
        nodes: Nodes of the direction.
        stage_of: Stage of each node.
        given: Expressions of nodes that every stage can read.
        first_slot: Number of slots that are in use.
    """
    carried: dict[Node, int] = {}
    for stage in range(len(stored) - 1, 0, -1):
        earlier = [node for node in nodes if stage_of[node] < stage and _must_be_carried(node) and node not in given]
        for node in needed_by([node for node, _ in stored[stage]], [*given, *earlier]):
            if node in earlier and node not in carried:
                carried[node] = first_slot + len(carried)
                stored[stage_of[node]].append((node, f"store(memory.slots + {carried[node]} * lanes, {{}});"))
    return carried


def _must_be_carried(node: Node) -> bool:
    """Return whether a later stage cannot compute a node again from leaves and reductions."""
    return bool(node.arguments) and not (node.uniform or node.shared)


_REDUCE = {
    "sum": "memory.partial[{0}] = memory.partial[{0}] + filled(call, at, {1});",
    "largest": "memory.partial[{0}] = greater_of(memory.partial[{0}], filled(call, at, {1}, broadcast(-INFINITY)));",
}


def _result_count(product: Product) -> int:
    return product.count if product.transposed else 1


def _leaf(node: Node) -> str:
    match node.operation:
        case "input_gate":
            return f"load(memory.gates + {node.index} * lanes)"
        case "state":
            return f"load({state_address(node.index)} + at.before)"
        case "state_gradient":
            return f"load({state_gradient_address(node.index)})"
        case _:
            return expression(node)


def _slot(index: int) -> str:
    return f"load(memory.slots + {index} * lanes)"


def state_address(index: int) -> str:
    """Return the C++ address of a tensor of the state, without the place of a hidden unit."""
    return f"call.states + part(call.sizes, {index}, (call.sizes.steps + 1) * call.sizes.rows)"


def state_gradient_address(index: int) -> str:
    """Return the C++ address of the gradient of a tensor of the state, at the place of a hidden unit."""
    return f"call.state_gradients + part(call.sizes, {index}, call.sizes.rows) + at.once"
