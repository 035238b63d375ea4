"""The metric `identifiers`."""

from pathlib import Path

import pytest
from seqforge_code_structure.metrics import Identifiers

from seqforge import Experiment, train

GOOD = "int f(int i)\n{\n\treturn i;\n}\n"
UNDEFINED = "int f(void)\n{\n\treturn i + brand_new;\n}\n"
UNUSED = "int f(void)\n{\n\tint i;\n\n\tgoto out;\n}\n"
REPEATED = "int f(int i)\n{\n\tlong i = 1;\n\n\treturn i;\n}\n"
BROKEN = "int f(void)\n{\n\treturn );\n}\n"
CUT = "int f(void)\n{\n\tif (a"


@pytest.fixture
def metric(tmp_path: Path) -> Identifiers:
    metric = Identifiers()
    metric.fit(iter([GOOD, GOOD]), tmp_path)
    metric.restore(tmp_path)
    return metric


def test_values_match_a_hand_computation(metric: Identifiers):
    score = metric.score([REPEATED + UNDEFINED + "int x;\n", UNUSED + BROKEN + CUT])
    # In the broken function, `)` does not parse. In the cut one, nothing but its head does, so `{ if ( a` does not.
    code = "".join((REPEATED + UNDEFINED + "int x;" + UNUSED + BROKEN + CUT).split())
    assert score.values == {
        "functions": 5.0,
        "parses": 4 / 5,
        "found": 1.0,
        "coverage": 1 - (len(")") + len("int{if(a")) / len(code),
        "undefined": 1 / 5,
        "undefined_novel": 1 / 5,
        "returns_undeclared": 1 / 5,
        "unused": 1 / 4,
        "missing_label": 1 / 4,
        "redeclared": 1 / 4,
    }
    assert score.weights == {
        "parses": 5,
        "found": 4,
        "coverage": len(code),
        "undefined": 5,
        "undefined_novel": 5,
        "returns_undeclared": 5,
        "unused": 4,
        "missing_label": 4,
        "redeclared": 4,
    }
    assert [(finding.text, finding.message) for finding in score.findings] == [
        (0, "'i' is declared twice"),
        (0, "return of the undefined identifier 'i', which another function declares"),
        (1, "unused variable 'i'"),
        (1, "goto to the undefined label 'out'"),
        (1, "does not parse"),
    ]


def test_functions_with_errors_and_without_their_end_are_scored(metric: Identifiers):
    broken = "int f(int a)\n{\n\tif (a {\n\t\ta = i;\n\t}\n\treturn a;\n}\n"
    cut = "int f(int a)\n{\n\ta = i;\n\tif (a"
    for text in (broken, cut):
        values = metric.score([text]).values
        assert (values["functions"], values["undefined"], values["unused"]) == (1.0, 1.0, 0.0)


def test_spaces_inside_a_token_that_does_not_parse_are_no_code(metric: Identifiers):
    assert metric.score(["\\'switch ("]).values["coverage"] == 0.0


def test_function_without_its_beginning_is_not_checked(metric: Identifiers):
    assert metric.score(["\treturn i;\n}\n\n" + GOOD]).values == metric.score([GOOD]).values


def test_metric_in_a_run_is_fitted_to_the_training_split_and_has_a_baseline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SEQFORGE_CACHE", str(tmp_path / "cache"))
    held_out = UNDEFINED + UNUSED.replace("\tgoto out;\n", "\tlocal_only();\n")
    text = GOOD * 60 + held_out * 10
    table = {
        "corpus": {"use": "inline", "text": text},
        "data": {"validation_fraction": len(held_out * 10) / len(text)},
        "model": {"cells": [{"use": "essentials/lstm", "hidden_size": 4}]},
        "training": {"batch_size": 2, "sequence_length": 8, "steps": 1},
        "sampling": {"length": 300},
        "metrics": [{"use": "identifiers"}],
    }
    run = train(Experiment.from_dict(table), tmp_path / "runs")
    (sample,) = (record for record in run.metrics() if record["event"] == "sample")
    # The training text declares `i`, but no other name of the held-out text.
    scores, baseline = (each.values for each in run.score_samples())
    assert baseline["identifiers.undefined"] == pytest.approx(0.5, abs=0.1)
    assert baseline["identifiers.unused"] == pytest.approx(0.5, abs=0.1)
    assert baseline["identifiers.missing_label"] == 0.0
    assert "identifiers.functions" in scores
    assert sample["identifiers.functions.baseline"] == baseline["identifiers.functions"] > 1
