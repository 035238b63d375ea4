"""The meanings of the values of a metric by their names."""

import pytest

from seqforge.kinds import Metric, PredictionMetric, Quantity
from seqforge.kinds.metric import name_quantities

SHARE = Quantity("accuracy after * steps", "share", "more", "After * steps, {} of the answers are right.")
WHOLE = Quantity("accuracy", "share", "more", "{} of the answers are right.")


def test_a_star_stands_for_the_rest_of_a_name_in_the_title_and_the_sentence() -> None:
    found = name_quantities({"steps.*": SHARE, "steps": WHOLE, "other.*": SHARE}, ["steps", "steps.64", "more.64"])
    assert list(found) == ["steps.64", "steps"]
    assert found["steps"] == WHOLE
    assert found["steps.64"].title == "accuracy after 64 steps"
    assert found["steps.64"].sentence == "After 64 steps, {} of the answers are right."


def test_an_unknown_unit_or_direction_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"unit of a Quantity is 'percent'\. Known: 'share', 'per 1,000', 'number'\."):
        Quantity("errors", "percent", "less", "{} are wrong")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match=r"better of a Quantity is 'lower'\. Known: 'less', 'more', 'neither'\."):
        Quantity("errors", "share", "lower", "{} are wrong")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("kind", [Metric, PredictionMetric])
def test_a_meaning_that_is_no_quantity_is_an_error(kind: type) -> None:
    with pytest.raises(TypeError, match="'errors' in `quantities` of Wrong is no Quantity"):
        type("Wrong", (kind,), {"quantities": {"errors": "how many are wrong"}})
