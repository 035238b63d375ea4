"""Metrics and a corpus for the structure of C. Importing this module does not import torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqforge.registry import Register, hookimpl

if TYPE_CHECKING:
    import typer

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    """Register the name and the location of every component."""
    register.add("corpus", "c-characters", "seqforge_code_structure.labels:LabelledCharacters")

    register.add("metric", "brackets", "seqforge_code_structure.metrics:Brackets")
    register.add("metric", "terminators", "seqforge_code_structure.metrics:Terminators")
    register.add("metric", "indentation", "seqforge_code_structure.metrics:Indentation")
    register.add("metric", "compiles-declared", "seqforge_code_structure.compiler_metrics:CompilesDeclared")
    register.add("metric", "identifiers", "seqforge_code_structure.metrics:Identifiers")


@hookimpl
def seqforge_add_commands(commands: typer.Typer) -> None:
    """Add the commands, which import torch only when they run."""
    from seqforge_code_structure.commands import c_structure
    from seqforge_code_structure.lexicon_command import c_lexicon

    commands.command()(c_structure)
    commands.command()(c_lexicon)
