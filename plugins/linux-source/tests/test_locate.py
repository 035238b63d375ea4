"""The search for Linux source, and the sources at given paths."""

import shutil
import tarfile
from pathlib import Path
from typing import NamedTuple

import pytest
from seqforge_linux_source.corpus import INCLUDED, VARIABLE, find_source, open_source
from seqforge_linux_source.source import Archive, Tree

from seqforge.errors import DataError


class Places(NamedTuple):
    """The folders that are searched."""

    sources: Path
    build: Path


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Return the places of a machine without Linux source."""
    monkeypatch.delenv(VARIABLE, raising=False)
    for folder in ("src", "modules"):
        (tmp_path / folder).mkdir()
    return Places(tmp_path / "src", tmp_path / "modules" / "build")


@pytest.fixture
def everything(machine, kernel_tree, kernel_tar):
    """Return the places of a machine with Linux source in every place."""
    for name in ("linux-source-6.1.tar.xz", "linux-source-6.12.tar.xz", "linux-source-6.9.tar.xz"):
        (machine.sources / name).write_bytes(kernel_tar)
    for name in ("linux-6.9", "linux-6.12.48"):
        shutil.copytree(kernel_tree, machine.sources / name)
    shutil.copytree(kernel_tree / "include", machine.sources / "linux-headers-6.13-common" / "include")
    machine.build.symlink_to(shutil.copytree(kernel_tree, machine.build.parent / "tree"))
    return machine


def found(places):
    source = find_source(*places)
    return source.path if isinstance(source, Archive) else source.root


def test_places_are_searched_in_order(everything):
    expected = [
        everything.sources / "linux-source-6.12.tar.xz",
        everything.sources / "linux-source-6.9.tar.xz",
        everything.sources / "linux-source-6.1.tar.xz",
        everything.sources / "linux-6.12.48",
        everything.sources / "linux-6.9",
        everything.build,
    ]

    for path in expected:
        assert found(everything) == path
        if path.is_symlink() or path.is_file():
            path.unlink()
        else:
            shutil.rmtree(path)
    assert find_source(*everything) is INCLUDED


def test_environment_variable_has_precedence(everything, kernel_tree, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(kernel_tree))

    assert found(everything) == kernel_tree


def test_missing_path_in_the_environment_variable_is_an_error(everything, tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "gone"))

    with pytest.raises(DataError, match=r"SEQFORGE_LINUX_SOURCE: .*gone does not exist"):
        find_source(*everything)


def test_a_part_of_linux_comes_with_the_plugin():
    described = INCLUDED.describe()

    assert "No Linux source is installed" in described
    assert "apt-get install linux-source" in described
    with tarfile.open(INCLUDED.path) as archive:
        names = [member.name for member in archive if member.isfile()]
    assert "linux-6.12/COPYING" in names
    assert "linux-6.12/LICENSES/preferred/GPL-2.0" in names


@pytest.mark.parametrize("name", ["linux-source-6.8.0.tar.bz2"])
def test_archive_of_ubuntu_is_found(machine, kernel_tar, name):
    (machine.sources / name).write_bytes(kernel_tar)

    assert found(machine) == machine.sources / name


def test_type_of_the_source_depends_on_the_path(kernel_tree, kernel_archive):
    assert open_source(kernel_tree) == Tree(kernel_tree)
    assert open_source(kernel_archive) == Archive(kernel_archive)


def test_missing_path_is_an_error(tmp_path):
    with pytest.raises(DataError, match="gone does not exist") as caught:
        open_source(tmp_path / "gone")
    assert '"auto"' in caught.value.hint

    (tmp_path / "dangling").symlink_to("gone")
    with pytest.raises(DataError, match="does not exist"):
        open_source(tmp_path / "dangling")


def test_device_is_an_error():
    with pytest.raises(DataError, match="neither a file nor a folder"):
        open_source(Path("/dev/zero"))
