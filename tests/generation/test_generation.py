"""The sampling loop."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from seqforge import Experiment
from seqforge.errors import DataError, PluginError
from seqforge.generation.drawing import find_kernel
from seqforge.generation.generator import encode_prompt, generate, sample_texts, stream_text
from seqforge.kinds import RuleSampler, Sampler, SamplingContext, Vocabulary
from seqforge.kinds.generation_kernel import GenerationModel
from seqforge.model.build import build_model
from seqforge.model.sequence_model import SequenceModel
from tests.model.fake_backends import Fake

MakeExperiment = Callable[..., Experiment]
ALPHABET = "abcdé\n"


@pytest.fixture
def vocabulary(experiment: MakeExperiment) -> Vocabulary:
    built: Vocabulary = experiment().vocabulary.build()
    built.learn([ALPHABET.encode()])
    return built


@pytest.fixture
def greedy(experiment: MakeExperiment) -> list[Sampler]:
    return [experiment(sampler=[{"use": "greedy"}]).samplers[0].build()]


def test_greedy_generation_is_the_argmax_of_the_whole_sequence(
    model: SequenceModel, vocabulary: Vocabulary, greedy: list[Sampler]
) -> None:
    prompt = encode_prompt(vocabulary, "ab")
    drawn = torch.cat(list(generate(model, vocabulary, greedy, prompt, count=1, length=9, seed=0)))
    whole = torch.cat([prompt, drawn[:, 0]])
    logits, _ = model(whole.unsqueeze(1), model.initial_states(1))
    assert torch.equal(logits[len(prompt) - 1 : -1, 0].argmax(-1), drawn[:, 0])


def test_draws_follow_the_models_distribution(
    model: SequenceModel, vocabulary: Vocabulary, plain: list[Sampler]
) -> None:
    prompt = encode_prompt(vocabulary, "a")
    count = 20_000
    drawn = next(generate(model, vocabulary, plain, prompt, count=count, length=1, seed=3))[0]
    frequencies = torch.bincount(drawn, minlength=vocabulary.size) / count
    with torch.no_grad():
        logits, _ = model(prompt.unsqueeze(1), model.initial_states(1))
    torch.testing.assert_close(frequencies, logits[-1, 0].softmax(-1), rtol=0, atol=0.015)


def test_a_seed_gives_the_same_samples_and_rows_differ(
    model: SequenceModel, vocabulary: Vocabulary, plain: list[Sampler]
) -> None:
    def texts(seed: int) -> list[str]:
        return sample_texts(model, vocabulary, plain, "ab", count=3, length=30, seed=seed)

    assert texts(1) == texts(1) != texts(2)
    assert len(set(texts(1))) == 3
    assert all(text.startswith("ab") and len(text) == 32 for text in texts(1))


def test_streaming_gives_the_same_text_as_sampling(
    model: SequenceModel, vocabulary: Vocabulary, plain: list[Sampler]
) -> None:
    whole = sample_texts(model, vocabulary, plain, "ab", count=1, length=40, seed=5)[0]
    pieces = list(stream_text(model, vocabulary, plain, "ab", length=40, seed=5))
    assert "ab" + "".join(pieces) == whole
    assert len(pieces) == 40


def test_characters_of_several_bytes_are_streamed_whole(experiment: MakeExperiment) -> None:
    vocabulary: Vocabulary = experiment(vocabulary={"use": "bytes"}).vocabulary.build()
    content = "aé€\N{PENGUIN}z".encode()

    class Dictate(Sampler):
        """Forces given bytes, and then the first byte of a character of two bytes."""

        def start(self, context: SamplingContext) -> int:
            return 0

        def transform(self, logits: Tensor, memory: Any) -> Tensor:
            forced = torch.full_like(logits, -torch.inf)
            forced[:, (content + b"\xc3")[memory]] = 0
            return forced

        def advance(self, memory: Any, tokens: Tensor, logits: Tensor) -> int:
            return memory + 1

    model = build_model(experiment(), 256)
    pieces = list(stream_text(model, vocabulary, [Dictate()], "x", length=len(content) + 1, seed=0))
    assert pieces == ["a", "é", "€", "\N{PENGUIN}", "z", "\N{REPLACEMENT CHARACTER}"]


def test_a_chain_is_applied_in_order_and_carries_its_memory(
    model: SequenceModel, vocabulary: Vocabulary, greedy: list[Sampler]
) -> None:
    class NeverTwice(Sampler):
        """Forbids, in each row, the symbols that were drawn before."""

        def start(self, context: SamplingContext) -> Tensor:
            return torch.zeros(context.batch_size, context.vocabulary.size, dtype=torch.bool)

        def transform(self, logits: Tensor, memory: Any) -> Tensor:
            return logits.masked_fill(memory, -torch.inf)

        def advance(self, memory: Any, tokens: Tensor, logits: Tensor) -> Tensor:
            assert logits.shape == memory.shape
            assert logits.isfinite().all()  # those of the model, before a sampler forbids anything
            return memory.scatter(1, tokens.unsqueeze(1), True)

    prompt = encode_prompt(vocabulary, "a")
    drawn = torch.cat(
        list(generate(model, vocabulary, [NeverTwice(), *greedy], prompt, count=2, length=vocabulary.size, seed=0))
    )
    assert sorted(drawn[:, 0].tolist()) == sorted(drawn[:, 1].tolist()) == list(range(vocabulary.size))


def test_a_sampler_that_forbids_every_symbol_is_an_error_that_names_it(
    model: SequenceModel, vocabulary: Vocabulary, plain: list[Sampler]
) -> None:
    class ForbidsEverything(Sampler):
        """Forbids every symbol in the second row."""

        def transform(self, logits: Tensor, memory: Any) -> Tensor:
            return logits.index_fill(0, torch.tensor([1]), -torch.inf)

    prompt = encode_prompt(vocabulary, "a")
    with pytest.raises(PluginError, match="ForbidsEverything': transform forbids every symbol"):
        list(generate(model, vocabulary, [*plain, ForbidsEverything(), *plain], prompt, count=2, length=2, seed=0))


def test_the_default_prompt_is_a_line_break_and_a_prompt_must_be_in_the_vocabulary(
    vocabulary: Vocabulary, experiment: MakeExperiment
) -> None:
    assert vocabulary.decode(encode_prompt(vocabulary, None).tolist()) == b"\n"
    with pytest.raises(DataError, match="symbol 'x' at position 2 is not in the model's vocabulary") as caught:
        encode_prompt(vocabulary, "abx")
    assert "The vocabulary contains '\\nabcdé'" in str(caught.value)
    with pytest.raises(DataError, match="the prompt is empty"):
        encode_prompt(vocabulary, "")
    with pytest.raises(DataError, match=r"symbol '\\ud800' at position 1 is not a character"):
        encode_prompt(vocabulary, "a\ud800")
    with pytest.raises(DataError, match="the prompt: byte 0xff at offset 1 is not UTF-8"):
        encode_prompt(vocabulary, "a\udcff")
    without_line_break: Vocabulary = experiment().vocabulary.build()
    without_line_break.learn([b"xyz"])
    assert encode_prompt(without_line_break, None).tolist() == [0]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gives_the_same_samples_as_the_cpu(
    model: SequenceModel, vocabulary: Vocabulary, plain: list[Sampler]
) -> None:
    on_cpu = sample_texts(model, vocabulary, plain, "ab", count=2, length=50, seed=1)
    on_gpu = sample_texts(model.cuda(), vocabulary, plain, "ab", count=2, length=50, seed=1)
    assert on_cpu == on_gpu


def test_a_rule_sampler_has_no_transform_of_its_own():
    with pytest.raises(TypeError, match="derive it from Sampler"):
        type("Colder", (RuleSampler,), {"transform": lambda self, logits, memory: logits})


class WithoutLogitRule(Sampler):
    """Changes nothing, by code that kernels cannot call."""

    def transform(self, logits: Tensor, memory: Any) -> Tensor:
        return logits


def test_a_kernel_multiplies_in_the_precision_of_the_model(model: SequenceModel, plain: list[Sampler]) -> None:
    asked: list[GenerationModel] = []

    class Recording(Fake):
        def generation_kernel(self, model: GenerationModel) -> Any:
            asked.append(model)
            return lambda last, states, uniforms: (last, states)

    model.backends = (Recording(),)
    precisions: list[Any] = ["float32", "bfloat16", "int8"]
    for model.precision in precisions:
        assert find_kernel(model, plain)
    assert [each.dtype for each in asked] == [torch.float32, torch.bfloat16, torch.int8]


def test_without_int8_kernels_a_warning_is_given_and_the_samples_are_the_usual_ones(
    model: SequenceModel, vocabulary: Vocabulary, plain: list[Sampler]
) -> None:
    model.precision = "auto"
    expected = sample_texts(model, vocabulary, plain, "ab", count=2, length=20, seed=1)
    model.precision = "int8"
    with pytest.warns(UserWarning, match="int8 needs kernels for these cells"):
        assert sample_texts(model, vocabulary, plain, "ab", count=2, length=20, seed=1) == expected
    with pytest.warns(UserWarning, match="int8 needs samplers that kernels support, unlike WithoutLogitRule"):
        sample_texts(model, vocabulary, [WithoutLogitRule()], "ab", count=2, length=20, seed=1)
