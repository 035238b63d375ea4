"""Draw the probability of the right closing bracket against the distance to its opening bracket.

The command reads the output of `seqforge c-brackets RUN --json`, and also prints it as a table in Markdown.

    seqforge c-brackets runs/linux-small --windows 256 --json > brackets.json
    python -m benchmarks.c_learning.distances brackets.json docs/images/what-it-learns-brackets.svg
"""

import argparse
import json
from pathlib import Path

from benchmarks.c_learning.chart import Chart, Line
from benchmarks.c_learning.scores import FEWEST
from benchmarks.report import Table

COLORS = {"model": "blue", "20-gram": "orange", "10-gram": "purple", "5-gram": "quiet"}
"""Color of each predictor."""


def main() -> None:
    """Print the table, and draw the chart."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measurement", type=Path, help="output of seqforge c-brackets RUN --json")
    parser.add_argument("picture", type=Path, help="SVG file to write the chart to")
    arguments = parser.parse_args()
    rows = json.loads(arguments.measurement.read_text(encoding="utf-8"))["distances"]
    cells = [
        [
            f"{row['shortest']:,}–{row['longest']:,}",
            f"{row['brackets']:,}",
            *(f"{100 * row['probability'][name]:.3g} %" for name in COLORS),
        ]
        for row in rows
    ]
    print(Table("Probability of the right closing bracket", ["distance", "brackets", *COLORS], cells).markdown())
    rows = [row for row in rows if row["brackets"] >= FEWEST]
    lines = [
        Line(
            f"{'LSTM' if name == 'model' else name}",
            color,
            {row["shortest"]: row["probability"][name] for row in rows},
            dashed=name != "model",
        )
        for name, color in COLORS.items()
    ]
    ticks = {row["shortest"]: f"{row['shortest']:,}" for row in rows[::2]} | {rows[-1]["shortest"]: ""}
    chart = Chart(
        "How probable is the right closing bracket?",
        "characters since the opening bracket, at least",
        ticks,
        lines,
    )
    arguments.picture.write_text(chart.draw(), encoding="utf-8")


if __name__ == "__main__":
    main()
