"""The lexicon: counting names, and encoding and reading a lexicon file."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqforge_code_structure.identifiers import lexicon as module
from seqforge_code_structure.identifiers.lexicon import (
    Count,
    Lexicon,
    LexiconBuilder,
    build_lexicon,
    decode_lexicon,
    encode_lexicon,
    read_lexicon,
    read_pieces,
)

from seqforge.errors import DataError

FILES = [
    "int f(int a)\n{\n\tint unused;\n\n\treturn a + jiffies;\n}\n",
    "int f(void)\n{\n\tint a = 1;\n\n\treturn a + jiffies + g(jiffies);\n}\n\nint h(void)\n{\n\treturn a;\n}\n",
    "this ( is not C\n",
]


def test_counts_match_a_hand_computation():
    lexicon = build_lexicon(FILES)
    assert lexicon.files == 3
    assert lexicon.counts == {"a": Count(1, 2), "jiffies": Count(2, 0), "unused": Count(0, 1, 1)}


def test_long_file_counts_as_several_files(monkeypatch: pytest.MonkeyPatch):
    text = FILES[0] * 50
    assert len(list(read_pieces(text))) == 1
    monkeypatch.setattr(module, "LONGEST_PIECE", 200)
    parts = list(read_pieces(text))
    assert len(parts) > 10
    units = [unit for part in parts for unit in part]
    assert [unit.start for unit in units] == [0, *(unit.stop for unit in units[:-1])]


def test_lexicon_of_a_text_without_functions_is_empty():
    assert build_lexicon(["The quick brown fox.\n"]) == Lexicon(1, {})


NAMES = st.from_regex(r"[a-z_]\w{0,5}", fullmatch=True)
COUNTS = st.builds(Count, *[st.integers(0, 100)] * 3)


@given(st.dictionaries(NAMES, COUNTS), st.integers(0))
def test_encoded_lexicon_decodes_to_the_same(counts: dict[str, Count], files: int):
    lexicon = Lexicon(files, counts)
    assert decode_lexicon(encode_lexicon(lexicon)) == lexicon


@pytest.mark.parametrize(
    "change",
    [
        {"seqforge_c_lexicon": 2},
        {"names": "one two"},
        {"free": [-1]},
        {"free": ["1"]},
        {"free": [1, 2]},
        {"files": None},
    ],
)
def test_invalid_lexicon_files_are_rejected(change: dict[str, object], tmp_path: Path):
    good = json.loads(encode_lexicon(Lexicon(1, {"a": Count(1, 2, 3)})))
    path = tmp_path / "lexicon.json"
    path.write_text(json.dumps(good))
    assert read_lexicon(path).counts == {"a": Count(1, 2, 3)}
    path.write_text(json.dumps(good | change))
    with pytest.raises(DataError, match="not a lexicon"):
        read_lexicon(path)


def test_missing_malformed_and_large_files_are_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "lexicon.json"
    with pytest.raises(DataError, match="No such file"):
        read_lexicon(path)
    path.write_bytes(b"[" * 100_000)
    with pytest.raises(DataError, match="not a lexicon"):
        read_lexicon(path)
    monkeypatch.setattr(module, "LARGEST_FILE", 1_000)
    with pytest.raises(DataError, match="larger than 1,000 bytes"):
        read_lexicon(path)


def test_names_that_must_be_declared():
    lexicon = Lexicon(9, {"i": Count(1, 10), "half": Count(5, 5), "free": Count(1, 0), "MAX": Count(0, 9)})
    assert [name for name in ("i", "half", "free", "MAX", "new") if lexicon.must_be_declared(name)] == ["i"]
    assert [name for name in ("i", "free", "MAX", "new", "NEW") if lexicon.is_novel(name)] == ["new"]


def test_names_that_macros_may_use():
    lexicon = Lexicon(9, {"bp": Count(0, 40, 2), "i": Count(0, 41, 2), "never": Count(3, 0, 0), "once": Count(0, 5, 1)})
    assert [name for name in ("bp", "i", "never", "once", "new") if lexicon.may_be_used_by_macros(name)] == ["bp"]


def test_builder_counts_the_names_of_each_piece():
    builder = LexiconBuilder()
    for text in FILES[:2]:
        for piece in read_pieces(text):
            builder.add(piece)
    assert builder.bound["a"] == 2
