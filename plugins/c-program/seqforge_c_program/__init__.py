"""Export to a program in C. Importing this module registers a name and does not import torch."""

from seqforge.registry import Register, hookimpl

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    """Register the exporter."""
    register.add("exporter", "c", "seqforge_c_program.exporter:CProgram")
