"""Which settings a resumed run may change."""

from typing import Any

import pytest

from seqforge.errors import ExperimentError
from seqforge.runs.resume import check_changes

TABLE: dict[str, Any] = {
    "experiment": {"seed": 0},
    "data": {"shuffle": True},
    "model": {"cells": [{"use": "essentials/lstm", "hidden_size": 8}], "dropout": 0.0},
    "vocabulary": {"use": "essentials/characters"},
    "training": {"batch_size": 4, "steps": 10},
    "optimizer": {"use": "essentials/adam", "learning_rate": 0.1},
    "schedule": {"use": "essentials/constant"},
}


def changed(**sections: Any) -> dict[str, Any]:
    return TABLE | {name: {**TABLE[name], **values} for name, values in sections.items()}


def test_the_length_of_a_run_and_its_learning_rate_may_change() -> None:
    check_changes(TABLE, changed(training={"steps": 20, "minutes": 1}, optimizer={"learning_rate": 0.01}))


@pytest.mark.parametrize(
    ("now", "message"),
    [
        ({"experiment": {"seed": 1}}, "experiment.seed was 0 and is now 1"),
        ({"model": {"attention": {"use": "additive"}}}, "model.attention.use was not set and is now 'additive'"),
        ({"model": {"embedding_size": 5}}, "model.embedding_size was not set and is now 5"),
        ({"data": {"shuffle": None}}, "data.shuffle was true and is now not set"),
        (
            {"model": {"cells": [{"use": "essentials/lstm", "hidden_size": 8, "peepholes": True}]}},
            "model.cells.0.peepholes was not set and is now true",
        ),
        (
            {"model": {"cells": [{"use": "other/lstm", "hidden_size": 8}]}},
            "model.cells.0.use was 'essentials/lstm' and is now 'other/lstm'",
        ),
        ({"model": {"cells": []}}, "model.cells.0.hidden_size was 8 and is now not set"),
        ({"training": {"accumulation": 2, "batch_size": 2}}, "training.accumulation was not set and is now 2; tr"),
    ],
)
def test_a_setting_on_which_the_training_state_depends_cannot_be_changed_added_or_omitted(
    now: Any, message: str
) -> None:
    with pytest.raises(ExperimentError) as caught:
        check_changes(TABLE, changed(**now))
    assert message in str(caught.value)
    assert "With --initial and the same cells, it starts from the weights" in str(caught.value.hint)
    # The opposite change is an error too.
    with pytest.raises(ExperimentError):
        check_changes(changed(**now), TABLE)
