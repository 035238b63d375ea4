"""A run on a GPU: trained, resumed, sampled, scored, reported and exported; and what a step asks of the GPU."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seqforge import Experiment, export, train
from seqforge.hardware import find_accelerator

ACCELERATOR = find_accelerator()
DEVICE = ACCELERATOR.type if ACCELERATOR else ""
pytestmark = pytest.mark.skipif(not DEVICE, reason="needs a GPU, or -p tests.cuda.fake_device")

FASTEST = "cudnn" if DEVICE == "cuda" else "eager"
MakeExperiment = Callable[..., Experiment]
FAKE = sys.modules.get("tests.cuda.fake_device")
"""The device that counts, if pytest has loaded it."""

LSTM = {"use": "essentials/lstm", "hidden_size": 12}


@pytest.mark.parametrize(
    ("cells", "backend"),
    [
        ([LSTM], FASTEST),
        ([{**LSTM, "repeat": 2}], "eager"),
        ([{"use": "block", "cell": {"use": "gated-deltanet", "hidden_size": 16, "heads": 2}, "repeat": 2}], "auto"),
    ],
    ids=["fused", "eager", "blocks"],
)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_run_lives_on_a_gpu_as_on_the_cpu(
    experiment: MakeExperiment, tmp_path: Path, cells: Any, backend: str, precision: str
) -> None:
    tables = {"model": {"cells": cells}, "evaluation": {"interval": 6}}
    training = {"precision": precision, "checkpoint_interval": 6, "average_decay": 0.9}
    on_cpu = train(experiment(**tables, training={**training, "device": "cpu", "steps": 12}), tmp_path / "cpu")
    run = train(experiment(**tables, training={**training, "device": DEVICE, "backend": backend, "steps": 6}), tmp_path)
    run = run.resume(training={"steps": 12})
    losses, expected = ([line["loss"] for line in one.metrics() if "loss" in line] for one in (run, on_cpu))
    assert losses == pytest.approx(expected, rel=2e-2 if precision == "bfloat16" else 1e-4)
    drawn = [run.sample("line", length=30, device=device, precision="float32") for device in (DEVICE, "cpu")]
    assert drawn[0] == drawn[1]
    assert run.evaluate(device=DEVICE).loss == pytest.approx(run.evaluate(device="cpu").loss, rel=1e-2)
    assert "line 1" in str(run.report("line 1", device=DEVICE))
    assert run.inspect("line 1").before.isfinite().all()
    assert set(run.states("line 1", device=DEVICE)) == set(run.states("line 1", device="cpu"))
    exported = export(run, tmp_path / "exported", precision="float32")
    assert exported.sample("line", length=30, device=DEVICE, precision="float32") == drawn[1]


def test_a_decoder_reads_its_own_predictions_in_fused_layers(
    labelled_experiment: MakeExperiment, tmp_path: Path
) -> None:
    run = train(
        labelled_experiment(
            corpus={"use": "made", "output_mode": "sequence", "longest": 4},
            model={"topology": "many-to-many", "attention": {"use": "additive"}},
            training={"device": DEVICE, "backend": FASTEST, "scheduled_sampling": 0.5, "steps": 3},
        ),
        tmp_path,
    )
    assert any(line["event"] == "sample" for line in run.metrics())


@pytest.mark.skipif(FAKE is None or DEVICE != "cuda", reason="needs -p tests.cuda.fake_device")
@pytest.mark.parametrize(
    ("backend", "launches", "data", "copies"),
    # symbols and targets, and where documents start
    [("cudnn", 80, {}, 2.0), ("eager", 1600, {}, 2.0), ("cudnn", 200, {"reset_state": "document"}, 3.0)],
)
def test_a_step_asks_little_of_a_gpu_and_the_host_waits_for_it_once(
    experiment: MakeExperiment, tmp_path: Path, backend: str, launches: int, data: Any, copies: float
) -> None:
    take_counts: Callable[[], dict[str, int]] = getattr(FAKE, "take_counts")  # noqa: B009 - pyright cannot know it

    def count(steps: int) -> dict[str, int]:
        take_counts()
        never = {"log_interval": 10**6, "checkpoint_interval": 10**6}
        training = {"device": DEVICE, "backend": backend, "precision": "float32", "steps": steps, **never}
        rare = {"evaluation": {"interval": 10**6}, "sampling": {"interval": 10**6}}
        train(experiment(training=training, data=data, **rare), tmp_path / str(steps))
        return take_counts()

    few, many = count(10), count(30)
    step = {name: (times - few.get(name, 0)) / 20 for name, times in many.items()}
    waits = {name: round(times, 1) for name, times in step.items() if name.startswith("wait") and times >= 0.5}
    assert waits == {"wait: copy to the host": 1.0}  # the loss, and the norm of the gradient
    assert step["copy to the device"] == copies
    views = ("aten::as_strided", "aten::view", "aten::empty", "aten::empty_strided", "aten::_local_scalar_dense")
    found = sum(times for name, times in step.items() if not name.startswith(("wait", *views)))
    assert found <= launches


@pytest.mark.skipif(FAKE is None or DEVICE != "mps", reason="needs the simulated GPU of a Mac")
def test_random_numbers_of_a_mac_are_seeded_saved_and_restored_and_backends_timed_to_their_end(
    experiment: MakeExperiment, tmp_path: Path
) -> None:
    take_counts: Callable[[], dict[str, int]] = getattr(FAKE, "take_counts")  # noqa: B009 - pyright cannot know it
    take_counts()
    run = train(experiment(training={"device": "auto", "backend": "auto", "steps": 4}), tmp_path)
    counts = take_counts()
    assert counts["seed 1337"] == 1
    assert counts["wait: device"] > 2
    run.resume(training={"steps": 5})
    assert take_counts()["state of 44 bytes"] == 2  # that of the checkpoint, and that before the training
