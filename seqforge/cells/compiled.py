"""The pointwise part of a recurrence as one compiled loop forward and one backward."""

import warnings
from collections.abc import Callable, Hashable, Sequence
from types import FunctionType
from typing import Any, cast

import torch
from torch import Tensor, nn

from seqforge.cells.pointwise import Function, Pointwise, Tensors, eager


def compiled(module: nn.Module, parameters: Sequence[tuple[str, Tensor]]) -> Pointwise:
    """Compile a pointwise part by `torch.compile`, and where that fails run it as it is written.

    What the forward pass computed is computed anew in the backward pass, in one loop with the gradients: cheaper than
    to keep it.

    Args:
        module: Its forward is the pointwise part.
        parameters: What that reads beside its arguments, by their names in the module.
    """
    names = [name for name, parameter in parameters if parameter.requires_grad]
    learnt = tuple(parameter for _, parameter in parameters if parameter.requires_grad)
    plain = eager(cast("Function", module), learnt)

    def run(values: Tensors, arguments: Tensors) -> Tensors:
        return torch.func.functional_call(module, dict(zip(names, values, strict=True)), arguments)

    def pull_back(values: Tensors, arguments: Tensors, gradients: Tensors) -> tuple[Tensors, Tensors]:
        pull = torch.func.vjp(run, values, arguments)[1]
        return pull(gradients)

    def pull_back_plainly(values: Tensors, arguments: Tensors, gradients: Tensors) -> tuple[Tensors, Tensors]:
        del values  # the module's own, which autograd finds there
        _, kept = plain.forward(arguments, True)
        found = cast("tuple[Tensor, ...]", tuple(plain.backward(kept, gradients)))
        return found[len(arguments) :], found[: len(arguments)]

    run_fast = _compiled_for_each_form(run, instead=run)
    pull_back_fast = _compiled_for_each_form(pull_back, instead=pull_back_plainly)

    def forward(arguments: Tensors, learning: bool) -> tuple[Tensors, Any]:
        del learning  # keeping the arguments costs nothing
        return run_fast(learnt, arguments), arguments

    def backward(kept: Any, gradients: Tensors) -> Sequence[Tensor | None]:
        values, arguments = pull_back_fast(learnt, kept, gradients)
        return [*arguments, *values]

    return Pointwise(forward, backward, learnt)


def _compiled_for_each_form(function: Callable[..., Any], instead: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function anew for each form of its arguments, which are tuples of tensors.

    On each call Dynamo asks whether anything that it relied on has changed, which takes as long as the work itself.
    Here only the tensors' form can change, so that is looked at instead, where torch lets its own question be left out.
    """
    by_form: dict[Hashable, Callable[..., Any]] = {}

    def call(*groups: Tensors) -> Any:
        tensors = (tensor for group in groups for tensor in group)
        form = (torch.is_inference_mode_enabled(), *((t.shape, t.stride(), t.dtype, t.device) for t in tensors))
        chosen = by_form.get(form)
        if chosen is not None:
            return chosen(*groups)
        fast = _compile(function)
        try:
            results = fast(*groups)
        except RuntimeError as error:  # what Dynamo and inductor raise derives from it
            reason = str(error).strip().partition("\n")[0]
            warnings.warn(f"a pointwise part cannot be compiled, and runs as it is written: {reason}", stacklevel=2)
            fast, results = instead, instead(*groups)
        by_form[form] = fast
        return results

    return call


def _compile(function: Callable[..., Any]) -> Callable[..., Any]:
    original = cast("FunctionType", function)
    # Dynamo keeps what it compiled with the code, which functions of several cells share.
    own = FunctionType(original.__code__.replace(), original.__globals__, original.__name__, None, original.__closure__)
    without_guards = getattr(torch.compiler, "skip_all_guards_unsafe", None)
    options = {"guard_filter_fn": without_guards} if without_guards else None
    return torch.compile(own, fullgraph=True, dynamic=False, options=options)
