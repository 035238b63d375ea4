"""The figures of metrics as lines of text."""

from collections.abc import Iterator, Mapping


def figure_lines(scores: Mapping[str, float], baseline: Mapping[str, float]) -> Iterator[str]:
    """Write each figure with its control and its excess over it.

    Args:
        scores: Figures of samples, by name.
        baseline: The same of held-out text.

    Yields:
        A line for each figure, in columns.
    """
    width = max(map(len, scores), default=0)
    for name, value in scores.items():
        line = f"{name:<{width}}  {value:10.4f}"
        if name in baseline:
            line += f"   control {baseline[name]:10.4f}   excess {value - baseline[name]:+10.4f}"
        yield line
