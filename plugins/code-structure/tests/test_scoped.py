"""The sampler `scoped`: what it allows after a text, and what the metrics find in samples from random logits."""

import string
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from seqforge_code_structure.identifiers.checks import check_names
from seqforge_code_structure.identifiers.lexicon import Flag, Lexicon
from seqforge_code_structure.identifiers.lexicon_file import encode_lexicon
from seqforge_code_structure.identifiers.reading import read_units
from seqforge_code_structure.samplers.names import Alphabet, Role, Scope
from seqforge_code_structure.samplers.row import Phase
from seqforge_code_structure.samplers.scoped import Memory, Scoped
from seqforge_code_structure.samplers.scoped_grammar import Grammar, Position, build_grammar
from seqforge_code_structure.units import split_units

from seqforge.errors import ExperimentError
from seqforge.interfaces import SamplingContext
from seqforge.testing.sampler_suite import ASCII

CHARACTERS = tuple(map(chr, range(128)))
PRINTED = string.printable.replace("\r", "").replace("\x0b", "").replace("\x0c", "")
FUNCTION = Flag.EVALUATES
GLOBAL = Flag.VARIABLE
LOCAL = Flag.VARIABLE | Flag.LOCAL | Flag.MAY_BE_LOCAL | Flag.MOSTLY_LOCAL
LEXICON = Lexicon.from_flags(
    9,
    {
        "kfree": FUNCTION,
        "kmalloc": FUNCTION,
        "list_for_each": FUNCTION,
        "jiffies": GLOBAL,
        "current": GLOBAL | Flag.MAY_BE_LOCAL,
        "ret": LOCAL,
        "size": LOCAL,
        "EINVAL": GLOBAL,
        "KERN_INFO": GLOBAL,
        "BUG_ON": FUNCTION,
    },
)
HEAD = "static int f(struct device *dev, int count)\n{\n"


@cache
def sampler() -> Scoped:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "c.lexicon"
        path.write_bytes(encode_lexicon(LEXICON))
        return Scoped(path)


@cache
def grammar() -> Grammar:
    return build_grammar(CHARACTERS, LEXICON)


def start(prompt: str, length: int, batch_size: int = 1) -> Memory:
    return sampler().start(SamplingContext(encode(prompt), batch_size, length, ASCII()))


def allowed_tokens(memory: Memory) -> torch.Tensor:
    return sampler().transform(torch.zeros(len(memory.places), len(CHARACTERS)), memory).isfinite()


def encode(text: str) -> torch.Tensor:
    return torch.tensor(list(text.encode()), dtype=torch.int64)


def follow(text: str, position: Position | None = None) -> Position:
    """Return the position after a text, each character of which must be allowed."""
    position = position or grammar().start()
    for place, character in enumerate(text):
        token = CHARACTERS.index(character)
        assert grammar().allowed(position) >> token & 1, f"{character!r} is not allowed after {text[:place]!r}"
        position = grammar().advance(position, token)
    return position


def allowed_after(text: str) -> str:
    allowed = grammar().allowed(follow(text))
    return "".join(character for token, character in enumerate(CHARACTERS) if allowed >> token & 1)


CODE = """\
#include <linux/kernel.h>
/* A comment { */
struct bar {
	int a, *b[3];
	const struct foo *c;
};
enum size {
	SMALL,
	LARGE = SMALL + 2,
};
typedef struct {
	u32 x[];
} block_t;
static int limit = LARGE, limits[] = { [SMALL] = 1, 2 };
module_param(limit, int, 0644);
MODULE_LICENSE("GPL");

static int foo(struct bar *b, int n, u32 count)
{
	int i, ret = 0;
	struct dev *const d = b->dev;
	u8 table[4] = { 1, 2, [3] = 4, { .x = 1 } };
	void __iomem *base;
	static const char *names[] = { "a", "b" };

	if (!b || n < 0)
		return -EINVAL;
	else if (n == 3) {
		ret++;
	}
	for (i = 0; i < n; i++) {
		ret += table[i & 3] * 2;
		if (ret > 10)
			goto out;
	}
	for (int k = 0; k < 3; k++)
		continue;
	do {
		n--;
	} while (n > 0);
	switch (n) {
	case 1:
		ret = (int)sizeof(*d) + sizeof(struct bar *);
		break;
	default:
		kfree(KERN_INFO "hello %d\\n", ret ? n : i, 'a', '\\x1f');
	}
	list_for_each(d, b)
		ret = (u32)count / 2; // half
	b->x.y[3] = foo(b, n, 0x1fUL) << 2;
	*d = 3;
	(*b).a -= jiffies >= current;
#ifdef CONFIG_X
	long z = 3;
	BUG_ON(z);
#else
	;
#endif
out:
	kfree(d);
	return ret;
}

void bar(void)
{
	unsigned long flags;

	foo(NULL, flags, 1);
	return;
}
"""


def test_correct_code_is_allowed():
    position = follow(CODE)
    assert position.row.phase == Phase.TOP
    assert grammar().closing_character(position) == ""
    assert position.row.scope.names == {"foo", "bar", "SMALL", "LARGE", "limit", "limits"}


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("\tcount = dev->x + si", "g"),  # only sizeof remains
        ("\tx", "="),
        ("\treturn", ";"),
        ("\treturn curren", "t"),  # a name that may be local
        ("\tint ret = 1;\n\t{\n\t\tint size = 1;\n\t}\n\tcount = size", ";"),
        ("\tgoto out;\n", "}"),
        ("\tcount = kfree", ";"),
        ("\tkfree(ret", ")"),
        ("\tif (count)\n\t", "}"),
        ("\tint count", ";"),  # declared twice
        ("\t", "1"),
        ("\tcount + 1 =", " "),
        ("\tcount = sizeof(u64 *", "_"),
        ("\tbrea", "k"),
        ("\telse", " "),
        ("\tif (count)\n\t\t;\n#if A\n\t", "}"),
        ("\twhile (count) {\n", "}"),
        ("\tcount = 'ab", "'"),
        ("\tcount = dev->count +", ";"),
        ("\tint while", " "),
        ("again:\n\tcount++;\naga", "in:"),
        ("}", ";"),
    ],
)
def test_wrong_character_is_not_allowed(text: str, wrong: str):
    start = follow(HEAD)
    with pytest.raises(AssertionError, match="is not allowed"):
        follow(text + wrong, start)


def test_void_function_returns_nothing():
    assert set(allowed_after("void f(int n)\n{\n\treturn ")) == set(" \t\n/;")


def test_labels_of_jumps_are_the_only_ones_at_the_start_of_a_line():
    assert set(allowed_after(HEAD + "\tgoto out;\n")) & set(string.ascii_letters) == {"o"}
    assert "}" in allowed_after(HEAD + "\tgoto out;\nout:\n\t;\n")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("static int f(int a)\n", "i"),
        ("#if A\nint f(int a) ", "e"),
        ("int f(int a, ", ")"),
        ("int limit = ", "\n"),
        ("int limit = ;", "\n"),
        ("int limit = kfree", ";"),
        ("int limits[siz", "i"),  # only sizeof remains
        ("struct foo {\n\tretur", "n"),
        ("struct foo {\n\tint a = ", "3"),
        ("enum foo {\n", "}"),
        ("typedef struct { int a; }", ";"),
        ("M(a b", ")"),
        ("static int ", ";"),
    ],
)
def test_wrong_character_outside_of_functions_is_not_allowed(text: str, wrong: str):
    with pytest.raises(AssertionError, match="is not allowed"):
        follow(text + wrong)


def test_white_space_of_code_ends():
    spaces = " " * 27
    assert set(string.whitespace) & set(allowed_after(HEAD + "\n" + spaces)) == set(" \t\n")
    assert not set(string.whitespace) & set(allowed_after(HEAD + "\n" + spaces + " "))
    # The end of a branch begins in a line of its own.
    assert set(string.whitespace) & set(allowed_after(HEAD + "#if A\n;" + spaces + "   ")) == {"\n"}
    assert " " in allowed_after(HEAD + "/*" + spaces * 2)
    assert "\n" in allowed_after("int a;" + "\n" * 60)


def test_names_of_the_branches_of_a_condition_end_with_them():
    text = HEAD + "#if A\n\tint size = 1;\n#endif\n\tcount = "
    assert "s" in allowed_after(text)
    assert allowed_after(text + "si") == "z"
    assert allowed_after(text + "size") == "o"


def test_prompt_that_is_no_c_keeps_brackets_balanced_only():
    position = grammar().read(grammar().start(), [CHARACTERS.index(character) for character in "  if x = ]\n("])
    assert position.row.phase == Phase.LOST
    assert not grammar().allowed(position) >> CHARACTERS.index("]") & 1
    assert grammar().allowed(position) >> CHARACTERS.index(")") & 1


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


def draw(prompt: str, length: int, seed: int, preferred: str, word_share: float) -> str:
    """Draw a sample up to the end of its first function. Words are written where they are allowed."""
    generator = torch.Generator().manual_seed(seed)
    position, text, word, memory = follow(prompt), prompt, "", start(prompt, length)
    weights = torch.tensor([1.0 if character in PRINTED else 1e-6 for character in CHARACTERS])
    weights[encode(preferred)] = 6.0
    weights[ord("}")] = 0.5
    for _ in range(length):
        found = allowed_tokens(memory)[0]
        # The end of the sample does not limit what may follow.
        if grammar().free_steps(position, memory.remaining - 10):
            assert found.tolist() == [bool(grammar().allowed(position) >> token & 1) for token in range(128)]
        assert found.any()
        if not word and torch.rand((), generator=generator) < word_share:
            word = WORDS[int(torch.randint(len(WORDS), (), generator=generator))]
        if word and found[ord(word[0])]:
            token, word = ord(word[0]), word[1:]
        else:
            token, word = int(torch.multinomial(weights * found, 1, generator=generator)), ""
        assert grammar().allowed(position) >> token & 1
        text += CHARACTERS[token]
        position, memory = grammar().advance(position, token), sampler().advance(memory, torch.tensor([token]))
        if position.row.phase == Phase.LINE_END:
            break
    assert grammar().closing_character(position) == ""
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
    seed: int, length: int, prompt: str, preferred: str, word_share: float
):
    text = draw(prompt, length, seed, preferred, word_share)
    units = list(split_units(text))
    assert [defect for unit in units for defect in unit.defects] == []
    _, defects = check_names(read_units(text, units), LEXICON)
    assert [defect.message for defect in defects if defect.kind != "unused"] == []


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
def test_units_from_random_logits_close_and_parse(seed: int, prompt: str, preferred: str, word_share: float):
    text = draw(prompt, 150, seed, preferred, word_share)
    units = list(split_units(text))
    assert [defect for unit in units for defect in unit.defects] == []
    assert all(unit.parses for unit in read_units(text, units))


@settings(max_examples=5)
@given(st.integers(0, 10_000), st.integers(60, 200))
def test_memory_after_a_prompt_equals_memory_after_draws(seed: int, length: int):
    text = draw(HEAD, length, seed, " ;\n", 0.2)
    half = len(text) // 2
    memory = start(text[:half], 500, 2)
    for character in text[half:]:
        memory = sampler().advance(memory, torch.full((2,), ord(character)))
    assert torch.equal(allowed_tokens(memory), allowed_tokens(start(text, 500 - len(text) + half, 2)))


@given(st.lists(st.text("ab_", min_size=1, max_size=4)), st.text("ab_", max_size=3))
def test_characters_that_continue_names_in_scope(names: list[str], prefix: str):
    alphabet = Alphabet(CHARACTERS)
    found = Scope.empty(alphabet).add(names[:2]).add(names[2:]).next_characters(prefix)
    expected = alphabet.bits(
        "".join({name[len(prefix)] for name in names if name.startswith(prefix) and name != prefix})
    )
    assert found == expected | (alphabet.complete if prefix in names else 0)


@given(st.sampled_from(["k", "kf", "kfree", "j", "E", "", "zz"]))
def test_characters_that_continue_names_of_the_lexicon(prefix: str):
    names = grammar().names
    known = names.variables | names.functions | names.prefixes | {"sizeof"}
    found = names.next_characters(Role.OPERAND, prefix)
    for token, character in enumerate(CHARACTERS):
        assert bool(found >> token & 1) == any(name.startswith(prefix + character) for name in known)


def test_lexicon_file():
    allowed = allowed_tokens(start(HEAD + "\tcount = k", 400))[0]
    assert set(map(chr, allowed.nonzero().flatten().tolist())) == {"f", "m"}


def test_vocabulary_without_needed_characters_is_rejected():
    with pytest.raises(ExperimentError, match="needs the characters"):
        Grammar(("a", "b"), LEXICON)
