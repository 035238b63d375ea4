"""Causes of undefined names, and calls with a wrong number of arguments."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqforge_code_structure.identifiers.causes import CAUSES, find_similar
from seqforge_code_structure.metrics import NameCauses

from seqforge.kinds import Finding

TRAINING = """int f(int length, int count)
{
	int total = KNOWN;
	for (int index = 0; index < length; index++)
		total += g(index, count);
	return total;
}
"""

OTHER = "int other(int index)\n{\n\treturn index;\n}\n\n"


@pytest.fixture(scope="module")
def metric() -> NameCauses:
    metric = NameCauses()
    metric.fit(iter([TRAINING]))
    return metric


def causes(metric: NameCauses, body: str, before: str = "") -> dict[str, str]:
    """Return the cause of each error in a function, with the marked text."""
    text = f"{before}int f(int length)\n{{\n{body}\n}}\n"
    score = metric.score([text])
    found = {cause for cause in CAUSES if score.values[cause]}
    marked = [text[finding.start : finding.stop] for finding in score.findings]
    assert len(found) == len(marked)
    return dict(zip(sorted(found), marked, strict=True)) if len(found) < 2 else dict.fromkeys(found, "")


@pytest.mark.parametrize(
    ("body", "before", "cause", "name"),
    [
        ("\tg(total, 1);\n\tint total = 1;\n\treturn total;", "", "declared_later", "total"),
        ("\tif (length) {\n\t\tint total = 1;\n\t\tg(total, 1);\n\t}\n\treturn total;", "", "other_block", "total"),
        ("\treturn index + length;", OTHER, "other_function", "index"),
        ("\treturn lenght + length;", "", "unexplained", "lenght"),
        ("\treturn lengh + length;", "", "misspelled", "lengh"),
        ("\treturn totl + length;", "static int total;\n", "misspelled", "totl"),
        ("\treturn length + UNKNOWN;", "", "unknown_macro", "UNKNOWN"),
        ("\treturn unheard_of(length);", "", "unknown_function", "unheard_of"),
        ("\treturn other(length, 1);", OTHER, "wrong_arguments", "other"),
        ("\treturn other();", OTHER, "wrong_arguments", "other"),
        ("\treturn other(1);", OTHER.replace("int index", "void").replace("index", "1"), "wrong_arguments", "other"),
    ],
)
def test_each_error_has_its_cause(metric: NameCauses, body: str, before: str, cause: str, name: str) -> None:
    assert causes(metric, body, before) == {cause: name}


@pytest.mark.parametrize(
    ("body", "before"),
    [
        ("\treturn g(length, KNOWN);", ""),
        ("\treturn length + UNKNOWN;", "#define UNKNOWN 1\n"),
        ("\treturn unheard_of(length);", "int unheard_of(int);\n"),
        ("\treturn other(length /* , */);", OTHER),
        ("\treturn other((length, 1));", OTHER),
        ("\treturn other(1, length);", OTHER.replace("int index", "int index, ...")),
        ("\treturn other(1, length);", OTHER.replace("int index", "").replace("index", "1")),
        ("\treturn other(1, length);", "#define other(x, y) x\n" + OTHER),
        ("\treturn other(1, length);", OTHER + OTHER),
        ("\tint (*other)(int, int) = length;\n\treturn other(1, length);", OTHER),
        ("\treturn other(1, length", OTHER),
    ],
)
def test_correct_and_uncertain_code_has_no_error(metric: NameCauses, body: str, before: str) -> None:
    assert causes(metric, body, before) == {}


def test_shares_are_of_functions(metric: NameCauses) -> None:
    text = "int f(void)\n{\n\treturn UNKNOWN + UNKNOWN + OTHER;\n}\n\n" + OTHER
    score = metric.score([text, OTHER])
    assert score.values["functions"] == 3
    assert score.values["unknown_macro"] == pytest.approx(1 / 3)
    assert score.findings[0] == Finding(0, 22, 29, "no macro or constant 'UNKNOWN' is known")
    assert [text[finding.start : finding.stop] for finding in score.findings] == ["UNKNOWN", "OTHER"]


names = st.text("abc", max_size=6)


@given(names, names)
def test_similar_names_have_an_edit_distance_of_one(one: str, other: str) -> None:
    edits = {one[:place] + one[place + 1 :] for place in range(len(one))}
    for letter in "abc":
        edits |= {one[:place] + letter + one[place + 1 :] for place in range(len(one))}
        edits |= {one[:place] + letter + one[place:] for place in range(len(one) + 1)}
    expected = other in edits - {one} and min(len(one), len(other)) >= 3
    assert find_similar(one, [other]) == (other if expected else "")
