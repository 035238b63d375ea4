"""Tables of every cell that is installed, and three in a stack, which take less time in a graph than three graphs."""

from collections.abc import Mapping
from typing import Any

from seqforge import Registry

OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "essentials/block": {
        "cell": {"use": "lstm", "hidden_size": 6},
        "norm": "layer",
        "expansion": 2.0,
        "convolution": 3,
        "gate": "silu",
        "feed_forward": "gelu",
    },
    "matrix-cells/gated-deltanet-block": {"cell": {"use": "gated-deltanet", "hidden_size": 8, "heads": 2}},
    "parallel-cells/griffin-block": {"cell": {"use": "rg-lru", "hidden_size": 6}},
    "essentials/zoneout": {"cell": {"use": "lstm", "hidden_size": 8}, "probabilities": {"hidden": 0.1, "cell": 0.4}},
}


def table_of(cell: str) -> dict[str, Any]:
    """Return the table of a small cell."""
    return {"use": cell, **OPTIONS.get(cell, {"hidden_size": 8})}


# The options of these blocks are those of the others together.
NAMES = {entry.qualified_name for entry in Registry.installed().registrations("cell")}
NAMES -= {"matrix-cells/xlstm-block", "essentials/slstm-block"}

# `zoneout` comes last: by its name, it would move Mamba-2, mLSTM and RWKV-7 into one stack, in which the rounding of
# float32 grows to 3e-4.
CELLS = [table_of(name) for name in sorted(NAMES, key=lambda name: (name == "essentials/zoneout", name))]

STACKS_OF_CELLS = {
    "+".join(str(cell["use"]) for cell in stack): stack
    for stack in (CELLS[start : start + 3] for start in range(0, len(CELLS), 3))
}
"""Lists of tables of cells, by the names of the cells. The names of the states in an error tell which one is wrong."""
