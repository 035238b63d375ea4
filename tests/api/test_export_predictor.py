"""Models of labelled examples in ONNX: ONNX Runtime and `predict.py` predict what the run predicts."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from made_experiments import CASES
from seqforge_onnx.exporter import Onnx

import seqforge as sf
from seqforge import Run
from seqforge.data.padded_batches import PaddedBatch, pad_inputs
from seqforge.evaluation.exported import check_predictor, trained_predictor
from seqforge.kinds import Text
from seqforge.model.build import build_model

for library in ("onnx", "onnxruntime", "onnxscript"):
    pytest.importorskip(library, reason="needs the libraries of the extra: pip install 'seqforge-onnx[onnxruntime]'")

pytestmark = pytest.mark.usefixtures("compilable")
TEXTS = ["a", "abc", "e.d", "bbbbbbbbb", "cab.ecd"]


def inputs_of(run: Run) -> list[Any]:
    """Return examples of several lengths, as `predict.py` reads them."""
    spec = run.load("latest", "cpu").require_examples()
    if isinstance(spec.input, Text):
        return TEXTS
    return [[0.5, 1.0, 1.0], [0.0, 0.0, 1.0], [0.9, 2.0, 1.0]]


@pytest.mark.parametrize("case", CASES)
def test_every_topology_is_predicted_by_the_program_in_the_folder(
    labelled_experiment: Any, tmp_path: Path, case: str
) -> None:
    training = {"steps": 40, "batch_size": 32, "precision": "float32", "device": "cpu"}
    tables = {**CASES[case], "training": training, "optimizer": {"learning_rate": 0.03}}
    run = sf.train(labelled_experiment(**tables), tmp_path / "runs", progress=False)
    check = sf.export_format(run, tmp_path / "out", "onnx")
    assert check.fault is None
    assert "computes what the run computes: the same " in check.line()
    inputs = inputs_of(run)
    words = [example if isinstance(example, str) else json.dumps(example) for example in inputs]
    command = [sys.executable, str(tmp_path / "out/predict.py"), *words]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    alone = subprocess.run(command[:2], capture_output=True, text=True, check=False)
    assert (alone.returncode, "python predict.py EXAMPLE" in alone.stderr) == (1, True)
    if isinstance(inputs[0], str):
        unknown = subprocess.run([*command[:2], "a☃"], capture_output=True, text=True, check=False)
        assert (unknown.returncode, unknown.stderr) == (1, "a☃: the model does not know '☃'\n")
        empty = subprocess.run([*command[:2], ""], capture_output=True, text=True, check=False)
        assert (empty.returncode, empty.stderr) == (1, "an example is empty\n")
    for wrong in () if isinstance(inputs[0], str) else ("hello", '"hello"', "[[1], [1, 2]]", "{}", "[]", "[1, 2]"):
        refused = subprocess.run([*command[:2], wrong], capture_output=True, text=True, check=False)
        assert (refused.returncode, refused.stderr) == (1, f"{wrong}: the model reads lists of 3 numbers in JSON\n")
    expected = [prediction.output for prediction in run.predict(inputs)]
    assert len(printed) == len(expected)
    for line, output in zip(printed, expected, strict=True):
        found = json.loads(line)
        if isinstance(found, list) and found and isinstance(found[0], float):
            assert found == pytest.approx(output, abs=1e-5)
        elif run.load("latest", "cpu").require_examples().output_mode == "once":
            assert found == [output]
        else:
            assert found == list(output)


@settings(max_examples=6, deadline=None, phases=(Phase.generate,), suppress_health_check=[*HealthCheck])
@given(st.data())
def test_any_stack_norm_and_attention_is_computed_for_batches_of_any_size(
    labelled_experiment: Any, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    case = data.draw(st.sampled_from(sorted(CASES)))
    cells = st.sampled_from(["lstm", "gru", "rnn", "mgu", "slstm", "min-gru", "gla", "gated-deltanet"])
    sizes = st.sampled_from([4, 6])
    model: dict[str, Any] = {
        **CASES[case].get("model", {}),
        "cells": [
            {"use": name, "hidden_size": size, **({"heads": 2} if name in ("gla", "gated-deltanet") else {})}
            for name, size in data.draw(st.lists(st.tuples(cells, sizes), min_size=1, max_size=2))
        ],
        **({"bidirectional": True} if case[:3] != "one" and data.draw(st.booleans()) else {}),
        **({"embedding_size": 5} if data.draw(st.booleans()) else {}),
        **({"final_norm": norm} if (norm := data.draw(st.sampled_from([None, "rms"]))) else {}),
        **({"initial_state": "learned"} if data.draw(st.booleans()) else {}),
    }
    if case in ("many-to-many", "drawn sequences"):
        attention = data.draw(st.sampled_from([None, "additive", "multiplicative"]))
        model = {**model, "attention": {"use": attention}} if attention else {**model, "attention": None}
    experiment = labelled_experiment(**{**CASES[case], "model": model, "training": {"precision": "float32"}})
    vocabulary = experiment.vocabulary.build()
    if hasattr(vocabulary, "learn"):
        vocabulary.learn([b"abcde.ABCDE"])
    corpus = experiment.corpus
    spec = corpus.component.example_spec(corpus.options)
    built = build_model(experiment, vocabulary.size, spec).eval()
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 1000)))
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.add_(0.5 * torch.randn(parameter.shape, generator=generator))
        built.constrain_parameters()
    built.output_layer = refuse
    trained = trained_predictor("small", built, vocabulary, spec)
    folder = tmp_path_factory.mktemp("onnx")
    Onnx().write_predictor(trained, folder)
    check = check_predictor(trained, batches(spec, vocabulary.size, generator), Onnx(), folder, 7)
    assert check.fault is None, check.fault


def refuse(*arguments: Any) -> Any:
    """Fail as a function of a backend, which cannot be traced."""
    raise AssertionError("the output layer of a backend is called")


def batches(spec: Any, symbols: int, generator: torch.Generator) -> Iterator[PaddedBatch]:
    """Yield batches of one row and of several, with padding."""
    for lengths in ([1], [6], [3, 1, 7, 2, 7]):
        if spec.input_kind == "vector":
            lengths = [1] * len(lengths)
        size = (3,) if not isinstance(spec.input, Text) else ()
        rows = [
            np.array(torch.randn((n, 3), generator=generator))
            if size
            else np.array(torch.randint(symbols, (n,), generator=generator), dtype=np.uint8)
            for n in lengths
        ]
        yield PaddedBatch(pad_inputs(rows), torch.tensor(lengths), torch.zeros(len(lengths), dtype=torch.int64))


def test_smaller_weights_are_reported(labelled_experiment: Any, tmp_path: Path) -> None:
    run = sf.train(labelled_experiment(**CASES["many-to-many"]), tmp_path / "runs", progress=False)
    check = sf.export_format(run, tmp_path / "out", "onnx-int8")
    assert check.fault is not None
    assert "predictions for held-out examples differ in ONNX Runtime" in check.line()
    for name in ("encoder", "decoder"):
        assert b"MatMulInteger" in (tmp_path / f"out/{name}.onnx").read_bytes(), name
