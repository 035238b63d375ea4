"""Imports that every test in this folder needs."""

# pytester drops the modules that an inner run imports. Some modules of numpy cannot be imported twice in one process,
# so later imports would fail. Modules that are imported here are not dropped.
import numpy.fft  # noqa: F401
