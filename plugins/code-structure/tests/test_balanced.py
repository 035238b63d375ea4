"""The sampler: what it lets a model write that would write anything."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_code_structure.samplers.automaton import Automaton
from seqforge_code_structure.samplers.balanced import Balanced
from seqforge_code_structure.samplers.symbols import Symbols, characters_of
from seqforge_code_structure.samplers.writing import State, after
from seqforge_code_structure.terminators import terminators
from seqforge_code_structure.units import split

from seqforge.errors import ExperimentError
from seqforge.interfaces import Guide, SamplingContext, Vocabulary


class Words(Vocabulary):
    """Symbols of any length."""

    def __init__(self, words: Iterable[bytes]) -> None:
        self.words = list(words)

    @property
    def size(self) -> int:
        return len(self.words)

    def encode(self, content: bytes) -> np.ndarray[Any, np.dtype[np.int64]]:
        return np.array([self.words.index(bytes([value])) for value in content], dtype=np.int64)

    def decode(self, tokens: Iterable[int]) -> bytes:
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
    """Draw from a uniform distribution, as far as the sampler allows."""
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
        memory = sampler.advance(memory, drawn[-1])
    rows = torch.stack(drawn, dim=1).tolist()
    return [(prompt + vocabulary.decode(row)).decode("latin-1") for row in rows]


def faults(text: str) -> list[str]:
    """Faults of a complete text, as one unit: what stands in column 0 may end a unit whose brackets are open."""
    return [fault.message for unit in split(text.replace("\n", "\n ")) for fault in unit.faults]


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(1, 200), st.sampled_from([b"\n", b"{\n", b"\n#if 1\n", b"tn a[", b'"\\']))
def test_samples_balance_and_end_what_they_begin(seed: int, length: int, prompt: bytes):
    for text in draw(prompt, count=4, length=max(length, 12), seed=seed):
        assert faults(text + "\n") == []
        assert [fault.message for fault in terminators(text + "\n").faults if "comment" in fault.message] == []


def step(guide: Guide, row: int, token: int) -> bool:
    """Move a sample on as compiled code does, and tell whether it is known how."""
    entry = int(guide.following[guide.states[row], token])
    if entry == -1:
        guide.states[row] = -1 - guide.states[row]
        return False
    pops, push, target = (0, -1, entry) if entry >= 0 else guide.actions[-2 - entry].tolist()
    if push >= 0 and guide.heights[row] - pops == guide.stacks.shape[1]:
        guide.states[row] = -1 - guide.states[row]
        return False
    guide.heights[row] -= pops
    guide.states[row] = target if target >= 0 else guide.stacks[row, guide.heights[row]]
    if push >= 0:
        guide.stacks[row, guide.heights[row]] = push
        guide.heights[row] += 1
    return True


def guided(prompt: bytes, tokens: torch.Tensor) -> tuple[list[torch.Tensor], int]:
    """Follow what was drawn as compiled code does; give what is allowed at each step, and how often that stopped."""
    sampler, (length, count) = Balanced(), tokens.shape
    memory, allowed, stops = sampler.start(context(prompt, count, length)), list[torch.Tensor](), 0
    while len(allowed) < length:
        guide, begun = sampler.guide(memory), len(allowed)
        stops += 1
        for drawn in tokens[begun : begun + guide.steps].tolist():
            allowed.append(guide.limits[guide.states] > 0)
            known = [step(guide, row, token) for row, token in enumerate(drawn)]
            if not all(known):
                break
        memory = sampler.guided(memory, guide, tokens[begun : len(allowed)])
    return allowed, stops


PROMPTS = [
    b"\n",
    b"{\n",
    b"\n#if 1\n",
    b"tn a[",
    b'"\\',
    b"{\n#define (",
    b"#define [ // (",
    b"{" * 29,
    b"\n#if a\n" * 31,
]


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 400), st.sampled_from(PROMPTS))
def test_a_guide_forbids_the_same(seed: int, length: int, prompt: bytes):
    sampler, generator = Balanced(), torch.Generator().manual_seed(seed)
    memory = sampler.start(context(prompt, 3, length))
    allowed, drawn = list[torch.Tensor](), list[torch.Tensor]()
    for _ in range(length):
        transformed = sampler.transform(torch.randn(3, CHARACTERS.size, generator=generator), memory)
        allowed.append(transformed.isfinite())
        drawn.append(transformed.argmax(-1))
        memory = sampler.advance(memory, drawn[-1])
    assert torch.equal(torch.stack(guided(prompt, torch.stack(drawn))[0]), torch.stack(allowed))


def test_a_guide_soon_knows_all_that_follows_however_deep_it_stands():
    text = b"".join(b"{" * deep + b'\n(a[0]="(") /* ( */;' + b"}" * deep for deep in range(25))
    tokens = torch.as_tensor(CHARACTERS.encode(text)).unsqueeze(1)
    assert guided(b"\n", tokens)[1] < 90


@given(st.lists(st.sampled_from([*CHARACTERS.words, b"\n#if", b"\n#endif\n", b"\n#define"]), max_size=60))
def test_places_in_the_automaton_stand_for_states(words: list[bytes]):
    automaton, state = Automaton(Symbols(characters_of(CHARACTERS))), State()
    place = automaton.place(state)
    for token in CHARACTERS.encode(b"".join(words)).tolist():
        place, state = automaton.follow(place, token), after(state, CHARACTERS.words[token].decode())
        assert place == automaton.place(state)
        assert automaton.state(place) == state


def test_all_bytes_are_symbols():
    for text in draw(b"\n", count=3, length=300, seed=1, vocabulary=BYTES):
        assert faults(text + "\n") == []


def test_each_sample_has_its_own_memory():
    sampler = Balanced()
    memory = sampler.start(context(b"\n", 2, 50))
    memory = sampler.advance(memory, torch.as_tensor(CHARACTERS.encode(b"(a")))
    allowed = sampler.transform(torch.zeros(2, CHARACTERS.size), memory).isfinite()
    assert allowed[:, CHARACTERS.words.index(b")")].tolist() == [True, False]
    assert not allowed[:, CHARACTERS.words.index(b"]")].any()


def test_at_the_end_nothing_but_the_closer_is_allowed():
    sampler = Balanced()
    logits = torch.randn(1, CHARACTERS.size)
    memory = sampler.start(context(b"{(", 1, 2))
    assert sampler.transform(logits, memory).isfinite().nonzero().tolist() == [[0, CHARACTERS.words.index(b")")]]
    far = sampler.start(context(b"{(", 1, 20))
    assert sampler.transform(logits, far).isfinite().sum() == CHARACTERS.size - 2


def test_what_the_length_does_not_allow_is_not_closed():
    sampler = Balanced()
    memory = sampler.start(context(b"{{{{{{", 1, 3))
    assert sampler.transform(torch.zeros(1, CHARACTERS.size), memory).isfinite().sum() == CHARACTERS.size - 2


def test_after_a_sampler_that_left_nothing_that_is_allowed():
    logits = torch.full((2, CHARACTERS.size), -torch.inf)
    logits[:, CHARACTERS.words.index(b")")] = 1.0
    sampler = Balanced()
    transformed = sampler.transform(logits, sampler.start(context(b"\n", 2, 50)))
    assert transformed.isfinite().sum(dim=-1).tolist() == [CHARACTERS.size - 3] * 2
    assert not transformed.isnan().any()


def test_what_a_vocabulary_cannot_close_is_not_opened():
    vocabulary = Words([b"a", b"(", b"[", b"]"])
    memory = Balanced().start(context(b"a", 1, 50, vocabulary))
    assert Balanced().transform(torch.zeros(1, 4), memory).isfinite().tolist() == [[True, False, True, False]]


@pytest.mark.parametrize("word", [b"int", b"", "éa".encode()])
def test_symbols_of_several_characters_are_refused(word: bytes):
    with pytest.raises(ExperimentError, match="symbols of one character, and symbol 1 is"):
        Balanced().start(context(b"a", 1, 5, Words([b"a", word])))
