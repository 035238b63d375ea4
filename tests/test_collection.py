"""Every file of tests runs: pytest leaves out folders by their names."""

from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_no_folder_of_tests_is_left_out(pytestconfig: pytest.Config) -> None:
    patterns = pytestconfig.getini("norecursedirs")
    files = [path for top in pytestconfig.getini("testpaths") for path in (ROOT / top).rglob("tests/**/test_*.py")]
    files += (ROOT / "tests").rglob("test_*.py")
    names = {name for path in files for name in path.relative_to(ROOT).parent.parts}
    assert {"runs", "training", "native"} <= names
    assert not [name for name in names if any(fnmatch(name, pattern) for pattern in patterns)]
