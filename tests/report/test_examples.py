"""The predictions for held-out examples in a report."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import seqforge as sf
from seqforge import Experiment, Registry, Run, train
from seqforge.report.examples import ATTENDED, WORST, collect_examples

CLASSES = ("a", "b", "c")


@pytest.mark.parametrize(
    ("size", "kind", "columns"), [(4, "vector", 2), (3, "vector", 3), (4, "sequence", 4), (1, "sequence", 1)]
)
def test_numbers_are_a_picture_and_predictions_are_counted(size: int, kind: Any, columns: int, tmp_path: Path) -> None:
    spec = sf.ExampleSpec(sf.Numbers(size), kind, sf.Classes(CLASSES), "once")
    generator = np.random.default_rng(0)
    shape = (size,) if kind == "vector" else (min(2, size), size)
    pairs = [(generator.normal(size=shape).round(2), number % 3) for number in range(60)]
    experiment = Experiment(
        corpus=sf.examples(pairs, spec),
        data={"validation_fraction": 0.5, "shuffle": False},
        model={"cells": [{"use": "essentials/gru", "hidden_size": 4}]},
        training={"steps": 1, "batch_size": 8, "backend": "eager"},
    )
    run = train(experiment, tmp_path, progress=False)
    loaded = run.load()
    events: list[Any] = []
    loaded.report = lambda event: events.append(event.fraction if event.work == "predicting examples" else 0.0)
    found = collect_examples(loaded)
    assert found is not None
    dataset = loaded.labelled_dataset
    chosen = dataset.splits["validation"].tolist()
    assert (found["split"], found["count"]) == ("validation", len(chosen))
    fractions = [fraction for fraction in events if fraction]
    assert 0 < fractions[0] < 1
    assert fractions[-1] == 1
    inputs = [dataset.file.inputs.read([index])[0].reshape(shape) for index in chosen]
    targets = [int(dataset.file.names[index].rpartition("-")[2]) % 3 for index in chosen]
    predictions = dict(zip((dataset.file.names[index] for index in chosen), run.predict(inputs), strict=True))
    wanted = Counter(zip(targets, (CLASSES.index(each.output) for each in predictions.values()), strict=True))
    assert found["confusion"]["names"] == list(CLASSES)
    assert found["confusion"]["counts"] == [[wanted[target, output] for output in range(3)] for target in range(3)]
    losses = [example["loss"] for example in found["worst"]]
    assert losses == sorted(losses, reverse=True)
    assert len(losses) == min(WORST, len(chosen))
    values = dict(zip(predictions, inputs, strict=True))
    for example in found["worst"]:
        prediction, flat = predictions[example["name"]], values[example["name"]].ravel()
        assert example["predicted"] == prediction.text
        assert example["right"] == (example["predicted"] == example["target"])
        assert example["confidence"] == pytest.approx(prediction.confidence, abs=1e-4)
        if example["predicted"] == example["target"]:
            assert example["loss"] == pytest.approx(-np.log(prediction.confidence), abs=1e-3)
        scale = 255 / (np.ptp(flat) or 1.0)
        levels = ((flat.astype(np.float64) - flat.min()) * scale).round().astype(int).tolist()
        assert example["picture"] == {"columns": columns, "levels": levels}


def test_of_several_right_targets_the_nearest_counts(tmp_path: Path) -> None:
    spec = sf.ExampleSpec(sf.Text(), "sequence", sf.Classes(CLASSES), "once")
    items = [sf.Example(f"{number}", "ab" * (number % 5 + 1), 0, (1, 2)) for number in range(40)]
    experiment = Experiment(
        corpus=sf.examples(items, spec),
        data={"validation_fraction": 0.5},
        model={"cells": [{"use": "essentials/gru", "hidden_size": 4}]},
        training={"steps": 1, "batch_size": 8, "backend": "eager"},
    )
    found = collect_examples(train(experiment, tmp_path, progress=False).load())
    assert found is not None
    counts = np.array(found["confusion"]["counts"])
    assert counts.trace() == counts.sum() == found["count"]
    assert {example["target"] for example in found["worst"]} == {"a or b or c"}
    assert all(example["right"] for example in found["worst"])


def test_an_alignment_names_the_classes_that_are_written(
    labelled_experiment: Callable[..., Experiment], labelled: Registry, tmp_path: Path
) -> None:
    chosen = labelled_experiment(
        corpus={"use": "made", "output_mode": "sequence", "targets": "classes"},
        model={"attention": {"use": "additive"}},
        training={"steps": 1},
    )
    run = train(chosen, tmp_path)
    found = collect_examples(run.load())
    assert found is not None
    assert found["confusion"] is None
    assert len(found["alignments"]) == len(range(0, found["count"], -(-found["count"] // ATTENDED)))
    for matrix in found["alignments"]:
        *symbols, end = matrix["output"]
        assert end == "end"
        assert {*symbols} <= {"vowel", "consonant", "other"}
        assert len(matrix["weights"]) == len(matrix["output"])
        assert {len(row) for row in matrix["weights"]} == {len(matrix["source"])}
    other = Run.open(run.path, ["corpus.seed=1"], labelled).load()
    assert collect_examples(other) is None
    assert other.notes[-1].startswith("The examples are not available, so the report shows less: ")
