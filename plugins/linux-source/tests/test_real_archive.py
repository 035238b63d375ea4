"""Debian's linux-source-6.12, if the machine has it: counts, sizes and byte values."""

import re
from collections import defaultdict
from contextlib import closing
from itertools import islice

import pytest
from seqforge_linux_source.corpus import INCLUDED, LinuxSource
from seqforge_linux_source.source import Archive, Selection

INCLUDED_FILES = Selection(["kernel/**", "include/uapi/linux/**"], [], [".c", ".h"])


@pytest.fixture(scope="module")
def census(real_archive):
    """Return the number and the size of files by folder and suffix, bytes of `kernel/`, and the files of `INCLUDED`."""
    counted = defaultdict(lambda: [0, 0])
    values: set[int] = set()
    included: list[tuple[str, bytes]] = []
    version = ""
    for name, content in Archive(real_archive).files(Selection(["**"], [], [".c", ".h", "Makefile"])):
        if name == "Makefile":
            version = ".".join(re.findall(r"^(?:VERSION|PATCHLEVEL|SUBLEVEL) = (\d+)$", content.decode(), re.MULTILINE))
        if not name.endswith("Makefile"):
            places = ["", name.partition("/")[0]]
            if name.startswith("drivers/gpu/drm/amd/include/asic_reg/"):
                places.append("asic_reg")
            for place in places:
                counted[place, name[-2:]][0] += 1
                counted[place, name[-2:]][1] += len(content)
            counted["empty", name[-2:]][0] += not content
            if name.startswith("kernel/"):
                values.update(content)
            if INCLUDED_FILES.accepts(name):
                included.append((name, content))
    if version != "6.12.118":
        pytest.skip(f"{real_archive} is Linux {version}, but the expected values are those of Debian's 6.12.118")
    return counted, values, included


def test_counts_of_all_files(census):
    counted, _, _ = census

    assert counted["", ".c"] == [34_659, 679_953_909]
    assert counted["", ".h"] == [25_273, 656_538_410]
    assert (counted["empty", ".c"][0], counted["empty", ".h"][0]) == (0, 19)


def test_counts_of_the_folder_kernel(census):
    counted, values, _ = census

    assert counted["kernel", ".c"][0] == 435
    assert counted["kernel", ".h"][0] == 98
    assert counted["kernel", ".c"][1] + counted["kernel", ".h"][1] == 13_491_892
    assert len(values) == 107


def test_counts_without_the_generated_registers(census):
    counted, _, _ = census

    assert counted["asic_reg", ".c"] == [0, 0]
    assert counted["", ".h"][0] - counted["asic_reg", ".h"][0] == 24_821
    assert counted["", ".c"][1] + counted["", ".h"][1] - counted["asic_reg", ".h"][1] == 862_593_027


def test_documents_of_one_folder(real_archive):
    # The first hundred documents suffice, so that most of the archive is not read again.
    with closing(LinuxSource(source=real_archive, include=("arch/alpha/**",)).documents()) as documents:
        names = [document.name for document in islice(documents, 100) if document.content.decode()]

    assert len(set(names)) == 100
    assert all(name.startswith("arch/alpha/") for name in names)


def test_the_part_that_comes_with_the_plugin_is_that_of_debian(census):
    _, _, included = census

    assert sorted(INCLUDED.files(INCLUDED_FILES)) == sorted(included)
