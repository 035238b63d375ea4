"""Python's compiler and pyflakes judge the same code: modules of the standard library, and mutants of them."""

import ast
import builtins
import random

from pyflakes.checker import Checker
from pyflakes.messages import UndefinedName
from seqforge_code_syntax.languages import read_language
from seqforge_code_syntax.library import PythonLibrary
from seqforge_code_syntax.tokens import read_tokens
from seqforge_code_syntax.tree import find_syntax_errors, parse, read_names

PYTHON = read_language("python")
assert PYTHON.parser is not None
GENERATOR = random.Random(1)
MODULES = [document for document in PythonLibrary().documents() if len(document.content) < 40_000]
CHOSEN = {document.name: document.content.decode() for document in GENERATOR.sample(MODULES, 60)}


def finds_error(text: str) -> bool:
    # The end of a module is not cut.
    return bool(find_syntax_errors(parse(text + "\npass\n", PYTHON.parser)) or read_tokens(text, PYTHON).wrong)


def compiles(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return False
    return True


def test_modules_have_no_errors():
    for name, text in CHOSEN.items():
        assert not finds_error(text), name
        assert not read_tokens(text, PYTHON).unclosed, name


def test_most_mutants_that_python_rejects_have_an_error():
    found: list[bool] = []
    for text in CHOSEN.values():
        for _ in range(3):
            place = GENERATOR.randrange(len(text))
            mutant = text[:place] + text[place + 1 :]
            if text[place] in "()[]{}:,=" and not compiles(mutant):
                found.append(finds_error(mutant))
    assert len(found) > 5
    assert sum(found) / len(found) > 0.9


BUILT_IN = {*dir(builtins), "__file__", "__path__", "__class__", "WindowsError"}


def find_with_pyflakes(text: str) -> set[str]:
    messages = Checker(ast.parse(text)).messages
    return {message.message_args[0] for message in messages if isinstance(message, UndefinedName)}


def find_unresolved(text: str) -> set[str]:
    assert PYTHON.names is not None
    functions = read_names(parse(text, PYTHON.parser), PYTHON.names).functions
    return {name for uses in functions for name, _ in uses} - BUILT_IN


def rename_a_use(text: str) -> str | None:
    """Rename a random use of a name in a function."""
    uses = [
        node
        for function in ast.walk(ast.parse(text))
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    ]
    if not uses:
        return None
    use = GENERATOR.choice(uses)
    lines = text.splitlines(keepends=True)
    line = lines[use.lineno - 1]
    if not line.isascii() or not line[use.col_offset :].startswith(use.id):
        return None
    lines[use.lineno - 1] = f"{line[: use.col_offset]}not_declared{line[use.col_offset + len(use.id) :]}"
    return "".join(lines)


def test_undefined_names_are_those_of_pyflakes():
    renamed = 0
    for name, text in CHOSEN.items():
        if "import *" in text:
            continue
        assert find_unresolved(text) <= find_with_pyflakes(text), name
        mutant = rename_a_use(text)
        if mutant and "not_declared" in find_with_pyflakes(mutant):
            renamed += 1
            assert "not_declared" in find_unresolved(mutant), name
    assert renamed > 20
