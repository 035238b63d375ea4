"""Modules that must be imported before the tests of this folder."""

# `pytester` removes the modules that a run inside a test imports. Some modules of numpy cannot be imported twice in one
# process. A module that is imported here, before all such runs, is not removed.
import numpy.fft  # noqa: F401
