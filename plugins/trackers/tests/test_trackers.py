"""Each tracker with its real library, which writes to local files and is read back by its own reader.

Only TensorBoard is in the development environment, since the other libraries install many packages. `make trackers`
runs these tests with all of them.
"""

import json
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from seqforge_trackers.mlflow import database_uri

from seqforge import Experiment, Registry, Run, train
from seqforge.api.listeners import TRACKERS
from seqforge.errors import PluginError
from seqforge.kinds import TrackedRun

TEXT = "the quick brown fox jumps over 13 `lazy` dogs;\n" * 30


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    """Return a function that trains a run with a tracker for 4 steps, and resumes it until step 6."""
    monkeypatch.setenv("SEQFORGE_CACHE", str(tmp_path / "cache"))

    def train_and_resume(use: str, **options: Any) -> Run:
        table = {
            "experiment": {"name": "small"},
            "corpus": {"use": "inline", "text": TEXT},
            "data": {"validation_fraction": 0.2},
            "model": {"cells": [{"use": "gru", "hidden_size": 4}]},
            "training": {"batch_size": 4, "sequence_length": 16, "steps": 4, "log_interval": 2, "backend": "eager"},
            "evaluation": {"interval": 2},
            "sampling": {"interval": 2, "length": 10},
            "trackers": [{"use": use, **options}],
        }
        run = train(Experiment.from_dict(table), tmp_path / "runs #1?")
        before = (run.path / TRACKERS).read_text()
        run.resume(training={"steps": 6})
        assert (run.path / TRACKERS).read_text() == before
        return run

    return train_and_resume


def losses(run: Run) -> dict[int, float]:
    """Return the validation loss of each evaluation in the log."""
    return {row["step"]: row["validation_loss"] for row in run.losses() if row["validation_loss"] is not None}


def identifier(run: Run) -> str:
    (value,) = json.loads((run.path / TRACKERS).read_text())["trackers"].values()
    return value


def sample(run: Run, step: int) -> str:
    return (run.path / f"samples/step-{step:08}.txt").read_text()


def test_tensorboard_has_one_curve_of_a_resumed_run(
    trained: Callable[..., Run], capsys: pytest.CaptureFixture[str]
) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run = trained("tensorboard")
    events = accumulator.EventAccumulator(str(run.path / "tensorboard"))
    events.Reload()
    scalars = {event.step: event.value for event in events.Scalars("validation/loss")}
    assert scalars == pytest.approx(losses(run))
    assert sorted(scalars) == [2, 4, 6]
    texts = {
        event.step: event.tensor_proto.string_val[0].decode() for event in events.Tensors("samples/1/text_summary")
    }
    assert texts[4].replace("    ", "").startswith(sample(run, 4).partition("\n")[0])
    (experiment,) = events.Tensors("experiment/text_summary")
    assert b"hidden_size = 4" in experiment.tensor_proto.string_val[0]
    assert "tracker" not in capsys.readouterr().err


RESUME = "import sys; from seqforge import Run; Run.open(sys.argv[1]).resume(training={'steps': 8})"


@pytest.mark.skipif(os.getuid() == 0 and shutil.which("setpriv") is None, reason="setpriv is not installed")
def test_tensorboard_without_the_permission_to_write_its_folder_costs_a_warning(trained: Callable[..., Run]) -> None:
    pytest.importorskip("tensorboard")
    run = trained("tensorboard")
    folder = run.path / "tensorboard"
    folder.chmod(0o500)
    # Root may write every file. Without this capability, it obeys the permissions as every user does.
    drop = ["setpriv", "--bounding-set=-dac_override"] if os.getuid() == 0 else []
    result = subprocess.run(
        [*drop, sys.executable, "-c", RESUME, run.path], capture_output=True, text=True, check=False
    )
    folder.chmod(0o700)
    assert result.returncode == 0
    message = f"the tracker trackers/tensorboard failed and is not called again: {folder}: Permission denied"
    assert message in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.filterwarnings("ignore")  # of the libraries
def test_mlflow_has_one_run_with_parameters_metrics_and_artifacts(
    trained: Callable[..., Run], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mlflow = pytest.importorskip("mlflow", reason="seqforge-trackers[mlflow] is not installed")
    run = trained("mlflow", experiment="mine")
    assert "mlflow" not in capsys.readouterr().err
    client = mlflow.MlflowClient(tracking_uri=database_uri(run.path.parent / "mlflow.db"))
    assert (run.path.parent / "mlflow.db").is_file()
    (stored,) = client.search_runs([client.get_experiment_by_name("mine").experiment_id])
    assert (stored.info.run_id, stored.info.status) == (identifier(run), "FINISHED")
    assert stored.data.params["model.cells.0.hidden_size"] == "4"
    history = client.get_metric_history(stored.info.run_id, "validation/loss")
    assert {metric.step: metric.value for metric in history} == pytest.approx(losses(run))
    names = {file.path for file in client.list_artifacts(stored.info.run_id)}
    assert {"experiment.toml", "report.html", "samples"} <= names
    folder = Path(client.download_artifacts(stored.info.run_id, "samples", str(tmp_path)))
    assert [file.read_text() for file in sorted(folder.iterdir())] == [sample(run, step) for step in (2, 4, 6)]


def read_records(path: Path) -> Iterator[bytes]:
    """Yield the records of a log of Weights & Biases, whose format is that of LevelDB's logs with a header."""
    content, position, record = path.read_bytes(), 7, b""
    while position + 7 <= len(content):
        if 32768 - position % 32768 < 7:  # no header fits into the rest of a block
            position += 32768 - position % 32768
            continue
        size, kind = struct.unpack_from("<HB", content, position + 4)
        if position + 7 + size > len(content):  # it is not written whole yet
            return
        record += content[position + 7 : position + 7 + size]
        position += 7 + size
        if kind in (1, 4):  # the whole record, or its last part
            yield record
            record = b""


@pytest.mark.filterwarnings("ignore")  # of the libraries
def test_weights_and_biases_writes_both_parts_of_a_resumed_run_offline(trained: Callable[..., Run]) -> None:
    wandb = pytest.importorskip("wandb", reason="seqforge-trackers[wandb] is not installed")
    from wandb.proto import wandb_internal_pb2

    run = trained("wandb")
    wandb.teardown()
    deadline = time.monotonic() + 30
    while True:  # its process may still write what it has received
        values: dict[int, float] = {}
        configuration, artifacts = "", []
        files = sorted((run.path / "wandb").glob(f"offline-run-*-{identifier(run)}/*.wandb"))
        for content in [content for file in files for content in read_records(file)]:
            record = wandb_internal_pb2.Record()
            record.ParseFromString(content)
            items = {item.key or "/".join(item.nested_key): item.value_json for item in record.history.item}
            if "validation/loss" in items:
                values[int(items["step"])] = float(items["validation/loss"])
            configuration += "".join(f"{item.key}={item.value_json}" for item in record.run.config.update)
            artifacts += [record.request.log_artifact.artifact.name, record.artifact.name]
        if (len(values) == len(losses(run)) and any(artifacts)) or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    assert values == pytest.approx(losses(run))
    assert '"hidden_size":4' in configuration.replace(" ", "")
    assert any(name.startswith("report-") for name in artifacts)


@pytest.mark.parametrize("use", ["tensorboard", "mlflow", "wandb"])
def test_a_missing_library_is_an_error_that_says_how_to_install_it(
    use: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("torch.utils.tensorboard", "mlflow", "wandb"):
        monkeypatch.setitem(sys.modules, module, None)
    registry = Registry.installed()
    tracker = registry.load(registry.find("tracker", use))()
    with pytest.raises(PluginError, match="the library cannot be imported") as error:
        tracker.start(TrackedRun("small", tmp_path, {}, 0, None))
    assert error.value.hint == f"To install it: pip install 'seqforge-trackers[{use}]'"
