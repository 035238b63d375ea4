"""Signatures with arguments that an experiment file cannot provide are errors of the plugin."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from seqforge.kinds import Cell, Sampler
from seqforge.registry.options import resolve
from seqforge.registry.registry import Registry

MakeRegistry = Callable[..., Registry]


class Unchanged(Sampler):
    def transform(self, logits: Tensor, memory: Any) -> Tensor:
        return logits


class Variadic(Unchanged):
    def __init__(self, size: int = 1, *more: int) -> None: ...


class Keywords(Unchanged):
    def __init__(self, **more: int) -> None: ...


class PositionalOnly(Unchanged):
    def __init__(self, size: int, /) -> None: ...


class Untyped(Unchanged):
    def __init__(self, size) -> None: ...


class Unresolvable(Unchanged):
    def __init__(self, size: "NoSuchType") -> None: ...  # noqa: F821 # type: ignore[name-defined]


class Unfit(Unchanged):
    def __init__(self, size: torch.Tensor) -> None: ...


class Function(Unchanged):
    def __init__(self, size: object = print) -> None: ...


class Use(Unchanged):
    def __init__(self, use: str) -> None: ...


class Copy(Unchanged):
    def __init__(self, copy: bool) -> None: ...


class Private(Unchanged):
    def __init__(self, _size: int) -> None: ...


class NestedOddly(Unchanged):
    def __init__(self, inner: dict[str, Sampler]) -> None: ...


class NoInputSize(Cell[tuple[Tensor, ...]]):
    def __init__(self, hidden_size: int = 3) -> None:
        super().__init__(1, hidden_size)

    def initial_state(self, batch_size: int) -> tuple[Tensor, ...]:
        return ()

    def step(self, projected: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        return projected, state


@pytest.mark.parametrize(
    ("component", "reason"),
    [
        (Variadic, "its __init__ has a variadic positional argument 'more'"),
        (Keywords, "its __init__ has a variadic keyword argument 'more'"),
        (PositionalOnly, "its __init__ has a positional-only argument 'size'"),
        (Untyped, "its argument 'size' has no type annotation"),
        (Unresolvable, "name 'NoSuchType' is not defined"),
        (Unfit, "its argument 'size' has the type Tensor, which an experiment file cannot hold. "),
        (Function, "its argument 'size' has the default <built-in function print>, which an experiment file cannot"),
        (Use, "'use' is the key that names a component, and cannot be an option"),
        (Copy, 'Field name "copy" in "Copy" shadows an attribute in parent "BaseModel"'),
        (Private, "pydantic reserves the name '_size'"),
        (NestedOddly, "its argument 'inner' has the type dict[str, seqforge.kinds.sampler.Sampler], which an exp"),
        (NoInputSize, "its __init__ has no argument 'input_size', which the engine passes"),
    ],
)
def test_an_argument_that_no_experiment_file_can_provide_is_an_error_of_the_plugin(
    make_registry: MakeRegistry, component: type[Any], reason: str
):
    kind = "cell" if issubclass(component, Cell) else "sampler"
    registry = make_registry({f"{kind}/odd": f"{__name__}:{component.__name__}"})
    [problem] = resolve(registry, kind, {"use": "odd"}, "key", Path("/experiments"))
    message = str(problem)
    assert message.startswith(f"key.use: 'sample/odd' cannot be configured: {reason}")
    assert message.endswith(". Report this to the author of the plugin 'sample'.")
    assert ".." not in message
    assert "\n" not in message
