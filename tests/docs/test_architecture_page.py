"""The architecture page names files that exist, and the layers in the order that import-linter enforces."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/explanation/architecture.md").read_text("utf-8")
PLACES = [ROOT, ROOT / "seqforge", *ROOT.glob("plugins/*"), *ROOT.glob("plugins/*/seqforge_*")]


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([\w/-]+(?:\.py|/))`", PAGE))))
def test_every_file_that_the_page_names_exists(name: str) -> None:
    files_to_read_first = {path.name for path in (ROOT / "seqforge").glob("*/*.py")}
    assert name in files_to_read_first or any((place / name).exists() for place in PLACES)


def test_the_file_to_read_first_is_in_its_folder() -> None:
    rows = re.findall(r"^\| `(seqforge/\w+/)` \| .* \| `(\w+\.py)` \|$", PAGE, flags=re.MULTILINE)
    assert len(rows) > 10
    for folder, file in rows:
        assert (ROOT / folder / file).exists(), (folder, file)


def test_the_parts_are_in_the_order_of_the_import_contract() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    (layers,) = (contract["layers"] for contract in settings["contracts"] if contract["type"] == "layers")
    expected = [module for layer in layers for module in layer.split(" | ")]
    table = PAGE.partition("## The folders")[2].partition("\n\n`model` and")[0]
    first_cells = re.findall(r"^\| (`seqforge[^|]*) \|", table, flags=re.MULTILINE)
    paths = [path for cell in first_cells for path in re.findall(r"`([^`]+)`", cell)]
    assert [path.removesuffix("/").removesuffix(".py").replace("/", ".") for path in paths] == expected
