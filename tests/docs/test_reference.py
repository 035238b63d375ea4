"""The reference describes every public name."""

import re
from pathlib import Path

import pytest

import seqforge
import seqforge.interfaces
import seqforge.testing

DOCS = Path(__file__).parents[2] / "docs/reference"
DESCRIBED = set(
    re.findall(r"^::: (\S+)$", "".join(page.read_text("utf-8") for page in DOCS.glob("*.md")), re.MULTILINE)
)
WHOLE_MODULES = {
    "seqforge.interfaces.example_spec": {"Classes", "ExampleSpec", "Numbers", "Text"},
    "seqforge.interfaces.generation_kernel": {
        "FORBIDDEN",
        "ConstraintAutomaton",
        "GenerationKernel",
        "GenerationModel",
        "LogitRule",
    },
    "seqforge.events": {name for name in seqforge.interfaces.__all__ if hasattr(seqforge.events, name)},
}


@pytest.mark.parametrize("module", [seqforge, seqforge.interfaces, seqforge.testing])
def test_every_public_name_is_described(module: object) -> None:
    names = {name.rpartition(".")[2] for name in DESCRIBED}
    names |= {name for module_name, members in WHOLE_MODULES.items() if module_name in DESCRIBED for name in members}
    assert set(module.__all__) - names - {"__version__"} == set()  # type: ignore[attr-defined]
