"""Run a test that takes `kernels` with each library that this processor can run, and with AMX on emulated tiles."""

import hashlib
import subprocess
import tempfile
from pathlib import Path

import pytest
from filelock import FileLock
from seqforge_native.inductor import find_compiler
from seqforge_native.kernel_build import KERNELS, compiler_flags, digest_sources
from seqforge_native.library import Library, load_library, runnable_instruction_sets, runnable_libraries

EMULATION = Path(__file__).parent / "emulation"
BUILT = {library.name: library for library in runnable_libraries()}
RUNNABLE = runnable_instruction_sets()
EMULATED = "emulated amx"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kernels" in metafunc.fixturenames:
        metafunc.parametrize("kernels", [*BUILT, EMULATED], indirect=True)


@pytest.fixture
def kernels(request: pytest.FixtureRequest) -> Library:
    if request.param != EMULATED:
        return BUILT[request.param]
    return request.getfixturevalue("emulated_tiles" if "avx512_bf16" in RUNNABLE else "emulated_processor")


@pytest.fixture(scope="session")
def emulated_tiles(pytestconfig: pytest.Config) -> Library:
    """Kernels in which only the tiles are emulated."""
    return compile_kernels(pytestconfig, "avx512_bf16", "-DSEQFORGE_EMULATED_TILES")


@pytest.fixture(scope="session")
def emulated_processor(pytestconfig: pytest.Config) -> Library:
    """Kernels in which AVX-512 is emulated as well."""
    return compile_kernels(pytestconfig, "avx2", "-DSEQFORGE_EMULATED_TILES", "-include", "emulated_avx512.hpp")


@pytest.fixture(scope="session")
def real_tiles(pytestconfig: pytest.Config) -> Library:
    return compile_kernels(pytestconfig, "amx")


def compile_kernels(config: pytest.Config, instruction_set: str, *flags: str) -> Library:
    """Compile kernels whose bits can be compared, without fused operations of the compiler's choice and estimates.

    With -Og, they take half of the time of -O1 to compile, and as long to run. pytest's cache keeps them for the next
    run, and for the other processes of this one.
    """
    compiler = find_compiler()
    if instruction_set not in RUNNABLE or compiler is None:
        pytest.skip(f"no C++ compiler, or a processor without {instruction_set}")
    command = [compiler, "-std=c++20", "-Og", "-ffp-contract=off", "-fopenmp", "-fPIC", "-shared", "-Wno-psabi"]
    command += [*compiler_flags(instruction_set), f"-I{EMULATION}", "-DSEQFORGE_SOURCES=0", *flags]
    command += ["-include", "exact_reciprocal.hpp"]
    digest = hashlib.blake2b(repr((command, digest_sources())).encode(), digest_size=16)
    for source in sorted(EMULATION.iterdir()):
        digest.update(source.read_bytes())
    cache = config.cache
    assert cache is not None
    path = cache.mkdir("kernels") / f"{digest.hexdigest()}.so"
    with FileLock(path.with_suffix(".lock")):
        if not path.is_file():
            with tempfile.TemporaryDirectory(dir=path.parent) as folder:
                built = Path(folder) / "kernels.so"
                subprocess.run([*command, "-o", built, KERNELS / "library.cpp"], check=True)
                built.rename(path)
    library = load_library("amx", path)
    assert library is not None
    return library
