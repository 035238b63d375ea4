"""Builds the kernels; without a compiler, installs none.

They are built for this processor, and for AVX2, which others that share the folder have; on ARM, for NEON. With
SEQFORGE_KERNELS=all, they are built for every instruction set: for tests, and for a wheel for other machines.
"""

import copy
import os
import runpy
import sysconfig
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.modified import newer_group

# The flags of Python may ask for debug information, with which the kernels take ten times the space.
FLAGS = ["-std=c++20", "-O2", "-g0", "-fopenmp", "-fvisibility=default"]
FOLDER = Path("seqforge_native")
BUILD = runpy.run_path(str(FOLDER / "kernel_build.py"))
NEEDS = BUILD["SYSTEMS"].get(sysconfig.get_platform(), {})


def sets_of_this_processor() -> set[str]:
    """Return the best instruction set of this processor, and the one that needs least."""
    features = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    *_, least = NEEDS
    return {next((name for name, needs in NEEDS.items() if needs <= features), least), least}


class BuildSets(build_ext):
    """Builds the instruction sets at the same time.

    They share a source, so the object files of each set need a folder of their own.
    """

    def finalize_options(self) -> None:
        """Choose the number of compilers that run at the same time."""
        super().finalize_options()
        self.parallel = os.cpu_count()

    def run(self) -> None:
        """Build the sets that are needed; in place, only if a source has changed. For pip, remove old kernels first."""
        if NEEDS and os.environ.get("SEQFORGE_KERNELS") != "all":
            needed = {f"{FOLDER}._{name}" for name in sets_of_this_processor()}
            self.extensions = [extension for extension in self.extensions if extension.name in needed]
        paths = {extension.name: Path(self.get_ext_fullpath(extension.name)).resolve() for extension in self.extensions}
        current = {
            paths[extension.name]
            for extension in self.extensions
            if self.inplace and not newer_group([*extension.sources, *extension.depends], paths[extension.name])
        }
        self.extensions = [extension for extension in self.extensions if paths[extension.name] not in current]
        for library in FOLDER.resolve().glob("_*.so") if self.editable_mode else ():
            if library not in current:
                library.unlink()
        super().run()

    def build_extension(self, ext: Extension) -> None:
        """Build one set."""
        command = copy.copy(self)
        command.build_temp = f"{self.build_temp}/{ext.name}"
        super(BuildSets, command).build_extension(ext)


extensions = [
    Extension(
        f"{FOLDER}._{name}",
        sources=[f"{FOLDER}/kernels/library.cpp"],
        depends=["setup.py", f"{FOLDER}/kernel_build.py", *map(str, sorted((FOLDER / "kernels").glob("*.hpp")))],
        define_macros=[("SEQFORGE_SOURCES", str(BUILD["digest_sources"]()))],
        extra_compile_args=[*FLAGS, *BUILD["compiler_flags"](name)],
        extra_link_args=["-fopenmp"],
        py_limited_api=True,  # They use nothing of Python. The name of the file then suits every version of it.
        optional=True,
    )
    for name in NEEDS
]
setup(ext_modules=extensions, cmdclass={"build_ext": BuildSets})
