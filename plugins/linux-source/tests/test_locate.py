"""The search for Linux source, and the sources at given paths."""

import shutil

import pytest
from seqforge_linux_source.archive import Archive
from seqforge_linux_source.locate import SAMPLE_ROOT, Places, find_source, open_source
from seqforge_linux_source.source import Selection
from seqforge_linux_source.tree import Tree

from seqforge.errors import DataError

EVERYTHING = Selection(["**"], [], [".c", ".h"])


@pytest.fixture
def machine(tmp_path):
    """Return the places of a machine without Linux source."""
    for folder in ("src", "modules", "include"):
        (tmp_path / folder).mkdir()
    return Places("", tmp_path / "src", tmp_path / "modules" / "build", tmp_path / "include" / "linux")


@pytest.fixture
def everything(machine, kernel_tree, kernel_tar):
    """Return the places of a machine with Linux source in every place."""
    for name in ("linux-source-6.1.tar.xz", "linux-source-6.12.tar.xz", "linux-source-6.9.tar.xz"):
        (machine.sources / name).write_bytes(kernel_tar)
    for name in ("linux-6.9", "linux-headers-6.12.48-common"):
        shutil.copytree(kernel_tree, machine.sources / name)
    (machine.sources / "linux-headers-6.13-amd64" / "include" / "generated").mkdir(parents=True)
    (machine.sources / "linux-headers-6.13-amd64" / "include" / "generated" / "a.h").write_text("a")
    machine.build.symlink_to(shutil.copytree(kernel_tree, machine.build.parent / "tree"))
    shutil.copytree(kernel_tree / "include" / "uapi" / "linux", machine.headers)
    return machine


def found(places):
    source = find_source(places, EVERYTHING)
    return source.path if isinstance(source, Archive) else source.root


def test_places_are_searched_in_order(everything):
    expected = [
        everything.sources / "linux-source-6.12.tar.xz",
        everything.sources / "linux-source-6.9.tar.xz",
        everything.sources / "linux-source-6.1.tar.xz",
        everything.sources / "linux-headers-6.12.48-common",
        everything.sources / "linux-6.9",
        everything.build,
        everything.headers,
    ]

    for path in expected:
        assert found(everything) == path
        if path.is_symlink() or path.is_file():
            path.unlink()
        else:
            shutil.rmtree(path)
    assert found(everything) == SAMPLE_ROOT


def test_environment_variable_has_precedence(everything, kernel_tree):
    places = Places(str(kernel_tree), everything.sources, everything.build, everything.headers)

    assert found(places) == kernel_tree


def test_missing_path_in_the_environment_variable_is_an_error(everything, tmp_path):
    places = Places(str(tmp_path / "gone"), everything.sources, everything.build, everything.headers)

    with pytest.raises(DataError, match=r"SEQFORGE_LINUX_SOURCE: .*gone does not exist"):
        find_source(places, EVERYTHING)


def test_tree_without_a_selected_file_is_skipped(machine, kernel_tree):
    tree = shutil.copytree(kernel_tree, machine.sources / "linux-headers-6.12-common")
    shutil.rmtree(tree / "kernel")
    shutil.copytree(kernel_tree / "include" / "uapi" / "linux", machine.headers)

    assert find_source(machine, Selection(["kernel/**"], [], [".c"])).root == SAMPLE_ROOT
    assert find_source(machine, Selection(["include/**"], [], [".h"])).root == tree


def test_headers_for_user_space_have_names_as_in_the_tree_of_the_kernel(machine, kernel_tree):
    shutil.copytree(kernel_tree / "include" / "uapi" / "linux", machine.headers)

    for source in (find_source(machine, EVERYTHING), open_source(machine.headers, machine)):
        assert [name for name, _ in source.files(EVERYTHING)] == ["include/uapi/linux/fs.h"]
        assert str(machine.headers) in source.describe()


def test_sample_is_described_as_not_linux(machine):
    described = find_source(machine, EVERYTHING).describe()

    assert "No Linux source was found" in described
    assert "NOT Linux" in described
    assert str(machine.sources) in described


@pytest.mark.parametrize("name", ["linux-source-6.8.0.tar.bz2"])
def test_archive_of_ubuntu_is_found(machine, kernel_tar, name):
    (machine.sources / name).write_bytes(kernel_tar)

    assert found(machine) == machine.sources / name


def test_type_of_the_source_depends_on_the_path(machine, kernel_tree, kernel_archive):
    assert open_source(kernel_tree, machine) == Tree(kernel_tree, "", f"Linux source from the tree {kernel_tree}.")
    assert open_source(kernel_archive, machine) == Archive(kernel_archive)


def test_missing_path_is_an_error(machine, tmp_path):
    with pytest.raises(DataError, match="gone does not exist") as caught:
        open_source(tmp_path / "gone", machine)
    assert '"auto"' in caught.value.hint

    (tmp_path / "dangling").symlink_to("gone")
    with pytest.raises(DataError, match="does not exist"):
        open_source(tmp_path / "dangling", machine)


def test_device_is_an_error(machine):
    with pytest.raises(DataError, match="neither a file nor a folder"):
        open_source(machine.sources / "/dev/zero", machine)
