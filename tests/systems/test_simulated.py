"""Windows and macOS, which are simulated in processes of their own: imports, and the life of a run."""

import importlib
import importlib.metadata
import pkgutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from seqforge import Experiment, Run, train
from seqforge.runs.history import read_state

FAKES = ("tests.systems.fake_windows", "tests.systems.fake_macos")
# Libraries of extras that may be installed or not.
ABSENT = {"onnxruntime", "wandb", "tensorboard", "transformers"}

simulated = pytest.mark.skipif(not any(fake in sys.modules for fake in FAKES), reason="needs a simulated system")


@pytest.mark.skipif(any(fake in sys.modules for fake in FAKES), reason="starts the tests of a system")
@pytest.mark.parametrize("fake", FAKES)
def test_on_a_simulated_system(fake: str, tmp_path: Path) -> None:
    own = Path(__file__).with_name(f"test_{fake.rpartition('_')[2]}.py")
    # With a folder of its own, pytest does not delete those of earlier runs, which takes long on Windows.
    options = ["-p", fake, "-p", "no:xdist", f"--basetemp={tmp_path}", "-q", __file__, str(own)]
    command = [sys.executable, "-m", "pytest", *options]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{6 if 'windows' in fake else 4} passed, 2 skipped" in done.stdout


@simulated
def test_every_module_is_imported() -> None:
    packages = {
        "seqforge",
        *(entry.module.partition(".")[0] for entry in importlib.metadata.entry_points(group="seqforge.plugins")),
    }
    assert len(packages) > 15
    for package in map(importlib.import_module, sorted(packages)):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            own = module.name.rpartition(".")[2]
            if "templates" not in module.name and not own.startswith("_"):  # such as kernels, and `__main__`
                try:
                    importlib.import_module(module.name)
                except ModuleNotFoundError as error:
                    if error.name not in ABSENT:
                        raise


@simulated
def test_a_run_is_trained_resumed_sampled_and_reported(
    experiment: Callable[..., Experiment], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEQFORGE_CACHE", str(tmp_path / "cache"))
    run = train(experiment(training={"steps": 5, "checkpoint_interval": 2}), tmp_path)
    assert read_state(run.path)[0] == "finished"
    run = Run.open(run.path).resume(training={"steps": 20})
    assert [path.name for path in (run.path / "checkpoints").iterdir()]
    assert len(run.sample("line", length=10)[0]) > 0
    assert run.evaluate().loss > 0
    assert "line 1" in str(run.report("line 1"))
    assert not [path for path in tmp_path.rglob("*") if path.suffix in (".tmp", ".lock")]
