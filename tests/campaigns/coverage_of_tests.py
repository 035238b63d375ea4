"""Which tests run a line of code, and how long each test takes."""

import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from coverage import CoverageData

_TESTS = "[run]\nsource =\n    {sources}\n"
# Commands run in forked processes, which leave by `os._exit`. pytest states the running test in the environment.
_COMMANDS = _TESTS + "parallel = true\npatch = _exit\ncontext = ${{PYTEST_CURRENT_TEST-}}\n"
_CONTEXT = re.compile(r"(.+::.+?)(?:\|(?:setup|run|teardown)| \((?:setup|call|teardown)\))")
_DURATION = re.compile(r"^(\d+\.\d+)s (?:setup|call|teardown)\s+(\S.*)$", re.M)


def measure_coverage(
    repository: Path, folder: Path, parts: Sequence[tuple[str, str]], environment: Mapping[str, str]
) -> None:
    """Run the tests of some parts, and write into a new folder which lines each test runs, and how long it takes.

    Args:
        repository: The copy of the repository that is measured.
        folder: The new folder.
        parts: The folder of the code and the folder of the tests, of each part.
        environment: Environment of the tests, in which Python finds the copy first.
    """
    folder.mkdir()
    sources = "\n    ".join(str(repository / code) for code, _ in parts)
    (folder / "tests.ini").write_text(_TESTS.format(sources=sources))
    (folder / "commands.ini").write_text(_COMMANDS.format(sources=sources))
    data = folder / "coverage"
    options = ["-n", "auto", "--dist", "worksteal", "--durations=0", "-vv"]
    options += ["--cov", f"--cov-config={folder / 'tests.ini'}", "--cov-context=test", "--cov-report="]
    with (folder / "output.txt").open("w") as output:
        subprocess.run(
            [sys.executable, "-m", "pytest", *options, "--ignore=tests/campaigns", *(tests for _, tests in parts)],
            cwd=repository,
            env={**environment, "COVERAGE_FILE": str(data), "COVERAGE_PROCESS_START": str(folder / "commands.ini")},
            stdout=output,
            stderr=output,
            check=False,
        )
    (folder / "repository.txt").write_text(str(repository))


class TestCoverage:
    """The measured coverage of the tests.

    Args:
        folder: What `measure_coverage` wrote.

    Attributes:
        seconds: How long each test takes, with its fixtures.
    """

    __test__ = False

    def __init__(self, folder: Path) -> None:
        self._data = CoverageData(str(folder / "coverage"))
        self._data.read()
        self.seconds: defaultdict[str, float] = defaultdict(float)
        for seconds, test in _DURATION.findall((folder / "output.txt").read_text()):
            self.seconds[test.strip()] += float(seconds)
        self._repository = Path((folder / "repository.txt").read_text())

    def tests_of(self, path: Path, lines: range) -> list[str]:
        """Return the tests that run one of the lines of a file, whose path is relative to the repository."""
        contexts = self._data.contexts_by_lineno(str(self._repository / path))
        found = {name for line in lines for name in contexts.get(line, [])}
        return sorted({match[1] for name in found if (match := _CONTEXT.fullmatch(name))})
