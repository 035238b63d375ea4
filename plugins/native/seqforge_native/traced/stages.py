"""The program of a step in which hidden units exchange numbers by further products or reductions, and its C++ source.

The step is divided into stages. Each stage computes, for one hidden unit after another, what the next exchanges need.
After a stage, `kernels/stages.hpp` finishes its reductions and products, whose results the next stages read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from seqforge_native.traced.division import Direction, Store, divide, state_address, state_gradient_address
from seqforge_native.traced.graph import REDUCTIONS, TRANSCENDENTAL, Node, needed_by
from seqforge_native.traced.program import ELEMENTS, is_gate
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


def plan_stages(trace: Trace) -> StagedProgram:
    """Choose what the forward pass stores, and divide both directions into stages."""
    factors = [node for terms in trace.weight_gradients for term in terms for node in term]
    everything = needed_by([*trace.outputs, *trace.gradients, *factors])
    reductions = [node for node in everything if node.operation in REDUCTIONS and not node.backward]
    worth_saving = [
        node
        for node in everything
        if (node.operation in TRANSCENDENTAL or node.operation == "product_result" or is_gate(node))
        and not (node.backward or node.shared or node.uniform)
    ]
    backward_factors = [node for node in factors if node.backward]
    forward_factors = [node for node in factors if not node.backward]
    needed = needed_by([*trace.gradients, *backward_factors], [*worth_saving, *reductions])
    saved = tuple(node for node in needed if node in worth_saving)
    needed_reductions = [node for node in needed if node in reductions]
    forward = divide(trace, _forward_stores(trace, saved), forward_factors, {}, needed_reductions)
    known = {node: f"load({_saved(slot)})" for slot, node in enumerate(saved)}
    known |= {node: f"broadcast(memory.forward_totals[{index}])" for index, node in enumerate(forward.reductions)}
    return StagedProgram(trace, saved, forward, divide(trace, _backward_stores(trace), backward_factors, known))


def _forward_stores(trace: Trace, saved: Sequence[Node]) -> list[Store]:
    output, *state = trace.outputs
    return [
        Store(output, "store(call.outputs + at.before, {});"),
        *(
            Store(node, f"store({state_address(index)} + at.after, filled(call, at, {{}}));")
            for index, node in enumerate(state)
        ),
        *(Store(node, f"if (call.activations) store({_saved(slot)}, {{}});") for slot, node in enumerate(saved)),
    ]


def _backward_stores(trace: Trace) -> list[Store]:
    return [
        *(
            Store(node, f"store(call.input_gradient + at.before * gates + {gate} * lanes, filled(call, at, {{}}));")
            for gate, node in enumerate(trace.input_gate_gradients)
        ),
        *(
            Store(node, f"add_to_parameter(call, at.unit, {index}, filled(call, at, {{}}));")
            for index, node in enumerate(trace.parameter_gradients)
            if not node.is_constant(0.0)
        ),
        *(
            Store(node, f"store({state_gradient_address(index)}, filled(call, at, {{}}));", last=True)
            for index, node in enumerate(trace.state_gradients)
        ),
    ]


def _saved(slot: int) -> str:
    return f"call.activations + at.before * saved_vectors + {slot} * lanes"


def write_staged_source(program: StagedProgram, dtype: torch.dtype) -> str:
    """Return the C++ source of a kernel with products in a type; it includes `stages.hpp`."""
    return _TEMPLATE.format(
        saved=len(program.saved),
        gates=program.trace.gates,
        totals=len(program.forward.reductions),
        backward_totals=len(program.backward.reductions),
        forward=program.forward,
        backward=program.backward,
        element=ELEMENTS[dtype],
    )
