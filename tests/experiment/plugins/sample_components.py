"""Components that have options but do nothing."""

import enum
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from torch import Tensor, nn

from seqforge.kinds import (
    Attention,
    Cell,
    Corpus,
    Document,
    ExperimentPath,
    Initializer,
    Loss,
    Metric,
    Optimizer,
    Progress,
    Sampler,
    Schedule,
    Score,
    Vocabulary,
)


class Inline(Corpus):
    def __init__(self, text: Annotated[str, Field(min_length=1)]) -> None:
        self.text = text

    def documents(self) -> Iterator[Document]:
        yield Document("inline", self.text.encode())

    def fingerprint(self) -> str:
        return self.text

    def describe(self) -> str:
        return "text"


class Files(Inline):
    def __init__(self, paths: Annotated[list[ExperimentPath], Field(min_length=1)], encoding: str = "utf-8") -> None:
        super().__init__(" ".join(map(str, paths)))


class Characters(Vocabulary):
    @property
    def size(self) -> int:
        return 256

    def encode_bytes(self, content: bytes) -> np.ndarray[Any, Any]:
        return np.frombuffer(content, dtype=np.uint8)

    def decode_tokens(self, tokens: Sequence[int]) -> bytes:
        return bytes(tokens)

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None: ...


class GRU(Cell[tuple[Tensor, ...]]):
    def __init__(
        self,
        input_size: int,
        hidden_size: Annotated[PositiveInt, Field(description="Features.")] = 128,
        reset_gate: Literal["before", "after"] = "after",
    ) -> None:
        super().__init__(input_size, hidden_size)

    def initial_state(self, batch_size: int) -> tuple[Tensor, ...]:
        return ()

    def step(self, projected: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        return projected, state


class LSTM(GRU):
    def __init__(
        self, input_size: int, hidden_size: PositiveInt = 128, forget_bias: float = 1.0, peepholes: bool = False
    ) -> None:
        super().__init__(input_size, hidden_size)


class Residual(GRU):
    def __init__(
        self, input_size: int, inner: Annotated[Cell[Any], Field(description="Cell with the skip connection.")]
    ) -> None:
        super().__init__(input_size, inner.hidden_size)


class Additive(Attention):
    def __init__(self, query_size: int, memory_size: int, size: PositiveInt | None = None) -> None:
        super().__init__(query_size, memory_size)

    def score(self, queries: Tensor, projected: Tensor) -> Tensor:
        return queries


class Default(Initializer):
    def initialize(self, name: str, parameter: Tensor) -> None: ...


class CrossEntropy(Loss):
    def __init__(self, label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0) -> None:
        super().__init__()

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return outputs.mean()


class SGD(Optimizer):
    def __init__(self, learning_rate: PositiveFloat = 1.0, momentum: NonNegativeFloat = 0.9) -> None: ...

    def build(self, parameters: Iterable[tuple[str, nn.Parameter]]) -> torch.optim.Optimizer:
        return torch.optim.SGD([parameter for _, parameter in parameters])


class Adam(SGD):
    def __init__(self, learning_rate: PositiveFloat = 0.002, decay: PositiveFloat | Literal["none"] = 0.9) -> None: ...


class Constant(Schedule):
    def factor(self, progress: Progress) -> float:
        return 1.0


class Greedy(Sampler):
    def transform(self, logits: Tensor, memory: Any) -> Tensor:
        return logits


class Temperature(Greedy):
    def __init__(self, temperature: PositiveFloat = 0.8) -> None: ...


class Mode(enum.Enum):
    FAST = "fast"
    SLOW = "slow"


class ByMode(Greedy):
    def __init__(self, mode: Mode = Mode.FAST, fallback: Mode | None = None) -> None:
        self.mode = mode


class Untyped(Greedy):
    def __init__(self, size=3) -> None: ...


class Distinct(Metric):
    def __init__(self, lengths: Annotated[list[PositiveInt], Field(max_length=3)] = [1, 2]) -> None: ...  # noqa: B006

    def score(self, texts: Sequence[str]) -> Score:
        return Score({})
