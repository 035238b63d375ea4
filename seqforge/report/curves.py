"""The curves of a run: every logged value against steps, training time and characters read."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seqforge.evaluation.baseline import BASELINE
from seqforge.runs.metrics_log import number_of

MOST_POINTS = 1500
"""Maximum number of points of a curve. Longer ones are averaged in groups of equal size."""

_TRAINING = {
    "bits_per_character": "Bits per character",
    "loss": "Loss",
    "gradient_norm": "Gradient norm",
    "learning_rate": "Learning rate",
}
_VALIDATION = {"bits_per_character": "Bits per character", "loss": "Loss"}

Vector = NDArray[np.float64]


def collect_curves(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the curves of a metrics log.

    Args:
        records: Records of the log, in the order of steps.

    Returns:
        One dictionary for each curve: the title of its `chart`, its `role` (training, validation, sample or baseline),
        and its points as lists of equal length: `step`, `seconds`, `characters` and `value`. Times and characters of
        evaluations and samples are interpolated.
    """
    steps = [record for record in records if record["event"] == "step"]
    axes = _Axes(steps)
    curves: list[dict[str, Any]] = []
    for key, chart in _TRAINING.items():
        curves += axes.curve(chart, "training", steps, key)
    evaluations = [record for record in records if record["event"] == "evaluation"]
    for key, chart in _VALIDATION.items():
        curves += axes.curve(chart, "validation", evaluations, key)
    pauses = [float(record["step"]) for record in records if record["event"] in ("evaluation", "sample")]
    curves += axes.speed(pauses)
    for event, role in (("evaluation", "validation"), ("sample", "sample")):
        rows = [record for record in records if record["event"] == event]
        keys = dict.fromkeys(key for row in rows for key in row if "." in key)
        for key in keys:
            is_baseline = key.endswith(BASELINE)
            curves += axes.curve(key.removesuffix(BASELINE), "baseline" if is_baseline else role, rows, key)
    return curves


class _Axes:
    """The time and the characters read at each logged step."""

    def __init__(self, records: Sequence[Mapping[str, Any]]) -> None:
        self.steps = np.array([record["step"] for record in records], dtype=np.float64)
        self.seconds = np.array([number_of(record, "seconds") or 0.0 for record in records], dtype=np.float64)
        per_step = np.array([number_of(record, "characters") or 0.0 for record in records], dtype=np.float64)
        self.characters = np.cumsum(np.diff(self.steps, prepend=0.0) * per_step)

    def curve(self, chart: str, role: str, records: Sequence[Mapping[str, Any]], key: str) -> list[dict[str, Any]]:
        """Return the curve of a key, or nothing if no record has it."""
        values = [(float(record["step"]), number_of(record, key)) for record in records]
        points = [point for point in values if point[1] is not None]
        return self._tabulate(chart, role, np.array(points).reshape(-1, 2)) if points else []

    def speed(self, pauses: Sequence[float]) -> list[dict[str, Any]]:
        """Return the characters read per second between two logged steps.

        Args:
            pauses: Steps after which the run was evaluated or sampled, which takes time too. The speed around them is
                left out, unless they are everywhere.
        """
        seconds, characters = np.diff(self.seconds), np.diff(self.characters)
        known = (seconds > 0) & (characters > 0)
        intervals = np.searchsorted(self.steps, pauses, side="right") - 1
        paused = np.isin(np.arange(len(known)), intervals)
        known = known & ~paused if (known & ~paused).any() else known
        points = np.stack([self.steps[1:][known], characters[known] / seconds[known]], axis=1)
        return self._tabulate("Speed", "training", points) if len(points) else []

    def _tabulate(self, chart: str, role: str, points: Vector) -> list[dict[str, Any]]:
        steps, values = points.T
        size = -(-len(steps) // MOST_POINTS)
        if size > 1:
            # The last, shorter group is included.
            groups = np.arange(0, len(steps), size)
            counts = np.diff(groups, append=len(steps))
            steps, values = (np.add.reduceat(column, groups) / counts for column in (steps, values))
        table = {"chart": chart, "role": role, "step": _rounded(steps, 8), "value": _rounded(values)}
        if len(self.steps):
            table["seconds"] = _rounded(np.interp(steps, self.steps, self.seconds))
            table["characters"] = _rounded(np.interp(steps, self.steps, self.characters), 8)
        return [table]


def _rounded(values: Vector, digits: int = 5) -> list[float]:
    return [float(f"{value:.{digits}g}") for value in values.tolist()]
