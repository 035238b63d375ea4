"""The readers that the campaign of fuzzing tests, and the changed files that they receive."""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import random
import shutil
import subprocess
import tarfile
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import torch

from seqforge import Experiment, Run, train
from seqforge.api.export import export
from seqforge.data.dataset import LabelledDataset, prepare, prepare_examples
from seqforge.data.encoding import read_vocabulary
from seqforge.data.example_file import EXAMPLES, ExampleFile
from seqforge.data.token_file import VOCABULARY, TokenFile
from seqforge.distribution.world import ALONE
from seqforge.errors import RunError, SeqforgeError
from seqforge.events import no_report
from seqforge.registry.registry import Registry
from seqforge.runs.backends import read_backends
from seqforge.runs.checkpoint_files import load_model, load_training
from seqforge.runs.comparison import differing_settings
from seqforge.runs.metrics_log import MetricsLog, describe_logs
from seqforge.runs.resume import remove_temporary_files
from seqforge.runs.summary import summarize_run
from seqforge.runs.training_state import TrainingState
from seqforge.runs.verification import RUN_FILES, CheckpointManifest
from seqforge.storage.cache import EntryManifest, read_entry
from seqforge.storage.records import JSON_KEY, MANIFEST, describe_files, seal, unseal
from seqforge.tasks import task_of
from tests.campaigns.experiments import EXPERIMENTS, install_corpus
from tests.campaigns.mutations import mutate, replace_entry
from tests.campaigns.text_formats import TextFormats

EXPERIMENT_FILES = sorted((Path(__file__).parents[2] / "experiments").glob("*.toml"))


class Reader(Protocol):
    """Writes changed files, and reads them."""

    def write(self, trial: Path, generator: random.Random) -> None:
        """Write changed files to an empty folder."""
        ...

    def read(self, trial: Path) -> None:
        """Read the files as seqforge does."""
        ...


class Experiments:
    """Experiment files. One that is read must mean the same when it is written and read again."""

    def __init__(self, sources: Path) -> None:
        self._registry = Registry.installed()
        self._contents = [path.read_bytes() for path in EXPERIMENT_FILES]
        for path in EXPERIMENT_FILES:  # This imports what the processes need.
            Experiment.load(path, registry=self._registry)

    def write(self, trial: Path, generator: random.Random) -> None:
        content = generator.choice(self._contents)
        (trial / "e.toml").write_bytes(mutate(content, generator))

    def read(self, trial: Path) -> None:
        experiment = Experiment.load(trial / "e.toml", registry=self._registry)
        again = Experiment.from_dict(tomllib.loads(experiment.to_toml()), trial, self._registry)
        assert again.table == experiment.table


_COMPRESS: Mapping[str, Callable[[bytes], bytes]] = {
    ".tar": bytes,
    ".tar.gz": lambda content: gzip.compress(content, 1),
    ".tar.xz": lambda content: lzma.compress(content, preset=0),
    ".tar.bz2": bz2.compress,
}


class Archives:
    """Archives of C source in all formats, with blocks of xz."""

    def __init__(self, sources: Path) -> None:
        self._tree = sources / "linux"
        for number in range(12):
            file = self._tree / ("kernel" if number % 2 else "drivers/net") / f"file{number}.c"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"int value_{number};\n" * (number * 40 + 1))
        (self._tree / "kernel" / "link.c").symlink_to("file1.c")
        (self._tree / "kernel" / ("long" * 40 + ".c")).write_text("int long_name;\n")
        self._tars = [self._pack(tar_format) for tar_format in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)]
        self._blocks = subprocess.run(
            ["xz", "-0", "-T2", "--block-size=4096"], input=self._tars[0], stdout=subprocess.PIPE, check=True
        ).stdout
        (sources / "a").write_bytes(self._tars[0])
        self.read(sources)  # This imports what the processes need.

    def _pack(self, tar_format: int) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tar_format) as archive:
            archive.add(self._tree, "linux-6.12")
        return buffer.getvalue()

    def write(self, trial: Path, generator: random.Random) -> None:
        kind = generator.choice([*_COMPRESS, "blocks"])
        if kind == "blocks":
            (trial / "a").write_bytes(mutate(self._blocks, generator))
        else:
            content = generator.choice(self._tars)
            if (
                generator.random() < 0.7
            ):  # of the archive, mostly with correct checksums; otherwise of what is compressed
                content = mutate(content, generator)
                content = _correct_headers(content) if generator.random() < 0.7 else content
                content = _COMPRESS[kind](content)
            else:
                content = mutate(_COMPRESS[kind](content), generator)
            (trial / "a").write_bytes(content)

    def read(self, trial: Path) -> None:
        from seqforge_linux_source.corpus import LinuxSource

        source = trial / "a"
        corpus = LinuxSource(source=source, size_limit=1 << 28)
        corpus.fingerprint()
        corpus.describe()
        for document in corpus.documents():
            name = document.name
            assert not name.startswith("/")
            assert ".." not in name.split("/")
            assert name.isprintable()
            document.content.decode()


def _correct_headers(content: bytes) -> bytes:
    """Return a tar archive with the checksums of headers corrected, as far as they are in their places."""
    blocks = [bytearray(content[start : start + 512]) for start in range(0, len(content), 512)]
    for block in blocks:
        if len(block) == 512 and block[257:262] == b"ustar":
            block[148:156] = b" " * 8
            block[148:156] = b"%06o\0 " % (sum(block) % 0o1000000)
    return b"".join(blocks)


class Encoded:
    """Entries of the cache: encoded text and examples, also with manifests that fit a changed index."""

    def __init__(self, sources: Path) -> None:
        os.environ["SEQFORGE_CACHE"] = str(sources / "cache")
        install_corpus(sources)
        self._folders = {name: self._encode(name) for name in EXPERIMENTS}
        for name, folder in self._folders.items():
            self._chosen = name
            self.read(folder)

    @staticmethod
    def _encode(name: str) -> Path:
        experiment = Experiment.from_dict(tomllib.loads(EXPERIMENTS[name]))
        prepared = prepare_examples if experiment.labelled else prepare
        dataset = prepared(experiment, lambda event: None)
        return dataset.file.folder if isinstance(dataset, LabelledDataset) else dataset.token_file.folder

    def write(self, trial: Path, generator: random.Random) -> None:
        self._chosen = generator.choice(list(self._folders))
        shutil.copytree(self._folders[self._chosen], trial, dirs_exist_ok=True)
        path = generator.choice(sorted(trial.iterdir()))
        if generator.random() < 0.1:
            replace_entry(path, generator)
        elif path.suffix == ".json" and path.name != MANIFEST and generator.random() < 0.9:
            path.write_bytes(seal(mutate(unseal(path.read_bytes(), JSON_KEY), generator), JSON_KEY))
            files = describe_files(entry for entry in sorted(trial.iterdir()) if entry.name != MANIFEST)
            EntryManifest(files=files, origin="").write(trial / MANIFEST)
        else:
            path.write_bytes(mutate(path.read_bytes(), generator))

    def read(self, trial: Path) -> None:
        if (trial / EXAMPLES).exists():
            examples = read_entry(trial, ExampleFile.open)
            indices = range(len(examples.names))
            examples.inputs.read(indices)
            examples.targets.read(range(len(examples.targets.stops)))
            examples.split(0.3, 0.1)
            examples.longest_targets()
        else:
            read_entry(trial, TokenFile.open)
        vocabulary = Experiment.from_dict(tomllib.loads(EXPERIMENTS[self._chosen])).vocabulary.build()
        read_vocabulary(vocabulary, trial / VOCABULARY)


class Runs:
    """Run directories and an export, with checksums that fit the changed files, or do not."""

    def __init__(self, sources: Path) -> None:
        os.environ["SEQFORGE_CACHE"] = str(sources / "cache")
        install_corpus(sources)
        self._runs: dict[str, Run] = {}
        self._states: dict[str, tuple[str, TrainingState]] = {}
        for name, text in EXPERIMENTS.items():
            experiment = Experiment.from_dict(tomllib.loads(text), origin=Path(name))
            self._runs[name] = train(experiment, sources / "runs", progress=False)
            task = task_of(experiment).prepare_training(experiment, torch.device("cpu"), no_report, ALONE)
            self._states[name] = task.digest, task.new_state()
        self._runs["export"] = export(self._runs["blocks"], sources / "export")
        self._states["export"] = self._states["blocks"]
        for name, run in self._runs.items():
            self._chosen = name
            # An export has no state of training.
            with contextlib.suppress(RunError) if name == "export" else contextlib.nullcontext():
                self.read(shutil.copytree(run.path, sources / "copies" / name))

    def write(self, trial: Path, generator: random.Random) -> None:
        self._chosen = generator.choice(list(self._runs))
        shutil.copytree(self._runs[self._chosen].path, trial, dirs_exist_ok=True)
        if generator.random() < 0.15:
            replace_entry(generator.choice(sorted(trial.rglob("*"))), generator)
            return
        path = generator.choice(sorted(path for path in trial.rglob("*") if path.is_file()))
        content = path.read_bytes()
        if generator.random() < 0.1:
            path.write_bytes(mutate(content, generator))
        elif path.suffix == ".jsonl":
            path.write_bytes(_change_line(content, generator))
            _refresh_manifests(trial)
        elif path.name == "experiment.toml":
            path.write_bytes(seal(mutate(unseal(content), generator).rstrip(b"\n") + b"\n"))
        elif path.suffix == ".json":
            path.write_bytes(seal(mutate(unseal(content, JSON_KEY), generator), JSON_KEY))
            if path.name != MANIFEST:
                _refresh_manifests(trial)
        else:
            path.write_bytes(mutate(content, generator))
            _refresh_manifests(trial)

    def read(self, trial: Path) -> None:
        run = Run.open(trial)
        digest, state = self._states[self._chosen]
        readers: list[Callable[[], object]] = [
            run.losses, run._repr_html_, run.vocabulary, run.checkpoints.best,
            lambda: summarize_run(run.path), lambda: differing_settings([run.experiment.table, {}]),
            lambda: read_backends(run.path), lambda: run.load().example_spec,
            # With its own sizes, since the description of a run may state large ones.
            lambda: load_training(run.checkpoints.find("latest"), state, self._runs[self._chosen].experiment, digest),
            lambda: load_model(run.checkpoints.find("best"), state.model),
            lambda: MetricsLog(run.directory.metrics).truncate(3),
            lambda: remove_temporary_files(run.path),
            lambda: run.checkpoints.drop_after(3),
        ]  # fmt: skip
        refused: SeqforgeError | None = None
        for reader in readers:
            try:
                reader()
            except SeqforgeError as error:
                refused = error
        if refused is not None:
            raise refused


def _change_line(content: bytes, generator: random.Random) -> bytes:
    """Return a log with a changed line, and with checksums that fit."""
    lines = [line[: -len(', "checksum": "0123456789abcdef"}')] + b"}" for line in content.splitlines()]
    index, changed = generator.randrange(len(lines)), b""
    lines[index] = mutate(lines[index], generator)
    for line in lines:
        changed += seal(line, JSON_KEY, changed[-len('0123456789abcdef"}\n') :]) + b"\n"
    return changed


def _refresh_manifests(run: Path) -> None:
    """Make the manifests of all checkpoints fit their files and those of the run."""
    for checkpoint in (run / "checkpoints").iterdir():
        manifest = CheckpointManifest.read(checkpoint / MANIFEST)
        files = describe_files(checkpoint / name for name in manifest.files)
        changes = {
            "files": files,
            "run": describe_files(run / name for name in RUN_FILES if (run / name).exists()),
            "logs": describe_logs(run),
        }
        manifest.model_copy(update=changes).write(checkpoint / MANIFEST)


READERS: Mapping[str, Callable[[Path], Reader]] = {
    "archives": Archives,
    "encoded": Encoded,
    "experiments": Experiments,
    "runs": Runs,
    "texts": TextFormats,
}
