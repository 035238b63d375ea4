"""The sampler `balanced`, with random symbols."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_text import Words, draw
from seqforge_c_samplers.checked import Balanced
from seqforge_code_structure.terminators import analyze_terminators
from seqforge_code_structure.units import split_units

from seqforge.kinds import SamplingContext
from seqforge.testing.sampler_suite import FirstCharacters

CHARACTERS = Words(bytes([value]) for value in b"\n\n\t #\"'()*/;=[\\]{}adefinrst0123")
PIECES = Words([b"if (a) {\n", b"}\n", b"f(x", b");\n", b"\n", b"#if 1\n", b"#endif\n", *CHARACTERS.words])

FUNCTION = "static int f(void)\n{\n\tint a;\n}\n\n"


def find_faults(text: str) -> list[str]:
    brackets = [defect.message for unit in split_units(text) for defect in unit.defects]
    return brackets + [defect.message for defect in analyze_terminators(text).defects]


@settings(max_examples=15)
@given(
    st.integers(0, 10_000),
    st.integers(12, 40),
    st.sampled_from(["\n", "{\n", "\n#if 1\n", "tn a[", "a(\n"]),
    st.sampled_from([CHARACTERS, PIECES]),
)
def test_samples_close_everything_that_they_open(seed: int, length: int, prompt: str, vocabulary: Words) -> None:
    for text in draw(Balanced(), vocabulary, prompt, count=2, length=length, seed=seed):
        assert find_faults(text) == []
        assert text.startswith(prompt)
        assert len(vocabulary.encode(text[len(prompt) :].encode())) <= length


@pytest.mark.parametrize(
    ("text", "closing"),
    [
        ("struct a b = {\n\t.c = d(e)\n{\n\tint a;\n}\n\n" + 3 * FUNCTION, "};\n"),
        ("#ifdef A\n" + 2 * FUNCTION + "#endif\n" + FUNCTION, ""),
        ("#if A\n#if B || \\\n C\n" + 2 * FUNCTION + "#else\n" + 3 * FUNCTION, "#endif\n#endif\n"),
    ],
)
def test_what_is_open_before_other_functions_is_closed(text: str, closing: str) -> None:
    sampler, vocabulary, drawn, settled = Balanced(), FirstCharacters(), list[int](), b""
    prompt = torch.as_tensor(vocabulary.encode(b"\n").astype("int64"))
    memory = sampler.start(SamplingContext(prompt, 1, 500, vocabulary))
    for line in text.splitlines(keepends=True):
        new = vocabulary.encode(line.encode()).tolist()
        drawn += new
        review = sampler.review(memory, drawn, len(new))
        assert review.kept == len(drawn)
        if review.settled:
            settled += vocabulary.decode(drawn[: review.settled])
            memory, drawn = sampler.settle(memory, drawn[: review.settled]), drawn[review.settled :]
    assert settled or closing == "};\n"
    whole = (settled + vocabulary.decode(sampler.finish(memory, drawn))).decode()
    assert whole == text + closing
    assert find_faults(whole) == []


def test_faults_of_the_prompt_remain() -> None:
    for text in draw(Balanced(), PIECES, "a)\n", count=1, length=30, seed=3):
        assert find_faults(text) == ["')' closes nothing"]


@pytest.mark.parametrize("words", [b"a{(\n", b"a\n"])
def test_a_prompt_that_the_vocabulary_cannot_close_ends_the_sample(words: bytes) -> None:
    vocabulary = Words([*(bytes([value]) for value in words), b"{"])
    assert draw(Balanced(), vocabulary, "{\n", count=1) == ["{\n"]
