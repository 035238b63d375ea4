"""Modules that must be imported before the tests of this folder.

`pytester` removes the modules that a run inside a test imports. Some modules of numpy cannot be imported twice in one
process, and the classes of a module that is imported twice are different. A module that is imported here, before all
such runs, is not removed.
"""

import numpy.fft  # noqa: F401

from seqforge.registry.registry import Registry

REGISTRY = Registry.installed()
for plugin in REGISTRY.plugins:
    if plugin.name == "essentials":
        for registration in plugin.registrations:
            REGISTRY.load(registration)
