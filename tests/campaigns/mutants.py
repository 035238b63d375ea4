"""The campaign of mutants: small changes of the code, such as another operator, each of which a test should notice.

A mutant is run by the tests that run its statement; see `coverage_of_tests.py`. Those that run rare lines of its
function come first, since they are likely to notice, and those of the nearest test files. A statement that runs at
import only is tested by the files that name its module. A failed test counts only if it passes without the change. Each
mutant has a process of its own, on a copy of the repository. Numbers outside of functions are not changed: they are
choices, such as sizes and times, which a test could only repeat.
"""

import ast
import itertools
import os
import random
import re
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import pytest

from tests.campaigns.coverage_of_tests import TestCoverage, measure_coverage
from tests.campaigns.table import print_table

LONGEST = 300
"""Largest number of seconds of the processor for the tests of a mutant, whose code may have become an endless loop.

Tests that wait for ever end after ten times as many seconds. In both cases the mutant is noticed.
"""

BUDGET = 100
"""The tests of a mutant take this number of seconds at most, without the change."""

MOST_TEST_FILES = 8
"""Largest number of test files that a statement is tested by if it runs at import only."""

NEAREST_FILES = 2
"""The tests of this number of files run first, since to import all files takes longer than most mutants live."""

OUTCOMES = ["noticed", "survived"]
ROOT = Path(__file__).parents[2]
PARTS = {
    "core": ("seqforge", "tests"),
    "essentials": ("plugins/essentials/seqforge_essentials", "plugins/essentials/tests"),
    "native": ("plugins/native/seqforge_native", "plugins/native/tests"),
    "code-structure": ("plugins/code-structure/seqforge_code_structure", "plugins/code-structure/tests"),
}
"""The folder of the code and the folder of the tests, of each part."""

_COMPARISONS = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.Is: "is not", ast.IsNot: "is", ast.In: "not in", ast.NotIn: "in",
}  # fmt: skip
_OPERATORS = {ast.Add: "-", ast.Sub: "+", ast.Mult: "//", ast.Div: "*", ast.FloorDiv: "*", ast.Mod: "+"}
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "True": "False", "False": "True"}


@dataclass(frozen=True)
class Code:
    """Where code stands.

    Attributes:
        statement: The lines that run if the statement does.
        function: Name of the function or the method; empty for other code.
        body: Lines of the function.
    """

    statement: range
    function: str = ""
    body: range = range(0)


@dataclass(frozen=True)
class Mutant:
    """A change of one line.

    Attributes:
        path: The file, relative to the repository.
        line: Number of the line.
        code: The changed statement and its function.
        old: Text before the change.
        new: Text after it.
        start: Place of the old text in the file.
    """

    path: Path
    line: int
    code: Code
    old: str
    new: str
    start: int


def run_mutants(
    folder: Path, parts: Sequence[str], coverage: Path | None, count: int, seconds: float, seed: int
) -> int:
    """Run the campaign, print its table, and return the exit status: 0 if 95% of the mutants were noticed.

    Args:
        folder: Empty folder.
        parts: Names of `PARTS` whose code is changed.
        coverage: Folder of the measured coverage of these parts. It is measured there if the folder does not exist.
        count: Number of mutants.
        seconds: Stop after this time.
        seed: Seed of the choice of the mutants.
    """
    copy = folder / "repository"
    ignored = shutil.ignore_patterns(".git", ".venv*", "__pycache__", "node_modules", "build", "site")
    shutil.copytree(ROOT, copy, symlinks=True, ignore=ignored)
    chosen = {name: PARTS[name] for name in parts}
    environment = {**os.environ, "PYTHONPATH": _python_path(copy), "OMP_NUM_THREADS": "1"}
    measured = coverage or folder / "coverage"
    if not measured.exists():
        measure_coverage(copy, measured, list(chosen.values()), environment)
    covered = TestCoverage(measured)
    _import_libraries()
    generator, started = random.Random(seed), time.monotonic()
    mutants = [(part, mutant) for part, (sources, _) in chosen.items() for mutant in _find_mutants(copy, sources)]
    counts = {part: Counter[str]() for part in chosen}
    for part, mutant in generator.sample(mutants, count):
        if time.monotonic() - started > seconds:
            break
        outcome = _attempt(copy, mutant, _select_tests(copy, covered, mutant, chosen[part][1]))
        counts[part][outcome] += 1
        place = f"{mutant.path}:{mutant.line}: {mutant.old} → {mutant.new}".replace("\n", " ")
        print(f"{outcome}: {place}", file=sys.stdout if outcome == "survived" else sys.stderr, flush=True)
    print_table(["part", "mutants", *OUTCOMES], [
        [part, str(count.total()), *(str(count[outcome]) for outcome in OUTCOMES)] for part, count in counts.items()
    ])  # fmt: skip
    total = sum(counts.values(), Counter[str]())
    return int(total["noticed"] < 0.95 * total.total())


def _python_path(copy: Path) -> str:
    """Return the folders that are imported from: those of the copy stand before the installed ones."""
    return os.pathsep.join([str(copy), *map(str, sorted((copy / "plugins").iterdir()))])


def _import_libraries() -> None:
    """Import libraries that take long, but nothing of seqforge, since each process imports its own."""
    import pydantic  # noqa: F401
    import torch.distributed.tensor  # noqa: F401
    import typer  # noqa: F401

    assert not any(name.partition(".")[0] == "seqforge" for name in sys.modules), "seqforge is imported"


def _find_mutants(root: Path, sources: str) -> Iterator[Mutant]:
    for path in sorted((root / sources).rglob("*.py")):
        text = path.read_text()
        lines = text.splitlines(keepends=True)
        starts = [0, *itertools.accumulate(map(len, lines))]

        def place(line: int, column: int, starts: Sequence[int] = starts, lines: Sequence[str] = lines) -> int:
            return starts[line - 1] + len(lines[line - 1].encode()[:column].decode())

        for node, code in _nodes(ast.parse(text), Code(range(0))):
            if not code.function and isinstance(node, ast.Constant) and not isinstance(node.value, bool):
                continue
            for target, new in _changes(node, text):
                start = place(target.lineno, target.col_offset)
                stop = place(target.end_lineno or 0, target.end_col_offset or 0)
                yield Mutant(path.relative_to(root), target.lineno, code, text[start:stop], new, start)


def _nodes(node: ast.AST, code: Code) -> Iterator[tuple[ast.AST, Code]]:
    """Yield the nodes that run, each with its place.

    What no test can notice is left out: annotations, messages of errors, the argument `strict` of `zip`, which is a
    check, imports for types only, what only another system runs, and what only helps if the power fails.
    """
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST) and not _is_left_out(child):
                inner = code
                if isinstance(child, ast.FunctionDef):
                    inner = Code(code.statement, child.name, range(child.lineno, (child.end_lineno or 0) + 1))
                if isinstance(child, ast.stmt):
                    inner = replace(inner, statement=_lines(child))
                yield child, inner
                yield from _nodes(child, inner)


def _is_left_out(node: ast.AST) -> bool:
    match node:
        case ast.Raise() | ast.JoinedStr() | ast.AnnAssign() | ast.keyword(arg="strict" | "hint" | "expected" | "got"):
            return True
        case ast.Expr(value=ast.Call(func=ast.Name(id="sync_folder" | "sync_tree") | ast.Attribute(attr="fsync"))):
            return True
        case (
            ast.If(test=ast.Name(id="TYPE_CHECKING"))
            | ast.If(test=ast.Compare(left=ast.Attribute(attr="platform"), ops=[ast.Eq()]))
        ):
            return True
        case _:
            return False


def _lines(statement: ast.stmt) -> range:
    """Return the lines of a statement: the head of a compound one, and a whole function, whose defaults it uses."""
    body = [] if isinstance(statement, ast.FunctionDef) else getattr(statement, "body", [])
    stop = body[0].lineno if body else (statement.end_lineno or 0) + 1
    return range(statement.lineno, max(stop, statement.lineno + 1))


def _changes(node: ast.AST, text: str) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    """Yield what can be changed at a node: the node that is replaced, and the new text."""
    source = ast.get_source_segment
    match node:
        case ast.Compare(left=left, ops=[operator], comparators=[right]):
            yield node, f"{source(text, left)} {_COMPARISONS[type(operator)]} {source(text, right)}"
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _OPERATORS:
            yield node, f"({source(text, left)}) {_OPERATORS[type(operator)]} ({source(text, right)})"
        case ast.BoolOp(op=operator, values=[first, second]):
            yield (
                node,
                f"({source(text, first)}) {'or' if isinstance(operator, ast.And) else 'and'} ({source(text, second)})",
            )
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield node, f"({source(text, operand)})"
        case ast.Constant(value=int() as value):
            yield node, str(not value) if isinstance(value, bool) else str(value + 1)
        case ast.Name(id=name) if name in _NAMES:
            yield node, _NAMES[name]
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test):
            yield test, f"not ({source(text, test)})"
        case ast.Expr(value=ast.Call()):
            yield node, "pass"
        case ast.Continue() | ast.Break():
            yield node, "pass"
        case _:
            pass


def _attempt(copy: Path, mutant: Mutant, tests: Sequence[str]) -> str:
    """Change the copy, run the tests, and restore the copy."""
    path = copy / mutant.path
    text = path.read_text()
    path.write_text(text[: mutant.start] + mutant.new + text[mutant.start + len(mutant.old) :])
    files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
    near = [test for test in tests if test.partition("::")[0] in files[:NEAREST_FILES]]
    try:
        for group in (near, [test for test in tests if test not in near]):
            status, failed = _run_tests(copy, group) if group else (0, "")
            if status:
                break
    finally:
        path.write_text(text)
    if status and failed and not _passes(copy, failed):
        return _attempt(copy, mutant, [test for test in tests if test not in (failed, failed.partition("::")[0])])
    return "noticed" if status else "survived"


def _select_tests(copy: Path, covered: TestCoverage, mutant: Mutant, tests: str) -> list[str]:
    """Return the tests, or the files of tests, of a mutant, beginning with those that are likely to notice it."""
    scores = _score_files(copy, mutant, tests)
    found = covered.tests_of(mutant.path, mutant.code.statement) if mutant.code.function else []
    rarity: Counter[str] = Counter()
    for line in mutant.code.body:
        tests_of_line = covered.tests_of(mutant.path, range(line, line + 1))
        rarity.update(dict.fromkeys(tests_of_line, 1 / max(1, len(tests_of_line))))

    def value(test: str) -> float:
        """Return how much a test is expected to notice in a second."""
        return (rarity[test] + 0.01 * scores[test.partition("::")[0]]) / (2 + covered.seconds[test])

    found.sort(key=value, reverse=True)
    times = itertools.accumulate(covered.seconds[test] for test in found)
    return [test for test, time in zip(found, times, strict=True) if time < BUDGET] or [
        path for path, score in scores.most_common(MOST_TEST_FILES) if score
    ]


def _score_files(copy: Path, mutant: Mutant, tests: str) -> Counter[str]:
    """Return how near each test file is to a mutant, by the names in it."""
    package = mutant.path.parts.index(next(part for part in mutant.path.parts if part.startswith("seqforge")))
    module = ".".join(mutant.path.with_suffix("").parts[package:])
    text = (copy / mutant.path).read_text()
    words = {mutant.code.function.strip("_"), *re.findall(r"^(?:def|class) ([a-zA-Z]\w+)", text, re.M)}
    scores: Counter[str] = Counter()
    for path, text in _test_files(copy, tests):
        score = 3 * (f"{module} import" in text) + 2 * (Path(path).parent.name == mutant.path.parent.name)
        score += 3 * (Path(path).stem == f"test_{mutant.path.stem}") + sum(f"{word}(" in text for word in words if word)
        scores[path] = score + 4 * bool(mutant.code.function and f"{mutant.code.function}(" in text)
    return scores


@cache
def _test_files(copy: Path, tests: str) -> list[tuple[str, str]]:
    paths = [path for path in (copy / tests).rglob("test_*.py") if path.parent.name != "campaigns"]
    return [(str(path.relative_to(copy)), path.read_text()) for path in paths]


@cache
def _passes(copy: Path, test: str) -> bool:
    """Return whether a test passes without a change."""
    return _run_tests(copy, [test])[0] == 0


@dataclass(frozen=True)
class _Chosen:
    """A plugin of pytest that runs the chosen tests in their order, and leaves out the others of their files."""

    tests: Sequence[str]

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Choose and sort."""
        found = {item.nodeid: item for item in items}
        chosen = [found[test] for test in self.tests if test in found]
        items[:] = chosen or items


def _run_tests(copy: Path, tests: Sequence[str]) -> tuple[int, str]:
    """Run tests until one fails, in a process of its own. Return the status of pytest, and the test that failed."""
    output = copy / "output.txt"
    process = os.fork()
    if process == 0:
        os.setsid()
        os.chdir(copy)
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.environ["PYTHONPATH"] = _python_path(copy)
        sys.path[:0] = os.environ["PYTHONPATH"].split(os.pathsep)
        for name in [name for name in sys.modules if name.partition(".")[0] == "tests"]:
            del sys.modules[name]
        signal.setitimer(signal.ITIMER_PROF, LONGEST)
        signal.alarm(10 * LONGEST)
        files = dict.fromkeys(test.partition("::")[0] for test in tests)
        os._exit(pytest.main(["-q", "-x", *files], plugins=[_Chosen(tests)]))
    _, status = os.waitpid(process, 0)
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", output.read_text(errors="replace"), re.M)
    return os.waitstatus_to_exitcode(status), failed[1] if failed and "::" in failed[1] else ""
