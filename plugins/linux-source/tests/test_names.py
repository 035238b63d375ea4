"""Names: which are taken, and where the kernel's root is in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqforge_linux_source.source import plain_name, top_folder


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
def test_odd_names_are_not_taken(raw):
    assert plain_name(raw) is None


@pytest.mark.parametrize("raw", [b"a.c", b"kernel/fork.c", b"..a/b..c", b"a b.c", "é.c".encode(), b"-rf.c"])
def test_plain_names_stay(raw):
    assert plain_name(raw) == raw.decode()


def test_a_leading_dot_is_dropped():
    assert plain_name(b"././kernel/fork.c") == "kernel/fork.c"


@given(st.binary(max_size=40))
def test_a_taken_name_stays_below_its_root(raw):
    name = plain_name(raw)

    if name is not None:
        assert name.isprintable()
        assert not {"", ".", ".."} & set(name.split("/"))
        assert plain_name(name.encode()) == name


@pytest.mark.parametrize(
    ("first", "top"),
    [
        ("linux-6.12/COPYING", "linux-6.12/"),
        ("linux-source-6.12/kernel/fork.c", "linux-source-6.12/"),
        ("kernel/fork.c", ""),
        ("COPYING", ""),
    ],
)
def test_the_top_folder_is_not_one_of_the_kernels_own(first, top):
    assert top_folder(first) == top
