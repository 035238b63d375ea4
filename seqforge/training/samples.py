"""Samples of a run: written down, and judged."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from seqforge.files import reported_failures, write_atomically
from seqforge.interfaces import Metric


def write_samples(folder: Path, step: int, texts: Sequence[str]) -> None:
    """Write each sample to a file of its own.

    Args:
        folder: Where to.
        step: Optimizer steps done.
        texts: The samples.

    Raises:
        RunError: Where a file cannot be written.
    """
    with reported_failures(f"writing a sample to {folder}"):
        for number, text in enumerate(texts, start=1):
            suffix = f"-{number}" if len(texts) > 1 else ""
            write_atomically(folder / f"step-{step:08d}{suffix}.txt", text.encode("utf-8", "replace"))


def score_texts(metrics: Mapping[str, Metric], texts: Sequence[str]) -> dict[str, float]:
    """Judge texts by every metric.

    Args:
        metrics: By name.
        texts: The samples.

    Returns:
        Figures by `metric.value`.
    """
    return {
        f"{name}.{key}": value for name, metric in metrics.items() for key, value in metric.score(texts).values.items()
    }
