"""A suite's table of what its checks run on."""

import pytest


def run_on_each(suite: object, metafunc: pytest.Metafunc, table: str, argument: str, example: str) -> None:
    """Run a check on everything in the table that a subclass of a suite names.

    Args:
        suite: Of which a check is being collected.
        metafunc: The check.
        table: The attribute that holds functions by name.
        argument: What a check that runs on each calls its function.
        example: What a table could hold, for the message.

    Raises:
        UsageError: Where the subclass names none.
    """
    functions = getattr(suite, table, {})
    if not functions:
        raise pytest.UsageError(f"{type(suite).__name__} must name its {table}: {table} = {{'plain': {example}}}")
    if argument in metafunc.fixturenames:
        metafunc.parametrize(argument, list(functions.values()), ids=list(functions))
