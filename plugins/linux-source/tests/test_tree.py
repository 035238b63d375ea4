"""Trees: order, links, fingerprint, and errors."""

import os

import pytest
from seqforge_linux_source import source
from seqforge_linux_source.source import Selection, Tree

from seqforge.errors import DataError

EVERYTHING = Selection(["**"], [], [".c", ".h"])


@pytest.fixture
def tree(kernel_tree):
    """Return the small tree as a source."""
    return Tree(kernel_tree)


def test_files_are_in_the_order_of_their_names(tree, files):
    assert list(tree.files(EVERYTHING)) == sorted(
        (name, content) for name, content in files.items() if name.endswith((".c", ".h"))
    )


def test_links_devices_and_the_folder_of_git_are_skipped(tree, tmp_path, files):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "odd.c").write_text("odd")
    (tree.root / "link.c").symlink_to(outside / "odd.c")
    (tree.root / "kernel" / "folder").symlink_to(outside)
    (tree.root / "loop").symlink_to(tree.root)
    os.mkfifo(tree.root / "pipe.c")
    (tree.root / ".git").mkdir()
    (tree.root / ".git" / "odd.c").write_text("odd")
    (tree.root / "line\nbreak.c").write_text("odd")
    (tree.root / os.fsdecode(b"latin\xe9.c")).write_text("odd")

    assert {name for name, _ in tree.files(EVERYTHING)} == {name for name in files if name.endswith((".c", ".h"))}


def test_fingerprint_depends_only_on_selected_files(tree):
    before = tree.fingerprint(EVERYTHING)
    assert tree.fingerprint(EVERYTHING) == before

    (tree.root / "COPYING").write_text("changed")
    assert tree.fingerprint(EVERYTHING) == before

    (tree.root / "new.c").write_text("new")
    with_new = tree.fingerprint(EVERYTHING)
    assert with_new != before

    (tree.root / "new.c").rename(tree.root / "newer.c")
    assert tree.fingerprint(EVERYTHING) != with_new


def test_fingerprint_depends_on_changes_that_keep_the_modification_time(tree):
    path = tree.root / "kernel" / "fork.c"
    before = tree.fingerprint(EVERYTHING)
    status = path.stat()

    path.write_bytes(path.read_bytes().swapcase())
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert tree.fingerprint(EVERYTHING) != before


def test_large_file_is_an_error(tree, monkeypatch):
    monkeypatch.setattr(source, "LARGEST_FILE", 2000)

    with pytest.raises(DataError, match=r"drivers/char/echo\.c: it is larger than 2,000 bytes"):
        list(tree.files(EVERYTHING))


def test_deleted_files_are_an_error(tree):
    found = tree.files(EVERYTHING)
    next(found)
    for path in tree.root.glob("*/*.c"):
        path.unlink()

    with pytest.raises(DataError, match=r"fork\.c cannot be read"):
        list(found)
    with pytest.raises(DataError, match="cannot be read"):
        Tree(tree.root / "gone").fingerprint(EVERYTHING)


def test_total_size_is_limited(kernel_tree):
    with pytest.raises(DataError, match="the limit is 1,000") as caught:
        list(Tree(kernel_tree).files(EVERYTHING, 1000))
    assert "`size_limit`" in caught.value.hint
