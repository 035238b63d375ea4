"""Metrics and a corpus for the structure of C. Importing this module does not import torch."""

from typing import TYPE_CHECKING

from seqforge.registry import hookimpl

if TYPE_CHECKING:
    import typer

SEQFORGE_API = 1

COMPONENTS = {
    "corpus": {"c-characters": "seqforge_code_structure.labels:LabelledCharacters"},
    "metric": {
        "brackets": "seqforge_code_structure.metrics:Brackets",
        "terminators": "seqforge_code_structure.metrics:Terminators",
        "indentation": "seqforge_code_structure.metrics:Indentation",
        "compiles-declared": "seqforge_code_structure.metrics:CompilesDeclared",
        "identifiers": "seqforge_code_structure.metrics:Identifiers",
    },
}


@hookimpl
def seqforge_add_commands(commands: "typer.Typer") -> None:
    """Add the commands, which import torch only when they run."""
    from seqforge_code_structure.commands import c_lexicon, c_structure

    commands.command()(c_structure)
    commands.command()(c_lexicon)
