"""The commands, called as a user calls them."""

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

EXPERIMENT = """
[experiment]
name = "small"
[corpus]
use = "inline"
text = '''
{text}
'''
[[model.cells]]
use = "lstm"
hidden_size = 8
[data]
validation_fraction = 0.2
test_fraction = 0.2
[training]
batch_size = 2
sequence_length = 10
steps = 6
[evaluation]
interval = 3
[sampling]
interval = 4
length = 30
[[metrics]]
use = "distinct"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(EXPERIMENT.format(text="\n".join(f"{n} is followed by {n + 1}" for n in range(100))))
    return path


def test_a_run_can_be_sampled_evaluated_and_resumed(seqforge: Callable, file: Path, tmp_path: Path) -> None:
    ran = seqforge("run", file)
    assert ran.returncode == 0, ran.stderr
    assert "seqforge sample runs/small" in ran.stdout
    assert "validation" in ran.stderr
    assert "sample at step 4" in ran.stderr

    prompt = "4"
    sampled = seqforge("sample", "runs/small", "--prompt", prompt, "--length", "25", "--seed", "3")
    assert sampled.returncode == 0, sampled.stderr
    assert sampled.stdout.startswith(prompt)
    assert len(sampled.stdout) == 1 + 25 + 1
    again = seqforge("sample", "runs/small/checkpoints/step-00000006", "--prompt", "4", "--length", "25", "--seed", "3")
    latest = seqforge(
        "sample", "runs/small", "--checkpoint", "latest", "--prompt", "4", "--length", "25", "--seed", "3"
    )
    assert again.stdout == latest.stdout
    several = seqforge("sample", "runs/small", "--count", "3", "--length", "5", "--sampler", "top-k",
                       "--sampler", "greedy", "--set", "sampler.0.k=3")  # fmt: skip
    assert several.stdout.count("--- sample") == 3, several.stderr
    terminal = seqforge("sample", "runs/small", "--count", "3", "--length", "5", FORCE_COLOR="1")
    assert "sampling" in terminal.stderr
    cold = seqforge("sample", "runs/small", "--length", "25", "--temperature", "0.1")
    same = seqforge("sample", "runs/small", "--length", "25", "--set", "sampler.0.temperature=0.1")
    assert cold.stdout == same.stdout != seqforge("sample", "runs/small", "--length", "25").stdout
    mistyped = seqforge("sample", "runs/smal")
    assert "runs/smal: no such folder\nDid you mean runs/small?" in mistyped.stderr
    for count in ("1", "2"):
        rounded = seqforge("sample", "runs/small", "--count", count, "--length", "5", "--precision", "int8",
                           "--set", "training.backend=eager")  # fmt: skip
        assert rounded.returncode == 0
        assert rounded.stderr.startswith("warning: int8 needs kernels for these cells"), rounded.stderr
        assert rounded.stderr.count("\n") == 1

    evaluated = seqforge("evaluate", "runs/small", "--split", "test", "--json")
    assert evaluated.returncode == 0, evaluated.stderr
    scores = json.loads(evaluated.stdout)
    assert {"loss", "bits_per_character", "perplexity", "tokens", "distinct.distinct_1"} <= scores.keys()
    assert "bits per character" in seqforge("evaluate", "runs/small").stdout
    dynamic = seqforge("evaluate", "runs/small", "--dynamic", "0.5", "--set", "metrics=[]")
    assert dynamic.stdout.startswith("validation split, 416 tokens"), dynamic.stderr
    assert "best checkpoint, dynamic evaluation with a learning rate of 0.5\n" in dynamic.stdout

    for arguments, name in (
        (["runs/small"], "runs/small/report.html"),
        (["runs/small", "runs/small/checkpoints/step-00000003"], "comparison.html"),
        (["runs/small", "--output", "own.html"], "own.html"),
    ):
        reported = seqforge("report", *arguments)
        assert reported.stdout == f"{name}\n", reported.stderr
        assert "run-data" in (tmp_path / name).read_text("utf-8")

    resolved = tmp_path / "runs/small/experiment.toml"
    lines = resolved.read_text().splitlines()[:-1]  # without the checksum
    resolved.write_text("\n".join(lines).replace('essentials = "', 'essentials = "0.0.'))
    resumed = seqforge("run", "--resume", "runs/small", "--set", "training.steps=9")
    assert resumed.returncode == 0, resumed.stderr
    assert "Resuming at step 6" in resumed.stderr
    assert "this run was created with other versions: essentials 0.0." in resumed.stderr
    assert (tmp_path / "runs/small/checkpoints/step-00000009").is_dir()


def test_options_compose_a_run_without_a_file(seqforge: Callable, tmp_path: Path) -> None:
    ran = seqforge("run", "--corpus", "inline", "--set", f"corpus.text={'abc ' * 200!r}", "--cell", "gru",
                   "--optimizer", "sgd", "--sampler", "top-p", "--loss", "cross-entropy", "--output", "here",
                   "--set", "training.steps=2", "--set", "training.batch_size=2")  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    resolved = tomllib.loads((tmp_path / "here/inline/experiment.toml").read_text())
    assert resolved["model"]["cells"][0]["use"] == "essentials/gru"
    assert resolved["optimizer"]["use"] == "essentials/sgd"
    assert [sampler["use"] for sampler in resolved["sampler"]] == ["essentials/top-p"]


def test_check_resolves_an_experiment_and_schema_lists_the_cells(seqforge: Callable, file: Path) -> None:
    checked = seqforge("check", file)
    assert checked.returncode == 0
    assert "valid" in checked.stdout
    resolved = seqforge("check", file, "--resolved", "--set", "model.cells.0.hidden_size=99")
    assert tomllib.loads(resolved.stdout)["model"]["cells"][0]["hidden_size"] == 99
    schema = json.loads(seqforge("schema").stdout)
    assert schema["$defs"]["cell"]["oneOf"]


def test_plugins_are_listed_and_described(seqforge: Callable) -> None:
    listed = seqforge("plugins", "list")
    names = [line.split()[0] for line in listed.stdout.splitlines()]
    assert {"cudnn", "essentials", "linux-source", "native"} <= set(names)
    assert names == sorted(names)
    as_json = json.loads(seqforge("plugins", "list", "--json").stdout)
    assert {plugin["state"] for plugin in as_json if plugin["name"] == "essentials"} == {"ok"}
    shown = seqforge("plugins", "show", "cudnn")
    assert "onednn" in shown.stdout
    component = seqforge("plugins", "show", "min-gru").stdout
    assert component.startswith("parallel-cells/min-gru: cell\n")
    assert "    hidden_size  integer > 0, default 128\n                 Size of the state" in component
    preset = seqforge("plugins", "show", "xlstm-block").stdout
    assert "  preset of     essentials/block with cell = 'matrix-cells/mlstm', norm = 'layer'" in preset
    assert "  class         seqforge_essentials.cells.block:Block\n" in preset
    qualified = seqforge("plugins", "show", "code-structure/c-characters").stdout
    assert "number ≥ 0 and < 1, default 0.1" in qualified
    assert "source               corpus, required" in qualified
    model = seqforge("plugins", "show", "linux-small").stdout
    assert model.startswith("pretrained/linux-small: model\n")
    assert "# linux-small" in model


def test_inspect_prints_a_table_that_fits_the_terminal(seqforge: Callable, tmp_path: Path) -> None:
    hello, narrow = Path(__file__).parents[2] / "experiments/hello.toml", []
    assert seqforge("run", hello).returncode == 0
    assert (tmp_path / "runs/hello/samples/step-00000200.txt").read_text() == "hello"
    inspected = seqforge("inspect", "runs/hello", "hello", "--checkpoint", "initial", COLUMNS="100")
    assert inspected.returncode == 0, inspected.stderr
    assert '"l" is read 2 times, and its target is "l", then "o": only the state' in inspected.stdout
    coloured = seqforge("inspect", "runs/hello", "hello", FORCE_COLOR="1", COLUMNS="100").stdout
    right, wrong = coloured.count("\x1b[32m"), coloured.count("\x1b[31m")
    assert (right, wrong) == (4, 12)
    for columns in ("64", "70", "200"):
        lines = seqforge("inspect", "runs/hello", "hello", COLUMNS=columns).stdout.splitlines()
        assert max(map(len, lines[:4])) <= int(columns)
        assert "…" not in "".join(lines)
        narrow = lines if columns == "70" else narrow
    # In a narrow terminal, the column of the target comes first.
    assert "other" not in lines[2]
    assert [cell.strip() for cell in narrow[2].strip("┃").split("┃")] == [
        "input",
        "target",
        "target",
        "other 1",
        "other 2",
    ]
