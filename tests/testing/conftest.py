"""What every test here needs."""

# Pytest's own tests of tests forget the modules that an inner run imports. Some of numpy's cannot be imported twice in
# one process, so that whatever needs them later would fail; imported here, they are never forgotten.
import numpy.fft  # noqa: F401
