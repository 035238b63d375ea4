"""Builds the kernels for every instruction set that the compiler supports; without a compiler, installs no kernels."""

import platform
from pathlib import Path

from setuptools import Extension, setup

AVX512 = ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma"]
VNNI = [*AVX512, "-mavx512vnni"]
BFLOAT16 = [*VNNI, "-mavx512bf16"]
INSTRUCTION_SETS = {
    "amx": [*BFLOAT16, "-mamx-tile", "-mamx-bf16", "-mamx-int8"],
    "avx512_bf16": BFLOAT16,
    "avx512_vnni": VNNI,
    "avx512": AVX512,
    "avx2": ["-mavx2", "-mfma"],
}

extensions = [
    Extension(
        f"seqforge_native._{name}",
        sources=["seqforge_native/kernels/library.cpp"],
        depends=[str(header) for header in sorted(Path("seqforge_native/kernels").glob("*.hpp"))],
        extra_compile_args=["-std=c++20", "-O3", "-fopenmp", "-fvisibility=default", *flags],
        extra_link_args=["-fopenmp"],
        optional=True,
    )
    for name, flags in INSTRUCTION_SETS.items()
    if platform.machine() in ("x86_64", "AMD64") and platform.system() == "Linux"
]
setup(ext_modules=extensions)
