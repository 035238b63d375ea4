"""The samples of a run at every moment of training, with the faults that metrics find in them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from pygments.lexer import Lexer
from pygments.lexers import find_lexer_class_for_filename
from pygments.token import Comment, Keyword, Literal, Name

from seqforge.distribution.world import ALONE
from seqforge.errors import printable
from seqforge.evaluation.baseline import BASELINE
from seqforge.evaluation.metrics import build_metrics, find_meanings, score_by_each
from seqforge.events import WorkProgressed
from seqforge.kinds import FittedMetric, Metric, PredictionMetric
from seqforge.kinds.metric import validate_score
from seqforge.report.facts import texts_of
from seqforge.runs.loaded_run import LoadedRun
from seqforge.runs.metrics_log import CHECKSUMS, SAMPLE, find_samples, interval_of
from seqforge.storage.files import open_regular, reported_failures

MOST_MOMENTS = 60
"""Maximum number of moments of training; others are left out evenly."""

LONGEST_TEXT = 4000
"""Maximum number of characters of one sample."""


class SampleReader:
    """A reader of the samples of a run. All together have at most `most_characters` characters.

    A second call of `collect` reads only samples that are new.
    """

    def __init__(self, run: LoadedRun, most_characters: int) -> None:
        self._run = run
        self._most_characters = most_characters
        dataset = run.available_dataset
        self._described = build_metrics(run.experiment, dataset, run.report)
        unfit = PredictionMetric if dataset else (PredictionMetric, FittedMetric)
        self._metrics = {name: each for name, each in self._described.items() if not isinstance(each, unfit)}
        self._lexer = None if dataset is None else find_lexer(dataset.token_file.names[:2000])
        self._moments: dict[tuple[int, int], dict[str, Any]] = {}

    def describe_values(self) -> dict[str, str]:
        """Return what the values of the metrics in the log are, by `metric.value`."""
        logged = {name: None for record in self._run.records for name in record if "." in name}
        return {name: quantity.describe() for name, quantity in find_meanings(self._described, logged).items()}

    def collect(self, meanings: Mapping[str, str]) -> dict[str, Any] | None:
        """Return the samples, or None if there are none. The meanings of the values are those of `describe_values`.

        Returns:
            The list `moments`. Each has its `step`, the `texts` with their `tokens` and `faults`, the number of samples
            that were `omitted`, the `summary` of the log in sentences, and its `scores` as name, value, baseline, the
            intervals of both, and title.
        """
        scores = {record["step"]: record for record in self._run.records if record["event"] == SAMPLE}
        # The sentences about predictions are those of the evaluation at the same step.
        evaluations = {record["step"]: record for record in self._run.records if record["event"] == "evaluation"}
        sampled = _spread(sorted(step for step in scores if scores[step].get(CHECKSUMS)), MOST_MOMENTS)
        files = {step: find_samples(self._run.directory.samples, scores[step]) for step in sampled}
        steps = [step for step in sampled if files[step]]
        if not steps:
            return None
        longest = max(len(_read(path)) for path in files[steps[-1]])
        count = max(1, self._most_characters // max(1, len(steps) * longest))
        moments: list[dict[str, Any]] = []
        for number, step in enumerate(steps, start=1):
            paths = files[step][:count]
            if (step, len(paths)) not in self._moments:
                texts = [_read(path) for path in paths]
                samples = [
                    {"text": text, "tokens": highlight(text, self._lexer), "faults": marks}
                    for text, marks in zip(texts, find_faults(self._metrics, texts), strict=True)
                ]
                self._moments[step, len(paths)] = {"step": step, "texts": samples}
                self._run.report(WorkProgressed("reading samples", number / len(steps)))
            omitted = len(files[step]) - len(paths)
            moment = self._moments[step, len(paths)]
            summary = [printable(line) for line in texts_of({**evaluations.get(step, {}), **scores[step]}, "summary")]
            values = _tabulate_scores(scores[step], meanings)
            moments.append({**moment, "omitted": omitted, "summary": summary, "scores": values})
        return {"moments": moments}


def _tabulate_scores(record: Mapping[str, Any], meanings: Mapping[str, str]) -> list[list[Any]]:
    intervals = ((name, interval_of(record, name), interval_of(record, name + BASELINE)) for name in record)
    return [
        [name, record[name], record.get(name + BASELINE), interval, spread, meanings.get(name, "")]
        for name, interval, spread in intervals
        if "." in name and not name.endswith(BASELINE) and isinstance(record[name], int | float)
    ]


def find_faults(metrics: dict[str, Metric], texts: Sequence[str]) -> list[list[list[Any]]]:
    """Find what metrics report in texts. A metric that raises an exception is removed from `metrics`.

    Returns:
        For each text, the findings as start, stop, severity, metric and message.
    """
    faults: list[list[list[Any]]] = [[] for _ in texts]
    scores = score_by_each(metrics, lambda metric: validate_score(metric.score(texts)), ALONE)
    for name, score in scores.items():
        for finding in score.findings:
            if 0 <= finding.text < len(texts):
                start = max(0, finding.start)
                mark = [start, max(finding.stop, start + 1), finding.severity, name, finding.message]
                faults[finding.text].append(mark)
    for name in metrics.keys() - scores.keys():
        del metrics[name]
    return faults


def _read(path: Path) -> str:
    """Return the beginning of a sample, at most `LONGEST_TEXT` characters."""
    with reported_failures(f"reading {path}"), open_regular(path) as file:
        return file.read(4 * LONGEST_TEXT).decode("utf-8", "replace")[:LONGEST_TEXT]


def _spread(steps: Sequence[int], count: int) -> list[int]:
    """Return at most `count` of the steps, evenly spread; the first and the last are included."""
    indices = np.linspace(0, len(steps) - 1, min(count, len(steps))).round().astype(int)
    return [steps[index] for index in indices.tolist()]


CLASSES = ("", "keyword", "type", "string", "number", "comment", "directive", "function")
"""Names of the classes of tokens, by index; the page has a color for each."""

_CLASS_OF_TYPE = {
    Keyword.Type: "type",
    Name.Class: "type",
    Keyword: "keyword",
    Literal.String: "string",
    Literal.Number: "number",
    Comment.Preproc: "directive",
    Comment.PreprocFile: "directive",
    Comment: "comment",
    Name.Function: "function",
}
"""Class of each type of pygments' tokens; a type that is missing has the class of its parent."""


def find_lexer(names: Iterable[str]) -> Lexer | None:
    """Return the lexer for the most frequent kind of file among the names of documents, or None if there is none."""
    suffixes = Counter(suffix for name in names if (suffix := PurePosixPath(name).suffix))
    suffix = max(suffixes, key=suffixes.__getitem__, default="")
    found = find_lexer_class_for_filename(f"text{suffix}")
    return None if found is None else found()


def highlight(text: str, lexer: Lexer | None) -> list[int]:
    """Return the highlighted parts of a text, as start, length and index of the class of each part, in one list."""
    if lexer is None:
        return []
    parts: list[int] = []
    for start, kind, value in lexer.get_tokens_unprocessed(text):
        index = CLASSES.index(_class_of(kind))
        if not index or not value:
            continue
        if parts and parts[-1] == index and parts[-3] + parts[-2] == start:
            parts[-2] += len(value)
        else:
            parts += [start, len(value), index]
    return parts


@cache
def _class_of(kind: Any) -> str:
    # `split` returns the ancestors of a type, the root first, and the type itself.
    return next((_CLASS_OF_TYPE[each] for each in reversed(kind.split()) if each in _CLASS_OF_TYPE), "")
