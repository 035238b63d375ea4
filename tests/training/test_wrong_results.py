"""A component that returns what its interface forbids is named, with the line."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from seqforge_essentials.schedules import Constant
from seqforge_essentials.vocabularies import Bytes

from seqforge import Experiment, train
from seqforge.errors import PluginError
from seqforge.kinds import Corpus, Document, ExamplePrediction, ExampleSpec, Loss, PredictionMetric, Score


class YieldsText(Corpus):
    """Yields a text, not a document."""

    def documents(self) -> Iterator[Document]:
        yield "text"  # pyright: ignore[reportReturnType]

    def fingerprint(self) -> str:
        return type(self).__name__

    def describe(self) -> str:
        return "a corpus"


class YieldsTextAsContent(YieldsText):
    def documents(self) -> Iterator[Document]:
        yield Document("a", "text")  # pyright: ignore[reportArgumentType]


class ReturnsNone(YieldsText):
    def documents(self) -> Iterator[Document]:
        return None  # pyright: ignore[reportReturnType]


class NoFingerprint(YieldsText):
    def fingerprint(self) -> str:
        return None  # pyright: ignore[reportReturnType]


class TooLarge(Bytes):
    def encode_bytes(self, content: bytes) -> Any:
        return np.full(len(content), 999)


class NotJson(Bytes):
    def state(self) -> dict[str, Any]:
        return {"a": object()}


class NoState(Constant):
    def state(self) -> dict[str, Any]:
        return None  # pyright: ignore[reportReturnType]


class InfiniteState(Constant):
    def state(self) -> dict[str, Any]:
        return {"best": float("inf")}


class OneArgument(Loss):
    def forward(self, outputs: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        return outputs.mean()


class Unfit(PredictionMetric):
    @classmethod
    def fits(cls, spec: ExampleSpec) -> bool:
        return 1 / 0  # pyright: ignore[reportReturnType]

    def score(self, spec: ExampleSpec, predictions: Sequence[ExamplePrediction]) -> Score:
        return Score({})


WRONG_RESULTS: list[tuple[dict[str, Any], str]] = [
    ({"corpus": YieldsText}, "corpus 'session/YieldsText': documents yielded a str, not a Document ("),
    ({"corpus": YieldsTextAsContent}, "corpus 'session/YieldsTextAsContent': documents yielded a Document whose "
                                      "content is a str, not bytes ("),
    ({"corpus": ReturnsNone}, "corpus 'session/ReturnsNone': documents returned None, not an iterator ("),
    ({"corpus": NoFingerprint}, "corpus 'session/NoFingerprint': fingerprint returned None, not text ("),
    ({"vocabulary": TooLarge}, "vocabulary 'session/TooLarge': encode_bytes returned token ids from 999 to 999, not "
                               "from 0 to 255 ("),
    ({"vocabulary": NotJson}, "vocabulary 'session/NotJson': state returned {'a': <object object at"),
    ({"schedule": NoState}, "schedule 'session/NoState': state returned None, not a table of plain JSON values ("),
    ({"schedule": InfiniteState}, "schedule 'session/InfiniteState': state returned {'best': inf}, but a file cannot "
                                  "hold it: a number is infinite, "),
    ({"loss": OneArgument}, "loss 'session/OneArgument': a call failed: TypeError: OneArgument.forward() takes 2 "),
]  # fmt: skip


@pytest.mark.parametrize(
    ("tables", "message"), WRONG_RESULTS, ids=[message.split("'")[1] for _, message in WRONG_RESULTS]
)
def test_a_wrong_result_names_the_component(
    tables: dict[str, Any], message: str, experiment: Any, tmp_path: Path
) -> None:
    with pytest.raises(PluginError) as caught:
        train(Experiment.from_dict({**experiment().table, **tables}), tmp_path)
    assert caught.value.message.startswith(message)
    assert "(test_wrong_results.py, line " in caught.value.message


def test_a_class_method_that_fails_in_the_check_names_the_component(labelled_experiment: Any) -> None:
    with pytest.raises(
        PluginError, match=r"metric 'session/Unfit': fits failed: ZeroDivisionError: division by zero \("
    ):
        labelled_experiment(metrics=[Unfit])
