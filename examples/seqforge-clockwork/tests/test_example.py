"""The example trains with the components of the plugin."""

from pathlib import Path

import seqforge


def test_the_example_trains(tmp_path: Path) -> None:
    file = Path(__file__).parents[1] / "example.toml"
    experiment = seqforge.Experiment.load(file, ["training.steps=2", "sampling.length=10"])
    run = seqforge.train(experiment, tmp_path)
    assert run.losses()
    assert "clockwork" in experiment.plugins
