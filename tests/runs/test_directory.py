"""Run directories that come from someone else, cannot be read, or cannot be written."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import filelock
import pytest

from seqforge import Experiment, train
from seqforge.errors import ExperimentError, RunError
from seqforge.runs.checkpoints import Checkpoints
from seqforge.runs.directory import FILES, FOLDERS, RunDirectory
from seqforge.runs.resume import remove_temporary_files
from seqforge.runs.verification import step_of
from seqforge.storage.records import to_sealed_json

STORED = Path(__file__).parents[1] / "training" / "runs" / "version-3"

MakeExperiment = Callable[..., Experiment]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a run directory, `run`."""
    return shutil.copytree(STORED, tmp_path / "run")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Return a folder outside the run, which has everything that a link in the run could lead to."""
    outside = shutil.copytree(STORED, tmp_path / "outside")
    shutil.copytree(outside / "checkpoints/step-00000010", outside / "checkpoints/step-00000011")
    (outside / ".lock").write_text("victim")
    return outside


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return the time of the last change and the content of everything in a folder."""
    return {
        str(entry): (entry.lstat().st_mtime_ns, entry.read_bytes() if entry.is_file() else b"")
        for entry in folder.rglob("*")
    }


def remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink(missing_ok=True)


ENTRIES = [
    *FILES,
    *FOLDERS,
    "checkpoints/step-00000010",
    "checkpoints/step-00000010/model.safetensors",
    "samples/step-00000010.txt",
]


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_link_in_a_run_directory_is_refused_by_name(entry: str, path: Path, outside: Path) -> None:
    before = snapshot(outside)
    for target in (outside / entry, outside / "missing", Path("/dev/zero")):
        remove(path / entry)
        (path / entry).symlink_to(target)
        with pytest.raises(RunError, match=f"{path / entry}: it is a symbolic link"):
            RunDirectory.open(path)
    assert snapshot(outside) == before


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_pipe_in_a_run_directory_is_refused_without_waiting(entry: str, path: Path) -> None:
    remove(path / entry)
    os.mkfifo(path / entry)
    with pytest.raises(RunError, match=f"{path / entry}: it is a pipe"):
        RunDirectory.open(path)


@pytest.mark.parametrize("name", [*FILES, *FOLDERS])
def test_a_file_and_a_folder_are_not_confused(name: str, path: Path) -> None:
    remove(path / name)
    if name in FILES:
        (path / name).mkdir()
    else:
        (path / name).touch()
    with pytest.raises(RunError, match=f"{path / name}: it is a (folder, not a )?regular file(, not a folder)?"):
        RunDirectory.open(path)


def test_resuming_does_not_delete_or_write_outside_the_run(seqforge: Callable, path: Path, outside: Path) -> None:
    before = snapshot(outside)
    remove(path / "checkpoints")
    (path / "checkpoints").symlink_to(outside / "checkpoints")
    # Later checkpoints would be deleted.
    result = seqforge("run", "--set", "training.steps=30", "--resume", path / "checkpoints/step-00000010")
    assert result.returncode == 1
    assert f"{path / 'checkpoints'}: it is a symbolic link" in result.stderr
    assert "Traceback" not in result.stderr
    assert snapshot(outside) == before


@pytest.mark.parametrize("name", [".lock", "checkpoints"])
def test_a_link_is_also_refused_when_training_starts(name: str, path: Path, outside: Path) -> None:
    run = RunDirectory.open(path)
    remove(path / name)
    (path / name).symlink_to(outside / name)
    before = snapshot(outside)
    with pytest.raises(RunError, match=f"{path / name}: it is a symbolic link"), run.lock():
        pass
    assert snapshot(outside) == before


def test_temporary_files_behind_a_link_are_not_removed(path: Path, outside: Path) -> None:
    (outside / ".a.1.tmp").touch()
    before = snapshot(outside)
    (path / "notes").symlink_to(outside)
    (path / "samples" / ".b.1.tmp").symlink_to(outside)
    (path / ".new.1-0.tmp").mkdir()
    remove_temporary_files(path)
    assert not list(path.rglob(".*.tmp"))
    assert snapshot(outside) == before


def test_filelock_does_not_follow_a_link(outside: Path) -> None:
    (outside / "link").symlink_to(outside / ".lock")
    with pytest.raises(OSError, match="Too many levels of symbolic links"):
        filelock.FileLock(outside / "link", timeout=0).acquire()
    assert (outside / ".lock").read_text() == "victim"


def test_links_to_a_run_and_links_that_are_not_part_of_it_are_allowed(path: Path, outside: Path) -> None:
    (path / "notes").symlink_to(outside)
    (path.parent / "latest").symlink_to(path)
    assert RunDirectory.open(path.parent / "latest").path == path.parent / "latest"


def test_every_file_of_a_run_is_checked(
    experiment: MakeExperiment, labelled_experiment: MakeExperiment, tmp_path: Path
) -> None:
    run = train(experiment(), tmp_path)
    for finished in (run, train(experiment(), tmp_path, initial=run), train(labelled_experiment(), tmp_path)):
        assert {entry.name for entry in finished.path.iterdir()} <= {*FILES, *FOLDERS}


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", to_sealed_json({"version": None}), to_sealed_json({"version": "a" * 10**6}), b"[" * 10**5, b"\xff"],
    ids=["empty", "no checksum", "null", "long text", "deep", "not UTF-8"],
)
def test_a_damaged_marker_is_named(content: bytes, path: Path) -> None:
    (path / "run.json").write_bytes(content)
    with pytest.raises(RunError, match=r"run\.json: (damaged: |format version )") as caught:
        RunDirectory.open(path)
    assert len(caught.value.message) < 400


def test_a_path_that_is_no_folder_is_an_error_that_explains_run_directories(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(path.parent)
    Path("e.toml").touch()
    with pytest.raises(RunError) as caught:
        RunDirectory.open("e.toml")
    assert caught.value.message == "e.toml: it is a regular file, not a run directory"
    assert caught.value.hint == "A run directory is a folder that `seqforge run e.toml` creates, such as runs/e."
    with pytest.raises(RunError) as caught:
        RunDirectory.open("missing.toml")
    assert caught.value.hint == "Runs in .: run."
    for name, message in (
        ("run/run.json", "run/run.json: it is a regular file, not a run directory"),
        ("run/run.json/a", "run/run.json/a: no such folder"),
        ("a" * 5000, f"^opening {'a' * 100}…: File name too long$"),
    ):
        with pytest.raises(RunError, match=message):
            RunDirectory.open(name)


def test_a_run_that_is_being_created_is_not_suggested(path: Path) -> None:
    shutil.copytree(path, path.parent / ".new.7-0.tmp")
    with pytest.raises(RunError) as caught:
        RunDirectory.open(path.parent / "something-else")
    assert caught.value.hint == f"Runs in {path.parent}: {path}."


PROGRAM = """
import sys
from pathlib import Path
from seqforge import Run
from seqforge.errors import SeqforgeError

def attempt(name, mode, use):
    path = Path(sys.argv[1], name)
    path.chmod(mode)
    try:
        use()
        print("used")
    except SeqforgeError as error:
        print(str(error).replace(chr(10), " "))
    finally:
        path.chmod(0o700)

for name in sys.argv[2:]:
    attempt(name, 0, lambda: Run.open(sys.argv[1]).sample(length=3))
attempt("", 0o500, lambda: Run.open(sys.argv[1]).sample(length=3))
attempt("", 0o500, lambda: Run.open(sys.argv[1], ["training.steps=30"]).resume())
"""


@pytest.mark.skipif(os.getuid() == 0 and shutil.which("setpriv") is None, reason="setpriv is not installed")
def test_missing_permissions_are_named_and_are_not_called_damage(path: Path) -> None:
    # Root may read and write every file. Without these capabilities, it obeys the permissions as every user does.
    drop = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.getuid() == 0 else []
    names = ["run.json", "experiment.toml", "vocabulary.json", "checkpoints", "."]
    result = subprocess.run(
        [*drop, sys.executable, "-c", PROGRAM, path, *names], capture_output=True, text=True, check=False
    )
    *unreadable, sampled, resumed = result.stdout.splitlines()
    assert len(unreadable) == len(names), result.stderr
    for name, message in zip(names, unreadable, strict=True):
        assert str(path / name) in message
        assert "Permission denied" in message
        assert "damaged" not in message
        assert "delete" not in message.lower()
    # A directory that may not be written can be sampled, but not resumed.
    assert sampled == "used"
    assert resumed == (
        f"locking {path}: {path}/.lock: Permission denied "
        "Check the owner and the permissions of the file and of its folders. Training writes to the run directory."
    )


def test_only_a_crash_leaves_its_file(path: Path) -> None:
    def train_until_interrupt() -> None:
        with RunDirectory(path).lock():
            assert (path / ".crash").exists()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_until_interrupt()
    assert not (path / ".crash").exists()


def test_an_experiment_that_is_too_large_to_be_read_again_is_an_error_before_the_training(
    experiment: MakeExperiment, tmp_path: Path
) -> None:
    long = experiment(corpus={"use": "inline", "text": "abc" * 400_000}, training={"steps": 1})
    with pytest.raises(ExperimentError, match="the limit is 1,048,576"):
        train(long, tmp_path / "runs")
    assert not [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]


def test_a_run_without_a_checkpoint_states_when_it_saves_one(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no checkpoint") as caught:
        Checkpoints(tmp_path).find("best")
    assert "training.checkpoint_interval" in str(caught.value.hint)


def test_a_checkpoint_has_the_step_in_its_name_and_initial_weights_step_0() -> None:
    assert [step_of(Path(path)) for path in ("run/checkpoints/step-00000012", "run/initial")] == [12, 0]
