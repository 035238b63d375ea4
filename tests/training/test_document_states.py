"""Runs whose state is reset where documents start, from learned states."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

import seqforge as sf
from seqforge.data.dataset import prepare
from seqforge.evaluation.likelihood import LikelihoodScore
from seqforge.events import no_report

DOCUMENTS = ["the cat sat on the mat. " * (number + 2) + "and " * number for number in range(9)]


def test_a_run_resumes_learns_its_initial_states_and_is_scored_document_by_document(tmp_path: Path) -> None:
    for number, document in enumerate(DOCUMENTS):
        (tmp_path / f"{number}.txt").write_text(document)
    tables: dict[str, Any] = {
        "corpus": {"use": "text", "files": "*.txt"},
        "data": {"reset_state": "document", "validation_fraction": 0.3},
        "model": {
            "embedding_size": 9,
            "tied_weights": True,
            "final_norm": "layer",
            "initial_state": "learned",
            "cells": [{"use": "gru", "hidden_size": 9, "repeat": 2}],
        },
    }
    training = {"batch_size": 4, "sequence_length": 20, "backend": "eager"}
    longer, shorter = (
        sf.Experiment.from_dict({**tables, "training": {**training, "steps": steps}}, tmp_path) for steps in (6, 3)
    )
    run = sf.train(longer, tmp_path / "whole", progress=False)
    part = sf.train(shorter, tmp_path / "parts", progress=False)
    resumed = part.resume(training={"steps": 6}).model().state_dict()
    model = run.model().eval()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, resumed[name]), name
    learned = [parameter for name, parameter in model.named_parameters() if ".learned." in name]
    assert len(learned) == 2
    assert all(parameter.abs().min() > 0 for parameter in learned)

    dataset, losses = prepare(longer, no_report), list[float]()
    spans = dataset.splits["validation"]
    pieces = [
        dataset.token_file.map().read(*span) for span in zip(spans.starts.tolist(), spans.stops.tolist(), strict=True)
    ]
    assert len(pieces) > 1
    following = [*(piece[0] for piece in pieces[1:]), None]
    for piece, first in zip(pieces, following, strict=True):
        tokens = torch.as_tensor(piece.astype(np.int64))
        targets = torch.as_tensor(np.append(piece[1:], [] if first is None else [first]).astype(np.int64))
        with torch.no_grad():
            logits, _ = model(tokens[: len(targets), None], model.initial_states(1))
        losses += functional.cross_entropy(logits[:, 0], targets, reduction="none").tolist()
    score = run.evaluate("validation")
    assert isinstance(score, LikelihoodScore)
    assert score.tokens == len(losses)
    torch.testing.assert_close(score.loss, float(np.mean(losses)), atol=1e-5, rtol=1e-5)

    sf.export(run, tmp_path / "exported")
    exported = sf.Run.open(tmp_path / "exported")
    assert exported.sample(prompt="the", length=20, seed=0) == run.sample(prompt="the", length=20, seed=0)
