"""The metric `identifiers`."""

from pathlib import Path

import pytest
from seqforge_code_structure.identifiers.lexicon import Count, Lexicon
from seqforge_code_structure.identifiers.lexicon_file import encode_lexicon
from seqforge_code_structure.identifiers.metric import Identifiers

from seqforge.errors import DataError
from seqforge.registry import Registry, resolve

GOOD = "int f(int i)\n{\n\treturn i;\n}\n"
UNDEFINED = "int f(void)\n{\n\treturn i + brand_new;\n}\n"
UNUSED = "int f(void)\n{\n\tint i;\n\n\tgoto out;\n}\n"
BROKEN = "int f(void)\n{\n\treturn );\n}\n"
CUT = "int f(void)\n{\n\tif (a"


@pytest.fixture
def lexicon(tmp_path: Path) -> Path:
    path = tmp_path / "lexicon.json"
    path.write_bytes(encode_lexicon(Lexicon(3, {"i": Count(0, 3)}, {"undefined_novel": 0.2, "undefined": 0.01})))
    return path


def test_figures_worked_out_by_hand(lexicon: Path):
    score = Identifiers(lexicon).score([GOOD + UNDEFINED + "int x;\n", UNUSED + BROKEN + CUT])
    assert score.values == {
        "functions": 4.0,
        "parses": 4 / 5,
        "coverage": 3 / 4,
        "undefined": 1 / 3,
        "returns_undeclared": 1 / 3,
        "unused": 1 / 3,
        "missing_label": 1 / 3,
        "undefined_novel_excess": pytest.approx(1 / 3 - 0.2),
        "control_undefined": 0.01,
        "control_parses": 0.0,
        "control_coverage": 0.0,
        "control_returns_undeclared": 0.0,
        "control_unused": 0.0,
        "control_missing_label": 0.0,
    }
    assert [(finding.text, finding.message) for finding in score.findings] == [
        (0, "undefined identifier 'i'"),
        (1, "unused variable 'i'"),
        (1, "goto without a label 'out'"),
        (1, "does not parse"),
    ]


def test_without_a_lexicon_there_are_no_figures_of_undefined_names():
    score = Identifiers().score([GOOD + UNUSED])
    assert score.values == {"functions": 2.0, "parses": 1.0, "coverage": 1.0, "unused": 0.5, "missing_label": 0.5}


@pytest.mark.parametrize("texts", [[], [""], ["", CUT]])
def test_the_names_of_the_figures_are_always_the_same(texts: list[str], lexicon: Path):
    values = Identifiers(lexicon).score(texts).values
    assert values.keys() == Identifiers(lexicon).score([GOOD]).values.keys()
    assert values["functions"] == values["parses"] == values["undefined"] == 0.0


def test_an_experiment_names_its_lexicon_relative_to_itself(lexicon: Path, tmp_path: Path):
    table = {"use": "identifiers", "lexicon": "lexicon.json"}
    component = resolve(Registry.installed(), "metric", table, "metrics.0", tmp_path)
    assert not isinstance(component, list)
    assert component.build().score([UNDEFINED]).values["undefined"] == 1.0


def test_a_missing_lexicon_is_told_at_once(tmp_path: Path):
    with pytest.raises(DataError, match="c-lexicon"):
        Identifiers(tmp_path / "none.json")
