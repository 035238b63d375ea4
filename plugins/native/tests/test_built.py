"""The kernels that were built, since an installation skips those that do not compile, and those that are used."""

import shutil
import sysconfig
from pathlib import Path

import pytest
from seqforge_native import kernel_build, library
from seqforge_native.kernel_build import NEEDS, SYSTEMS, compiler_flags
from seqforge_native.library import built_library, runnable_instruction_sets, runnable_libraries

from seqforge.hardware import instruction_sets

OWN_SETS = SYSTEMS.get(sysconfig.get_platform(), {})

needs_compiler = pytest.mark.skipif(not any(map(shutil.which, ("c++", "g++"))), reason="no C++ compiler")


@needs_compiler
def test_every_instruction_set_has_kernels() -> None:
    assert all(built_library(name) for name in OWN_SETS), "build them all: make .venv/installed-for-tests"
    assert [kernels.name for kernels in runnable_libraries()] == runnable_instruction_sets()


@needs_compiler
def test_kernels_of_other_sources_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "digest_sources", lambda: 1)
    assert runnable_libraries() == []
    assert "built from other sources" in library.missing_kernels()


def test_the_digest_fits_in_a_number_of_64_bits_and_follows_the_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = kernel_build.digest_sources.__wrapped__
    monkeypatch.setattr(kernel_build, "KERNELS", tmp_path)
    (tmp_path / "decode.hpp").write_text("int depth;")
    before = digest()
    (tmp_path / "decode.hpp").write_text("long depth;")
    assert 0 < digest() < 2**63
    assert digest() != before


def test_an_arm_processor_has_kernels_of_neon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "instruction_sets", lambda: frozenset({"fp", "asimd", "sve", "bf16"}))
    assert runnable_instruction_sets() == [*SYSTEMS["linux-aarch64"]] == ["neon"]
    assert compiler_flags("neon") == []


@needs_compiler
@pytest.mark.skipif("amx" not in OWN_SETS, reason="this processor is not an x86")
@pytest.mark.parametrize(("allowed", "best"), [(True, "amx"), (False, "avx512_bf16")])
def test_amx_is_used_if_the_system_allows_it(allowed: bool, best: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "instruction_sets", lambda: frozenset(NEEDS["amx"]))
    monkeypatch.setattr(library, "tiles_are_allowed", lambda: allowed)
    assert runnable_instruction_sets()[0] == best
    assert runnable_libraries()[0].name == best  # loading a library executes none of its instructions


@pytest.mark.skipif("amx_tile" in instruction_sets(), reason="this processor has AMX")
def test_the_system_allows_no_tiles_to_a_processor_without_them() -> None:
    assert not library.tiles_are_allowed()
