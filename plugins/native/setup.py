"""Builds the kernels for every instruction set that the compiler supports; without a compiler, installs no kernels."""

import platform
import runpy

from setuptools import Extension, setup

build = runpy.run_path("seqforge_native/kernel_build.py")
extensions = [
    Extension(
        f"seqforge_native._{name}",
        sources=["seqforge_native/kernels/library.cpp"],
        depends=[f"seqforge_native/kernels/{header.name}" for header in sorted(build["KERNELS"].glob("*.hpp"))],
        define_macros=[("SEQFORGE_SOURCES", str(build["digest_sources"]()))],
        extra_compile_args=["-std=c++20", "-O3", "-fopenmp", "-fvisibility=default", *build["compiler_flags"](name)],
        extra_link_args=["-fopenmp"],
        optional=True,
    )
    for name in build["NEEDS"]
    if platform.machine() in ("x86_64", "AMD64") and platform.system() == "Linux"
]
setup(ext_modules=extensions)
