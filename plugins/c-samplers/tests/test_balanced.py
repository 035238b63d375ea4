"""The sampler `balanced`, with random logits."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from seqforge_c_samplers.automaton import BOTTOM, build_automaton, token_characters
from seqforge_c_samplers.balanced import Balanced, Memory
from seqforge_c_samplers.bracket_grammar import LexicalState, closing_length, transition
from seqforge_c_samplers.scoped import Scoped
from seqforge_code_structure.defects import DEEPEST_NESTING
from seqforge_code_structure.terminators import analyze_terminators
from seqforge_code_structure.units import split_units

from seqforge import Experiment
from seqforge.errors import ExperimentError
from seqforge.generation import generate
from seqforge.kinds import Sampler, SamplingContext, Vocabulary
from seqforge.model import SequenceModel, build_model
from seqforge.testing import automaton_steps


class Words(Vocabulary):
    """Vocabulary of symbols of any length."""

    def __init__(self, words: Iterable[bytes]) -> None:
        self.words = list(words)

    @property
    def size(self) -> int:
        return len(self.words)

    def encode_bytes(self, content: bytes) -> np.ndarray[Any, np.dtype[np.int64]]:
        return np.array([self.words.index(bytes([value])) for value in content], dtype=np.int64)

    def decode_tokens(self, tokens: Sequence[int]) -> bytes:
        return b"".join(self.words[token] for token in tokens)

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        pass


CHARACTERS = Words(bytes([value]) for value in b"\n\t #\"'()*/;=[\\]{}adefinrst0123")
BYTES = Words(bytes([value]) for value in range(256))


def context(prompt: bytes, count: int, length: int, vocabulary: Words = CHARACTERS) -> SamplingContext:
    return SamplingContext(torch.as_tensor(vocabulary.encode(prompt)), count, length, vocabulary)


def draw(prompt: bytes, *, count: int, length: int, seed: int, vocabulary: Words = CHARACTERS) -> list[str]:
    """Draw samples from random logits with the sampler, and return them after the prompt."""
    sampler, generator = Balanced(), torch.Generator().manual_seed(seed)
    memory = sampler.start(context(prompt, count, length, vocabulary))
    drawn: list[torch.Tensor] = []
    for _ in range(length):
        logits = torch.randn(count, vocabulary.size, generator=generator)
        transformed = sampler.transform(logits, memory)
        kept = transformed.isfinite()
        assert kept.any(dim=-1).all()
        assert torch.equal(transformed[kept], logits[kept])
        drawn.append(torch.multinomial(transformed.softmax(-1), 1, generator=generator).squeeze(1))
        memory = sampler.advance(memory, drawn[-1], torch.zeros(1, 1))
    rows = torch.stack(drawn, dim=1).tolist()
    return [(prompt + vocabulary.decode(row)).decode("latin-1") for row in rows]


def messages_of(text: str) -> list[str]:
    """Return the bracket errors in all units of a text."""
    return [defect.message for unit in split_units(text) for defect in unit.defects]


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 200), st.sampled_from([b"\n", b"{\n", b"\n#if 1\n", b"tn a[", b'"\\']))
def test_samples_close_everything_that_they_open(seed: int, length: int, prompt: bytes):
    for text in draw(prompt, count=4, length=max(length, 12), seed=seed):
        assert messages_of(text + "\n") == []
        messages = [defect.message for defect in analyze_terminators(text + "\n").defects]
        assert [message for message in messages if "comment" in message] == []


def allowed_symbols(prompt: bytes, tokens: torch.Tensor, vocabulary: Words) -> torch.Tensor:
    """Follow drawn symbols as generation kernels do, and return the allowed symbols of each step."""
    sampler, (length, count) = Balanced(), tokens.shape
    memory = sampler.start(context(prompt, count, length, vocabulary))
    automaton, allowed = sampler.automaton(memory), list[torch.Tensor]()
    for drawn in tokens:
        allowed.append(automaton_steps.allowed_symbols(automaton))
        if not automaton_steps.follow(automaton, drawn):
            memory, automaton = sampler.resume(memory, automaton, drawn.numpy())
    return torch.stack(allowed)


PROMPTS = [
    b"\n",
    b"{\n",
    b"\n#if 1\n",
    b"tn a[",
    b'"\\',
    b"{\n#define (",
    b"#define [ // (",
    b"{" * 254,
    b"{" * 200,
    b"(" * 300,
    b"\n#if a\n" * 36,
]


@settings(max_examples=80)
@example(seed=0, length=5, prompt=b"{" * 254, words=set(), preferred=[b"", b"", b""])
@given(
    st.integers(0, 10_000),
    st.integers(1, 600),
    st.sampled_from(PROMPTS),
    st.just(set(CHARACTERS.words)) | st.sets(st.sampled_from(CHARACTERS.words)),
    st.lists(st.sampled_from([b"", b"([{", b")]}"]), min_size=3, max_size=3),
)
def test_constraint_automaton_forbids_the_same_symbols_as_the_sampler(
    seed: int, length: int, prompt: bytes, words: set[bytes], preferred: list[bytes]
):
    vocabulary = Words(sorted(words | {bytes([value]) for value in prompt}))
    sampler, generator = Balanced(), torch.Generator().manual_seed(seed)
    memory = sampler.start(context(prompt, 3, length, vocabulary))
    # Each sample prefers other symbols, so that one closes brackets while another opens some.
    bias = torch.tensor([[3.0 * (word in symbols) for word in vocabulary.words] for symbols in preferred])
    allowed, drawn = list[torch.Tensor](), list[torch.Tensor]()
    for _ in range(length):
        logits = bias + torch.randn(3, vocabulary.size, generator=generator)
        transformed = sampler.transform(logits, memory)
        allowed.append(transformed.isfinite())
        drawn.append(transformed.argmax(-1))
        memory = sampler.advance(memory, drawn[-1], torch.zeros(1, 1))
    assert torch.equal(allowed_symbols(prompt, torch.stack(drawn), vocabulary), torch.stack(allowed))


@pytest.mark.parametrize("other_sample", [b"", b"{" * 231])
def test_unmatched_closers_are_forbidden_after_deep_nesting(other_sample: bytes):
    sampler = Balanced()
    closed, other = b"{" * 200 + b"}" * 200, b"; " * 200
    memory = sampler.start(context(b"\n", 3, 600))
    for tokens in zip(closed, other, other_sample.ljust(400, b";"), strict=True):
        memory = sampler.advance(memory, torch.as_tensor(CHARACTERS.encode(bytes(tokens))), torch.zeros(1, 1))
    forbidden = ~sampler.transform(torch.zeros(3, CHARACTERS.size), memory).isfinite()
    for row in forbidden[:2]:
        assert CHARACTERS.decode(row.nonzero().flatten().tolist()) == b")]}"


@given(st.lists(st.sampled_from([*CHARACTERS.words, b"\n#if", b"\n#endif\n", b"\n#define"]), max_size=60))
def test_automaton_matches_the_grammar(words: list[bytes]):
    automaton = build_automaton(token_characters(CHARACTERS, "balanced"))
    number, numbers = 0, BOTTOM
    state, stack = LexicalState(), list[LexicalState]()
    for token in CHARACTERS.encode(b"".join(words)).tolist():
        number, numbers = automaton.follow(number, numbers, token)
        next_state, pushed, drops = transition(state, CHARACTERS.words[token].decode())
        while drops and stack and stack[-1].directive is not None:
            stack.pop()
        stack += [pushed] if pushed else []
        state = next_state or stack.pop()
        assert automaton.states[number] == state
        assert [automaton.states[waiting] for waiting in numbers.numbers()] == stack
        assert numbers.closing_length == sum(map(closing_length, stack))


def lengths_to_close(memory: Memory) -> list[int]:
    lengths = memory.automaton.closing_lengths[memory.states].tolist()
    return [length + stack.closing_length for length, stack in zip(lengths, memory.stacks, strict=True)]


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 600), st.sampled_from(PROMPTS))
def test_everything_open_can_be_closed_in_the_remaining_symbols(seed: int, length: int, prompt: bytes):
    sampler, generator = Balanced(), torch.Generator().manual_seed(seed)
    memory = sampler.start(context(prompt, 2, length))
    room = sampler.automaton(memory).stacks.shape[1]
    for left in range(length, 0, -1):
        before = lengths_to_close(memory)
        # Opening brackets are likely, so that many are open.
        logits = torch.randn(2, CHARACTERS.size, generator=generator)
        logits[:, CHARACTERS.encode(b"([{")] += 2
        memory = sampler.advance(memory, sampler.transform(logits, memory).argmax(-1), torch.zeros(1, 1))
        for now, was in zip(lengths_to_close(memory), before, strict=True):
            assert now <= left - 1 or left < was
            assert now <= max(DEEPEST_NESTING, was)
        assert all(len(stack.numbers()) <= room for stack in memory.stacks)


@pytest.mark.parametrize("count", [1, 5])
def test_kernels_sample_the_same_symbols_as_the_python_loop(count: int, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("seqforge_native")
    experiment = Experiment.from_dict(
        {
            "experiment": {"name": "test"},
            "corpus": {"use": "inline", "text": "hello"},
            "vocabulary": {"use": "bytes"},
            "model": {"cells": [{"use": "lstm", "hidden_size": 24, "backend": "native"}]},
            "training": {"precision": "float32"},
        }
    )
    model = build_model(experiment, CHARACTERS.size)
    prompt = torch.as_tensor(CHARACTERS.encode(b"\n#define (// a"))

    def sample() -> torch.Tensor:
        pieces = list(generate(model, CHARACTERS, [Balanced()], prompt, count=count, length=900, seed=2))
        lengths.append(len(pieces))
        return torch.cat(pieces)

    lengths: list[int] = []
    fast = sample()
    if lengths == [900]:
        pytest.skip("no kernels for this processor")
    monkeypatch.setattr(SequenceModel, "generation_kernel", lambda *_: None)
    assert torch.equal(fast, sample())
    assert lengths[0] == 1 + 4  # the first symbol, then 256 at a time


def test_vocabulary_of_all_bytes():
    for text in draw(b"\n", count=3, length=300, seed=1, vocabulary=BYTES):
        assert messages_of(text + "\n") == []


def test_samples_have_separate_memories():
    sampler = Balanced()
    memory = sampler.start(context(b"\n", 2, 50))
    memory = sampler.advance(memory, torch.as_tensor(CHARACTERS.encode(b"(a")), torch.zeros(1, 1))
    allowed = sampler.transform(torch.zeros(2, CHARACTERS.size), memory).isfinite()
    assert allowed[:, CHARACTERS.words.index(b")")].tolist() == [True, False]
    assert not allowed[:, CHARACTERS.words.index(b"]")].any()


def test_only_the_closing_symbol_is_allowed_at_the_end():
    sampler = Balanced()
    logits = torch.randn(1, CHARACTERS.size)
    memory = sampler.start(context(b"{(", 1, 2))
    assert sampler.transform(logits, memory).isfinite().nonzero().tolist() == [[0, CHARACTERS.words.index(b")")]]
    far = sampler.start(context(b"{(", 1, 20))
    assert sampler.transform(logits, far).isfinite().sum() == CHARACTERS.size - 2


def test_prompt_with_too_many_open_brackets_need_not_be_closed():
    sampler = Balanced()
    memory = sampler.start(context(b"{{{{{{", 1, 3))
    forbidden = ~sampler.transform(torch.zeros(1, CHARACTERS.size), memory).isfinite().squeeze()
    assert CHARACTERS.decode(forbidden.nonzero().flatten().tolist()) == b"\n\"'()[]{"


def test_allowed_symbols_are_equally_likely_if_samplers_before_excluded_them():
    logits = torch.full((2, CHARACTERS.size), -torch.inf)
    logits[:, CHARACTERS.words.index(b")")] = 1.0
    sampler = Balanced()
    transformed = sampler.transform(logits, sampler.start(context(b"\n", 2, 50)))
    assert transformed.isfinite().sum(dim=-1).tolist() == [CHARACTERS.size - 3] * 2
    assert not transformed.isnan().any()


def test_symbol_that_the_vocabulary_cannot_close_is_forbidden_after_a_prompt_with_it():
    vocabulary = Words([b"a", b"{"])
    memory = Balanced().start(context(b"{{{", 1, 50, vocabulary))
    assert Balanced().transform(torch.zeros(1, 2), memory).isfinite().tolist() == [[True, False]]


def test_bytes_of_characters_cannot_continue_the_name_of_a_directive():
    memory = Balanced().start(context(b"#if", 1, 50, BYTES))
    allowed = Balanced().transform(torch.zeros(1, 256), memory).isfinite()
    assert allowed[0, :128].all()
    assert not allowed[0, 128:].any()


def test_bracket_that_the_vocabulary_cannot_close_is_forbidden():
    vocabulary = Words([b"a", b"(", b"[", b"]"])
    memory = Balanced().start(context(b"a", 1, 50, vocabulary))
    assert Balanced().transform(torch.zeros(1, 4), memory).isfinite().tolist() == [[True, False, True, False]]


@pytest.mark.parametrize("word", [b"int", "éa".encode()])
@pytest.mark.parametrize("sampler", [Balanced, Scoped])
def test_symbols_of_several_characters_are_rejected(sampler: type[Sampler], word: bytes):
    name = f"c-samplers/{sampler.__name__.lower()}"
    with pytest.raises(ExperimentError, match=f"{name} needs symbols of one character, but symbol 1 is"):
        sampler().start(context(b"a", 1, 5, Words([b"a", word])))


def test_end_of_sequence_symbol_is_rejected():
    with pytest.raises(ExperimentError, match="is for models of running text"):
        Balanced().start(context(b"a", 1, 5, Words([b"a", b""])))
