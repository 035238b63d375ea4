"""Generation at a stretch against generation symbol by symbol."""

from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings, strategies
from hypothesis.strategies import DataObject
from seqforge_native import cell as native_cell
from seqforge_native.library import Library

from seqforge import Experiment
from seqforge.errors import RunError
from seqforge.generation import generate
from seqforge.model import SequenceModel, build_model

SAMPLERS: dict[str, list[dict[str, Any]]] = {
    "temperature": [{"use": "temperature", "temperature": 0.7}],
    "top-k": [{"use": "top-k", "k": 3}],
    "top-p": [{"use": "temperature", "temperature": 1.3}, {"use": "top-p", "p": 0.8}],
    "all of p": [{"use": "top-p", "p": 1.0}],
    "min-p": [{"use": "min-p", "min_p": 0.1}],
    "greedy": [{"use": "greedy"}],
}


def make(cells: list[dict[str, Any]], samplers: list[dict[str, Any]], **model: Any) -> Experiment:
    return Experiment.from_table(
        {
            "experiment": {"name": "test"},
            "corpus": {"use": "inline", "text": "hello"},
            "vocabulary": {"use": "bytes"},
            "model": {"cells": cells, **model},
            "sampler": samplers,
        }
    )


def confident_model(experiment: Experiment, symbols: int) -> SequenceModel:
    model = build_model(experiment, symbols)
    with torch.no_grad():
        model.head.weight.mul_(6)
    return model


def text(experiment: Experiment, model: SequenceModel, count: int, length: int) -> torch.Tensor:
    samplers = [component.build() for component in experiment.samplers]
    vocabulary = experiment.vocabulary.build()
    prompt = torch.tensor([0, 1])
    return torch.cat(list(generate(model, vocabulary, samplers, prompt, count=count, length=length, seed=3)))


@pytest.mark.parametrize("chain", list(SAMPLERS))
@pytest.mark.parametrize("cell", ["native/lstm", "native/gru", "native/rnn"])
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=strategies.data())
def test_the_kernels_write_what_is_written_symbol_by_symbol(
    data: DataObject, cell: str, chain: str, kernels: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = data.draw(strategies.lists(strategies.integers(1, 40), min_size=1, max_size=3))
    embedding = data.draw(strategies.sampled_from([None, 5]))
    count, symbols = data.draw(strategies.integers(1, 9)), data.draw(strategies.integers(2, 40))
    experiment = make(
        [{"use": cell, "hidden_size": size} for size in sizes],
        SAMPLERS[chain],
        **({"embedding_size": embedding} if embedding else {}),
    )
    model = confident_model(experiment, symbols)
    monkeypatch.setattr(native_cell, "best_library", lambda: None)
    plain = text(experiment, model, count, 270)
    calls: list[str] = []
    call = Library.call

    def counted(self: Library, name: str, *arguments: Any) -> Any:
        calls.append(name)
        return call(self, name, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(native_cell, "best_library", lambda: kernels)
        patch.setattr(Library, "call", counted)
        fast = text(experiment, model, count, 270)
    assert calls.count("decode") == 2  # 1 + 256 + 13 symbols
    # Two symbols that are all but equally likely may change places by rounding, and then the texts part.
    same = (fast == plain).all(dim=0).float().mean()
    assert same >= 0.6 or torch.equal(fast[:5], plain[:5])


def test_threads_share_a_large_model(kernels: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_cell, "best_library", lambda: kernels)
    experiment = make([{"use": "native/lstm", "hidden_size": 256, "repeat": 2}], SAMPLERS["temperature"])
    model = confident_model(experiment, 20)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = text(experiment, model, 1, 100)
        torch.set_num_threads(3)
        assert torch.equal(text(experiment, model, 1, 100), one)
    finally:
        torch.set_num_threads(threads)


def test_logits_that_are_not_finite_are_told(kernels: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native_cell, "best_library", lambda: kernels)
    experiment = make([{"use": "native/rnn", "hidden_size": 8}], SAMPLERS["temperature"])
    model = build_model(experiment, 4)
    cell: Any = model.stack.layers[0]
    with torch.no_grad():
        cell.input_weight[:, 2] = torch.nan  # what reading the third symbol leads to
        model.head.bias.copy_(torch.tensor([-9.0, -9.0, 9.0, -9.0]))
    with pytest.raises(RunError, match="not finite"):
        text(experiment, model, 2, 10)


@pytest.mark.parametrize(
    ("cells", "samplers"),
    [
        ([{"use": "native/lstm"}, {"use": "essentials/lstm"}], SAMPLERS["temperature"]),
        ([{"use": "native/lstm"}], [{"use": "repetition-penalty"}]),
    ],
    ids=["another cell", "a sampler with a memory"],
)
def test_what_kernels_do_not_know_is_written_symbol_by_symbol(
    cells: list[dict[str, Any]], samplers: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = make([cell | {"hidden_size": 6} for cell in cells], samplers)
    monkeypatch.setattr(native_cell, "NativeDecoder", None)  # a call would fail
    assert text(experiment, build_model(experiment, 5), 1, 8).shape == (8, 1)
