"""Generation by the kernels against generation symbol by symbol."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings, strategies
from hypothesis.strategies import DataObject
from seqforge_essentials.cells.lstm import LSTM
from seqforge_native import backend as native_backend
from seqforge_native.generation import NativeGenerationKernel
from seqforge_native.library import Library

from seqforge import Experiment, Registry
from seqforge.errors import RunError
from seqforge.generation.drawing import draw, uniforms_of
from seqforge.generation.generator import generate
from seqforge.kinds import GenerationModel, Sampler, SamplingContext
from seqforge.model.build import build_model
from seqforge.model.sequence_model import SequenceModel

SAMPLERS: dict[str, list[dict[str, Any]]] = {
    "temperature": [{"use": "temperature", "temperature": 0.7}],
    "top-k": [{"use": "top-k", "k": 3}],
    "top-p": [{"use": "temperature", "temperature": 1.3}, {"use": "top-p", "p": 0.8}],
    "all of p": [{"use": "top-p", "p": 1.0}],
    "min-p": [{"use": "min-p", "min_p": 0.1}],
    "greedy": [{"use": "greedy"}],
}
REGISTRY = Registry.installed()
CELLS = ["essentials/lstm", "essentials/gru", "essentials/rnn"]
PROMPT = torch.tensor([0, 1])
SEED = 3
NEAR_TIES = 2
"""Draws per sample that rounding may change, because two symbols are almost equally likely."""


def make(cells: list[dict[str, Any]], samplers: list[dict[str, Any]], **model: Any) -> Experiment:
    return Experiment.from_dict(
        {
            "experiment": {"name": "test"},
            "corpus": {"use": "inline", "text": "hello"},
            "vocabulary": {"use": "bytes"},
            "model": {"cells": cells, **model},
            "sampler": samplers,
            "training": {"steps": 1, "backend": "native"},
        },
        registry=REGISTRY,
    )


def confident_model(experiment: Experiment, symbols: int) -> SequenceModel:
    model = build_model(experiment, symbols)
    with torch.no_grad():
        model.head.weight.mul_(6)
    return model


def sample(experiment: Experiment, model: SequenceModel, count: int, length: int) -> torch.Tensor:
    samplers = build_chain(experiment)
    vocabulary = experiment.vocabulary.build()
    return torch.cat(list(generate(model, vocabulary, samplers, PROMPT, count=count, length=length, seed=SEED)))


def build_chain(experiment: Experiment) -> list[Sampler]:
    return [component.build() for component in experiment.samplers]


def count_calls() -> tuple[list[str], Callable[..., Any]]:
    """Return a replacement of `Library.call`, and the list of the functions that it has called."""
    calls: list[str] = []
    call = Library.call

    def counted(self: Library, name: str, *arguments: Any) -> Any:
        calls.append(name)
        return call(self, name, *arguments)

    return calls, counted


def count_differences(generated: torch.Tensor, experiment: Experiment, model: SequenceModel) -> torch.Tensor:
    """Count, for each sample, the symbols that differ from those that the loop draws after the same symbols."""
    samplers = build_chain(experiment)
    length, count = generated.shape
    memories = [
        sampler.start(SamplingContext(PROMPT, count, length, experiment.vocabulary.build())) for sampler in samplers
    ]
    uniforms = uniforms_of(SEED, count)(length)
    with torch.inference_mode():
        read = torch.cat([PROMPT.unsqueeze(1).expand(-1, count), generated[:-1]])
        logits = model(read, model.initial_states(count))[0][len(PROMPT) - 1 :]
    differ = torch.zeros(count, dtype=torch.int64)
    for step, tokens in enumerate(generated):
        differ += draw(logits[step], samplers, memories, uniforms[step]) != tokens
        memories = [
            sampler.advance(memory, tokens, logits[step]) for sampler, memory in zip(samplers, memories, strict=True)
        ]
    return differ


@pytest.mark.parametrize("chain", list(SAMPLERS))
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=strategies.data())
def test_the_kernels_generate_the_symbols_of_the_loop(
    data: DataObject, chain: str, kernels: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    layers = data.draw(
        strategies.lists(
            strategies.tuples(strategies.sampled_from(CELLS), strategies.integers(1, 40)), min_size=1, max_size=3
        )
    )
    embedding = data.draw(strategies.sampled_from([None, 5]))
    count, symbols = data.draw(strategies.integers(1, 9)), data.draw(strategies.integers(2, 40))
    experiment = make(
        [{"use": cell, "hidden_size": size} for cell, size in layers],
        SAMPLERS[chain],
        **({"embedding_size": embedding} if embedding else {}),
    )
    model = confident_model(experiment, symbols)
    monkeypatch.setattr(native_backend, "best_library", lambda: None)
    calls, counted = count_calls()
    with monkeypatch.context() as patch:
        patch.setattr(native_backend, "best_library", lambda: kernels)
        patch.setattr(Library, "call", counted)
        fast = sample(experiment, model, count, 270)
    assert calls.count("decode") == 2  # 256 + 14 symbols
    assert (count_differences(fast, experiment, model) <= NEAR_TIES).all()


@pytest.mark.parametrize("k", [5, 2**24, 2**63 - 1])
def test_a_k_of_at_least_the_number_of_symbols_keeps_them_all(
    k: int, kernels: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native_backend, "best_library", lambda: kernels)
    cells = [{"use": "essentials/rnn", "hidden_size": 8}]
    neutral, all_of_k = (
        make(cells, [sampler]) for sampler in ({"use": "temperature", "temperature": 1.0}, {"use": "top-k", "k": k})
    )
    model = build_model(neutral, 5)
    assert torch.equal(sample(all_of_k, model, 3, 100), sample(neutral, model, 3, 100))


@pytest.fixture
def three_threads() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("three_threads")
def test_the_number_of_threads_does_not_change_the_symbols_of_a_large_model(
    kernels: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native_backend, "best_library", lambda: kernels)
    experiment = make([{"use": "essentials/lstm", "hidden_size": 256, "repeat": 2}], SAMPLERS["temperature"])
    model = confident_model(experiment, 20)
    shared = sample(experiment, model, 1, 100)
    several = sample(experiment, model, 5, 100)
    torch.set_num_threads(1)
    assert torch.equal(sample(experiment, model, 1, 100), shared)
    assert torch.equal(sample(experiment, model, 5, 100), several)


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize("count", [15, 16, 25])
def test_threads_that_divide_the_samples_draw_the_same_symbols(
    count: int, kernels: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(native_backend, "best_library", lambda: kernels)
    cells = [{"use": "essentials/lstm", "hidden_size": 20}, {"use": "essentials/gru", "hidden_size": 9}]
    experiment = make(cells, SAMPLERS["temperature"])
    model = confident_model(experiment, 20)
    divided = sample(experiment, model, count, 600)
    torch.set_num_threads(1)
    assert torch.equal(divided, sample(experiment, model, count, 600))


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize("chain", list(SAMPLERS))
@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_logits_that_are_not_finite_are_an_error(
    bad: float, chain: str, kernels: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = make([{"use": "essentials/rnn", "nonlinearity": "relu", "hidden_size": 8}], SAMPLERS[chain])
    model = build_model(experiment, 4)
    cell: Any = model.stack.layers[0]
    with torch.no_grad():
        cell.input_weight[:, 2] = bad  # takes effect once the third symbol is read
        model.head.bias.copy_(torch.tensor([0.0, 0.0, 1.0, 0.0]))
    generated: list[torch.Tensor] = []
    for library in (None, kernels):
        monkeypatch.setattr(native_backend, "best_library", lambda library=library: library)
        samplers, vocabulary = build_chain(experiment), experiment.vocabulary.build()
        chunks: list[torch.Tensor] = []
        with pytest.raises(RunError, match="not finite"):
            chunks.extend(generate(model, vocabulary, samplers, PROMPT, count=25, length=300, seed=SEED))
        generated.append(torch.cat(chunks))
    # The symbols that were drawn before the error are returned.
    assert torch.equal(*generated)


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize("row", [3, 12])
def test_all_threads_stop_where_the_first_of_them_stops(row: int, kernels: Library) -> None:
    cell = LSTM(4, 6)
    with torch.no_grad():
        cell.input_weight[:, 3] = torch.nan  # takes effect once the fourth symbol is read
    model = GenerationModel([cell], None, torch.zeros(4, 6), torch.zeros(4), [], torch.float32)
    last, uniforms = torch.zeros(16, dtype=torch.int64), torch.full((5, 16), 0.1)
    uniforms[1, row] = 0.9
    drawn, _ = NativeGenerationKernel(kernels, model)(last, [cell.initial_state(16)], uniforms)
    expected = torch.zeros(2, 16, dtype=torch.int64)
    expected[1, row] = 3
    assert torch.equal(drawn, expected)


def test_a_sampler_with_a_memory_draws_symbol_by_symbol(monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = make([{"use": "essentials/lstm", "hidden_size": 6}], [{"use": "repetition-penalty"}])
    monkeypatch.setattr(native_backend, "find_kernel", None)  # so that a call fails
    assert sample(experiment, build_model(experiment, 5), 1, 8).shape == (8, 1)


@pytest.mark.parametrize("bad", [-1, 4])
def test_a_last_symbol_that_is_not_in_the_vocabulary_is_an_error(kernels: Library, bad: int) -> None:
    cell = LSTM(4, 6)
    model = GenerationModel([cell], None, torch.zeros(4, 6), torch.zeros(4), [], torch.float32)
    with pytest.raises(IndexError, match="it must be from 0 to 3"):
        NativeGenerationKernel(kernels, model)(torch.tensor([0, bad]), [cell.initial_state(2)], torch.rand(1, 2))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int8])
def test_a_kernel_goes_back_to_states_that_it_returned(kernels: Library, dtype: torch.dtype) -> None:
    if not kernels.generates(dtype):
        pytest.skip(f"{kernels.name} has no products in {dtype}")
    torch.manual_seed(0)
    cells = [LSTM(7, 20), LSTM(20, 9)]
    model = GenerationModel(cells, None, torch.randn(7, 9) * 3, torch.zeros(7), [], dtype)
    kernel, uniforms = NativeGenerationKernel(kernels, model), torch.rand(10, 3)
    with torch.inference_mode():
        last, start = torch.tensor([0, 1, 2]), [cell.initial_state(3) for cell in cells]
        whole, end = kernel(last, start, uniforms)
        first, middle = kernel(last, start, uniforms[:4])
        for _ in range(2):
            second, after = kernel(first[-1], middle, uniforms[4:])
            assert torch.equal(torch.cat([first, second]), whole)
            assert all(map(torch.equal, after[1], end[1]))
