"""The kernels of this processor were built: the installation skips kernels that do not compile, without an error."""

import shutil

import pytest
from seqforge_native.library import NEEDS, runnable_libraries

from seqforge.hardware import instruction_sets


@pytest.mark.skipif(not any(map(shutil.which, ("c++", "g++"))), reason="no C++ compiler")
def test_every_instruction_set_of_this_processor_has_kernels() -> None:
    assert [library.name for library in runnable_libraries()] == [
        name for name, needs in NEEDS.items() if needs <= instruction_sets()
    ]
