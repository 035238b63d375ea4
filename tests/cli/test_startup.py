"""Commands and imports that do not need torch do not import it."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from seqforge.cli import main
sys.argv = ["seqforge", *{arguments!r}]
try:
    main()
except SystemExit as stop:
    assert bool(stop.code) == ("missing.toml" in sys.argv), stop.code
assert "torch" not in sys.modules, "torch was imported"
assert "numpy" not in sys.modules, "numpy was imported"
assert "pydantic" not in sys.modules or sys.argv[1] not in ("--help", "--version"), "pydantic was imported"
"""

RUNS = Path(__file__).parents[1] / "training/runs"
RUN = next(RUNS.iterdir())

COMMANDS = [
    "--help",
    "--version",
    "run --help",
    "sample --help",
    "evaluate --help",
    "check --help",
    "schema --help",
    "inspect --help",
    "cache list",
    "cache prune --older-than 100000",
    "plugins list",
    "plugins list --json",
    f"runs {RUNS}",
    f"compare {RUN} {RUN}/../{RUN.name}",
    "check missing.toml",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_imports_neither_torch_nor_numpy(command: str) -> None:
    program = PROGRAM.format(arguments=command.split())
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout or "no such file" in result.stderr


def test_importing_seqforge_does_not_import_torch() -> None:
    program = "import seqforge, sys; assert 'torch' not in sys.modules; assert {*seqforge.__all__} <= {*dir(seqforge)}"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.parametrize("optimizer", ["adam", "muon", "schedule-free"])
def test_a_run_does_not_import_the_compiler_of_torch(optimizer: str, tmp_path: Path) -> None:
    program = f"""
import sys
import seqforge

tables = {{
    "corpus": {{"use": "inline", "text": "a text of a few words " * 20}},
    "model": {{"cells": [{{"use": "lstm", "hidden_size": 8}}]}},
    "optimizer": {{"use": "{optimizer}"}},
    "training": {{"steps": 2, "batch_size": 2, "sequence_length": 8, "backend": "eager"}},
}}
run = seqforge.train(seqforge.Experiment.from_dict(tables), {str(tmp_path)!r}, progress=False)
run.resume(training={{"steps": 3}})
run.sample("a", length=5)
assert "torch._dynamo" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_public_name_can_be_imported() -> None:
    import seqforge

    for name in seqforge.__all__:
        assert getattr(seqforge, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        seqforge.nothing  # noqa: B018


def test_the_help_of_a_command_breaks_only_between_paragraphs() -> None:
    from seqforge.cli.app import build_app
    from seqforge.registry.registry import Registry

    texts = [command.help or "" for command in build_app(Registry.installed()).registered_commands]
    paragraphs = [paragraph for text in texts for paragraph in text.split("\n\n")]
    assert any(len(paragraph) > 120 for paragraph in paragraphs)
    # Indented paragraphs are examples, whose lines stay.
    assert not [paragraph for paragraph in paragraphs if "\n" in paragraph.strip() and paragraph[0] != " "]


def test_an_interrupt_within_a_finalizer_is_not_lost():
    program = """
import signal
import time
from seqforge.interrupts import keep_interrupts

# A shell ignores interrupts of what it starts in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)

class Interrupted:
    def __del__(self):
        raise KeyboardInterrupt

keep_interrupts()
try:
    Interrupted()
    time.sleep(60)
except KeyboardInterrupt:
    print("interrupted")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False)
    assert (done.stdout, done.stderr) == ("interrupted\n", "")


def test_an_interrupt_while_the_last_output_is_written_has_no_traceback() -> None:
    program = """
import sys
from seqforge.cli import main

def interrupt():
    raise KeyboardInterrupt

sys.argv = ["seqforge", "--version"]
flush = sys.stdout.flush
sys.stdout.flush = interrupt
try:
    main()
finally:
    sys.stdout.flush = flush
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False)
    assert (done.returncode, done.stderr) == (130, "")
