"""The corpus conforms, and its errors name the file and the line."""

from functools import partial
from pathlib import Path
from typing import ClassVar

import pytest
from seqforge.errors import DataError
from seqforge.testing.corpus_suite import CorpusSuite

from seqforge_json.corpus import JsonValues

CITIES = Path(__file__).parents[1] / "cities.jsonl"


class TestJsonValues(CorpusSuite):
    corpora: ClassVar = {"json": partial(JsonValues, CITIES), "field": partial(JsonValues, CITIES, "name")}
    unreadable: ClassVar = {"missing": partial(JsonValues, CITIES.with_name("missing.jsonl"))}


def test_a_field_is_the_text() -> None:
    documents = JsonValues(CITIES, "name").documents()
    assert next(documents).content == b"Oslo\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"name": "Oslo"}\n{"name": 1}\n', r"line 2: it has no text in the field 'name'"),
        ('{"name": "Oslo"}\n\n[1\n', r"line 3: it is not JSON"),
        ("\n", r"has no line"),
    ],
)
def test_errors_name_the_line(content: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "lines.jsonl"
    file.write_text(content)
    with pytest.raises(DataError, match=message):
        list(JsonValues(file, "name").documents())
