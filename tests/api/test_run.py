"""A run in a notebook: losses, probabilities, states, resuming, and its display."""

import math
import shutil
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pytest
import torch

from seqforge import Experiment, Run, train, use
from seqforge.data.splits import check_split
from seqforge.errors import DataError, ExperimentError, RunError
from seqforge.events import WorkProgressed
from seqforge.kinds import Cell
from seqforge.runs.loaded_run import LoadedRun
from seqforge.runs.metrics_log import MetricsLog, write_samples


@pytest.fixture(scope="module")
def trained(experiment: Any, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(experiment(training={"log_interval": 4}), tmp_path_factory.mktemp("runs"))


@pytest.fixture
def run(trained: Run, tmp_path: Path) -> Run:
    return Run.open(shutil.copytree(trained.path, tmp_path / trained.path.name))


def test_losses_are_a_table(run: Run) -> None:
    rows = run.losses()
    assert [row["step"] for row in rows] == [4, 5, 8, 10, 12]
    assert len({tuple(row) for row in rows}) == 1
    assert [row["step"] for row in rows if row["training_loss"] is not None] == [4, 8, 12]
    assert [row["step"] for row in rows if row["validation_loss"] is not None] == [5, 10, 12]
    logged = {(record["event"], record["step"]): record for record in run.metrics()}
    assert rows[-1]["training_loss"] == logged["step", 12]["loss"]
    assert rows[-1]["validation_bits_per_character"] == logged["evaluation", 12]["bits_per_character"]


def test_probabilities_multiply_to_the_likelihood(run: Run) -> None:
    text = "line 7: the"
    pairs = run.probabilities(text)
    assert "".join(pair.symbol for pair in pairs) == text
    assert all(0 < pair.probability < 1 for pair in pairs)
    model, vocabulary = run.model(), run.vocabulary()
    tokens = torch.as_tensor(vocabulary.encode(f"\n{text}".encode()).astype("int64"))
    with torch.no_grad():
        logits, _ = model(tokens[:-1].unsqueeze(1), model.initial_states(1))
    expected = -torch.nn.functional.cross_entropy(logits[:, 0], tokens[1:], reduction="sum")
    assert torch.tensor([pair.probability for pair in pairs]).log().sum().item() == pytest.approx(expected.item(), 1e-5)
    # With the start of the text as the prompt, the rest of the text has the same probabilities.
    assert [pair.probability for pair in run.probabilities(text[4:], prompt=f"\n{text[:4]}")] == pytest.approx(
        [pair.probability for pair in pairs[4:]], 1e-5
    )


def test_a_very_small_probability_is_not_0(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    model, vocabulary = run.model(), run.vocabulary()
    with torch.no_grad():
        model.head.bias[vocabulary.encode(b"t")[0]] -= 300.0  # float32 ends at e^-103
    monkeypatch.setattr(LoadedRun, "language_model", lambda _: (model, vocabulary))
    assert [math.log(pair.probability) < -250 for pair in run.probabilities("at")] == [False, True]


def test_samples_are_drawn_by_samplers_that_are_chosen_by_name_or_with_options(run: Run) -> None:
    drawn = {str(chain): run.sample(length=40, samplers=chain) for chain in (["greedy"], [use("top-k", k=1)])}
    assert len({text for texts in drawn.values() for text in texts}) == 1
    assert run.sample(length=40, samplers=["temperature"]) == run.sample(length=40)
    with pytest.raises(ExperimentError, match=r"sampler\.0\.kk: essentials/top-k has no option 'kk'\. Did you mean"):
        run.sample(samplers=[use("top-k", kk=1)])


def test_states_contain_every_layer_at_every_step(experiment: Any, tmp_path: Path) -> None:
    cells = [{"use": "essentials/lstm", "hidden_size": 5}, {"use": "essentials/gru", "hidden_size": 3}]
    run = train(experiment(model={"cells": cells}, training={"steps": 1}), tmp_path)
    states = run.states("line")
    assert {name: tuple(tensor.shape) for name, tensor in states.items()} == {
        "layers.0.hidden": (4, 5),
        "layers.0.cell": (4, 5),
        "layers.1.hidden": (4, 3),
    }
    model, tokens = run.model(), torch.as_tensor(run.vocabulary().encode(b"line").astype("int64"))
    with torch.no_grad():
        outputs, _ = model.stack(model.input(tokens.unsqueeze(1)), model.initial_states(1))
    torch.testing.assert_close(states["layers.1.hidden"], outputs[:, 0])


@pytest.mark.parametrize("call", [Run.probabilities, Run.states, Run.inspect])
def test_a_symbol_outside_the_vocabulary_is_an_error(call: Any, run: Run) -> None:
    with pytest.raises(DataError, match="symbol 'Z' at position 1"):
        call(run, "lZ")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda run: run.sample(length=0), "length is 0"),
        (lambda run: list(run.stream(length=-1)), "length is -1"),
        (lambda run: run.sample(count=0), "count is 0"),
        (lambda run: run.sample(seed=-1), "seed is -1"),
        (lambda run: check_split("valid"), "there is no split 'valid'"),
        (lambda run: run.sample(checkpoint=7), "no checkpoint 7"),
    ],
)
def test_a_wrong_argument_is_an_error(call: Any, message: str, run: Run) -> None:
    with pytest.raises((DataError, RunError), match=message):
        call(run)


def test_a_checkpoint_may_be_a_number(run: Run) -> None:
    steps = run.checkpoints.steps()
    assert [run.sample(checkpoint=step) for step in steps] == [run.sample(checkpoint=str(step)) for step in steps]


def test_sampling_and_evaluation_report_their_progress(run: Run) -> None:
    run.evaluate()  # encodes the text
    events: list[Any] = []
    run.sample(length=20, report=events.append)
    run.evaluate(report=events.append)
    works: dict[str, list[Any]] = {"sampling": [], "evaluating": []}
    for event in events:
        if isinstance(event, WorkProgressed):
            works[event.work].append(event.fraction)
    for fractions in works.values():
        assert 0 < fractions[0] < 1
        assert fractions == sorted(set(fractions))
        assert fractions[-1] == 1
    evaluating = works["evaluating"]
    assert evaluating[0] == pytest.approx(evaluating[1] - evaluating[0])


def test_the_repr_of_a_run_is_one_line(run: Run) -> None:
    bits = run.losses()[-1]["validation_bits_per_character"]
    assert repr(run) == f"<Run {run.path}: 12 steps, validation {bits:.4f} bits per character>"
    (run.directory.metrics).unlink()
    assert repr(run) == f"<Run {run.path}: 12 steps>"


def test_the_html_of_a_run_shows_its_curve_and_an_escaped_sample(run: Run) -> None:
    checksums = write_samples(run.directory.samples, 12, ["<script>alert(1)</script> & more"])
    MetricsLog(run.directory.metrics).append("sample", 12, {"checksums": checksums})
    shown = run._repr_html_()
    assert "<script" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in shown
    root = ElementTree.fromstring(f"<div>{shown}</div>")
    curves = root.findall(".//{http://www.w3.org/2000/svg}polyline")
    assert [len(set(curve.attrib["points"].split())) for curve in curves] == [3, 3]
    for file in (run.directory.metrics, *run.directory.samples.iterdir()):
        file.unlink()
    assert "svg" not in run._repr_html_()


def test_a_run_is_resumed_with_new_settings(run: Run) -> None:
    longer = run.resume(training={"steps": 15}, optimizer={"learning_rate": 0.003})
    assert (run.checkpoints.steps()[-1], longer.experiment.training.steps) == (15, 15)
    assert longer.experiment.optimizer.options["learning_rate"] == 0.003
    assert longer.experiment.model.cells == run.experiment.model.cells
    with pytest.raises(ExperimentError, match=r"training\.batch_size was 4 and is now 5"):
        longer.resume(training={"batch_size": 5, "steps": 20})
    with pytest.raises(ExperimentError, match=r"step: .*Did you mean 'steps'"):
        longer.resume(training={"step": 20})


class Leaky(Cell[Any]):
    """A cell that is defined in the session."""

    def initial_state(self, batch_size: int) -> Any:
        return Memory(torch.zeros(batch_size, self.hidden_size))

    def step(self, projected: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
        hidden = 0.9 * state.hidden + projected[:, : self.hidden_size]
        return hidden, Memory(hidden)


class Memory(NamedTuple):
    """The state of `Leaky`."""

    hidden: torch.Tensor


def test_a_run_with_a_session_defined_cell_opens_if_its_class_is_passed(tmp_path: Path) -> None:
    text = "the quick brown fox;\n" * 20
    experiment = Experiment(
        corpus=use("inline", text=text),
        model={"cells": [use(Leaky, hidden_size=4)]},
        training={"steps": 2, "batch_size": 2, "sequence_length": 8},
    )
    run = train(experiment, tmp_path)
    with pytest.raises(ExperimentError, match=r"components=\[Leaky\]"):
        Run.open(run.path)
    opened = Run.open(run.path, components=[Leaky, Leaky])
    assert opened.sample("the", length=5) == run.sample("the", length=5)
    assert opened.resume(training={"steps": 3}).checkpoints.steps()[-1] == 3
