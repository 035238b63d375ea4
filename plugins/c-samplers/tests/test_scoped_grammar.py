"""The grammar of the sampler `scoped`: what it allows after a text."""

import string

import pytest
from seqforge_c_samplers.positions import Phase
from seqforge_c_samplers.scoped_grammar import Grammar, Position
from seqforge_code_structure.identifiers.lexicon import Lexicon

from seqforge.errors import ExperimentError

CHARACTERS = tuple(map(chr, range(128)))
HEAD = "static int f(struct device *dev, int count)\n{\n"


def follow(grammar: Grammar, text: str, position: Position | None = None) -> Position:
    """Return the position after a text, each character of which must be allowed."""
    position = position or grammar.start()
    for place, character in enumerate(text):
        token = CHARACTERS.index(character)
        assert grammar.allowed(position) >> token & 1, f"{character!r} is not allowed after {text[:place]!r}"
        position = grammar.advance(position, token)
    return position


def allowed_after(grammar: Grammar, text: str) -> str:
    allowed = grammar.allowed(follow(grammar, text))
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


def test_correct_code_is_allowed(grammar: Grammar):
    position = follow(grammar, CODE)
    assert position.code.phase == Phase.TOP
    assert grammar.closing_character(position) == ""
    assert position.code.scope.names == {"foo", "bar", "SMALL", "LARGE", "limit", "limits"}


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
def test_wrong_character_is_not_allowed(grammar: Grammar, text: str, wrong: str):
    start = follow(grammar, HEAD)
    with pytest.raises(AssertionError, match="is not allowed"):
        follow(grammar, text + wrong, start)


def test_void_function_returns_nothing(grammar: Grammar):
    assert set(allowed_after(grammar, "void f(int n)\n{\n\treturn ")) == set(" \t\n/;")


def test_labels_of_jumps_are_the_only_ones_at_the_start_of_a_line(grammar: Grammar):
    assert set(allowed_after(grammar, HEAD + "\tgoto out;\n")) & set(string.ascii_letters) == {"o"}
    assert "}" in allowed_after(grammar, HEAD + "\tgoto out;\nout:\n\t;\n")


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
def test_wrong_character_outside_of_functions_is_not_allowed(grammar: Grammar, text: str, wrong: str):
    with pytest.raises(AssertionError, match="is not allowed"):
        follow(grammar, text + wrong)


def test_white_space_of_code_ends(grammar: Grammar):
    spaces = " " * 27
    assert set(string.whitespace) & set(allowed_after(grammar, HEAD + "\n" + spaces)) == set(" \t\n")
    assert not set(string.whitespace) & set(allowed_after(grammar, HEAD + "\n" + spaces + " "))
    # The end of a branch begins in a line of its own.
    assert set(string.whitespace) & set(allowed_after(grammar, HEAD + "#if A\n;" + spaces + "   ")) == {"\n"}
    assert " " in allowed_after(grammar, HEAD + "/*" + spaces * 2)
    assert "\n" in allowed_after(grammar, "int a;" + "\n" * 60)


def test_names_of_the_branches_of_a_condition_end_with_them(grammar: Grammar):
    text = HEAD + "#if A\n\tint size = 1;\n#endif\n\tcount = "
    assert "s" in allowed_after(grammar, text)
    assert allowed_after(grammar, text + "si") == "z"
    assert allowed_after(grammar, text + "size") == "o"


def test_prompt_that_is_no_c_keeps_brackets_balanced_only(grammar: Grammar):
    position = grammar.read(grammar.start(), [CHARACTERS.index(character) for character in "  if x = ]\n("])
    assert position.code.phase == Phase.LOST
    assert not grammar.allowed(position) >> CHARACTERS.index("]") & 1
    assert grammar.allowed(position) >> CHARACTERS.index(")") & 1


def test_vocabulary_without_needed_characters_is_rejected(lexicon: Lexicon):
    with pytest.raises(ExperimentError, match="needs the characters"):
        Grammar(("a", "b"), lexicon)
