"""The baseline of metrics: their values on held-out text of the same length as the samples."""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from seqforge.data.batches import TokenStream
from seqforge.data.dataset import Dataset
from seqforge.distribution.world import ALONE, World
from seqforge.evaluation.intervals import Interval
from seqforge.evaluation.metrics import TextScores, score_texts
from seqforge.experiment.experiment import Experiment
from seqforge.generation.generator import encode_prompt, split_prompt, symbols_with
from seqforge.kinds import Metric, Vocabulary

WINDOWS = 64
"""Approximate number of windows of held-out text that are scored; at least as many as there are samples."""

BASELINE = ".baseline"
"""End of the name of a value for held-out text."""

SEARCHED = 4096
"""Number of tokens after a random position in which the prompt, or the start of a line, is searched for."""


def score_baseline(
    metrics: Mapping[str, Metric], experiment: Experiment, dataset: Dataset, world: World = ALONE
) -> TextScores:
    """Score held-out text by the metrics of an experiment.

    The texts have the length of samples, and are scored in groups of `sampling.count` texts. The metrics are divided
    over the processes of `world`.

    Returns:
        Values by `metric.value`, each a weighted mean over the groups; empty if the validation split is empty.
    """
    if not metrics:
        return TextScores()
    sampling = experiment.sampling
    groups = max(1, WINDOWS // sampling.count)
    texts = held_out_windows(
        dataset, sampling.prompt, count=groups * sampling.count, length=sampling.length, seed=experiment.identity.seed
    )
    grouped = [texts[start : start + sampling.count] for start in range(0, len(texts), sampling.count)]
    return score_texts(metrics, grouped, world, sampling.prompt) if grouped else TextScores()


def held_out_windows(dataset: Dataset, prompt: str | None, *, count: int, length: int, seed: int) -> list[str]:
    """Return windows of the validation split that begin and end as samples do.

    A window begins with an occurrence of the prompt within `SEARCHED` tokens after a random position. If the prompt is
    None or does not occur there, the window begins at the start of a line. It has `length` tokens after the prompt, or
    fewer if the split is shorter.

    Returns:
        The windows as text; empty if the split is empty.
    """
    stream = TokenStream(dataset.token_file, dataset.splits["validation"])
    if len(stream) < 2:
        return []
    vocabulary, draws = dataset.vocabulary, np.random.default_rng(seed)
    size = min(len(stream), SEARCHED + length)
    beginnings = [_beginning_of(vocabulary, text) for text in (prompt, None)]
    windows: list[str] = []
    for start in draws.integers(0, len(stream) - size + 1, count).tolist():
        tokens = stream.read([start], size)[0]
        text, begin = b"", 0
        for beginning in beginnings:
            ends = _find_ends(beginning, tokens[: max(0, size - length)])
            if len(ends):
                text, begin = beginning.text, int(draws.choice(ends))
                break
        content = vocabulary.decode(tokens[begin : begin + length].tolist())
        windows.append((text + content).decode("utf-8", "replace"))
    return windows


class _Beginning(NamedTuple):
    """The text and the tokens before a window, and which tokens may follow: all, unless it ends inside of a symbol."""

    text: bytes
    tokens: NDArray[np.int64]
    following: NDArray[np.bool_]


def _beginning_of(vocabulary: Vocabulary, prompt: str | None) -> _Beginning:
    tokens, rest = split_prompt(vocabulary, [], encode_prompt(vocabulary, prompt))
    text = vocabulary.decode(cast("list[int]", tokens.tolist())) if prompt else b""
    return _Beginning(text, tokens.numpy(), np.array(symbols_with(vocabulary, rest)))


def _find_ends(beginning: _Beginning, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the index after each occurrence of a beginning in tokens, one of which follows it."""
    length = len(beginning.tokens)
    if len(tokens) <= length:
        return np.empty(0, dtype=np.int64)
    windows = np.lib.stride_tricks.sliding_window_view(tokens[:-1], length)
    return np.flatnonzero((windows == beginning.tokens).all(axis=1) & beginning.following[tokens[length:]]) + length


def with_baselines(scores: TextScores, baseline: TextScores) -> dict[str, Any]:
    """Return the values of samples as a record for JSON.

    Returns:
        Values by name. If a value has a baseline, it follows as `name.baseline`. If there are intervals, they are in
        `intervals`, by the same names, and if there are sentences, they are in `summary`.
    """
    record: dict[str, Any] = {}
    for name, value in scores.values.items():
        record[name] = value
        if name in baseline.values:
            record[name + BASELINE] = baseline.values[name]
    further = {"intervals": join_intervals(scores, baseline), "summary": scores.summary}
    return {**record, **{name: value for name, value in further.items() if value}}


def join_intervals(scores: TextScores, baseline: TextScores) -> dict[str, Interval]:
    """Return the intervals of the values of samples by name, and those of their baselines as `name.baseline`."""
    known = {name + BASELINE: baseline.intervals[name] for name in scores.values if name in baseline.intervals}
    return {**scores.intervals, **known}
