"""The control of metrics: what they say of real text that was held out, cut as samples are."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from seqforge.data import Dataset, TokenStream
from seqforge.evaluation.samples import score_texts
from seqforge.experiment import Experiment
from seqforge.generation import encode_prompt
from seqforge.interfaces import Metric

WINDOWS = 64
"""Windows of held-out text, or as many as samples are drawn at once, if that is more."""

SEARCHED = 4096
"""Tokens at a random place that are searched for the prompt, or for a line's start."""


def score_baseline(metrics: Mapping[str, Metric], experiment: Experiment, dataset: Dataset) -> dict[str, float]:
    """Judge held-out text as the samples of an experiment are judged: in groups of as many texts, as long.

    Args:
        metrics: By name.
        experiment: Says how samples are drawn; its seed decides the windows.
        dataset: Gives the validation split.

    Returns:
        Figures by `metric.value`, each the mean over the groups; none where the split is empty.
    """
    if not metrics:
        return {}
    sampling = experiment.sampling
    groups = max(1, WINDOWS // sampling.count)
    texts = held_out_windows(
        dataset, sampling.prompt, count=groups * sampling.count, length=sampling.length, seed=experiment.identity.seed
    )
    grouped = [texts[start : start + sampling.count] for start in range(0, len(texts), sampling.count)]
    return score_texts(metrics, grouped) if grouped else {}


def held_out_windows(dataset: Dataset, prompt: str | None, *, count: int, length: int, seed: int) -> list[str]:
    """Cut windows out of the validation split that begin and end as samples do.

    Args:
        dataset: Gives the split.
        prompt: What samples start with; None for a line's start. A window is what follows one of its occurrences near a
            random place. Where it does not occur within `SEARCHED` tokens, a window starts with a line instead.
        count: How many windows.
        length: Tokens of each behind the prompt; fewer where the split has no more.
        seed: Decides the places.

    Returns:
        The texts, each with its prompt; none where the split is empty.
    """
    stream = TokenStream(dataset.token_file, dataset.splits["validation"])
    if len(stream) < 2:
        return []
    vocabulary, draws = dataset.vocabulary, np.random.default_rng(seed)
    size = min(len(stream), SEARCHED + length)
    windows: list[str] = []
    for start in draws.integers(0, len(stream) - size + 1, count).tolist():
        tokens = stream.read([start], size)[0]
        text, begin = "", 0
        for beginning in (prompt, None):
            places = _behind(encode_prompt(vocabulary, beginning).numpy(), tokens[: max(0, size - length)])
            if len(places):
                text, begin = beginning or "", int(draws.choice(places))
                break
        content = vocabulary.decode(tokens[begin : begin + length].tolist())
        windows.append(text + content.decode("utf-8", "replace"))
    return windows


def _behind(mark: NDArray[np.int64], tokens: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the places behind every occurrence of some tokens among others."""
    if len(tokens) < len(mark):
        return np.empty(0, dtype=np.int64)
    return np.flatnonzero((np.lib.stride_tricks.sliding_window_view(tokens, len(mark)) == mark).all(axis=1)) + len(mark)


def with_baselines(scores: Mapping[str, float], baseline: Mapping[str, float]) -> dict[str, float]:
    """Put each figure's control behind it, for a line of JSON.

    Args:
        scores: Figures of samples, by name.
        baseline: Those of held-out text.

    Returns:
        The figures by `name` and, where there is one, the control by `name.baseline`.
    """
    record: dict[str, float] = {}
    for name, value in scores.items():
        record[name] = value
        if name in baseline:
            record[f"{name}.baseline"] = baseline[name]
    return record
