"""Components that can be imported and built, and that are wrong when they are tried: one or more of each kind."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from seqforge.kinds import (
    Attention,
    Backend,
    BackendContext,
    Cell,
    Classes,
    Corpus,
    Document,
    Example,
    ExamplePrediction,
    ExampleSpec,
    FactoredCell,
    Finding,
    HiddenState,
    Initializer,
    LabelledCorpus,
    Loss,
    Metric,
    Optimizer,
    PredictionMetric,
    Progress,
    Quantity,
    Sampler,
    Schedule,
    Score,
    SequenceFunction,
    Text,
    Vocabulary,
)


class _RNN(FactoredCell[HiddenState]):
    def __init__(self, input_size: int, hidden_size: Annotated[PositiveInt, "units"] = 4) -> None:
        super().__init__(input_size, hidden_size, gates_size=hidden_size)

    def initial_state(self, batch_size: int) -> HiddenState:
        return HiddenState(self.bias.new_zeros(batch_size, self.hidden_size))

    def pointwise(self, input_gates: Tensor, recurrent_gates: Tensor, state: HiddenState) -> tuple[Tensor, HiddenState]:
        hidden = torch.tanh(input_gates + recurrent_gates)
        return hidden, HiddenState(hidden)


class Good(_RNN): ...


class OnShifted(_RNN): ...


class Unused(_RNN):
    def __init__(self, input_size: int, hidden_size: PositiveInt = 4) -> None:
        super().__init__(input_size, hidden_size)
        self.peephole = self.uniform_parameter(hidden_size)


class Infinite(_RNN):
    def pointwise(self, input_gates: Tensor, recurrent_gates: Tensor, state: HiddenState) -> tuple[Tensor, HiddenState]:
        hidden = input_gates / (state.hidden - state.hidden)
        return hidden, HiddenState(hidden)


class WrongDefault(_RNN):
    def __init__(self, input_size: int, hidden_size: PositiveInt = 0) -> None:
        super().__init__(input_size, hidden_size)


class _Plain(Corpus):
    def documents(self) -> Iterator[Document]:
        yield Document("one", b"one")

    def fingerprint(self) -> str:
        return "1"

    def describe(self) -> str:
        return "text"


class Latin(_Plain):
    def documents(self) -> Iterator[Document]:
        yield Document("one", "é".encode("latin-1"))


class Changing(_Plain):
    count = 0

    def fingerprint(self) -> str:
        self.count += 1
        return str(self.count)


class Numbered(_Plain):
    def fingerprint(self) -> Any:
        return 1


class Misfit(LabelledCorpus):
    @classmethod
    def example_spec(cls, options: Mapping[str, Any]) -> ExampleSpec:
        return ExampleSpec(Text(), "sequence", Classes(("a", "b")), "once")

    def examples(self) -> Iterator[Example]:
        yield Example("one", "text", 2)

    def fingerprint(self) -> str:
        return "1"

    def describe(self) -> str:
        return "text"


class LowerCase(Vocabulary):
    @property
    def size(self) -> int:
        return 256

    def encode_bytes(self, content: bytes) -> np.ndarray[Any, Any]:
        return np.frombuffer(content.upper(), np.uint8)

    def decode_tokens(self, tokens: Sequence[int]) -> bytes:
        return bytes(tokens)

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None: ...


class Unmasked(Loss):
    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return outputs.logsumexp(-1).mean()


class Frozen(Optimizer):
    def build(self, parameters: Iterable[tuple[str, nn.Parameter]]) -> torch.optim.Optimizer:
        return torch.optim.SGD([parameter for _, parameter in parameters], lr=0.0)


class Negative(Schedule):
    def factor(self, progress: Progress) -> float:
        return 0.5 - progress.fraction


class Forbidding(Sampler):
    def transform(self, logits: Tensor, memory: Any) -> Tensor:
        return torch.full_like(logits, -torch.inf)


class Outside(Metric):
    quantities: ClassVar = {"one": Quantity("one", "number", "neither", "the value is {}")}

    def score(self, texts: Sequence[str]) -> Score:
        return Score({"one": 1.0}, (Finding(1, 0, 3, "after the end"),))


class NotANumber(Metric):
    def score(self, texts: Sequence[str]) -> Score:
        return Score({"mean": sum(map(len, texts)) / max(map(len, texts)) * float("nan")})


class Dividing(Metric):
    def score(self, texts: Sequence[str]) -> Score:
        return Score({"mean": sum(1 / len(text) for text in texts)})


class Table(PredictionMetric):
    @classmethod
    def fits(cls, spec: ExampleSpec) -> bool:
        return True

    def score(self, spec: ExampleSpec, predictions: Sequence[ExamplePrediction]) -> Any:
        return {"share": 1.0}


class Wild(Initializer):
    def initialize(self, name: str, parameter: Tensor) -> None:
        parameter.fill_(torch.inf)


class Transposed(Attention):
    def score(self, queries: Tensor, projected: Tensor) -> Tensor:
        return torch.zeros(projected.shape[1], len(projected), len(queries))


class Shifted(Backend):
    def unsupported(self, cell: Cell[Any], context: BackendContext) -> str | None:
        return None if isinstance(cell, OnShifted) else "it runs OnShifted only"

    def sequence_function(self, cell: Cell[Any], context: BackendContext) -> SequenceFunction:
        def read(inputs: Tensor, state: HiddenState) -> tuple[Tensor, HiddenState]:
            outputs, after = type(cell).forward(cell, inputs, state)
            return outputs + 1, after

        return read


class TwoParts(NamedTuple):
    hidden: Tensor
    average: Tensor


class InPlace(FactoredCell[TwoParts]):
    def __init__(self, input_size: int, hidden_size: Annotated[PositiveInt, "units"] = 4) -> None:
        super().__init__(input_size, hidden_size, gates_size=hidden_size)

    def initial_state(self, batch_size: int) -> TwoParts:
        zeros = self.bias.new_zeros(batch_size, self.hidden_size)
        return TwoParts(zeros, zeros)

    def pointwise(self, input_gates: Tensor, recurrent_gates: Tensor, state: TwoParts) -> tuple[Tensor, TwoParts]:
        hidden = torch.tanh(input_gates + recurrent_gates)
        return hidden, TwoParts(hidden, state.average.mul_(0.5).add_(hidden))


class PlainTensor(_RNN):
    def __init__(self, input_size: int, hidden_size: Annotated[PositiveInt, "units"] = 4) -> None:
        super().__init__(input_size, hidden_size)
        self.scale = torch.ones(hidden_size)


class InFloat32(_RNN):
    def initial_state(self, batch_size: int) -> HiddenState:
        return HiddenState(torch.zeros(batch_size, self.hidden_size))


class OnTheProcessor(_RNN):
    def pointwise(self, input_gates: Tensor, recurrent_gates: Tensor, state: HiddenState) -> tuple[Tensor, HiddenState]:
        hidden = torch.tanh(input_gates + recurrent_gates) * torch.full((self.hidden_size,), 0.99)
        return hidden, HiddenState(hidden)


class VectorsOnly(_RNN):
    def project(self, inputs: Tensor) -> Tensor:
        return inputs @ self.input_weight.t()
