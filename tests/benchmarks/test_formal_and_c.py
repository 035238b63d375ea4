"""The comparison of formal tasks with errors in C: correlations, measurements and plots."""

import math
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqforge_code_structure.identifiers.lexicon_building import build_lexicon, count_names

from benchmarks.formal_and_c.correlation import correlate_ranks, rank
from benchmarks.formal_and_c.measures import FUNCTIONS, VARIABLES, measure_brackets, measure_names, read_study
from benchmarks.formal_and_c.scatter import Scatter, draw_scatters
from seqforge.runs.history import record_end, record_start
from seqforge.runs.metrics_log import METRICS, MetricsLog

FUNCTION = "int f(int a)\n{\n\tint b = a;\n\n\treturn b + count;\n}\n\n"


def test_equal_values_share_the_mean_of_their_ranks() -> None:
    assert rank([5.0, 1.0, 5.0, 3.0]).tolist() == [3.5, 1.0, 3.5, 2.0]


def test_the_correlation_is_that_of_a_known_example() -> None:
    quotients = [106, 100, 86, 101, 99, 103, 97, 113, 112, 110]
    hours = [7, 27, 2, 50, 28, 29, 20, 12, 6, 17]
    found = correlate_ranks(quotients, hours)
    assert found.value == pytest.approx(-29 / 165)
    assert str(correlate_ranks([1, 2, 3, 4], [1, 8, 9, 10])) == "+1.00 [+1.00, +1.00]"
    assert math.isnan(correlate_ranks([1, 2, 3, 4], [7, 7, 7, 7]).value)


@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=5, max_size=12))
def test_only_the_order_matters(pairs: list[tuple[int, int]]) -> None:
    first, second = ([float(pair[part]) for pair in pairs] for part in range(2))
    found = correlate_ranks(first, second)
    if not math.isnan(found.value):
        assert correlate_ranks(second, first) == pytest.approx(found)
        assert correlate_ranks([value**3 for value in first], second) == pytest.approx(found)
        opposite = correlate_ranks([-value for value in first], second)
        assert opposite == pytest.approx((-found.value, -found.high, -found.low))
        assert -1 <= found.low <= found.value <= found.high <= 1


def test_an_interval_has_the_true_correlation_about_95_times_of_100() -> None:
    generator = np.random.default_rng(1)
    correlation = 0.6
    true = 6 / math.pi * math.asin(correlation / 2)  # Spearman's, of a normal distribution.
    hits = 0
    for _ in range(1000):
        first, noise = generator.standard_normal((2, 11))
        found = correlate_ranks(first.tolist(), (correlation * first + math.sqrt(1 - correlation**2) * noise).tolist())
        hits += found.low <= true <= found.high
    assert 0.93 < hits / 1000 < 0.99


def test_the_names_of_samples_are_declared_or_not() -> None:
    # Every function of the training text declares `count`, so that a use without a declaration is an error.
    training = "".join(FUNCTION.replace("int b", "int count = 0, b").replace("f(", f"f{n}(") for n in range(40))
    shares = measure_names([FUNCTION, FUNCTION.replace("count", "a")], build_lexicon([count_names(training)]))
    assert shares[FUNCTIONS][:2] == (1, 2)
    assert shares[VARIABLES][:2] == (1, 5)  # `a` and `b` twice, and `count`


def test_closing_brackets_are_wrong_by_distance() -> None:
    shares = measure_brackets([f"( ] ({' ' * 20}) (a", "[{ (/* } */) }", f"{{{' ' * 62}) {{{' ' * 64}}}"])
    found = {label: (share.wrong, share.total) for label, share in shares.items()}
    assert found == {
        "brackets wrong after 1 to 15 characters": (1, 3),
        "brackets wrong after 16 to 63 characters": (1, 2),
        "brackets wrong after 64 to 255 characters": (0, 1),
    }


def test_the_accuracy_of_a_cell_is_the_median_of_its_seeds(tmp_path: Path) -> None:
    for seed, accuracy in enumerate((0.25, 1.0, 0.5), start=1):
        folder = tmp_path / "lstm" / "dyck-4" / f"seed-{seed}"
        folder.mkdir(parents=True)
        MetricsLog(folder / METRICS).append("evaluation", 3, {"by-length.to_40": 1.0, "by-length.to_256": accuracy})
        record_start(folder, 0, {})
        record_end(folder, 3, "it reached its end", complete=True, seconds=1.0)
    assert read_study(tmp_path) == {"lstm": {("dyck-4", 40): 1.0, ("dyck-4", 256): 0.5}}


def test_each_point_of_a_plot_has_its_name() -> None:
    points = {"a < b": (0.0, 0.5), "c": (1.0, 0.25)}
    picture = ElementTree.fromstring(draw_scatters("Errors", [Scatter("Title", "r", "accuracy", points)] * 2))
    namespace = "{http://www.w3.org/2000/svg}"
    names = [element.text for element in picture.iter(f"{namespace}text") if element.text in points]
    assert names == ["a < b", "c"] * 2
    circles = [(float(c.get("cx", "")), float(c.get("cy", ""))) for c in picture.iter(f"{namespace}circle")]
    assert circles[0][0] < circles[1][0]  # A larger share is farther right, and a larger error is higher.
    assert circles[0][1] < circles[1][1]
