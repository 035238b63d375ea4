"""The step of a model as source in plain torch, from the operations that `torch.export` records."""

import inspect
import operator
import re
import sys
import types
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, fx

from seqforge.kinds import Cell, TrainedModel

_SUM, _PRODUCT, _SIGN, _ATOM = range(4)

_OPERATORS: Mapping[str, tuple[str, int]] = {
    "add": ("{0} + {1}", _SUM),
    "sub": ("{0} - {1}", _SUM),
    "rsub": ("{1} - {0}", _SUM),
    "mul": ("{0} * {1}", _PRODUCT),
    "div": ("{0} / {1}", _PRODUCT),
    "neg": ("-{0}", _SIGN),
    "t": ("{0}.T", _ATOM),
    "embedding": ("{0}[{1}]", _ATOM),
    "getitem": ("{0}[{1}]", _ATOM),
    "sym_size": ("{0}.shape[{1}]", _ATOM),
    "clone": ("{0}", _ATOM),
}
"""Operations that Python has signs for, and how strongly these bind. Other operations are calls."""

_FUNCTIONS = {
    **{name: f"functional.{name}" for name in ("gelu", "linear", "pad", "silu", "softplus")},
    "einsum": "torch.einsum",
    "linalg_vector_norm": "torch.linalg.vector_norm",
    "log_sigmoid": "functional.logsigmoid",
}
"""Functions of torch with the arguments of an operation that has another name or place."""

_LONGEST = 64
"""Largest number of characters of an expression that is written inside another one. A longer one gets a name."""


def write_step(model: TrainedModel) -> tuple[list[str], dict[str, Tensor]]:
    """Return the source of a step of a model, for any number of rows.

    Returns:
        Statements that compute `logits` and `next_` with the name of each state, from `symbols` and the states; and the
        weights and constants, by the names of the attributes that the statements read.
    """
    batch = torch.export.Dim("batch")
    states = tuple(tensor.expand(2, *tensor.shape[1:]).contiguous() for tensor in model.state_tensors.values())
    shapes = ({0: batch}, tuple({0: batch} for _ in states))
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.export.export(model.eval(), (torch.zeros(2, dtype=torch.int64), states), dynamic_shapes=shapes)
        program = program.run_decompositions({})  # without changes in place
    for node in program.graph.nodes:
        if "_assert" in str(node.target):
            program.graph.erase_node(node)
    program.graph.eliminate_dead_code()
    stored = cast("dict[str, Tensor]", {**program.state_dict, **program.constants})
    inputs, names, tensors = iter(["symbols", *model.state_tensors]), dict[str, str](), dict[str, Tensor]()
    for spec in program.graph_signature.input_specs:
        if spec.target is None:
            names[spec.arg.name] = next(inputs)
        else:
            attribute = spec.target.replace(".", "_")
            names[spec.arg.name], tensors[attribute] = f"self.{attribute}", stored[spec.target].detach()
    statements = _Writer(names).statements(program.graph, ["logits", *(f"next_{name}" for name in model.state_tensors)])
    return [*_with_comments(statements, model.cells)], tensors


class _Writer:
    """The expressions of a graph, as far as they are written.

    Args:
        names: Expressions of the inputs, by their names in the graph.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._expressions = dict[fx.Node, tuple[str, int]]()

    def statements(self, graph: fx.Graph, results: Sequence[str]) -> Iterator[str]:
        """Yield an assignment for every value that is used twice, is long, or is an output, which `results` name."""
        outputs = list(cast("Any", graph.output_node().args[0]))
        for node in graph.nodes:
            if node.op == "placeholder":
                self._expressions[node] = self._names[node.name], _ATOM
            elif node.op == "call_function":
                text, strength = self._expression(node)
                is_short = (len(node.users) == 1 and len(text) <= _LONGEST) or node.target is operator.getitem
                if not is_short or node in outputs:
                    name, strength = results[outputs.index(node)] if node in outputs else node.name, _ATOM
                    yield f"{name} = {text}"
                    text = name
                self._expressions[node] = text, strength
        for name, node in zip(results, outputs, strict=True):
            if (text := self._write(node)) != name:  # such as a state that a step does not change
                yield f"{name} = {text}"

    def _expression(self, node: fx.Node) -> tuple[str, int]:
        """Return the expression of an operation, and how strongly its sign binds."""
        name = cast("Any", node.target).__name__.partition(".")[0]
        first, *others = node.args
        if name in _OPERATORS and not node.kwargs:
            form, strength = _OPERATORS[name]
            inner = _SUM if "[" in form else strength + 1
            left, right = (inner, strength) if form.startswith("{1}") else (strength, inner)
            return form.format(self._write(first, left), *(self._write(value, right) for value in others)), strength
        if name in ("select", "slice"):
            index = ":".join("" if bound == sys.maxsize else self._write(bound) for bound in others[1:])
            axis = cast("int", others[0]) % cast("fx.Node", first).meta["val"].ndim
            return f"{self._write(first, _ATOM)}[{':, ' * axis}{index}]", _ATOM
        options = [f"{key}={self._write(value)}" for key, value in node.kwargs.items() if key != "pin_memory"]
        arguments = ", ".join([*map(self._write, node.args), *options])
        if name in _FUNCTIONS or isinstance(getattr(torch, name, None), types.BuiltinFunctionType):
            return f"{_FUNCTIONS.get(name, f'torch.{name}')}({arguments})", _ATOM
        if name == "split" or isinstance(getattr(Tensor, name, None), types.MethodDescriptorType):
            return f"{self._write(first, _ATOM)}.{name}({', '.join([*map(self._write, others), *options])})", _ATOM
        return f"torch.ops.{node.target}({arguments})", _ATOM

    def _write(self, value: Any, strength: int = _SUM) -> str:
        """Return an argument as source, in parentheses if its sign binds less than the one that it belongs to."""
        if isinstance(value, fx.Node):
            text, own = self._expressions[value]
            return f"({text})" if own < strength else text
        if isinstance(value, list | tuple):
            return f"[{', '.join(map(self._write, cast('Sequence[Any]', value)))}]"
        if isinstance(value, torch.device):
            return "symbols.device"
        return f'float("{value}")' if value in (float("inf"), float("-inf")) else repr(value)


def _with_comments(lines: Iterator[str], cells: Sequence[Cell[Any]]) -> Iterator[str]:
    """Yield lines, before the first of each layer the description of its cell."""
    layer = -1
    for line in lines:
        if (found := re.search(r"self\.cells_(\d+)_", line)) and int(found[1]) > layer:
            layer, cell = int(found[1]), type(cells[int(found[1])])
            described = re.split(r"\n+(?:Args|Attributes|Raises):", inspect.getdoc(cell) or "")[0].replace("\n", "\n# ")
            yield f"# Layer {layer}, {cell.__name__}: {described}".replace("# \n", "#\n")
        yield line
