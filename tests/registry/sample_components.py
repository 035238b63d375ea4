"""Components with every type of option that a plugin may use, and the resolution of their tables."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor

from seqforge.errors import DataError
from seqforge.kinds import Cell, ExperimentPath, Initializer, Loss, Sampler
from seqforge.registry.component import Component
from seqforge.registry.options import resolve
from seqforge.registry.registry import Registry

FOLDER = Path("/experiments")


class Identity(Sampler):
    def transform(self, logits: Tensor, memory: Any) -> Tensor:
        return logits


class NoOptions(Identity): ...


class Configured(Identity):
    """Has an option of every type that a plugin may use."""

    def __init__(
        self,
        size: Annotated[PositiveInt, Field(description="How many.")] = 3,
        part: Annotated[float, Field(ge=0, lt=1, description="How much.")] = 0.5,
        enabled: bool = True,
        text: Annotated[str, Field(min_length=1)] = "a",
        mode: Literal["fast", "slow"] = "fast",
        lengths: Annotated[tuple[PositiveInt, ...], Field(max_length=5)] = (1, 2),
        names: Annotated[list[str], Field(min_length=1)] = ["a"],  # noqa: B006 - nothing changes it
        weights: dict[str, float] = {},  # noqa: B006
        limit: int | None = None,
        steps: Literal["auto"] | PositiveInt = "auto",
        rates: float | list[PositiveFloat] = 0.1,
        path: ExperimentPath | None = None,
        cache: ExperimentPath = Path("cache"),
    ) -> None:
        self.given = {name: value for name, value in locals().items() if name not in ("self", "__class__")}


class Required(Identity):
    def __init__(self, size: PositiveInt, inner: Sampler, others: list[Sampler]) -> None:
        self.size, self.inner, self.others = size, inner, others


class Exemplary(Identity):
    def __init__(
        self,
        files: Annotated[list[str], Field(examples=["a.txt"])],
        rates: Annotated[list[float], Field(examples=[[0.1, 1]])],
        size: int,
    ) -> None: ...


class Wrapper(Identity):
    def __init__(
        self,
        inner: Annotated[Sampler, Field(description="What is wrapped.")],
        before: Annotated[list[Sampler] | None, Field(description="What comes before.")] = None,
        after: Annotated[Sampler, Field(description="What comes after.")] | None = None,
        several: Sequence[Annotated[Sampler, Field()]] = (),
    ) -> None:
        self.inner, self.before, self.after, self.several = inner, before, after, several


class Layer(Cell[tuple[Tensor, ...]]):
    """A cell with a nested cell and a nested initializer."""

    def __init__(
        self,
        input_size: int,
        hidden_size: PositiveInt = 4,
        inner: Cell[Any] | None = None,
        weights: Initializer | None = None,
    ) -> None:
        super().__init__(input_size, hidden_size)
        self.inner = inner
        self.weights = weights

    def initial_state(self, batch_size: int) -> tuple[Tensor, ...]:
        return ()

    def step(self, projected: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        return projected, state


class Zeros(Initializer):
    def __init__(self, value: float = 0.0) -> None:
        if value < 0:
            raise ValueError("the value is negative")
        if value > 1:
            raise DataError("no such value", hint="Take another.")

    def initialize(self, name: str, parameter: Tensor) -> None:
        parameter.zero_()


class PlainLoss(Loss):
    """Inherits the __init__ of torch.nn.Module, which accepts any argument."""

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return outputs.mean()


COMPONENTS = {
    **{
        f"sampler/{kind.__name__.lower()}": f"{__name__}:{kind.__name__}"
        for kind in (NoOptions, Configured, Exemplary, Required, Wrapper)
    },
    "cell/layer": f"{__name__}:Layer",
    "initializer/zeros": f"{__name__}:Zeros",
    "loss/plain": f"{__name__}:PlainLoss",
}


def resolved_component(registry: Registry, toml: str, kind: str = "sampler") -> Component:
    found = resolve(registry, kind, tomllib.loads(toml), "key", FOLDER)
    assert isinstance(found, Component), found
    return found


def problems(registry: Registry, toml: str, kind: str = "sampler") -> list[str]:
    found = resolve(registry, kind, tomllib.loads(toml), "key", FOLDER)
    assert isinstance(found, list), found
    return [str(problem) for problem in found]
