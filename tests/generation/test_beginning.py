"""Prompts whose last symbol may be the beginning of a longer one."""

from collections.abc import Callable

import pytest
import torch

from seqforge import Experiment
from seqforge.generation.generator import encode_prompt, sample_texts, split_prompt, stream_text
from seqforge.kinds import Sampler, Vocabulary
from seqforge.model.build import build_model
from seqforge.model.sequence_model import SequenceModel

MakeExperiment = Callable[..., Experiment]
CORPUS = b"the cat the theme the them a bird a birdcage"


@pytest.fixture
def words(experiment: MakeExperiment) -> Vocabulary:
    vocabulary: Vocabulary = experiment(vocabulary="words").vocabulary.build()
    vocabulary.learn([CORPUS])
    return vocabulary


@pytest.fixture
def language_model(experiment: MakeExperiment, words: Vocabulary) -> SequenceModel:
    torch.manual_seed(0)
    return build_model(experiment(vocabulary="words"), words.size)


def chain(experiment: MakeExperiment, *names: str) -> list[Sampler]:
    return [spec.build() for spec in experiment(sampler=[{"use": name} for name in names]).samplers]


@pytest.mark.parametrize(
    ("prompt", "context", "beginning"),
    [
        ("the the", "the", b" the"),  # " theme" and " them" begin with it
        ("the cat", "the cat", b""),
        ("the ", "the", b" "),
        ("the", "the", b""),
        (" the", " the", b""),  # the model must read something
    ],
)
def test_the_last_symbol_is_drawn_again_if_longer_ones_begin_with_it(
    words: Vocabulary, prompt: str, context: str, beginning: bytes
) -> None:
    tokens, found = split_prompt(words, [], encode_prompt(words, prompt))
    assert (words.decode(tokens.tolist()).decode(), found) == (context, beginning)


def test_characters_and_redrawing_samplers_leave_the_prompt_whole(experiment: MakeExperiment) -> None:
    characters = experiment().vocabulary.build()
    characters.learn([b"the cat"])
    prompt = encode_prompt(characters, "the")
    assert split_prompt(characters, [], prompt) == (prompt, b"")


@pytest.mark.parametrize("samplers", [("temperature",), ("temperature", "repetition-penalty")])
def test_samples_begin_with_the_prompt_and_may_end_its_last_word(
    language_model: SequenceModel, words: Vocabulary, experiment: MakeExperiment, samplers: tuple[str, ...]
) -> None:
    found = sample_texts(language_model, words, chain(experiment, *samplers), "the the", count=400, length=2, seed=0)
    assert all(text.startswith("the the") for text in found)
    firsts = {text.removeprefix("the the")[:1] for text in found}
    assert "m" in firsts  # "the them" and "the theme"
    assert len(firsts) > 3  # and " the" itself, with something after it


def test_the_first_symbol_follows_the_models_distribution(
    language_model: SequenceModel, words: Vocabulary, experiment: MakeExperiment
) -> None:
    found = sample_texts(language_model, words, [], "a bird", count=20_000, length=1, seed=1)
    with torch.no_grad():
        logits, _ = language_model(words_of(words, "a").unsqueeze(1), language_model.initial_states(1))
    bird, cage = (int(words_of(words, word)[0]) for word in (" bird", " birdcage"))
    expected = logits[-1, 0, [bird, cage]].softmax(-1)[1].item()
    assert found.count("a birdcage") + found.count("a bird") == len(found)
    assert found.count("a birdcage") / len(found) == pytest.approx(expected, abs=0.015)


def test_a_stream_is_the_same_text(
    language_model: SequenceModel, words: Vocabulary, experiment: MakeExperiment
) -> None:
    samplers = chain(experiment, "temperature")
    (whole,) = sample_texts(language_model, words, samplers, "the the", count=1, length=20, seed=3)
    streamed = stream_text(language_model, words, samplers, "the the", length=20, seed=3)
    assert "the the" + "".join(streamed) == whole


def words_of(vocabulary: Vocabulary, text: str) -> torch.Tensor:
    return torch.as_tensor(vocabulary.encode(text).astype("int64"))
