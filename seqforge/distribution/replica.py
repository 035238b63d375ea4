"""The model of one process, whose gradients are averaged with those of the others."""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Generic, TypeVar

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from seqforge.distribution.world import ALONE, ResultT, World
from seqforge.errors import PluginError

ModelT = TypeVar("ModelT", bound=nn.Module)


class Replica(Generic[ModelT]):
    """The model of this process. Every gradient is the mean over all processes, computed by `DistributedDataParallel`.

    The gradients of a layer are averaged while the backward pass of the layers below still runs. All processes start
    from the parameters of the first one. For a world of one process, this class adds nothing to a step.
    """

    def __init__(self, model: ModelT, world: World = ALONE) -> None:
        self._model = model
        self._averaging = _average(model) if world.size > 1 else None
        self._checked = False

    def __call__(self, function: Callable[[ModelT], ResultT]) -> ResultT:
        """Return the result of a function of the model, which contains the loss to differentiate."""
        if self._averaging is None:
            return function(self._model)
        result: Any = self._averaging(function)
        return result

    def close(self) -> None:
        """Free what averages the gradients, which keeps the connection to the other processes open.

        Otherwise the traceback of an error could free it later. Then torch would close the connection while it prevents
        other threads from using Python, and could wait forever for one of them.
        """
        self._averaging = None

    def part(self, *, last: bool) -> AbstractContextManager[None]:
        """Return a context for the forward and the backward pass of one of several losses, whose gradients are added.

        The gradients are averaged during the last backward pass only.
        """
        if self._averaging is None:
            return nullcontext()
        return self._averaged_part() if last else self._averaging.no_sync()

    @contextmanager
    def _averaged_part(self) -> Generator[None]:
        yield
        if not self._checked:
            _check_gradients(self._model)
            self._checked = True


class _Call(nn.Module):
    """Calls a function of a model in its own `forward`, because `DistributedDataParallel` prepares a step there."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, function: Callable[[Any], Any]) -> Any:
        return function(self.model)


def _average(model: nn.Module) -> DistributedDataParallel:
    averaging = DistributedDataParallel(_Call(model), gradient_as_bucket_view=True)
    # After the first step, torch groups the gradients anew. With three or more processes, a sum may be rounded in
    # another way in another group. A first step without effect leaves the same groups for all real steps, also for
    # those of a resumed run.
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    nothing = torch.stack([(0 * parameter).sum() for parameter in parameters])

    def without_effect(_: nn.Module) -> Any:
        return nothing.sum()

    averaging(without_effect).backward()
    for parameter in parameters:
        parameter.grad = None
    return averaging


def _check_gradients(model: nn.Module) -> None:
    """Check that every parameter has a gradient, for which averaging waits.

    Raises:
        PluginError: If one has none.
    """
    unused = [
        name for name, parameter in model.named_parameters() if parameter.requires_grad and parameter.grad is None
    ]
    if unused:
        raise PluginError(
            f"the loss does not depend on the parameter {unused[0]}, so that its gradient cannot be averaged over the "
            "processes",
            hint="Train with one process, or remove the parameter from its cell.",
        )
