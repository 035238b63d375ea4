"""The lexicon: counting names, and encoding and reading a lexicon file."""

import lzma
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqforge_code_structure.findings import analyze
from seqforge_code_structure.identifiers import lexicon_building as module
from seqforge_code_structure.identifiers import lexicon_file
from seqforge_code_structure.identifiers.lexicon import LARGEST_LOCALITY, Flag, Lexicon
from seqforge_code_structure.identifiers.lexicon_building import (
    Count,
    build_lexicon,
    count_names,
    read_pieces,
)
from seqforge_code_structure.identifiers.lexicon_file import (
    decode_lexicon,
    encode_lexicon,
    is_of_kernel,
    read_lexicon,
)

from seqforge.errors import DataError

FILES = [
    "int f(int a)\n{\n\tint unused;\n\n\treturn a + jiffies;\n}\n",
    "int f(void)\n{\n\tint a = 1;\n\n\treturn a + jiffies + g(jiffies);\n}\n\nint h(void)\n{\n\treturn a;\n}\n",
    "this ( is not C\n",
]


def lexicon_of(texts):
    return build_lexicon(map(count_names, texts))


def test_a_name_without_a_locality_has_none():
    assert Lexicon.from_flags(1, {"a": Flag.LOCAL}, {"b": 3}).locality("a") == 0


def test_flags_match_a_hand_computation():
    lexicon = lexicon_of(FILES)
    assert lexicon.files == 3
    always = Flag.LOCAL | Flag.LOCAL_IN_EXCERPT | Flag.LOCAL_ARGUMENT | Flag.LOCAL_ARGUMENT_IN_EXCERPT
    local = Flag.VARIABLE | Flag.MAY_BE_LOCAL | Flag.MOSTLY_LOCAL
    assert lexicon.flags("a") == local
    assert lexicon.flags("jiffies") == Flag.VARIABLE
    assert lexicon.flags("unused") == local | always
    assert lexicon.flags("this") == 0


def test_global_names_of_a_file_count_in_excerpts_only():
    declares = "static int level;\n\nint f(void)\n{\n\treturn level;\n}\n"
    lexicon = lexicon_of([declares, "int g(int level)\n{\n\treturn level;\n}\n"])
    assert lexicon.must_be_declared("level", argument=False, whole=True)
    assert not lexicon.must_be_declared("level", argument=False, whole=False)


def test_global_names_of_other_files_need_no_declaration():
    local = "int g(int level)\n{\n\treturn level;\n}\n"
    for declaration, declared in (("static int level;\n", True), ("int level;\n", False)):
        lexicon = lexicon_of([declaration, *[local] * 20])
        assert lexicon.must_be_declared("level", argument=False, whole=True) is declared
    # A name that many more files declare in a function is local nevertheless.
    assert lexicon_of(["int level;\n", *[local] * 200]).must_be_declared("level", argument=False, whole=True)


def test_loop_macros_may_declare_their_variable():
    loop = "void f(struct s *s)\n{\n\tfor_each_online(s, ca) {\n\t\tg(ca);\n\t}\n}\n"
    lexicon = lexicon_of([loop, *["int g(int ca)\n{\n\treturn ca;\n}\n"] * 20])
    assert lexicon.has("for_each_online", Flag.PASTES)
    assert [found.message for found in analyze(loop.replace("g(ca)", "g(ca + cb)"), lexicon)] == [
        "undefined identifier 'cb'"
    ]


def test_macros_that_paste_their_arguments_are_recognized():
    files = [
        "int f(void)\n{\n\treturn REG(pacl) + CHECK(a);\n}\n",
        "int f(int a)\n{\n\treturn CHECK(a) + id(b);\n}\n",
        "int f(int a, int b)\n{\n\treturn CHECK(a + b) + id(a);\n}\n",
    ] * 10
    lexicon = lexicon_of([*files, *["int f(int a)\n{\n\treturn a + CHECK(a);\n}\n"] * 200])
    assert lexicon.has("REG", Flag.PASTES)
    assert not lexicon.has("REG", Flag.EVALUATES)
    assert lexicon.has("CHECK", Flag.EVALUATES)
    assert not lexicon.has("CHECK", Flag.PASTES)
    assert not lexicon.has("UNKNOWN", Flag.EVALUATES)


def test_long_file_counts_as_several_files(monkeypatch: pytest.MonkeyPatch):
    text = FILES[0] * 50
    assert len(list(read_pieces(text))) == 1
    monkeypatch.setattr(module, "LONGEST_PIECE", 200)
    parts = list(read_pieces(text))
    assert len(parts) > 10
    units = [unit for part in parts for unit in part]
    assert [unit.start for unit in units] == [0, *(unit.stop for unit in units[:-1])]


def test_lexicon_of_a_text_without_functions_is_empty():
    assert lexicon_of(["The quick brown fox.\n"]).table == b""


def test_names_of_few_files_are_left_out_unless_functions_only_declare_them():
    other = "int f(int b, int c, int D)\n{\n\treturn HZ + b(c);\n}\n\nint g(void)\n{\n\treturn c;\n}\n"
    lexicon = build_lexicon(map(count_names, [*FILES, other]), fewest_files=2)
    names = ["a", "jiffies", "unused", "HZ", "b", "c", "D"]
    assert [name for name in names if lexicon.flags(name)] == ["a", "jiffies", "unused", "b"]


def test_locality_is_the_logarithm_of_a_ratio_of_files():
    assert Count(bound=7).locality == 10
    assert Count(free=1, argument=2, own=1, shared=1, bound=7).locality == 0
    assert Count(free=2, bound=9).locality == 4
    assert Count(bound=10**6).locality == LARGEST_LOCALITY
    assert Count(argument=10**6).locality == -LARGEST_LOCALITY
    assert lexicon_of(FILES).locality("jiffies") == -7
    assert lexicon_of(FILES).locality("new") == 0


def test_words_have_localities_if_several_names_have_them():
    function = "int f(int dev_size, int rx_size, int _tx_size)\n{\n\treturn g(my_ops + your_ops + MY_OPS);\n}\n"
    few = lexicon_of([function])
    assert few.word_localities("new_size") == few.word_localities("new_ops") == (0, 0)
    more = "int f(int a_size, int size)\n{\n\treturn a_ops + b_ops + ops;\n}\n"
    lexicon = lexicon_of([function, more])
    assert lexicon.word_localities("new_size") == lexicon.word_localities("_new_a_size_") == (0, 9)
    assert lexicon.word_localities("new_ops") == (0, -9)
    assert lexicon.word_localities("size") == lexicon.word_localities("new") == (0, 0)
    assert lexicon.names == 11


FLAGS = st.dictionaries(st.from_regex(r"[^\W\d]\w{0,5}", fullmatch=True), st.integers(1, 1023).map(Flag))
LOCALITIES = st.dictionaries(
    st.from_regex(r"[^\W\d]\w{0,2}", fullmatch=True), st.integers(-LARGEST_LOCALITY, LARGEST_LOCALITY)
)


@settings(max_examples=20)  # each example takes a tenth of a second in lzma
@given(FLAGS, LOCALITIES, st.integers(0))
def test_encoded_lexicon_decodes_to_the_same(flags: dict[str, Flag], localities: dict[str, int], files: int):
    lexicon = Lexicon.from_flags(files, flags, localities)
    decoded = decode_lexicon(encode_lexicon(lexicon))
    assert (decoded.files, decoded.table) == (files, lexicon.table)
    assert {name: decoded.flags(name) for name in flags} == flags
    assert {name: decoded.locality(name) for name in localities} == localities
    assert decoded.flags("a name that is not in it") == 0


GOOD = encode_lexicon(Lexicon.from_flags(1, {"a": Flag.LOCAL}))


@pytest.mark.parametrize(
    "content",
    [
        GOOD.replace(b'_lexicon": 3', b'_lexicon": 2'),
        GOOD.replace(b'"files": 1', b'"files": "1"'),
        GOOD.replace(b'"files": 1', b'"files": -1'),
        GOOD[:-4],
        GOOD + b"x",
        b"[1]\n",
        GOOD.partition(b"\n")[0] + b"\n" + lzma.compress(b"two words 000\n"),
        b"[" * 100_000,
        b"",
    ],
)
def test_invalid_lexicon_files_are_rejected(content: bytes, tmp_path: Path):
    path = tmp_path / "c.lexicon"
    path.write_bytes(content)
    with pytest.raises(DataError, match="not a lexicon"):
        read_lexicon(path)


def test_table_that_is_too_large_is_rejected(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(lexicon_file, "LARGEST_TABLE", 1 << 19)
    with pytest.raises(ValueError, match="damaged"):
        decode_lexicon(GOOD.partition(b"\n")[0] + b"\n" + lzma.compress(b"a 000\n" * 300_000))


def test_missing_and_large_files_are_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "c.lexicon"
    with pytest.raises(DataError, match="No such file"):
        read_lexicon(path)
    path.write_bytes(GOOD)
    monkeypatch.setattr(lexicon_file, "LARGEST_FILE", 10)
    with pytest.raises(DataError, match="larger than 10 bytes"):
        read_lexicon(path)


def create_lexicon(**counts: Count) -> Lexicon:
    return Lexicon.from_flags(9, {name: count.to_flags() for name, count in counts.items()})


def test_names_that_must_be_declared():
    lexicon = create_lexicon(i=Count(1, bound=10), half=Count(5, bound=5), free=Count(1), pasted=Count(0, 5, bound=5))
    names = ("i", "half", "free", "pasted", "new")
    for argument, expected in ((False, ["i", "pasted"]), (True, ["i"])):
        found = [name for name in names if lexicon.must_be_declared(name, argument=argument, whole=True)]
        assert found == expected
    assert [name for name in names if not lexicon.has(name, Flag.VARIABLE)] == ["new"]
    assert [name for name in names if lexicon.is_mostly_local(name)] == ["i", "half", "pasted", "new"]


def test_names_that_macros_may_use():
    lexicon = create_lexicon(bp=Count(bound=40, unused=2), i=Count(bound=101, unused=2), once=Count(bound=5, unused=1))
    assert [name for name in ("bp", "i", "once", "new") if lexicon.has(name, Flag.USED_BY_MACROS)] == ["bp"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#include <stdio.h>\nint a;\n", False),
        ("#include <linux/string.h>\n  # include <sys/types.h>\n", False),
        ('#include <linux/string.h>\n#include "stdio.h"\n', True),
        ('#include "redis.h"\n', False),
        ("", True),
    ],
)
def test_files_of_the_kernel_include_its_headers_or_none(text: str, expected: bool):
    assert is_of_kernel(text) is expected
