"""The meanings of the values of a metric by their names."""

from seqforge.kinds import Quantity
from seqforge.kinds.metric import name_quantities

SHARE = Quantity("accuracy after * steps", "share", "more", "After * steps, {} of the answers are right.")
WHOLE = Quantity("accuracy", "share", "more", "{} of the answers are right.")


def test_a_star_stands_for_the_rest_of_a_name_in_the_title_and_the_sentence() -> None:
    found = name_quantities({"steps.*": SHARE, "steps": WHOLE, "other.*": SHARE}, ["steps", "steps.64", "more.64"])
    assert list(found) == ["steps.64", "steps"]
    assert found["steps"] == WHOLE
    assert found["steps.64"].title == "accuracy after 64 steps"
    assert found["steps.64"].sentence == "After 64 steps, {} of the answers are right."
