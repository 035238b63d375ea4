"""What a kernel computes forward, what it keeps, and what it computes backward."""

from collections.abc import Sequence
from dataclasses import dataclass

from seqforge_native.traced.expression import TRANSCENDENTAL, Node, needed_by
from seqforge_native.traced.trace import Trace


@dataclass(frozen=True, slots=True)
class Program:
    """A traced step, divided between the two passes.

    Attributes:
        trace: The step.
        sums: Of each gate, the node that adds its two sides, where nothing reads them apart; else None.
        saved: What the forward pass keeps of each step for the backward pass, beside the states.
    """

    trace: Trace
    sums: tuple[Node | None, ...]
    saved: tuple[Node, ...]

    @property
    def one_gradient(self) -> bool:
        """Whether both sides of the gates have the same gradient."""
        return self.trace.input_gates == self.trace.recurrent_gates

    @property
    def reads_hidden(self) -> bool:
        """Whether the hidden state is read beside its product."""
        nodes = needed_by([*self.trace.outputs, *self.trace.gradients], self.saved)
        return any(node.operation == "state" and node.index == 0 for node in nodes)


def plan(trace: Trace) -> Program:
    """Divide a step: what takes long is computed once and kept, what is cheap is computed anew.

    Args:
        trace: The step.
    """
    sums = _sums(trace)
    worth_keeping = [
        node
        for node in needed_by([*trace.outputs, *trace.gradients])
        if (node.operation in TRANSCENDENTAL or _is_gate(node) or node in sums) and not (node.learning or node.shared)
    ]
    saved = [node for node in needed_by(trace.gradients, worth_keeping) if node in worth_keeping]
    return Program(trace, sums, tuple(saved))


def _is_gate(node: Node) -> bool:
    return node.operation in ("input_gate", "recurrent_gate")


def _sums(trace: Trace) -> tuple[Node | None, ...]:
    """Find the gates of which only the sum of both sides is read: there the product begins from the inputs' side."""
    nodes = needed_by([*trace.outputs, *trace.gradients])
    return tuple(_sum_of(gate, nodes) for gate in range(trace.gates))


def _sum_of(gate: int, nodes: Sequence[Node]) -> Node | None:
    readers = [
        node for node in nodes if any(_is_gate(argument) and argument.index == gate for argument in node.arguments)
    ]
    alone = len(readers) == 1 and readers[0].operation == "add" and all(map(_is_gate, readers[0].arguments))
    both = alone and {argument.operation for argument in readers[0].arguments} == {"input_gate", "recurrent_gate"}
    return readers[0] if both and len({argument.index for argument in readers[0].arguments}) == 1 else None
