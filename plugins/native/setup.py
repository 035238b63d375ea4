"""Builds the kernels for every instruction set that the compiler supports; without a compiler, installs no kernels."""

import copy
import os
import platform
import runpy

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

# The flags of Python may ask for debug information, with which the kernels take ten times the space.
FLAGS = ["-std=c++20", "-O3", "-g0", "-fopenmp", "-fvisibility=default"]


class BuildSets(build_ext):
    """Builds the instruction sets at the same time.

    They share a source, so the object files of each set need a folder of their own.
    """

    def finalize_options(self) -> None:
        """Choose the number of compilers that run at the same time."""
        super().finalize_options()
        self.parallel = os.cpu_count()

    def build_extension(self, ext: Extension) -> None:
        """Build one set."""
        command = copy.copy(self)
        command.build_temp = f"{self.build_temp}/{ext.name}"
        super(BuildSets, command).build_extension(ext)


build = runpy.run_path("seqforge_native/kernel_build.py")
extensions = [
    Extension(
        f"seqforge_native._{name}",
        sources=["seqforge_native/kernels/library.cpp"],
        depends=[f"seqforge_native/kernels/{header.name}" for header in sorted(build["KERNELS"].glob("*.hpp"))],
        define_macros=[("SEQFORGE_SOURCES", str(build["digest_sources"]()))],
        extra_compile_args=[*FLAGS, *build["compiler_flags"](name)],
        extra_link_args=["-fopenmp"],
        optional=True,
    )
    for name in build["NEEDS"]
    if platform.machine() in ("x86_64", "AMD64") and platform.system() == "Linux"
]
setup(ext_modules=extensions, cmdclass={"build_ext": BuildSets})
