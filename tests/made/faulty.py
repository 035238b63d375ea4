"""Components of every kind that work `after` times, and then raise an error or return what their interface forbids."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from seqforge_essentials.cells.lstm import LSTM
from torch import Tensor, nn

from seqforge.kinds import (
    Attention,
    Corpus,
    Document,
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


class Counter:
    """Raises an error at a call."""

    def __init__(self, after: int) -> None:
        self._left = after

    def __call__(self) -> bool:
        self._left -= 1
        return self._left < 0


def divide_by_zero() -> float:
    return 1 / 0  # the line that is named


class FaultyCorpus(Corpus):
    def __init__(self, after: int = 1) -> None:
        self._fails = Counter(after)

    def documents(self) -> Iterator[Document]:
        for number in range(3):
            if self._fails():
                divide_by_zero()
            yield Document(f"{number}", b"some text\n" * 60)

    def fingerprint(self) -> str:
        return f"{self._fails._left}"

    def describe(self) -> str:
        return "a corpus"


class FaultyVocabulary(Vocabulary):
    def __init__(self, after: int = 1, result: Literal["error", "list", "floats", "no text"] = "error") -> None:
        self._fails = Counter(after)
        self._result = result

    @property
    def size(self) -> int:
        return 256

    def encode_bytes(self, content: bytes) -> NDArray[np.integer[Any]]:
        if self._result != "no text" and self._fails():
            if self._result == "floats":
                return np.frombuffer(content, dtype=np.uint8).astype(np.float64)  # pyright: ignore[reportReturnType]
            return [1] if self._result == "list" else divide_by_zero()  # pyright: ignore[reportReturnType]
        return np.frombuffer(content, dtype=np.uint8)

    def decode_tokens(self, tokens: Sequence[int]) -> bytes:
        return None if self._result == "no text" else bytes(tokens)  # pyright: ignore[reportReturnType]

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        pass


class FaultyCell(LSTM):
    def __init__(self, input_size: int, hidden_size: int = 8, after: int = 6, updates: int = 99) -> None:
        super().__init__(input_size, hidden_size)
        self._fails, self._fails_to_constrain = Counter(after), Counter(updates)

    def constrain_parameters(self) -> None:
        if self._fails_to_constrain():
            divide_by_zero()

    def forward(self, inputs: Any, state: Any) -> Any:
        if self._fails():
            divide_by_zero()
        return super().forward(inputs, state)


class FaultyAttention(Attention):
    def score(self, queries: Tensor, projected: Tensor) -> Tensor:
        divide_by_zero()
        return queries


class FaultyInitializer(Initializer):
    def __init__(self, result: Literal["error", "nan", "values"] = "error") -> None:
        self._result = result

    def initialize(self, name: str, parameter: Tensor) -> None:
        if self._result == "error":
            divide_by_zero()
        if self._result == "values":
            return torch.ones_like(parameter)  # pyright: ignore[reportReturnType]
        parameter.view(-1)[-1] = torch.nan
        return None


class FaultyLoss(Loss):
    def __init__(
        self, after: int = 3, result: Literal["error", "vector", "number", "constant", "exit"] = "error"
    ) -> None:
        super().__init__()
        self._fails = Counter(after)
        self._result = result

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        losses = nn.functional.cross_entropy(outputs.flatten(0, 1), targets.flatten(), reduction="none")
        if not self._fails():
            return losses.mean()
        if self._result == "exit":
            sys.exit("no licence")
        results = {"vector": losses, "number": 0.5, "constant": losses.detach().mean()}
        return results[self._result] if self._result in results else divide_by_zero()  # pyright: ignore[reportReturnType]


class Descent(torch.optim.SGD):
    """A torch optimizer that changes the first parameter before it fails."""

    def __init__(self, parameters: list[nn.Parameter], after: int) -> None:
        super().__init__(parameters, lr=0.1)
        self._fails = Counter(after)

    def step(self, closure: Any = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        if self._fails():
            with torch.no_grad():
                self.param_groups[0]["params"][0].fill_(7)
            divide_by_zero()
        super().step(closure)


class FaultyOptimizer(Optimizer):
    def __init__(self, after: int = 3, result: Literal["error", "list", "no rate"] = "error") -> None:
        self._after = after
        self._result = result

    def build(self, parameters: Iterable[tuple[str, nn.Parameter]]) -> torch.optim.Optimizer:
        values = [parameter for _, parameter in parameters]
        if self._result == "list":
            return values  # pyright: ignore[reportReturnType]
        if self._result == "no rate":
            return torch.optim.Optimizer(values, {})
        return Descent(values, self._after)


class FaultySchedule(Schedule):
    def __init__(self, after: int = 3, result: float | str = "error") -> None:
        self._fails = Counter(after)
        self._result = result

    def factor(self, progress: Progress) -> float:
        if not self._fails():
            return 1.0
        return divide_by_zero() if self._result == "error" else float(self._result)


class FaultySampler(Sampler):
    def __init__(self, result: Literal["error", "nan", "inf", "none", "shape", "forbid", "exit"] = "error") -> None:
        self._result = result

    def transform(self, logits: Tensor, memory: Any) -> Tensor:
        if self._result == "exit":
            sys.exit(4)
        results = {
            "nan": logits * torch.nan,
            "inf": torch.where(logits == logits.amax(-1, keepdim=True), torch.inf, logits),
            "none": None,
            "shape": logits[:, :1],
            "forbid": torch.full_like(logits, -torch.inf),
        }
        return results[self._result] if self._result in results else divide_by_zero()  # pyright: ignore[reportReturnType]


class FaultyMetric(Metric):
    def score(self, texts: Sequence[str]) -> Score:
        return divide_by_zero()  # pyright: ignore[reportReturnType]
