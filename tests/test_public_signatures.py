"""The public names and their signatures, in `public_signatures.txt`. If it changes, the interface changes.

After an intended change, run this test with SEQFORGE_WRITE_SIGNATURES=1 to write the file, and review the difference. A
line that is removed or changed breaks plugins: see "Stability" in docs/how-to/plugins.md.
"""

import ast
import difflib
import importlib
import importlib.util
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import seqforge
import seqforge.kinds
from seqforge.kinds.table import KINDS

GOLDEN = Path(__file__).with_name("public_signatures.txt")
PUBLIC = {
    "seqforge": seqforge.__all__,
    "seqforge.kinds": seqforge.kinds.__all__,
    "seqforge.registry": ["API_VERSION", "PluginHooks", "hookimpl", "with_plugin_file"],
    "seqforge.errors": ["DataError", "ExperimentError", "NonFiniteError", "PluginError", "RunError", "SeqforgeError"],
    **{kind.suite_module: [interface.suite_name for interface in kind.interfaces] for kind in KINDS.values()},
    "seqforge.testing.cell_case": ["CaseSizes", "CellFactory", "build_case"],
    "seqforge.testing.conformance": ["ConformanceError"],
}
"""Public names of each public module. Those of `seqforge.kinds` are also names of `seqforge`."""

Definition = ast.ClassDef | ast.FunctionDef | ast.Assign | ast.AnnAssign


@cache
def tree_of(module: str) -> ast.Module:
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return ast.parse(Path(spec.origin).read_text("utf-8"))


def public_names(module: str) -> list[str]:
    """Return the names that `from module import *` imports."""
    imported = importlib.import_module(module)
    return getattr(imported, "__all__", None) or dir(imported)


def find_definition(module: str, name: str) -> Definition:
    """Return the class, function or assignment that defines a name, also in a module from which it is imported."""
    for node in tree_of(module).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return node
        if isinstance(node, ast.Assign | ast.AnnAssign) and name in [getattr(target, "id", "") for target in targets]:
            return node
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.ImportFrom):
            names = [alias.asname or alias.name for alias in node.names]
            if name in names or (names == ["*"] and name in public_names(str(node.module))):
                return find_definition(str(node.module), name)
    raise AssertionError(f"{module} has no {name}")


def describe(name: str, node: Definition) -> Iterator[str]:
    """Yield the signature of a function, the value of a name, or a class with its public members."""
    match node:
        case ast.FunctionDef():
            decorators = "".join(f"@{ast.unparse(decorator)} " for decorator in node.decorator_list)
            returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
            yield f"{decorators}{name}({ast.unparse(node.args)}){returns}"
        case ast.ClassDef():
            yield f"class {name}({', '.join(map(ast.unparse, node.bases))})"
            for member in node.body:
                member_name = getattr(member, "name", None) or getattr(getattr(member, "target", None), "id", "")
                is_public = not member_name.startswith("_") or member_name in ("__init__", "__call__")
                # A test of a suite is a check, not a method to call.
                is_public = is_public and not member_name.startswith("test_")
                if member_name and is_public and isinstance(member, ast.FunctionDef | ast.AnnAssign):
                    yield from (f"    {line}" for line in describe(member_name, member))
        case ast.AnnAssign():
            default = f" = {ast.unparse(node.value)}" if node.value else ""
            yield f"{name}: {ast.unparse(node.annotation)}{default}"
        case ast.Assign():
            yield f"{name} = {ast.unparse(node.value)}"


def describe_public_names() -> str:
    lines: list[str] = []
    for module, names in PUBLIC.items():
        for name in sorted(names):
            lines += describe(f"{module}.{name}", find_definition(module, name))
    return "\n".join(lines) + "\n"


def test_the_public_signatures_are_those_of_the_file() -> None:
    found = describe_public_names()
    if os.environ.get("SEQFORGE_WRITE_SIGNATURES"):
        GOLDEN.write_text(found, "utf-8")
    difference = difflib.unified_diff(GOLDEN.read_text("utf-8").splitlines(), found.splitlines(), lineterm="", n=0)
    assert not (changes := list(difference)), "\n".join(changes)
