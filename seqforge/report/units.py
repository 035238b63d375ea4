"""Units that mean something: those that predict a property of the text, and the saturation of gates.

Karpathy, Johnson and Li 2015 ("Visualizing and understanding recurrent networks") found such units by eye. Here, they
are found by their correlation with properties of each character, for any text and C in particular.
"""

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from seqforge.events import WorkProgressed
from seqforge.report.inspection import decode_symbols
from seqforge.report.layers import LayerReading, read_layers
from seqforge.report.likelihood import choose_split, read_pieces
from seqforge.runs.loaded_run import LoadedRun

TAB = 8
"""Columns of a tab."""

Values = NDArray[np.floating[Any]]

DEEPEST = 12
"""Largest depth of brackets that is distinguished."""

_TOKEN = re.compile(
    r"(?P<comment>/\*(?:[^*]|\*(?!/))*+(?:\*/)?|//[^\n]*+)"
    r"|(?P<quote>\"(?:\\.|[^\"\\\n])*+\"?|'(?:\\.|[^'\\\n]){1,4}')"
    r"|(?P<condition>\bif\s*+\()|(?P<open>[(\[{])|(?P<close>[)\]}])"
)


def find_properties(symbols: Sequence[str]) -> dict[str, Values]:
    """Return the properties of a text after each of its symbols, which have one or more characters.

    Returns:
        Values `[symbols]` by the name of the property: yes (1) or no (0), or a number.
    """
    text = "".join(symbols) or "\n"  # All symbols may be empty, such as parts of characters.
    # A symbol has the property of its last character.
    ends = np.maximum(np.cumsum([len(symbol) for symbol in symbols]) - 1, 0)
    values = {**_nesting(text), **_layout(text)}
    return {name: value[ends] for name, value in values.items()}


def _nesting(text: str) -> dict[str, Values]:
    """Return the properties of each character that depend on brackets, quotation marks and comments."""
    depth, quoted, commented, condition = (np.zeros(len(text)) for _ in range(4))
    level = 0
    conditions: list[int] = []
    for match in _TOKEN.finditer(text):
        start, stop = match.span()
        match match.lastgroup:
            case "comment":
                commented[start + 1 : stop - match[0].endswith("*/")] = 1
            case "quote":
                quoted[start : stop - 1] = 1
            case "close":
                # The difference is summed below; a bracket without its match changes nothing.
                if conditions and conditions[-1] == level:
                    condition[stop - 1] -= 1
                    conditions.pop()
                if level:
                    depth[stop - 1] -= 1
                    level -= 1
            case group:
                level += 1
                depth[stop - 1] += 1
                if group == "condition":
                    condition[stop - 1] += 1
                    conditions.append(level)
    return {
        "bracket depth": np.minimum(np.cumsum(depth), DEEPEST),
        "inside quotation marks": quoted,
        "inside a comment": commented,
        "inside if (…)": np.minimum(np.cumsum(condition), 1),
    }


def _layout(text: str) -> dict[str, Values]:
    """Return the properties of each character that depend on its line."""
    position, indentation = np.zeros(len(text)), np.zeros(len(text))
    start = 0
    for line in io.StringIO(text, newline="\n"):  # Other characters, such as a form feed, do not end a line.
        stop = start + len(line)
        position[start:stop] = np.arange(1, len(line) + 1)
        columns = 0
        for index, character in enumerate(line):
            if character not in " \t":
                indentation[start + index : stop] = columns
                break
            columns += TAB - columns % TAB if character == "\t" else 1
            indentation[start + index] = columns
        if line.endswith("\n"):  # After a line break, a new line begins.
            position[stop - 1] = indentation[stop - 1] = 0
        start = stop
    return {"position in the line": position, "indentation": indentation}


PIECES, LENGTH, WARM_UP = 64, 350, 100
"""Number and length of the pieces of text, and the number of symbols after which a piece counts."""

MOST_VALUES, FIELDS, FEWEST = 1 << 25, 2, 4
"""Maximum number of activations in memory, which limits the number of pieces; number of fields that the state of a cell
is assumed to have; and number of pieces that are read even if a large model then exceeds the maximum."""

SHOWN = 4
"""Number of pieces whose activations are shown."""

SHIFTS = 7
"""Number of assignments of the labels to other pieces, for the control."""

LEFT, RIGHT = 0.1, 0.9
"""A gate is saturated below the first and above the second value."""

SILENT = 1e-9
"""Largest standard deviation of a unit that does not react to the text."""


def collect_units(run: LoadedRun) -> dict[str, Any] | None:
    """Return the units that represent properties of held-out text, and the saturation of the gates.

    A unit is selected on one half of the pieces of text, by the absolute value of its correlation with the property,
    and its score is the correlation on the other half. The control does the same with the labels of other pieces.

    Returns:
        `symbols` of the text that is shown; `units`, each with its property, name, score, control and its activations
        on this text from -127 to 127; `gates`, each with its layer, name and for each unit the fractions of time it is
        left-saturated and right-saturated; and the layers without gates as `ungated`. None if the text is too short.
    """
    dataset = run.available_dataset
    if dataset is None:
        return None
    split = choose_split(dataset)
    if dataset.splits[split].length < PIECES * WARM_UP:
        return None
    run.report(WorkProgressed("examining units"))
    units_of_model = sum(FIELDS * cell.hidden_size for cell in run.model.stack.layers)
    count = max(FEWEST, min(PIECES, MOST_VALUES // (LENGTH * units_of_model)))
    pieces = read_pieces(dataset, split, count, LENGTH, seed=2)
    readings = read_layers(run.model, torch.as_tensor(pieces.T.copy()))
    symbols = [decode_symbols(run.vocabulary, piece) for piece in pieces]
    if not any(reading.units for reading in readings):
        return None
    names = [
        f"layer {layer}, {field}[{unit}]"
        for layer, reading in enumerate(readings, start=1)
        for field, values in reading.units.items()
        for unit in range(values.shape[-1])
    ]
    activations = np.concatenate([values.numpy() for reading in readings for values in reading.units.values()], axis=-1)
    # From here on, pieces are the first axis.
    activations = activations[WARM_UP:].transpose(1, 0, 2)
    properties = [find_properties(piece) for piece in symbols]
    labels = {name: np.stack([piece[name][WARM_UP:] for piece in properties]) for name in properties[0]}
    # What is shown begins with a whole line.
    texts = [piece[WARM_UP:] for piece in symbols[:SHOWN]]
    starts = [piece.index("\n") + 1 if "\n" in piece[:-1] else 0 for piece in texts]
    units = _find_units(activations, names, labels)
    for unit in units:
        unit["levels"] = [piece[start:] for piece, start in zip(unit["levels"], starts, strict=True)]
    shown = [piece[start:] for piece, start in zip(texts, starts, strict=True)]
    cells = [type(cell).__name__ for cell in run.model.stack.layers]
    ungated = [f"layer {layer} ({cells[layer - 1]})" for layer, one in enumerate(readings, start=1) if not one.gates]
    return {"symbols": shown, "units": units, "gates": _saturation(readings), "ungated": ungated}


def _find_units(activations: Values, names: Sequence[str], labels: Mapping[str, Values]) -> list[dict[str, Any]]:
    """Return the unit that represents each property best, and its activations on the first pieces.

    The activations are `[pieces, time, units]`, and the labels of each property `[pieces, time]`.
    """
    half = len(activations) // 2
    first, second = standardize(activations[:half]), standardize(activations[half:])
    units: list[dict[str, Any]] = []
    for name, values in labels.items():
        if (found := find_unit(first, second, values)) is None:
            continue
        index, score, control = found
        scale = float(np.quantile(np.abs(activations[:, :, index]), 0.98)) or 1.0
        levels = np.clip(127 * activations[:SHOWN, :, index] / scale, -127, 127).round().astype(int).tolist()
        units.append(
            {
                "property": name,
                "unit": names[index],
                "score": round(score, 3),
                "control": round(control, 3),
                "levels": levels,
            }
        )
    return sorted(units, key=lambda unit: unit["control"] - abs(unit["score"]))


def find_unit(first: Values, second: Values, labels: Values) -> tuple[int, float, float] | None:
    """Return the index of the unit that predicts labels best, its correlation, and that of the control.

    The standardized activations `[symbols, units]` of the first half of the pieces select the unit, and those of the
    second half score it. The labels are those of all pieces, `[pieces, time]`.

    Returns:
        None if the labels of a half do not vary.
    """
    half = len(labels) // 2
    if labels[:half].std() == 0 or labels[half:].std() == 0:
        return None
    # Row 0 has the labels, each further row those of other pieces.
    ours, theirs = (
        np.stack([np.roll(part, shift, axis=0).ravel() for shift in range(min(SHIFTS + 1, half))])
        for part in (labels[:half], labels[half:])
    )
    chosen = np.abs(_correlate(ours, first)).argmax(axis=1)
    scores = _correlate(theirs, second)[np.arange(len(chosen)), chosen]
    return int(chosen[0]), float(scores[0]), float(np.abs(scores[1:]).mean())


def standardize(activations: Values) -> Values:
    """Return activations `[pieces, time, units]` as `[symbols, units]` with mean 0 and variance 1 over the symbols."""
    flat = activations.reshape(-1, activations.shape[-1])
    deviation = flat.std(axis=0)
    return (flat - flat.mean(axis=0)) / np.where(deviation > SILENT, deviation, np.float32(np.inf))


def _correlate(labels: Values, standardized: Values) -> Values:
    """Return the correlation `[rows, units]` of each row of labels, `[rows, symbols]`, with each unit."""
    centered = (labels - labels.mean(axis=1, keepdims=True)).astype(np.float32)
    return centered @ standardized / (labels.shape[1] * labels.std(axis=1, keepdims=True))


def _saturation(readings: list[LayerReading]) -> list[dict[str, Any]]:
    """Return the fractions of time that each unit of each gate is left-saturated and right-saturated."""
    gates: list[dict[str, Any]] = []
    for layer, reading in enumerate(readings, start=1):
        for name, values in reading.gates.items():
            flat = values[WARM_UP:].flatten(0, 1)
            left, right = ((flat < LEFT).float().mean(0), (flat > RIGHT).float().mean(0))
            fractions = torch.stack([left, right], dim=1)
            gates.append({"layer": layer, "gate": name, "units": fractions.mul(1000).round().div(1000).tolist()})
    return gates
