"""The chart of what a model learns."""

from itertools import pairwise
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.c_learning.__main__ import select_doubling_steps
from benchmarks.c_learning.chart import Chart, Line, spread


def test_steps_double_and_end_with_the_last() -> None:
    assert select_doubling_steps(range(256, 3100, 256)) == [256, 512, 1024, 2048, 3072]
    assert select_doubling_steps([256, 512, 517]) == [256, 517]
    assert select_doubling_steps([7]) == [7]


@given(st.lists(st.floats(0, 300), max_size=10).map(sorted))
def test_names_do_not_overlap(heights: list[float]) -> None:
    moved = spread(heights, 21, 300)
    assert all(after - before >= 21 - 1e-9 for before, after in pairwise(moved))
    assert not moved or moved[-1] <= 300
    if all(after - before >= 21 for before, after in pairwise(heights)):
        assert moved == heights


def test_a_chart_has_a_line_and_a_name_for_each_share() -> None:
    lines = [Line("a < b", "blue", {1.0: 0.5, 4.0: 0.25}), Line("late", "red", {4.0: 0.0}, dashed=True)]
    chart = Chart("Errors", "steps", {1.0: "1", 4.0: "4"}, lines, ground=(0.01, "real code"))
    picture = ElementTree.fromstring(chart.draw())
    namespace = "{http://www.w3.org/2000/svg}"
    texts = [element.text for element in picture.iter(f"{namespace}text")]
    assert [text for text in texts if text in ("a < b", "late", "real code")] == ["a < b", "real code", "late"]
    curves = [line.get("points", "").split() for line in picture.iter(f"{namespace}polyline")]
    assert ["60.0,200.0", "410.0,269.0"] in curves


def test_a_chart_of_one_position_can_be_drawn() -> None:
    assert "step 1" in Chart("Errors", "steps", {256.0: "step 1"}, [Line("a", "blue", {256.0: 0.5})]).draw()
