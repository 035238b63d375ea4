"""The stored run directory of each format version can be opened, sampled, evaluated and resumed."""

import shutil
from pathlib import Path

import pytest

from seqforge import Registry, Run
from seqforge.runs.metrics_log import read_metrics

RUNS = sorted((Path(__file__).parent / "runs").iterdir())


@pytest.mark.parametrize("stored", RUNS, ids=lambda path: path.name)
def test_a_stored_run_can_be_sampled_evaluated_and_resumed(stored: Path, tmp_path: Path, registry: Registry) -> None:
    path = tmp_path / stored.name
    shutil.copytree(stored, path)
    run = Run.open(path, registry=registry)
    sample = next(run.directory.samples.iterdir()).read_text()
    assert run.sample(run.experiment.sampling.prompt, length=len(sample)) == [sample]
    logged = [record["loss"] for record in read_metrics(run.directory.metrics) if record["event"] == "evaluation"]
    assert run.evaluate().loss == pytest.approx(logged[-1], rel=1e-4)
    steps = run.checkpoints.steps()[-1]
    longer = Run.open(path, [f"training.steps={steps + 2}"], registry)
    longer.resume()
    assert longer.checkpoints.steps()[-1] == steps + 2
