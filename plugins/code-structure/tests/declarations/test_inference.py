"""Inferred declarations: code that only lacks declarations is accepted, and code with another error is not."""

import shutil
from pathlib import Path

import pytest
from seqforge_code_structure import metrics
from seqforge_code_structure.compiler import find_compiler
from seqforge_code_structure.declarations import inference
from seqforge_code_structure.declarations.inference import Acceptance, accept_unit
from seqforge_code_structure.metrics import CompilesDeclared

from seqforge.kinds import Finding

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")


def accept(text: str) -> Acceptance:
    return accept_unit(text, find_compiler())


def function(body: str, parameters: str = "void") -> str:
    return f"static long f({parameters})\n{{\n\t{body}\n}}\n"


@pytest.mark.parametrize(
    ("body", "parameters"),
    [
        ("u32 x = y + CONSTANT; return x;", "void"),
        ("return p->first->second.third[2];", "struct node *p"),
        ("struct point q = *p; q.x++; return sizeof(q) + p->y;", "struct point *p"),
        ("return p->first;", "node_t *p"),
        ("return p.first;", "node_t p"),
        ("return find(1)->size + table[i].size + (*list)->size;", "int i"),
        ("p->operations->read(p); return (*callback)(1) + handlers[1](2);", "struct file *p"),
        ("switch (x) { case FIRST: return 1; case SECOND: return second; case third: return 3; } return 0;", "int x"),
        ("enum color c = RED; union number u; u.i = 1; return c + u.i;", "void"),
        ('printk(KERN_INFO "text" SUFFIX "%d", 1); return 0;', "void"),
        ("per_cpu(counter, 1) = 2; return 0;", "void"),
        ("struct options o = { .first = 1, .second = LIMIT, }; return o.third;", "void"),
        ("list_for_each_entry(x, &head, list) { use(x->value); } return 0;", "struct item *x"),
        ("return min_t(size_t, a, 1) + container_of(p, struct outer, member)->value;", "struct inner *p"),
        ('asm volatile("mov %0, %1" : "=r"(x) : "r"(y)); return x;', "long x"),
        ("return (flag ? first : second)->value + ((struct node *)p)->next->value;", "void *p"),
        ("return (&list)->size + (&node->link)->next->size;", "void"),
        ("x = get(); if (!x) return 0; return x->value;", "object_t *x"),
    ],
)
def test_code_that_only_lacks_declarations_is_accepted(body: str, parameters: str) -> None:
    found = accept(function(body, parameters))
    assert found.accepted, found


@pytest.mark.parametrize(
    ("body", "parameters", "error"),
    [
        ("return 1", "void", "expected ';' before '}' token"),
        ("return (1;", "void", "expected ')' before ';' token"),
        ("return x->next;", "int x", "invalid type argument of '->' (have 'int')"),
        ("return x[1];", "int x", "subscripted value is neither array nor pointer nor vector"),
        ("return x(1);", "int x", "called object 'x' is not a function or function pointer"),
        ("goto out; return 1;", "void", "label 'out' used but not defined"),
        ("int x; int x; return 1;", "void", "redeclaration of 'x' with no linkage"),
        ("struct s { int a; } x; return x.b;", "void", "'struct s' has no member named 'b'"),
        ("return f(1, 2, 3);", "int x", "too many arguments to function 'f'"),
        ("break; return 1;", "void", "break statement not within loop or switch"),
    ],
)
def test_other_errors_remain(body: str, parameters: str, error: str) -> None:
    found = accept(function(body, parameters))
    assert not found.accepted
    assert found.error == error


def test_tables_of_data_are_accepted() -> None:
    table = (
        "static const struct entry table[] = {\n\t{ .name = FIRST, .size = SIZE(1) },\n\t[LAST] = { read_it },\n};\n"
    )
    assert accept(table).accepted


@pytest.mark.parametrize(
    "unit",
    [
        'MODULE_LICENSE("GPL");\n',
        "static DEFINE_MUTEX(lock);\n",
        "static int table[TYPE_MAX] = { [TYPE_FIRST] = 1, [TYPE_SECOND] = false };\n",
    ],
)
def test_units_that_are_no_functions_are_accepted(unit: str) -> None:
    assert accept(unit).accepted


def test_compiler_reads_no_file(tmp_path: Path) -> None:
    secret = tmp_path / "secret.h"
    secret.write_text("#error secret\n")
    unit = function("return 1;")
    lines = ['#include "{}"\n', '#embed "{}"\n', '_Pragma("GCC dependency \\"{}\\"")\n']
    lines += ["#include <{}>\n", "%:include <{}>\n", "%\\\n:include <{}>\n"]
    for line in lines:
        found = accept(line.format(secret) + unit)
        assert "secret" not in found.error + found.declarations
    # A name of the unit becomes a macro of the declarations, but never a directive.
    assert "#include" not in accept(function("include = 1; return include(1) + pragma(int);")).declarations


def test_hostile_units_end(monkeypatch: pytest.MonkeyPatch) -> None:
    for unit in (
        "int x = " + "1 ? 1 : " * 6_000 + "1;",
        "int f(void) { return " + "a." * 5_000 + "b; }",
        "int f(void) { return " + "(" * 5_000 + "1; }",
        "int f(void) { " + "x->y = z; " * 4_000 + "}",
        "\0\ud800",
    ):
        accept(unit)
    assert accept("x" * 60_000).error == "not compiled: longer than 50,000 characters"
    monkeypatch.setattr(inference, "LONGEST_TIME", -1.0)
    assert accept(function("return 1;")).error == "not compiled in time"


def test_the_metric_counts_units_and_marks_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    good, wrong = function("return x->y;"), function("return (1;")
    score = CompilesDeclared().score([good + wrong, good + "int f(void)\n{\n"])
    assert score.values == {"accepted": 2 / 3, "units": 3.0}
    assert score.weights == {"accepted": 3.0}
    place = len(good) + wrong.index(";")
    assert score.findings == (Finding(0, place, place + 1, "expected ')' before ';' token"),)
    monkeypatch.setattr(metrics, "MOST_UNITS", 1)
    assert CompilesDeclared().score([good + wrong]).values == {"accepted": 1.0, "units": 1.0}


def test_without_a_compiler_there_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert CompilesDeclared().score([function("return 1;")]).weights == {"accepted": 0.0}
    assert "needs sh, which is not installed; so no unit is compiled" in capsys.readouterr().err
