"""The commands in the pages, and how the tests run them: in what folder, and how they are shortened."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/**/*.md"))
    if "\ngenerated: " not in path.read_text("utf-8")[:200]
)

RUN = "seqforge run experiments"
FIRST_RUN = f"{RUN}/first-run.toml --set metrics=[] --set model.cells.0.hidden_size=8"
PREPARATION = {
    "docs/get-started/your-cell.md": [f"{RUN}/first-run.toml"],
    "docs/explanation/backends.md": [f"{RUN}/hello.toml --set experiment.name=my-run"],
    "docs/explanation/reliability.md": [f"{RUN}/hello.toml --set experiment.name=small"],
    "docs/explanation/speed.md": [f"{RUN}/hello.toml --set experiment.name=my-run"],
    "docs/how-to/evaluate.md": [FIRST_RUN],
    "docs/how-to/export.md": [FIRST_RUN],
    "docs/how-to/labelled-examples.md": [f"{RUN}/name-origins.toml"],
    "docs/how-to/resume.md": [f"{FIRST_RUN} --set training.keep_checkpoints=100"],
    "docs/how-to/sample.md": [FIRST_RUN],
    "docs/how-to/see-and-compare.md": [
        f"{RUN}/first-run.toml",
        f"{RUN}/name-origins.toml --cell lstm --set experiment.name=lstm",
        f"{RUN}/name-origins.toml --cell gru --set experiment.name=gru",
    ],
    "docs/how-to/trained-models.md": [FIRST_RUN, f"{RUN}/hello.toml"],
}
"""Commands that create the runs to which the commands of a page refer."""

MEANINGS = {
    "README.md": {"notes.txt": "experiments/input.txt"},
    "docs/how-to/evaluate.md": {"samples.txt": "experiments/input.txt", "held-out": "experiments/input.txt"},
    # This exporter calls the model in Python, for each of 3,000 symbols.
    "docs/how-to/export.md": {"linux-small shared/linux-torch": "runs/first-run shared/linux-torch"},
    "docs/how-to/labelled-examples.md": {"RUN": "runs/name-origins", "EXAMPLE": "Tanaka"},
    "docs/how-to/device.md": {"experiment.toml": "experiments/first-run.toml"},
    "docs/how-to/resume.md": {"runs/first-run/checkpoints/step-00001000": "runs/first-run/checkpoints/step-00000002"},
    "docs/how-to/sample.md": {"10000": "100"},
    "docs/how-to/trained-models.md": {"received/first-run": "runs/first-run"},
    "docs/explanation/speed.md": {"100000": "100"},
    "docs/reference/code-structure.md": {"my-project/": "unused.c"},
    "docs/results/what-it-learns.md": {
        "runs/linux-blocks-1/checkpoints/step-00010000": "runs/linux-blocks-1",
        "runs/linux-small-2/checkpoints/step-00008000": "runs/linux-small-2",
    },
}
"""Placeholders of a page, and what the tests put in their place."""

EQUIVALENT = {
    "make run": f"{RUN}/first-run.toml",
    "seqforge formal --quick": "seqforge formal --quick --task parity --task cycle",
}
"""Commands that the tests replace by a part of them: what is not an installation, two of all tasks."""

SHORT = "--set training.steps={steps} --set evaluation.tokens=100"
"""Override of every `seqforge run`. A resumed run takes two steps more."""

SHORT_STUDY = "--set training.steps=2 --set corpus.count=5 --set corpus.lengths=[40,64] --set training.backend=eager"
"""Override of every `seqforge formal`."""

LINUX = "--set 'corpus.include=[\"kernel/**\"]'"
"""Override of the experiments with folders that the small source does not have."""

LINUX_BLOCKS = f"{LINUX} --set sampling.length=10 --set model.cells.0.repeat=1"
LINUX_SMALL = f"{LINUX} --set sampling.length=50 --set sampling.count=1 --set model.cells.0.hidden_size=8"

SMALLER = {
    "experiments/c-characters.toml": "--set corpus.length=64 --set model.cells.0.hidden_size=8",
    "experiments/first-run.toml": f"{LINUX} --set sampling.length=50 --set sampling.count=2",
    "experiments/linux-blocks-1.toml": LINUX_BLOCKS,
    "experiments/linux-blocks-2.toml": LINUX_BLOCKS,
    "experiments/linux-blocks-3.toml": LINUX_BLOCKS,
    "experiments/linux-blocks-4.toml": LINUX_BLOCKS,
    "experiments/linux-cells.toml": LINUX_BLOCKS,
    "experiments/linux-lstm-128.toml": "--set sampling.length=50",
    "experiments/linux-recurrences.toml": f"{LINUX_SMALL} --set training.backend=eager",
    "experiments/linux-small.toml": LINUX_SMALL,
    "experiments/linux-small-2.toml": LINUX_SMALL,
    "experiments/linux-small-3.toml": LINUX_SMALL,
    "experiments/linux-small-4.toml": LINUX_SMALL,
    "experiments/linux-small-5.toml": LINUX_SMALL,
    "experiments/name-origins.toml": "--set data.validation_fraction=0.01",
    "experiments/python-small.toml": "--set sampling.count=2 --set model.cells.0.hidden_size=8",
    "experiments/pronunciation.toml": "--set prediction.length=4",
    "my_code.toml": "--set model.cells.0.hidden_size=8 --set sampling.length=10",
}
"""Further overrides of some experiments."""

FILES_OF = {
    "README.md": "docs/how-to/plugins.md",
    "docs/how-to/components/cell.md": "docs/how-to/plugins.md",
    "docs/how-to/components/index.md": "docs/how-to/components/metric.md",
    "docs/how-to/formal.md": "docs/how-to/plugins.md",
}
"""Pages that use files of another page."""

OUTSIDE = {
    "apt-get": "installs packages of the system",
    "cc": "compiles a program; plugins/c-program/tests does so",
    "cd": "enters a folder",
    "curl": "downloads a file",
    "dpkg": "unpacks a downloaded file",
    "export": "sets a variable of the shell",
    "git": "downloads a repository",
    "mkdir": "creates a folder",
    "pip": "installs packages",
    "pytest": "run by tests/docs/test_plugins_page.py and tests/testing",
    "source": "activates an environment",
    "sudo": "installs packages of the system",
    "tar": "packs and unpacks a run",
    "tensorboard": "serves until it is stopped",
}
"""Programs that the tests do not start, with the reason."""


ONLY_PARSED = {
    "/shared/": "needs a folder that machines share",
    "--output first-run.html": "docs/how-to/see-and-compare.md writes reports",
    "--beam 5": "needs a model of labelled sequences; docs/tutorials/shapes.md has one",
    "bad.toml": "the page shows the error of a sweep file that it does not contain",
    "doctor experiments/first-run.toml": "measures every backend, and compiles kernels for a minute",
    "postgresql+psycopg://": "needs a database server",
    "posts.parquet": "needs pyarrow; plugins/essentials/tests/test_tables.py reads such files",
    "--format onnx": "needs libraries that are not in the development environment; plugins/onnx/tests runs it",
    "--format transformers": "needs the library transformers; plugins/transformers/tests runs it",
    "seqforge import": "needs the weights of a model; tests/api/test_import_model.py runs it",
    "--format web": "needs the same libraries; tests/api/test_export_web.py runs it",
    "formal --quick --cell rnn": "a study of many runs; docs/how-to/formal.md has short ones",
    "formal --seeds 1": "the same",
    "formal --seeds 5": "the same",
    "--task word-problem-s5": "the same",
    "--task dyck-4": "the same",
    "--resume runs/small": "the page shows what happens to a run with a damaged file",
    "find-rate": "takes minutes; plugins/sweeps/tests/test_find_rate.py runs it",
    "--push": "needs an account of the Hugging Face Hub; tests/runs/test_hub.py runs it with a server of its own",
    "hf://": "the same",
    "seqforge watch": "serves until it is stopped; tests/report/test_live.py runs it",
}
"""Commands of seqforge whose arguments are checked, but which do not run, with the reason."""


@dataclass(frozen=True)
class Command:
    """A command in a page.

    Attributes:
        text: The command as it is written, on one line.
        output: The output that the page shows.
    """

    text: str
    output: str


def commands(page: Path) -> Iterator[Command]:
    """Yield the commands in the console blocks of a page, in order."""
    for block in re.findall(r"^```console\n(.*?)^```$", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL):
        joined = re.sub(r"\\\n\s*(?:> )?", "", block)
        for part in re.split(r"^\w*\$ ", joined, flags=re.MULTILINE)[1:]:
            # A quoted argument may continue on the next lines.
            lines = part.split("\n")
            count = next(count for count in range(1, len(lines) + 1) if _is_complete("\n".join(lines[:count])))
            yield Command("\n".join(lines[:count]), "\n".join(lines[count:]))


def files(page: Path) -> dict[str, str]:
    """Return the blocks of a page that have a file name."""
    pattern = r'^```\w+ title="([^"]+)"\n(.*?)^```$'
    return dict(re.findall(pattern, page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE))


def _is_complete(text: str) -> bool:
    try:
        shlex.split(text)
    except ValueError:
        return False
    return True
