"""The sampler `scoped`: what the metrics find in samples from random logits."""

import string
from pathlib import Path

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from seqforge_c_samplers.positions import Phase
from seqforge_c_samplers.scoped import Memory, Scoped
from seqforge_c_samplers.scoped_grammar import Grammar, Position
from seqforge_code_structure.identifiers.checks import check_names
from seqforge_code_structure.identifiers.lexicon import Lexicon
from seqforge_code_structure.identifiers.lexicon_file import encode_lexicon
from seqforge_code_structure.identifiers.reading import read_units
from seqforge_code_structure.units import split_units

from seqforge.kinds import SamplingContext
from seqforge.testing.sampler_suite import FirstCharacters

CHARACTERS = tuple(map(chr, range(128)))
PRINTED = string.printable.replace("\r", "").replace("\x0b", "").replace("\x0c", "")
HEAD = "static int f(struct device *dev, int count)\n{\n"


@pytest.fixture(scope="session")
def sampler(lexicon: Lexicon, tmp_path_factory: pytest.TempPathFactory) -> Scoped:
    path: Path = tmp_path_factory.mktemp("lexicon") / "c.lexicon"
    path.write_bytes(encode_lexicon(lexicon))
    return Scoped(path)


def start(sampler: Scoped, prompt: str, length: int, batch_size: int = 1) -> Memory:
    return sampler.start(SamplingContext(encode(prompt), batch_size, length, FirstCharacters()))


def allowed_tokens(sampler: Scoped, memory: Memory) -> torch.Tensor:
    return sampler.transform(torch.zeros(len(memory.places), len(CHARACTERS)), memory).isfinite()


def encode(text: str) -> torch.Tensor:
    return torch.tensor(list(text.encode()), dtype=torch.int64)


PROMPTS = [
    HEAD,
    "void f(int a)\n{\n\tif (a)\n\t\tgoto out;\n",
    "int a;\n\nint g(u32 x, char *y)\n{\n\tint z[",
    "int h(void)\n{\n\treturn (",
]
WORDS = [
    *("int ", "if (", "for (", "while ", "switch (", "return ", "goto ", "else ", "do ", "case ", "sizeof("),
    *("struct ", "x", "dev->", "0x1", "'", "#if", "#else\n", "#endif\n", "#define ", "list_for_each"),
]


def draw(
    sampler: Scoped, grammar: Grammar, prompt: str, length: int, seed: int, preferred: str, word_share: float
) -> str:
    """Draw a sample up to the end of its first function. Words are written where they are allowed."""
    generator = torch.Generator().manual_seed(seed)
    position = grammar.read(grammar.start(), encode(prompt).tolist())
    text, word, memory = prompt, "", start(sampler, prompt, length)
    weights = torch.tensor([1.0 if character in PRINTED else 1e-6 for character in CHARACTERS])
    weights[encode(preferred)] = 6.0
    weights[ord("}")] = 0.5
    for _ in range(length):
        found = allowed_tokens(sampler, memory)[0]
        # The end of the sample does not limit what may follow.
        if grammar.free_steps(position, memory.remaining - 10):
            assert found.tolist() == [bool(grammar.allowed(position) >> token & 1) for token in range(128)]
        assert found.any()
        if not word and torch.rand((), generator=generator) < word_share:
            word = WORDS[int(torch.randint(len(WORDS), (), generator=generator))]
        if word and found[ord(word[0])]:
            token, word = ord(word[0]), word[1:]
        else:
            token, word = int(torch.multinomial(weights * found, 1, generator=generator)), ""
        assert grammar.allowed(position) >> token & 1
        text += CHARACTERS[token]
        position, memory = (
            grammar.advance(position, token),
            sampler.advance(memory, torch.tensor([token]), torch.zeros(1, 1)),
        )
        if position.code.phase == Phase.LINE_END:
            break
    assert grammar.closing_character(position) == ""
    return text + "\n"


@settings(max_examples=20)
@example(4957, 150, PROMPTS[1], string.ascii_lowercase, 0.2)
@example(50394, 300, HEAD, ";{(\n", 0.4)
@given(
    st.integers(0, 10_000),
    st.sampled_from([150, 300]),
    st.sampled_from(PROMPTS),
    st.sampled_from(["", " \n;", ";{(\n", string.ascii_lowercase, "\n#;", "+-*&()=,"]),
    st.sampled_from([0.0, 0.2]),
)
def test_functions_from_random_logits_close_and_declare_everything(
    sampler: Scoped,
    grammar: Grammar,
    lexicon: Lexicon,
    seed: int,
    length: int,
    prompt: str,
    preferred: str,
    word_share: float,
):
    text = draw(sampler, grammar, prompt, length, seed, preferred, word_share)
    units = list(split_units(text))
    assert [defect for unit in units for defect in unit.defects] == []
    _, defects = check_names(read_units(text, units), lexicon)
    assert [defect.message for defect in defects if defect.rule.startswith("undefined")] == []


FILES = [
    "",
    "static int f(",
    "struct a {\n\t",
    "enum e {",
    "int x[",
    "const struct s x = {\n\t",
    "typedef struct {",
    "M(",
]


@settings(max_examples=20)
@given(
    st.integers(0, 10_000),
    st.sampled_from(FILES),
    st.sampled_from(["", "a,;= ", ";{(\n", "\n#;", "+-*&()=,"]),
    st.sampled_from([0.0, 0.3]),
)
def test_units_from_random_logits_close_and_parse(
    sampler: Scoped, grammar: Grammar, seed: int, prompt: str, preferred: str, word_share: float
):
    text = draw(sampler, grammar, prompt, 150, seed, preferred, word_share)
    units = list(split_units(text))
    assert [defect for unit in units for defect in unit.defects] == []
    assert all(unit.parses for unit in read_units(text, units))


@settings(max_examples=5)
@given(st.integers(0, 10_000), st.integers(60, 200))
def test_memory_after_a_prompt_equals_memory_after_draws(sampler: Scoped, grammar: Grammar, seed: int, length: int):
    text = draw(sampler, grammar, HEAD, length, seed, " ;\n", 0.2)
    half = len(text) // 2
    memory = start(sampler, text[:half], 500, 2)
    for character in text[half:]:
        memory = sampler.advance(memory, torch.full((2,), ord(character)), torch.zeros(1, 1))
    assert torch.equal(
        allowed_tokens(sampler, memory), allowed_tokens(sampler, start(sampler, text, 500 - len(text) + half, 2))
    )


@pytest.mark.parametrize("white_space", [" ", "\t", "\n", "\n\t ", " \t\t\t\t\n"])
@pytest.mark.parametrize("text", [HEAD, HEAD + "\tcount =", HEAD + "\tcount", HEAD + "\tgoto out;\n"])
def test_white_space_of_any_length_is_followed_like_in_the_grammar(
    sampler: Scoped, grammar: Grammar, text: str, white_space: str
):
    start_of_all = start(sampler, text, 500)
    for _ in range(2):  # The second time, all transitions are known.
        position, memory = grammar.read(grammar.start(), encode(text).tolist()), start_of_all
        for step in range(40):
            found = allowed_tokens(sampler, memory)[0]
            assert found.tolist() == [bool(grammar.allowed(position) >> token & 1) for token in range(128)]
            token = ord(white_space[step % len(white_space)])
            if not found[token]:
                break
            position, memory = (
                grammar.advance(position, token),
                sampler.advance(memory, torch.tensor([token]), torch.zeros(1, 1)),
            )
        assert step >= 28


def walk(grammar: Grammar, prompt: str, length: int, seed: int, preferred: str) -> list[Position]:
    """Return the positions along random text of one function, in which words are written where they are allowed."""
    generator = torch.Generator().manual_seed(seed)
    weights = torch.tensor([1.0 if character in PRINTED else 0.0 for character in CHARACTERS])
    weights[encode(preferred)] = 20.0
    positions, word = [grammar.read(grammar.start(), encode(prompt).tolist())], ""
    while len(positions) < length and positions[-1].code.phase != Phase.LINE_END:
        found = torch.tensor([grammar.allowed(positions[-1]) >> token & 1 for token in range(128)])
        if not word and torch.rand((), generator=generator) < 0.6:
            word = WORDS[int(torch.randint(len(WORDS), (), generator=generator))]
        if word and found[ord(word[0])]:
            token, word = ord(word[0]), word[1:]
        else:
            token, word = int(torch.multinomial(weights * found, 1, generator=generator)), ""
        positions.append(grammar.advance(positions[-1], token))
    return positions


@settings(max_examples=20)
@given(
    st.integers(0, 10_000),
    st.sampled_from(PROMPTS),
    st.sampled_from(["", "{", "(?", "\n#;", "+-*&()=,"]),
    st.sampled_from([1, 20, 81, 100, 150, 250]),
)
def test_a_sample_need_not_end_during_its_free_steps(
    grammar: Grammar, seed: int, prompt: str, preferred: str, room: int
):
    positions = walk(grammar, prompt, 120, seed, preferred)
    for start, position in enumerate(positions):
        remaining = grammar.closing_length(position) + 80 + room
        steps = grammar.free_steps(position, remaining)
        assert steps > 0
        assert grammar.free_steps(position, remaining - room) == 0
        for step, later in enumerate(positions[start : start + steps]):
            assert grammar.free_steps(later, remaining - step) > 0


def test_lexicon_file(sampler: Scoped):
    allowed = allowed_tokens(sampler, start(sampler, HEAD + "\tcount = k", 400))[0]
    assert set(map(chr, allowed.nonzero().flatten().tolist())) == {"f", "m"}
