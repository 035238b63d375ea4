"""Properties of text, and the search for units that represent them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqforge.report.units import find_properties, find_unit, standardize


def _values(text: str, name: str) -> str:
    return "".join(str(int(value)) for value in find_properties(list(text))[name])


def test_properties_of_c() -> None:
    text = 'if (a(b)) c = "d)";/*(*/'
    assert _values(text, "bracket depth") == "000112210000000000000000"
    assert _values(text, "inside if (…)") == "00011111" + "0" * 16
    assert _values(text, "inside quotation marks") == "0" * 14 + "111" + "0" * 7
    assert _values(text, "inside a comment") == "0" * 20 + "1110"


def test_layout_of_lines() -> None:
    assert _values("ab\n\tc\n", "position in the line") == "120120"
    assert _values("  a\n\tbc\n", "indentation") == "12208880"


@settings(max_examples=40)
@given(st.text(st.characters(codec="utf-8") | st.sampled_from("(){}[]/*\"'\n\t"), min_size=1, max_size=60))
def test_every_symbol_of_any_text_has_every_property(text: str) -> None:
    for values in find_properties(list(text)).values():
        assert len(values) == len(text)
        assert (values >= 0).all()


def test_symbols_of_several_characters_have_the_property_of_their_last() -> None:
    whole, parts = find_properties(list("a(b)c")), find_properties(["a(", "b)c"])
    assert [whole["bracket depth"][index] for index in (1, 4)] == parts["bracket depth"].tolist()


def test_planted_unit_is_found_and_noise_scores_like_the_control() -> None:
    random = np.random.default_rng(0)
    labels = (random.random((16, 200)) < 0.3).astype(float)
    activations = random.normal(size=(16, 200, 20))
    noise = find_unit(standardize(activations[:8]), standardize(activations[8:]), labels)
    activations[:, :, 7] += 3 * labels
    planted = find_unit(standardize(activations[:8]), standardize(activations[8:]), labels)
    assert planted is not None
    assert noise is not None
    index, score, control = planted
    assert index == 7
    assert score == pytest.approx(np.corrcoef(activations[8:, :, 7].ravel(), labels[8:].ravel())[0, 1])
    assert control < 0.1
    assert abs(noise[1]) == pytest.approx(noise[2], abs=0.06)


def test_labels_that_never_vary_have_no_unit() -> None:
    silent = standardize(np.zeros((2, 5, 3)))
    assert (silent == 0).all()
    assert find_unit(silent, silent, np.zeros((4, 5))) is None
