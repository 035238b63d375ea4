"""Runs on labelled examples: training, scores, predictions, and bit-identical resuming."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_experiments import CASES
from typer.testing import CliRunner

from seqforge import Callback, Registry, Run, train
from seqforge.cli.app import build_app
from seqforge.errors import DataError, ExperimentError, RunError, SeqforgeError
from seqforge.evaluation.examples import ExampleScore
from seqforge.experiment.settings import Decoding
from seqforge.generation.predictions import Predictor
from seqforge.kinds import Quantity, WorkProgressed
from seqforge.model.sequence_model import SequenceModel
from seqforge.runs.checkpoint_files import MODEL, TRAINING
from seqforge.runs.metrics_log import read_metrics


def tables(case: str, **more: Any) -> dict[str, Any]:
    chosen = {**CASES[case], "metrics": [{"use": "exact"}]}
    for name, values in more.items():
        chosen[name] = {**chosen.get(name, {}), **values}
    return chosen


@pytest.mark.parametrize("case", CASES)
def test_training_lowers_the_loss_and_raises_the_score(
    labelled_experiment: Any, labelled: Registry, tmp_path: Path, case: str
) -> None:
    corpus = {**CASES[case]["corpus"], "count": 300, "longest": 3}
    training = {"steps": 300, "batch_size": 32}  # enough for every seed
    chosen = labelled_experiment(
        **tables(case, corpus=corpus, training=training), optimizer={"learning_rate": 0.03},
        evaluation={"interval": 50},
    )  # fmt: skip
    run = train(chosen, tmp_path)
    evaluations = [record for record in run.metrics() if record["event"] == "evaluation"]
    assert evaluations[-1]["loss"] < 0.6 * evaluations[0]["loss"] or evaluations[-1]["exact.share"] == 1.0
    assert evaluations[-1]["exact.share"] > 0.6
    opened = Run.open(run.path, registry=labelled)
    score = opened.evaluate()
    assert isinstance(score, ExampleScore)
    assert score.loss == pytest.approx(min(record["loss"] for record in evaluations), rel=1e-4)
    assert score.reports["exact"].endswith(f"of {score.examples}")
    (sentence,) = score.summary
    assert sentence == f"{Quantity('', 'share', 'more', '').format(score.metrics['exact.share'])} of them are right"
    assert next(iter(score.lines())) == f"  {sentence}"
    assert all(record["summary"][0].endswith(" of them are right") for record in evaluations)
    # Parts that are empty are left out, and values that are 0 are not.
    assert all(record[part] for record in evaluations for part in ("intervals", "summary") if part in record)
    assert all("exact.share" in record for record in evaluations)
    predictions = (run.directory.samples / "step-00000300.txt").read_text().splitlines()
    assert len(predictions) == 5
    assert all("(right: " in line for line in predictions)


@pytest.mark.parametrize("case", CASES)
def test_a_resumed_run_is_bit_identical_to_an_uninterrupted_one(
    labelled_experiment: Any, labelled: Registry, tmp_path: Path, case: str
) -> None:
    more: dict[str, Any] = {"accumulation": 2} if case == "synced" else {}
    if "many-to-many" in case:
        more["scheduled_sampling"] = 0.5
    chosen = labelled_experiment(**tables(case, model={"dropout": 0.3}, training={"steps": 12, **more}))
    whole = train(chosen, tmp_path / "whole")
    # Step 7 is in the middle of an epoch, and between two evaluations.
    saving = {"steps": 12, "checkpoint_interval": 7, "keep_checkpoints": 9, **more}
    again = train(labelled_experiment(**tables(case, model={"dropout": 0.3}, training=saving)), tmp_path / "again")
    Run.open(again.path, registry=labelled).resume("7")
    for file in (MODEL, TRAINING):
        ours, theirs = (run.checkpoints.path(12) / file for run in (again, whole))
        assert ours.read_bytes() == theirs.read_bytes(), file
    assert without_times(again) == without_times(whole)


def without_times(run: Run) -> list[dict[str, Any]]:
    return [
        {key: value for key, value in record.items() if key != "seconds"}
        for record in read_metrics(run.directory.metrics)
    ]


@pytest.fixture
def trained(labelled_experiment: Any, tmp_path: Path) -> Any:
    def make(case: str, **more: Any) -> Run:
        return train(labelled_experiment(**tables(case, training={"steps": 3}, **more)), tmp_path / "runs")

    return make


def test_batches_of_predictions_are_within_the_limits_and_errors_count_all_inputs(
    trained: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = trained("many-to-one").load("latest", "cpu")
    predictor = Predictor(loaded.model, loaded.require_examples(), loaded.vocabulary, Decoding(), rows=4, tokens=12)
    shapes: list[tuple[int, ...]] = []
    encode = SequenceModel.encode

    def recorded(model: SequenceModel, inputs: Any, lengths: Any) -> Any:
        shapes.append(tuple(inputs.shape))
        return encode(model, inputs, lengths)

    monkeypatch.setattr(SequenceModel, "encode", recorded)
    fractions: list[float] = []
    predictor(["ab"] * 6 + ["abcdea"] * 3, lambda event: fractions.append(event.fraction))
    assert shapes == [(6, 2), (6, 2), (2, 4), (2, 1)]
    assert fractions == [2 / 9, 4 / 9, 8 / 9, 1]
    with pytest.raises(DataError, match="example 11: an input is empty"):
        predictor(["a", ""])
    shapes.clear()
    predictor(["a" * 30, "a"])
    assert shapes == [(30, 1), (1, 1)]


def test_the_progress_and_the_loss_of_an_evaluation_count_every_example(trained: Any) -> None:
    run = trained("many-to-one")
    events: list[float] = []

    def report(event: Any) -> None:
        if event.work == "evaluating":
            events.append(event.fraction)

    whole = run.evaluate(report=report)
    assert events == sorted(events)
    assert events[0] > 0
    assert events[-1] == 1
    events.clear()
    small = run.experiment.with_tables({"training": {"batch_size": 1}}, run.path)
    each = Run(run.directory, small).evaluate(report=report)
    assert each.loss == pytest.approx(whole.loss, rel=1e-5)
    assert each.examples == whole.examples
    assert events == pytest.approx(np.arange(1, each.examples + 1) / each.examples)


def test_the_progress_of_a_limited_evaluation_is_that_of_its_steps(labelled_experiment: Any, tmp_path: Path) -> None:
    fractions: list[float] = []

    class Recorder(Callback):
        def on_work_progressed(self, event: WorkProgressed) -> None:
            if event.work == "evaluating" and event.fraction is not None:
                fractions.append(event.fraction)

    limited = tables("many-to-one", training={"steps": 1, "batch_size": 1}, evaluation={"tokens": 30})
    train(labelled_experiment(**limited), tmp_path / "runs", callbacks=[Recorder()])
    assert fractions == sorted(fractions)
    assert 0 < fractions[0] < 0.5 < fractions[-1] <= 1  # Only whole examples are scored.


def test_predictions_are_in_the_order_of_the_inputs(trained: Any) -> None:
    run = trained("many-to-one")
    inputs = ["a", "abcabca", "d", ".", "ebd"] * 9
    together = run.predict(inputs)
    assert len(together) == 45
    for example, prediction in zip(inputs[:5], together[:5], strict=True):
        (alone,) = run.predict([example])
        assert alone.output == prediction.output
        assert alone.output in ("vowel", "consonant", "other")
        assert alone.text == alone.output
        assert alone.confidence == pytest.approx(prediction.confidence, abs=1e-5)
        assert 1 / 3 <= alone.confidence <= 1


def test_a_run_predicts_without_its_corpus(trained: Any, labelled: Registry, monkeypatch: Any) -> None:
    run = trained("many-to-many")
    import made_examples

    monkeypatch.delattr(made_examples.Made, "examples")
    monkeypatch.setattr(made_examples.Made, "__abstractmethods__", frozenset())
    one, two = (Run.open(run.path, registry=labelled).predict(["ab"], beam=beam)[0] for beam in (1, 4))
    assert set(one.output) <= {"vowel", "consonant", "other"}
    assert one.text == " ".join(one.output)
    assert two.confidence >= one.confidence - 1e-6


def test_a_prediction_is_not_longer_than_the_limit(trained: Any) -> None:
    run = trained("many-to-many")
    assert all(len(prediction.output) <= 2 for prediction in run.predict(["ab", "cde"], length=2))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"inputs": "ab"}, "the inputs are a list, not 'ab'"),
        ({"beam": 0}, "beam is 0"),
        ({"length": 0}, "length is 0"),
    ],
)
def test_a_wrong_argument_of_a_prediction_is_an_error(trained: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        trained("many-to-many").predict(**{"inputs": ["ab"], **arguments})


def test_sampling_and_predicting_refer_to_each_other(trained: Any, experiment: Any, tmp_path: Path) -> None:
    run = trained("many-to-one")
    for draw in (run.sample, lambda: list(run.stream())):
        with pytest.raises(RunError, match="labelled examples") as caught:
            draw()
        assert "seqforge predict" in str(caught.value.hint)
    language_model = train(experiment(training={"steps": 1}), tmp_path / "text")
    with pytest.raises(RunError, match="a language model") as caught:
        language_model.predict(["hello"])
    assert "seqforge sample" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("case", "example", "message"),
    [
        ("many-to-one", "", "example 1: an input is empty"),
        ("many-to-one", "x", "example 1: 'x' at position 0 is not in the vocabulary"),
        ("one-to-one", np.zeros(4), "example 1: the value must be 3 numbers"),
        ("one-to-one", np.array([0, 1, 10**400], dtype=object), "example 1: the value must consist of numbers"),
        ("one-to-one", np.array([0, 1, np.inf]), "example 1: a number of the value is infinite or NaN"),
    ],
)
def test_an_input_that_does_not_fit_the_spec_is_an_error(trained: Any, case: str, example: Any, message: str) -> None:
    with pytest.raises(DataError) as caught:
        trained(case).predict([example])
    assert str(caught.value).startswith(message)


def test_the_command_reads_arguments_files_and_standard_input(trained: Any, labelled: Registry, tmp_path: Path) -> None:
    run = trained("many-to-one")
    app, runner = build_app(labelled), CliRunner()
    typed = runner.invoke(app, ["predict", str(run.path), "ab", "."])
    assert typed.exit_code == 0, typed.output
    assert typed.stdout.split() == [prediction.output for prediction in run.predict(["ab", "."])]
    piped = runner.invoke(app, ["predict", str(run.path), "--json"], input="ab\n.\n")
    lines = [json.loads(line) for line in piped.stdout.splitlines()]
    assert [line["input"] for line in lines] == ["ab", "."]
    assert [line["output"] for line in lines] == typed.stdout.split()
    (tmp_path / "inputs.txt").write_text("ab\n.")
    from_file = runner.invoke(app, ["predict", str(run.path), "--file", str(tmp_path / "inputs.txt")])
    assert from_file.stdout == typed.stdout
    (tmp_path / "inputs.txt").write_bytes(b"\xef\xbb\xbfab\r\n.\r\n")
    assert (
        runner.invoke(app, ["predict", str(run.path), "--file", str(tmp_path / "inputs.txt")]).stdout
        == from_file.stdout
    )
    with_byte_order_mark = runner.invoke(app, ["predict", str(run.path)], input=b"\xef\xbb\xbfab\r\n.\r\n")
    assert with_byte_order_mark.stdout == from_file.stdout
    (tmp_path / "inputs.txt").write_bytes(b"ab\n\xff")
    for given in ({"input": b"\xff"}, {"args": ["--file", str(tmp_path / "inputs.txt")]}):
        wrong = runner.invoke(app, ["predict", str(run.path), *given.pop("args", [])], **given)
        assert isinstance(wrong.exception, DataError)
        assert str(wrong.exception).endswith("cannot be read: not text in UTF-8")


def test_a_line_of_the_command_has_a_limit(
    trained: Any, labelled: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seqforge.cli.predict.MAXIMUM_LINE", 5)
    monkeypatch.setattr("seqforge.cli.predict._CHUNK", 3)
    run, path = trained("many-to-one"), tmp_path / "inputs.txt"
    app, runner = build_app(labelled), CliRunner()
    path.write_text("ab\nabcde\n.\ndcbae")
    found = runner.invoke(app, ["predict", str(run.path), "--file", str(path)])
    assert found.stdout.split() == [each.output for each in run.predict(["ab", "abcde", ".", "dcbae"])]
    path.write_text("ab\n.\nabcdabcdabcd\n")
    wrong = runner.invoke(app, ["predict", str(run.path), "--file", str(path)])
    assert str(wrong.exception) == f"{path}: line 3 is longer than 5 bytes"


def test_the_command_reads_numbers_as_json(trained: Any, labelled: Registry) -> None:
    run = trained("one-to-one")
    app, runner = build_app(labelled), CliRunner()
    assert runner.invoke(app, ["predict", str(run.path), "[0, 1, 0.5]"]).exit_code == 0
    wrong = runner.invoke(app, ["predict", str(run.path), "[0, 1, 0.5]", "[0, 1"])
    assert isinstance(wrong.exception, SeqforgeError)
    assert "example 2: '[0, 1' is not a list of numbers" in str(wrong.exception)
    huge = runner.invoke(app, ["predict", str(run.path), f"[0, 1, {10**400}]"])
    assert str(huge.exception).startswith("example 1: '[0, 1, 1000")


def test_the_command_prints_every_score(trained: Any, labelled: Registry) -> None:
    run = trained("many-to-one")
    app, runner = build_app(labelled), CliRunner()
    shown = runner.invoke(app, ["evaluate", str(run.path)])
    assert "exact.share" in shown.stdout
    assert f"of {run.evaluate().examples}" in shown.stdout
    scores = json.loads(runner.invoke(app, ["evaluate", str(run.path), "--json"]).stdout)
    assert scores["exact.share"] == run.evaluate().metrics["exact.share"]


def test_a_run_on_labelled_examples_cannot_be_inspected(trained: Any) -> None:
    with pytest.raises(RunError, match="only language models can be sampled and inspected"):
        trained("many-to-one").inspect("ab")


def test_another_corpus_is_an_error(trained: Any, labelled: Registry) -> None:
    other = Run.open(trained("many-to-one").path, ["corpus.seed=1"], labelled)
    with pytest.raises(RunError, match="the corpus is no longer the one that this run was trained on"):
        other.evaluate()


@pytest.mark.parametrize("count", [0, 1])
def test_a_run_is_evaluated_if_there_is_a_held_out_example(trained: Any, count: int) -> None:
    corpus = {"endless": True, "count": 1} if count else {}
    run = trained("many-to-one", corpus=corpus, vocabulary={"use": "bytes"}, data={"validation_fraction": 0.0})
    assert [record["step"] for record in run.metrics() if record["event"] == "evaluation"] == [3] * count
    assert len(list(run.directory.samples.iterdir() if run.directory.samples.is_dir() else ())) == count


def test_the_size_of_batches_cannot_change_on_resume(trained: Any, labelled: Registry) -> None:
    run = trained("many-to-one")
    longer = ["training.steps=5"]
    with pytest.raises(ExperimentError, match=r"training\.batch_tokens was 32768 and is now 100"):
        Run.open(run.path, [*longer, "training.batch_tokens=100"], labelled).resume()
    Run.open(run.path, longer, labelled).resume()
    assert run.checkpoints.steps()[-1] == 5


def test_every_topology_can_be_trained_in_bfloat16(labelled_experiment: Any, tmp_path: Path) -> None:
    for case in CASES:
        run = train(labelled_experiment(**tables(case, training={"steps": 2, "precision": "bfloat16"})), tmp_path)
        assert run.evaluate().loss > 0
