"""Rewriting of kernel C before it is parsed."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from seqforge_code_structure.compiled_code import read_code
from seqforge_code_structure.identifiers.parsing import remove_stray_macros, repair, rewrite
from seqforge_code_structure.syntax import LANGUAGE
from tree_sitter import Parser

PIECES = st.sampled_from(
    [
        *"(){}[];,*.\n\t \"'\\#",
        "struct foo",
        "static ",
        "DEFINE_MUTEX(",
        "list_for_each_entry(",
        "for_each_child_of_node_scoped(a, b)",
        "container_of(p, struct foo, a.b[3])",
        "__init ",
        "__aligned(8)",
        "...",
        "KERN_INFO ",
        "offsetof(",
        "SYSCALL_DEFINE1(x, int, y)",
        "unsigned int",
        "#if X\n",
        "\n#else\n",
        "\n#endif\n",
        "/*",
        "*/",
        "//",
        "é",
        "\x00",
        "\ud800",
        "name",
        "MACRO",
        "MACRO(",
        " -> ",
    ]
)
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=60).map("".join))

KERNEL_C = {
    "annotations": "static int __init f(void)\n{\n\tstruct s *p __free(kfree) = g();\n\n\treturn p->x;\n}\n",
    "a loop over a list": "void f(void)\n{\n\tlist_for_each_entry(p, &head, list)\n\t\tg(p);\n}\n",
    "a loop macro with an unknown name": "void f(void)\n{\n\tdo_for_my_queues(p, i) {\n\t\tg(p);\n\t}\n}\n",
    "a type argument": "int f(void)\n{\n\treturn min_t(unsigned int, a, max_t(struct s *, b, c));\n}\n",
    "a type and a member": "int f(void)\n{\n\treturn *container_of(p, struct s, u.work[i]);\n}\n",
    "offsetof": "int f(void)\n{\n\treturn offsetof(struct s, a[3].b);\n}\n",
    "a range": "int f(int a)\n{\n\tswitch (a) {\n\tcase 1 ... 9:\n\t\treturn 1;\n\t}\n\treturn 0;\n}\n",
    "a string macro": 'void f(void)\n{\n\tprintk(KERN_INFO NAME ": hello\\n");\n}\n',
    "a system call": "SYSCALL_DEFINE2(f, int, fd, char __user *, buf)\n{\n\treturn g(fd, buf);\n}\n",
    "a static macro": "void f(void)\n{\n\tstatic DEFINE_RATELIMIT_STATE(rs, A, B);\n\tg(&rs);\n}\n",
    "a statement across directives": "void f(void)\n{\n\tif (a)\n#ifdef X\n\t\tg();\n\telse\n#endif\n\t\th();\n}\n",
    "a brace in each branch": "void f(void)\n{\n#if X\n\tif (a) {\n#else\n\tif (b) {\n#endif\n\t\tg();\n\t}\n}\n",
    "a scoped loop": "void f(void)\n{\n\tfor_each_child_of_node_scoped(np, child) {\n\t\tg(child);\n\t}\n}\n",
}


def parses(code: bytes) -> bool:
    return not Parser(LANGUAGE).parse(code).root_node.has_error


@pytest.mark.parametrize("text", KERNEL_C.values(), ids=KERNEL_C)
def test_rewritten_kernel_c_parses(text: str):
    assert parses(repair(rewrite(read_code(text).code)))


@pytest.mark.parametrize(
    "name",
    [
        "a type argument",
        "a type and a member",
        "offsetof",
        "a range",
        "a string macro",
        "a statement across directives",
        "a loop macro with an unknown name",
        "a brace in each branch",
    ],
)
def test_kernel_c_does_not_parse_without_rewriting(name: str):
    # The other examples parse without rewriting, but with another meaning.
    assert not parses(KERNEL_C[name].encode())


@example("struct s {\n\tAB();\n\tint x;\n};")
@example("static DEFINE_PER_CPU(int, x\n);")
@example("void f(void)\n{\n\tA(b, return c\n\t);\n}\n")
@example("void f(void)\n{\n\tA(b, return c\n);\n}\n")
@example("void f(void)\n{\n\tfor_each_child_of_node_scoped(np,\n\tchild) {\n\t}\n}\n")
@example("FIXTURE\n (a)\n{\n\tint b;\n};\n")
@given(TEXTS)
def test_rewriting_keeps_length_and_line_breaks(text: str):
    code = read_code(text).code
    rewritten = remove_stray_macros(repair(rewrite(code)))
    assert len(code) == len(rewritten) == len(text)
    assert [i for i, symbol in enumerate(text) if symbol == "\n"] == [
        i for i, byte in enumerate(rewritten) if byte == 10
    ]


def test_code_that_is_not_compiled_is_blank():
    text = 'int a; /* b */ char *c = "d;"; // e\n#if F\nint g;\n#else\nint h;\n#endif\n#define I 1\n'
    compiled = read_code(text)
    assert compiled.code.split() == [b"int", b"a;", b"char", b"*c", b"=", b'"', b'";', b"int", b"g;"]
    assert [found.name for found in compiled.directives] == ["if", "else", "endif", "define"]
    assert compiled.find_dead(text, 0, len(text)).split() == ["int", "h;"]


def test_names_keep_their_positions():
    text = "void f(void)\n{\n\tfor_each_child_of_node_scoped(np, child) {\n\t}\n}\n"
    rewritten = repair(rewrite(text.encode()))
    for name in (b"np", b"child)"):
        place = text.encode().index(b"(" + name if name == b"np" else b" " + name) + 1
        assert rewritten[place : place + 2] == text.encode()[place : place + 2]
