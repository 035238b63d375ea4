"""Find the units of a model that represent properties of C, and draw a text in the colors of their activations.

Units are selected and scored on held-out text, as in the report of a run. The text that is drawn is that of this file.

    python -m benchmarks.c_learning.cells runs/linux-small docs/images/what-it-learns-cells.svg
"""

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.c_learning.picture import write_picture, write_text
from benchmarks.c_learning.texts import PROMPT
from seqforge import Run
from seqforge.report.layers import LayerReading, read_layers
from seqforge.report.units import collect_units
from seqforge.runs.directory import RunDirectory
from seqforge.runs.loaded_run import LoadedRun

TEXT = """\
static int show_names(struct seq_file *file, int count)
{
	int i, shown = 0;

	/* Hidden names are shown on demand. */
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

PROPERTIES = ("inside quotation marks", "inside a comment")
"""Properties whose units are drawn."""

_UNIT = re.compile(r"layer (?P<layer>\d+), (?P<field>\w+)\[(?P<index>\d+)\]")
_TAB, _CHARACTER, _LINE, _MARGIN, _HEAD = 4, 7.0, 18, 16, 66

Values = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Panel:
    """The text in the colors of one unit.

    Attributes:
        property: Property of the text that the unit represents.
        note: Name of the unit, and its correlation with the property.
        activations: Its activations, `[characters]`, negated if the correlation is negative.
    """

    property: str
    note: str
    activations: Values


def main() -> None:
    """Print the units and their correlations, and draw the text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="run directory, trained on C with a vocabulary of characters")
    parser.add_argument("picture", type=Path, help="SVG file to write the text to")
    arguments = parser.parse_args()
    run = Run.open(arguments.run)
    found = collect_units(subject := LoadedRun(RunDirectory(arguments.run), run.experiment, device="cpu"))
    if found is None:
        parser.error("the held-out text of the run is too short, or its model has no units")
    tokens = torch.tensor(subject.vocabulary.encode(PROMPT + TEXT).tolist())
    readings = read_layers(subject.model, tokens[:, None])
    panels: list[Panel] = []
    for unit in found["units"]:
        print(f"{unit['property']:24}  {unit['unit']:20}  {unit['score']:+.3f}  control {unit['control']:.3f}")
        if unit["property"] in PROPERTIES:
            note = f"{unit['unit']}; correlation {unit['score']:+.2f}, control {unit['control']:.2f}"
            activations = np.sign(unit["score"]) * select_unit(readings, unit["unit"])[len(PROMPT) :]
            panels.append(Panel(unit["property"], note, activations))
    arguments.picture.write_text(draw_panels(panels), encoding="utf-8")


def select_unit(readings: Sequence[LayerReading], name: str) -> Values:
    """Return the activations `[time]` of a unit while the model reads one text.

    Args:
        readings: What each layer computes.
        name: Name of the unit in a report, such as `layer 2, cell[505]`.
    """
    match = _UNIT.fullmatch(name)
    assert match is not None
    return readings[int(match["layer"]) - 1].units[match["field"]][:, 0, int(match["index"])].numpy()


def draw_panels(panels: Sequence[Panel]) -> str:
    """Draw the text once for each unit, side by side."""
    lines = TEXT.expandtabs(_TAB).splitlines()
    width = 2 * _MARGIN + max(map(len, lines)) * _CHARACTER
    height = _HEAD + len(lines) * _LINE + _MARGIN
    parts: list[str] = []
    for number, panel in enumerate(panels):
        left = number * width + _MARGIN
        parts.append(write_text(left, 28, panel.property[0].upper() + panel.property[1:], bold=True, size=15))
        parts.append(write_text(left, 46, panel.note, color="quiet", size=12))
        parts += draw_text(panel.activations / np.abs(panel.activations).max(), left)
    return write_picture(round(width * len(panels)), height, "C code in the colors of the activations of units", parts)


def draw_text(levels: Values, left: float) -> list[str]:
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
        if code := line.lstrip():
            x, y = left + (len(line) - len(code)) * _CHARACTER, _HEAD + row * _LINE + 13
            style = f'<text font-family="monospace" textLength="{len(code) * _CHARACTER:.1f}" '
            parts.append(write_text(x, y, code, size=12).replace("<text ", style, 1))
    return parts


if __name__ == "__main__":
    main()
