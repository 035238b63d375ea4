"""Options of the build of the kernels: instruction sets, flags of the compiler, and sources.

`setup.py` runs this file before anything is installed, so it imports the standard library only.
"""

import hashlib
from functools import cache
from pathlib import Path

KERNELS = Path(__file__).parent / "kernels"
"""Folder of the C++ sources."""

_AVX512 = {"avx512f", "avx512bw", "avx512dq", "avx512vl", "fma"}

_X86 = {
    "amx": {*_AVX512, "avx512_vnni", "avx512_bf16", "amx_tile", "amx_bf16", "amx_int8"},
    "avx512_bf16": {*_AVX512, "avx512_vnni", "avx512_bf16"},
    "avx512_vnni": {*_AVX512, "avx512_vnni"},
    "avx512": _AVX512,
    "avx2": {"avx2", "fma"},
}
_ARM = {"neon": {"asimd"}}

SYSTEMS = {"linux-x86_64": _X86, "linux-aarch64": _ARM}
"""Instruction sets that kernels are built for on each system, the best first, as in `NEEDS`."""

NEEDS = _X86 | _ARM
"""Instruction sets that kernels are built for, each with the processor features that it needs, as Linux calls them."""


def compiler_flags(instruction_set: str) -> list[str]:
    """Return the flags of GCC and Clang, such as -mavx512bf16 for `avx512_bf16` and -mamx-bf16 for `amx_bf16`.

    NEON needs none.
    """
    needs = sorted(_X86.get(instruction_set, ()))
    return [f"-m{need.replace('_', '-' if need.startswith('amx') else '')}" for need in needs]


@cache
def digest_sources() -> int:
    """Return a number that changes if a source of the kernels changes.

    Kernels contain the number of the sources that they were built from. Python must not call those of other sources,
    which may read the memory that it passes in another layout.
    """
    digest = hashlib.blake2b(digest_size=7)  # fits in a signed integer of 64 bits
    for source in sorted(KERNELS.iterdir()):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return int.from_bytes(digest.digest(), "little")
