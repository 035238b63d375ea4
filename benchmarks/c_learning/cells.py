"""Find the units of a model that represent properties of C, and draw a text in the colors of their activations.

Units are selected and scored on held-out text, as in the report of a run. The text that is drawn is that of this file.

    python -m benchmarks.c_learning.cells runs/linux-small docs/images/what-it-learns-cells.svg
"""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.c_learning.picture import write_picture, write_text
from benchmarks.c_learning.texts import PROMPT
from seqforge import Run
from seqforge.report.reading import read_layers
from seqforge.report.subject import Subject
from seqforge.report.units import collect_units
from seqforge.runs.directory import RunDirectory

TEXT = """\
static int show_names(struct seq_file *file, int count)
{
	int i, shown = 0;

	for (i = 0; i < count; i++) {
		if (names[i].hidden && !(flags[i] & SHOW_ALL))
			continue;
		seq_puts(file, "name: ");
		seq_printf(file, "%s\\n", names[i].text);
		shown++;
	}
	return shown;
}
"""

PROPERTIES = ("inside quotation marks", "bracket depth")
"""Properties whose units are drawn."""

_TAB, _CHARACTER, _LINE, _MARGIN, _HEAD = 4, 7.0, 18, 16, 66


def main() -> None:
    """Print the units and their correlations, and draw the text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run directory, trained on C with a vocabulary of characters")
    parser.add_argument("picture", type=Path, help="SVG file to write the text to")
    arguments = parser.parse_args()
    run = Run.open(arguments.run)
    found = collect_units(subject := Subject(RunDirectory(arguments.run), run.experiment, device="cpu"))
    if found is None:
        parser.error("the held-out text of the run is too short, or its model has no units")
    tokens = torch.tensor(subject.vocabulary.encode(PROMPT + TEXT).tolist())
    readings = read_layers(subject.model, tokens[:, None])
    panels: list[tuple[str, str, NDArray[np.floating[Any]]]] = []
    for unit in found["units"]:
        print(f"{unit['property']:24} {unit['unit']:20} {unit['score']:+.3f}  control {unit['control']:.3f}")
        if unit["property"] in PROPERTIES:
            layer, field, index = re.fullmatch(r"layer (\d+), (\w+)\[(\d+)\]", unit["unit"]).groups()  # pyright: ignore
            values = readings[int(layer) - 1].units[field][len(PROMPT) :, 0, int(index)].numpy()
            note = f"{unit['unit']}; correlation {unit['score']:+.2f}, control {unit['control']:.2f}"
            panels.append((unit["property"], note, values))
    arguments.picture.write_text(draw_panels(panels), encoding="utf-8")


def draw_panels(panels: Sequence[tuple[str, str, NDArray[np.floating[Any]]]]) -> str:
    """Draw the text once for each unit.

    Args:
        panels: Property, note and activations `[characters]` of each unit.
    """
    lines = TEXT.expandtabs(_TAB).splitlines()
    panel = 2 * _MARGIN + max(map(len, lines)) * _CHARACTER
    height = _HEAD + len(lines) * _LINE + _MARGIN
    parts: list[str] = []
    for number, (name, note, values) in enumerate(panels):
        left = number * panel + _MARGIN
        parts.append(write_text(left, 28, f"A cell for “{name}”", bold=True, size=15))
        parts.append(write_text(left, 46, note, color="quiet", size=12))
        parts += draw_text(values / np.abs(values).max(), left)
    return write_picture(round(panel * len(panels)), height, "C code in the colors of the activations of units", parts)


def draw_text(levels: NDArray[np.floating[Any]], left: float) -> list[str]:
    """Draw the text with a background behind each character.

    Args:
        levels: Activations from -1 to 1, `[characters]`.
        left: Left edge in pixels.
    """
    parts: list[str] = []
    column, row = 0, 0
    for character, level in zip(TEXT, levels.tolist(), strict=True):
        width = _TAB - column % _TAB if character == "\t" else 1
        x, y = left + column * _CHARACTER, _HEAD + row * _LINE
        color = "blue" if level > 0 else "orange"
        parts.append(
            f'<rect x="{x:.1f}" y="{y - 1}" width="{width * _CHARACTER:.1f}" height="{_LINE}" '
            f'shape-rendering="crispEdges" fill="var(--{color})" fill-opacity="{0.6 * abs(level):.2f}"/>'
        )
        column, row = (0, row + 1) if character == "\n" else (column + width, row)
    for row, line in enumerate(TEXT.expandtabs(_TAB).splitlines()):
        spaces = len(line) - len(line.lstrip())
        x, y = left + spaces * _CHARACTER, _HEAD + row * _LINE + 13
        length = (len(line) - spaces) * _CHARACTER
        text = write_text(x, y, line.lstrip(), size=12)
        parts.append(
            text.replace("<text ", f'<text font-family="monospace" textLength="{length:.1f}" ', 1) if line else ""
        )
    return parts


if __name__ == "__main__":
    main()
