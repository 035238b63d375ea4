"""A small sweep."""

import json
from pathlib import Path

import pytest
from seqforge_sweeps.sweep_file import Sweep, read_sweep

BASE = f"""
[corpus]
use = "inline"
text = {json.dumps("the quick brown fox jumps over 13 lazy dogs;" * 30)}
[data]
validation_fraction = 0.2
[[model.cells]]
use = "gru"
hidden_size = 4
[training]
batch_size = 4
sequence_length = 16
steps = 6
backend = "eager"
[evaluation]
interval = 2
[sampling]
length = 5
"""
SWEEP = """
base = "base.toml"
trials = 3
[parameters]
model.cells.0.hidden_size = [4, 6]
optimizer.learning_rate = { log = [1e-3, 1e-1] }
"""


@pytest.fixture
def sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    monkeypatch.setenv("SEQFORGE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "base.toml").write_text(BASE + '[optimizer]\nuse = "adam"\n')
    (tmp_path / "small.toml").write_text(SWEEP)
    return read_sweep(tmp_path / "small.toml")
