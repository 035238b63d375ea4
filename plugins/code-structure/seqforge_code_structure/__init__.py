"""The structure of C that a model wrote, measured. This module names the components; importing it imports no torch."""

SEQFORGE_API = 1
