"""Usage: how the help shows flags, and what a message about a wrong option proposes."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from seqforge.cli.terminal import print_error
from seqforge.errors import nearest


class Command(TyperCommand):
    """A command whose help shows no type for a flag."""

    def get_params(self, ctx: Any) -> Any:
        """Return the parameters, with those of the help."""
        return _without_types_of_flags(super().get_params(ctx))


class Group(TyperGroup):
    """A group of commands whose help shows no type for a flag."""

    def get_params(self, ctx: Any) -> Any:
        """Return the parameters, with those of the help."""
        return _without_types_of_flags(super().get_params(ctx))


def _without_types_of_flags(parameters: Sequence[Any]) -> Sequence[Any]:
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return parameters


def report_usage(error: typer.TyperException) -> None:
    """Print a mistake in a command line, with the nearest option or the key of the experiment that it may mean.

    Args:
        error: The mistake. Its message is empty if the help was printed instead.
    """
    context: Any = getattr(error, "ctx", None)
    message = re.sub("Value error, |Input (?=should)|, unable to parse .*", "", error.format_message()).rstrip(".")
    if not message:
        return
    hints: list[str] = []
    if context is not None:
        if option := re.match(r"No such option: (--[\w-]+)", message):
            message, hints = option[0], list(_propose(option[1], context))
        hints.append(f"See {context.command_path} --help.")
    print_error(message, hint=" ".join(hints) or None)


def _propose(option: str, context: Any) -> Iterator[str]:
    """Yield what an unknown option may mean: a key of the experiment, or the nearest option."""
    names = [name for parameter in context.command.params for name in parameter.opts if name.startswith("--")]
    if "--set" in names:
        from seqforge.experiment.experiment import Experiment

        key = option.removeprefix("--").replace("-", "_")
        for table, field in Experiment.model_fields.items():
            if key in getattr(field.annotation, "model_fields", {}):
                yield f"To set this key of the experiment: --set {field.alias or table}.{key}=…."
                return
    if match := nearest(option, names):
        yield f"Did you mean {match}?"
