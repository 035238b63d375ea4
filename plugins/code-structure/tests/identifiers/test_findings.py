"""Findings of name errors in fragments of C."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from seqforge_code_structure.defects import RULES, Defect
from seqforge_code_structure.findings import analyze
from seqforge_code_structure.identifiers.lexicon import Lexicon
from seqforge_code_structure.identifiers.lexicon_building import Count
from seqforge_code_structure.identifiers.reading import read_unit

PIECES = [
    *"(){}[];,*&=.:\n\"'#",
    *("int ", "i", "err", "goto ", "return ", "if ", "for ", "LIST_HEAD(", "SYSCALL_DEFINE1(", "struct s ", "typedef "),
    *("/*", "*/", "é", "\x00", "\ud800", "\n}\n", "\n{\n", "#if A\n", "\n#else\n", "case 1 ... 2:"),
]
TEXTS = st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=60).map("".join))

COUNTS = {
    "i": Count(bound=90),
    "ret": Count(free=1, bound=50),
    "err": Count(bound=40),
    "count_t": Count(bound=40),
    "jiffies": Count(free=30),
    "list": Count(free=20, bound=30),
    "bp": Count(bound=20, unused=4),
    "ERR": Count(bound=3),
    "WARN_ON": Count(called=9),
}
LEXICON = Lexicon.from_flags(
    100,
    {name: count.to_flags() for name, count in COUNTS.items()},
    localities={name: count.locality for name, count in COUNTS.items()},
)


def find_name_errors(text: str, lexicon: Lexicon | None = None, *, cut: bool = False) -> list[Defect]:
    found = analyze(text, lexicon, cut=cut)
    return [item for item in found if RULES[item.rule].kind in ("names", "syntax") and RULES[item.rule].default]


def body(statements: str, parameters: str = "void") -> str:
    return f"static int f({parameters})\n{{\n{statements}\n}}\n"


GOLDEN = {
    "no error": (body("\tint i = 0;\n\n\treturn i;"), []),
    "undefined": (body("\tg(1 + i);\n\treturn 0;"), [("i", "undefined identifier 'i'")]),
    "an undefined name is reported once per function": (
        body("\ti = i + i;\n\treturn 0;"),
        [("i", "undefined identifier 'i'")],
    ),
    "a parameter": (body("\treturn i;", "int i"), []),
    "a parameter that is an array of pointers": (body("\treturn i[0];", "const struct s *i[3]"), []),
    "a parameter of a function pointer is not declared": (
        body("\treturn i(0);\n\treturn ret;", "int (*i)(int ret)"),
        [("ret", "return of the undefined identifier 'ret'")],
    ),
    "a variable of a scope that has ended": (
        body("\t{\n\t\tint i = 1;\n\t\tg(i);\n\t}\n\treturn i;"),
        [("i", "return of the undefined identifier 'i'")],
    ),
    "a loop variable after the loop": (
        body("\tfor (int i = 0; i < 3; i++)\n\t\tg(i);\n\ti = 1;"),
        [("i", "undefined identifier 'i'")],
    ),
    "an inner name hides an outer one": (
        body("\tint i = 1;\n\t{\n\t\tint i;\n\t}\n\treturn i;"),
        [("i", "unused variable 'i'")],
    ),
    "a use before the declaration": (body("\ti = 1;\n\tint i;"), [("i", "undefined"), ("i", "unused")]),
    "unused": (body("\tint ret, i;\n\n\treturn ret;"), [("i", "unused variable 'i'")]),
    "an unused parameter is permitted": (body("\treturn 0;", "int i"), []),
    "marked as unused": (body("\tint i __maybe_unused;\n\treturn 0;"), []),
    "marked as unused after a type of two words": (
        body("\tunsigned long flags __maybe_unused;\n\tu32 i;\n\n\ti = flags;\n\treturn i;"),
        [],
    ),
    "a cast before an operator with one operand": (
        body("\tg((count_t)*p, (count_t)&p);\n\n\treturn (count_t)-*p;", "int *p"),
        [],
    ),
    "marked as unused before the type": (body("\t__maybe_unused const int i = 1, ret;\n\treturn 0;"), []),
    "used by a cleanup attribute": (body("\tstruct s *i __free(kfree) = g();\n\treturn 0;"), []),
    "used by a macro that the text defines": ("#define G() g(i)\n" + body("\tint i;\n\n\tG();"), []),
    "used in a dead branch": (body("\tint i;\n#ifndef A\n\tg(i);\n#endif"), []),
    "used by macros of drivers": (body("\tint bp;\n"), []),
    "used as a size": (body("\tint i;\n\tchar ret[sizeof(i)];\n\tg(ret);"), []),
    "the name of a type": (body("\tstruct i *ret = g();\n\treturn ret->err;"), []),
    "a member and a designator": (body("\tstruct s ret = { .i = 1 };\n\treturn ret.i;"), []),
    "a global": (body("\treturn jiffies;"), []),
    "a name that is often used undeclared": (body("\treturn g(list);"), []),
    "a name that is often used undeclared, returned alone": (
        body("\treturn list;"),
        [("list", "return of the undefined identifier 'list'")],
    ),
    "a novel name, returned alone": (body("\treturn new;"), [("new", "return of the undefined identifier 'new'")]),
    "a novel name": ('#include "a.h"\n' + body("\treturn g(new) + new;"), []),
    "a novel name in a file that includes nothing": (body("\tg(new);"), [("new", "undefined identifier 'new'")]),
    "constants": (body("\treturn ERR;"), []),
    "a call": (body("\treturn err();"), []),
    "a declaration at file level, below the function": (body("\treturn err;") + "int err;\n", []),
    "a local variable of another function": (
        "static void g(void)\n{\n\tint err = 0;\n\n\th(err);\n}\n\n" + body("\treturn err;"),
        [("err", "return of the undefined identifier 'err'")],
    ),
    "an enumerator": ("enum e { err, i };\n\n" + body("\treturn err + i;"), []),
    "a macro that declares": (body("\tLIST_HEAD(list);\n\tDECLARE_BITMAP(i, 8);\n\tg(&list, i);"), []),
    "a call in an argument of a macro that declares": (
        body("\tINIT_LIST_HEAD(&err(i));\n\tLIST_HEAD(err(i));", "int i"),
        [],
    ),
    "an undeclared name in such a call": (body("\tINIT_LIST_HEAD(&err(i));"), [("i", "undefined identifier 'i'")]),
    "a macro that does not declare": (body("\tWARN_ON(i);"), [("i", "undefined identifier 'i'")]),
    "members among arguments": (body("\tg(container_of(jiffies, struct s, i), offsetof(struct s, err));"), []),
    "a system call": ("SYSCALL_DEFINE2(f, int, ret, char __user *, err)\n{\n\treturn g(ret, err);\n}\n", []),
    "parameters in the style of K&R": ("int f(i, ret)\n\tint i;\n\tchar *ret;\n{\n\treturn i + *ret;\n}\n", []),
    "a scoped loop": (body("\tfor_each_child_of_node_scoped(jiffies, i) {\n\t\tg(i);\n\t}"), []),
    "goto": (body("\tgoto out;\nout:\n\treturn 0;"), []),
    "goto to an undefined label": (
        body("\tgoto out;\nerr:\n\treturn 0;"),
        [("out", "goto to the undefined label 'out'"), ("err", "unused label 'err'")],
    ),
    "goto to an undefined label, in a macro and in code": (
        body("#define G goto out\n\tgoto out;"),
        [("out", "goto to the undefined label 'out'")],
    ),
    "a label in a dead branch": (body("\tgoto out;\n#ifndef A\nout:\n#endif\n\treturn 0;"), []),
    "the address of a label": (body("\tvoid *ret = &&err;\n\n\tgoto *ret;\nerr:\n\treturn 0;"), None),
    "does not parse": (body("\tint i;\n\treturn );"), [("i", "unused"), (")", "does not parse")]),
    "a name in parameters that do not parse may be declared": (
        "static int f[g(int err)\n{\n\treturn err;\n}\n",
        [("e", "does not parse")],
    ),
    "positions after multi-byte characters": (
        "/* größe → */\n" + body('\tg("é→", i);'),
        [("i", "undefined identifier 'i'")],
    ),
}


@pytest.mark.parametrize(("text", "expected"), GOLDEN.values(), ids=GOLDEN)
def test_findings_match_golden_values(text: str, expected: list[tuple[str, str]] | None):
    found = [(text[finding.start : finding.stop], finding.message) for finding in find_name_errors(text, LEXICON)]
    if expected is None:
        # The grammar lacks the computed goto of GNU C. Its label must not be reported as an undefined name.
        assert all("undefined" not in message for _, message in found)
        return
    assert [name for name, _ in found] == [name for name, _ in expected]
    assert all(message.startswith(wanted) for (_, message), (_, wanted) in zip(found, expected, strict=True))


def test_functions_in_a_block_have_separate_scopes():
    # A block outside of functions is a syntax error, but every scope that opens must still be closed.
    text = "{\n\tint f(void)\n\t{\n\t\treturn i;\n\t}\n\tint g(void)\n\t{\n\t\tint ret;\n\t}\n}\n"
    unit = read_unit(text)
    assert [[use.name for use in function.free] for function in unit.functions] == [["i"], []]
    assert [[local.name for local in function.declarations] for function in unit.functions] == [[], ["ret"]]


@pytest.mark.parametrize("members", [".read = a\n\t.write = b,", "[1] = a\n\t[2] = b,", '.name = "a"\n\t.table = b,'])
def test_a_missing_comma_between_initializers_is_found(members: str):
    messages = [found.message for found in analyze(f"struct operations x = {{\n\t{members}\n}};\n", None)]
    assert messages == ["assignment in an initializer: a comma may be missing"]
    right = members.replace("\n\t", ",\n\t")
    assert not analyze(f"struct operations x = {{\n\t{right}\n\t.c = (d = e),\n\t.f = g = h,\n}};\n", None)


def test_a_member_may_have_the_name_of_an_annotation():
    assert not analyze("struct a {\n\tint __unused[3];\n\tint b __unused;\n};\n", None)


def test_positions_of_findings_count_characters():
    text = "/* é */\n" + body("\tint ret = 0;\n\n\treturn ret + i;")
    (finding,) = find_name_errors(text, LEXICON)
    assert (finding.start, finding.stop) == (text.rindex("i;"), text.rindex("i;") + 1)


def test_no_name_is_undefined_without_a_lexicon():
    assert find_name_errors(body("\tint i;\n\treturn err;")) == find_name_errors(body("\tint i;\n\treturn 0;  "))


def test_unit_without_its_end_is_not_checked():
    text = body("\treturn 0;") + "\nint g(void)\n{\n\tint i;\n\tif ("
    assert find_name_errors(text, LEXICON, cut=True) == []
    assert find_name_errors(text, LEXICON)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("g(1 + fresh);", []),
        ("g(fresh->err);", ["fresh"]),
        ("g(extraordinarily_new->err);", []),
        ("fresh = 1;", ["fresh"]),
        ("g(&fresh->err);", []),
        ("g(fresh[0] + 1);", []),
        ("g(a_new->err, a_b->err);", []),
        ("g(a_new->err, fresh->err);", ["a_new", "fresh"]),
        ("g(fresh->err);\n\tg(;", ["("]),
    ],
)
def test_unknown_names_in_an_excerpt_are_undefined_if_global_names_are_rarely_so(statement: str, expected: list[str]):
    text = body(f"\t{statement}")
    found = find_name_errors(text, LEXICON, cut=True)
    assert [text[finding.start : finding.stop] for finding in found] == expected
    assert "undefined" not in str(find_name_errors('#include "a.h"\n' + text, LEXICON))


@given(TEXTS)
def test_findings_in_any_text_are_inside_it(text: str):
    for finding in find_name_errors(text, LEXICON):
        assert 0 <= finding.start < finding.stop <= len(text)


@given(TEXTS)
@example("int*{{")
def test_findings_in_any_function_body_are_inside_the_text(text: str):
    whole = body(text)
    for finding in find_name_errors(whole, LEXICON, cut=True):
        assert 0 <= finding.start < finding.stop <= len(whole)
