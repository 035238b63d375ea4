"""Names of files: the accepted ones, and the top folder of an archive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqforge_linux_source.source import find_top_folder, normalize_name


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b".",
        b"./",
        b"/etc/passwd",
        b"../x.c",
        b"a/../../x.c",
        b"a/..",
        b"a//b.c",
        b"a/./b.c",
        b"a\0b.c",
        b"a\nb.c",
        b"a\x1b[31m.c",
        b"a\x7f.c",
        "a\u202eb.c".encode(),
        b"a\xff.c",
        b"a/" * 2048 + b"b.c",
    ],
)
def test_names_that_are_not_plain_are_rejected(raw):
    assert normalize_name(raw) is None


@pytest.mark.parametrize("raw", [b"a.c", b"kernel/fork.c", b"..a/b..c", b"a b.c", "é.c".encode(), b"-rf.c"])
def test_plain_names_do_not_change(raw):
    assert normalize_name(raw) == raw.decode()


def test_leading_dots_are_removed():
    assert normalize_name(b"././kernel/fork.c") == "kernel/fork.c"


@given(st.binary(max_size=40))
def test_accepted_names_are_below_the_root(raw):
    name = normalize_name(raw)

    if name is not None:
        assert name.isprintable()
        assert not {"", ".", ".."} & set(name.split("/"))
        assert normalize_name(name.encode()) == name


@pytest.mark.parametrize(
    ("first", "top"),
    [
        ("linux-6.12/COPYING", "linux-6.12/"),
        ("linux-source-6.12/kernel/fork.c", "linux-source-6.12/"),
        ("kernel/fork.c", ""),
        ("COPYING", ""),
    ],
)
def test_top_folder_is_not_a_folder_of_the_kernel(first, top):
    assert find_top_folder(first) == top
