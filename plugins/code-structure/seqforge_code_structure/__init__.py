"""The structure of C that a model wrote, measured. This module names the components; importing it imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seqforge.registry import Register, hookimpl

if TYPE_CHECKING:
    import typer

SEQFORGE_API = 1


@hookimpl
def seqforge_register(register: Register) -> None:
    """Name the components, each with where its class is."""
    register.corpus("c-characters", "seqforge_code_structure.labelled_characters:LabelledCharacters")

    register.sampler("balanced", "seqforge_code_structure.samplers.balanced:Balanced")

    register.metric("brackets", "seqforge_code_structure.metrics.brackets:Brackets")
    register.metric("terminators", "seqforge_code_structure.metrics.terminators:Terminators")
    register.metric("indentation", "seqforge_code_structure.metrics.indentation:Indentation")
    register.metric("compiles", "seqforge_code_structure.metrics.compiles:Compiles")
    register.metric("identifiers", "seqforge_code_structure.identifiers.metric:Identifiers")


@hookimpl
def seqforge_add_commands(commands: typer.Typer) -> None:
    """Add the commands; what is heavy they import when they are called."""
    from seqforge_code_structure.commands.c_lexicon import c_lexicon
    from seqforge_code_structure.commands.c_structure import c_structure

    commands.command()(c_structure)
    commands.command()(c_lexicon)
