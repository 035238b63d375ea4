"""The metrics: values that match a hand computation, and positions of findings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqforge_code_structure.metrics import Brackets, Indentation, Terminators
from seqforge_code_structure.units import begins_inside_unit, split_units

from seqforge.kinds import Finding, Metric

FUNCTION = "int f(void)\n{\n\treturn g(1);\n}\n\n"
METRICS = [Brackets(), Terminators(), Indentation()]


def test_values_of_brackets():
    inside = "\treturn (0);\n\t}\n}\n\n"
    wrong = FUNCTION.replace("1)", "1]")
    values = (
        Brackets().score([inside + FUNCTION + wrong + "int x;\n" + FUNCTION[:-4], FUNCTION + "}\nint h(int"]).values
    )
    assert values == {
        "balanced": 1 / 3,
        "units": 3.0,
        "errors_per_1000": 1000 * 3 / (4 + 6 * 3 + 1),
        "tails_balanced": 1.0,
    }


def test_brackets_of_a_cut_unit_are_counted_separately():
    values = Brackets().score([FUNCTION + "int f(void)\n{\n\tg(];\n"]).values
    assert (values["balanced"], values["errors_per_1000"], values["tails_balanced"]) == (1.0, 0.0, 0.0)


def test_values_of_terminators():
    score = Terminators().score(["/* a */ \"b\" 'c' */ \n", '"d\n/* e /* f */ g("h']).values
    assert score == {
        "unterminated_comments": 1 / 2,
        "unterminated_strings": 1 / 3,
        "unterminated_characters": 0.0,
        "stray_comment_ends": 1 / 2,
    }


def test_values_of_indentation():
    assert Indentation().score([FUNCTION, "{\n\ta;\n\t\tb;\n}\n"]).values == {"agreement": 4 / 5, "lines": 5.0}


def test_findings_contain_the_index_of_the_text():
    assert Brackets().score(["", "int x;\n)\n"]).findings == (Finding(1, 7, 8, "')' closes nothing"),)
    assert Terminators().score(["", "\n*/ \n"]).findings == (Finding(1, 1, 3, "'*/' closes no comment"),)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: type(metric).__name__)
@given(texts=st.lists(st.text("(){}[];\n\t\"'/*#if01 ax\\\0é\ud800") | st.text(), max_size=3))
def test_values_have_the_same_names_for_any_texts(metric: Metric, texts: list[str]):
    score = metric.score(texts)
    assert score.values.keys() == metric.score([]).values.keys()
    assert all(value >= 0 for value in score.values.values())
    for finding in score.findings:
        assert 0 <= finding.start < finding.stop <= len(texts[finding.text])


def is_balanced(text: str, **missing: bool) -> bool:
    return all(unit.balanced for unit in split_units(text, **missing))


@pytest.mark.parametrize("text", [FUNCTION, "", "int x;\n"])
def test_units_are_balanced_or_not(text: str):
    assert is_balanced(text)
    assert all(is_balanced(text[:stop], end_missing=True) for stop in range(len(text)))
    assert not is_balanced(text + "(")
    assert is_balanced(text + "(", end_missing=True)
    assert not is_balanced(text + "}")
    assert not is_balanced(text + "}", end_missing=True)
    assert is_balanced("\tx;\n}\n" + text, beginning_missing=True, end_missing=True)
    assert not is_balanced("\tx;\n}\n}\n" + text, beginning_missing=True, end_missing=True)


@pytest.mark.parametrize(
    ("text", "inside"),
    [("int x;", False), ("\n\n\tx;", True), ("\n} x;", True), ("\n{", False), ("\n#if", False), ("", False)],
)
def test_begins_inside_unit(text: str, inside: bool):
    assert begins_inside_unit(text) is inside
