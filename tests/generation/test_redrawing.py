"""Samples in which a sampler lets symbols be drawn again."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

import seqforge as sf
from seqforge import Experiment
from seqforge.errors import ExperimentError, PluginError
from seqforge.generation.generator import encode_prompt, generate, sample_texts, stream_text
from seqforge.generation.redrawing import NO_SYMBOL, STEPS
from seqforge.kinds import RedrawingSampler, Review, Sampler, SamplingContext, Vocabulary
from seqforge.model.sequence_model import SequenceModel

MakeExperiment = Callable[..., Experiment]


class NoPair(RedrawingSampler):
    """Keeps text without "aa", and settles it after each "b". At the end, the last "b" and the rest become a "c"."""

    def start(self, context: SamplingContext) -> tuple[Vocabulary, bytes]:
        vocabulary = context.vocabulary
        return vocabulary, vocabulary.decode(context.prompt.tolist())

    def settle(self, memory: tuple[Vocabulary, bytes], tokens: Sequence[int]) -> tuple[Vocabulary, bytes]:
        vocabulary, text = memory
        return vocabulary, text + vocabulary.decode(tokens)

    def review(self, memory: tuple[Vocabulary, bytes], tokens: Sequence[int], new: int) -> Review:
        vocabulary, before = memory
        text = before[-1:] + vocabulary.decode(tokens)
        found = text.find(b"aa")
        kept = len(tokens) if found < 0 else found + 1 - len(before[-1:])
        return Review(kept, text.rfind(b"b", 0, kept) + 1 - len(before[-1:]) if b"b" in text[1:kept] else 0)

    def finish(self, memory: tuple[Vocabulary, bytes], tokens: Sequence[int]) -> Sequence[int]:
        vocabulary, _ = memory
        text = vocabulary.decode(tokens)
        return vocabulary.encode(text[: max(0, text.rfind(b"b", 0, -1))] + b"c").tolist()


@pytest.fixture
def vocabulary(experiment: MakeExperiment) -> Vocabulary:
    built: Vocabulary = experiment().vocabulary.build()
    built.learn([b"abc"])
    return built


def sample(model: SequenceModel, vocabulary: Vocabulary, samplers: list[Sampler], **options: Any) -> list[str]:
    settings = {"count": 7, "length": 90, "seed": 2} | options
    return sample_texts(model, vocabulary, samplers, "b", **settings)


def test_every_sample_is_kept_and_the_seed_decides(
    model: SequenceModel, vocabulary: Vocabulary, plain: list[Sampler]
) -> None:
    texts = sample(model, vocabulary, [NoPair(), *plain])
    assert all("aa" not in text and text.endswith("c") and len(text) <= 91 for text in texts)
    assert len({len(text) for text in texts}) > 1
    assert texts == sample(model, vocabulary, [*plain, NoPair()])
    assert texts != sample(model, vocabulary, [NoPair(), *plain], seed=3)
    assert any("aa" in text for text in sample(model, vocabulary, plain))


def test_each_symbol_is_new_in_one_review_if_all_are_kept(
    model: SequenceModel, vocabulary: Vocabulary, plain: list[Sampler], monkeypatch: pytest.MonkeyPatch
) -> None:
    reviewed: list[int] = []

    def keep(self: NoPair, memory: Any, tokens: Sequence[int], new: int) -> Review:
        reviewed.append(new)
        return Review(len(tokens), 0)

    monkeypatch.setattr(NoPair, "review", keep)
    sample(model, vocabulary, [NoPair(), *plain], count=1, length=2 * STEPS + 4)
    assert reviewed == [STEPS, STEPS, 4]


def test_streaming_gives_settled_text_before_the_end(
    model: SequenceModel, vocabulary: Vocabulary, plain: list[Sampler]
) -> None:
    pieces = list(stream_text(model, vocabulary, [NoPair(), *plain], "b", length=90, seed=2))
    assert ["b" + "".join(pieces)] == sample(model, vocabulary, [NoPair(), *plain], count=1)
    assert len(pieces) > 2


def test_a_sample_does_not_depend_on_the_others(
    model: SequenceModel, vocabulary: Vocabulary, plain: list[Sampler]
) -> None:
    prompt, whole = encode_prompt(vocabulary, "b"), sample(model, vocabulary, [NoPair(), *plain])

    def draw(own: range) -> list[Tensor]:
        chain = [NoPair(), *plain]
        pieces = generate(model, vocabulary, chain, prompt, count=7, length=90, seed=2, own=own)
        return [*torch.cat(list(pieces)).unbind(1)]

    rows = [*draw(range(3)), *draw(range(3, 7))]
    assert ["b" + vocabulary.decode(row[row != NO_SYMBOL].tolist()).decode() for row in rows] == whole


def test_a_free_model_is_not_changed(model: SequenceModel, vocabulary: Vocabulary, plain: list[Sampler]) -> None:
    class KeepsAll(NoPair):
        """Keeps and settles everything."""

        def review(self, memory: Any, tokens: Sequence[int], new: int) -> Review:
            return Review(len(tokens), len(tokens))

        def finish(self, memory: Any, tokens: Sequence[int]) -> Sequence[int]:
            return tokens

    assert sample(model, vocabulary, [KeepsAll(), *plain]) == sample(model, vocabulary, plain)


def test_draws_that_are_never_kept_end_the_sample(
    model: SequenceModel, vocabulary: Vocabulary, plain: list[Sampler]
) -> None:
    class KeepsNothing(NoPair):
        """Keeps no symbol."""

        def review(self, memory: Any, tokens: Sequence[int], new: int) -> Review:
            return Review(0, 0)

    assert sample(model, vocabulary, [KeepsNothing(), *plain]) == ["bc"] * 7


@pytest.mark.parametrize(
    ("review", "message"),
    [
        (Review(STEPS + 1, 0), f"review settled 0 and kept {STEPS + 1} of {STEPS} symbols"),
        (Review(2, 3), f"review settled 3 and kept 2 of {STEPS} symbols"),
        (None, "review returned None, not a Review"),
    ],
)
def test_an_invalid_review_is_an_error_of_its_sampler(
    review: Any, message: str, model: SequenceModel, vocabulary: Vocabulary, plain: list[Sampler]
) -> None:
    class Wrong(NoPair):
        """Returns a given review."""

        def review(self, memory: Any, tokens: Sequence[int], new: int) -> Review:
            return review

    with pytest.raises(PluginError, match=f"Wrong': {message}"):
        sample(model, vocabulary, [Wrong(), *plain])


@pytest.mark.parametrize(
    ("chain", "message"),
    [
        (
            [NoPair, "repetition-penalty"],
            r"sampler\.1\.use: session/NoPair lets .* but essentials/repetition-penalty remembers",
        ),
        (["temperature", NoPair, NoPair], r"sampler\.2\.use: session/NoPair lets .* but session/NoPair does so, too"),
    ],
)
def test_samplers_that_cannot_go_back_are_rejected_by_the_check(chain: list[Any], message: str) -> None:
    tables = {"corpus": sf.use("inline", text="abc"), "sampler": [sf.use(sampler) for sampler in chain]}
    with pytest.raises(ExperimentError, match=message):
        Experiment(**tables)
