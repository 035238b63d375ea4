"""`seqforge doctor`."""

import json
from dataclasses import asdict
from typing import Annotated, Any, cast

import typer

from seqforge.cli.terminal import print_error, stdout
from seqforge.registry import Registry


def doctor(
    context: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False
) -> None:
    """Say which fast paths this machine has, why, and what to do about those it has not.

    Looks at the processor's instruction sets, torch's build, threads and cores, GPU and compiler; plugins add what
    they know, such as which kernels were built.
    """
    from seqforge.hardware.machine import diagnose_machine
    from seqforge.interfaces import Diagnosis

    registry: Registry = context.obj
    found = diagnose_machine()
    for implementation in registry.new_hooks().hook.seqforge_diagnose.get_hookimpls():
        try:
            said = cast("list[Any]", implementation.function())
            if not all(isinstance(one, Diagnosis) for one in said):
                raise TypeError("it gave what is no Diagnosis")
            found.extend(said)
        except Exception as error:  # noqa: BLE001 - one plugin's trouble must not hide what others say
            reason = f"{type(error).__name__}: {error}"
            print_error(f"the plugin {implementation.plugin_name!r} could not look: {reason}", kind="warning")
    if as_json:
        typer.echo(json.dumps([asdict(diagnosis) for diagnosis in found], indent=2))
        return
    width = max(len(diagnosis.subject) for diagnosis in found)
    for diagnosis in found:
        stdout().print("!" if diagnosis.advice else "✓", style="yellow" if diagnosis.advice else "green", end=" ")
        stdout().print(f"{diagnosis.subject:<{width}}  {diagnosis.finding}", soft_wrap=True, markup=False)
        if diagnosis.advice:
            stdout().print(f"  {'':<{width}}  {diagnosis.advice}", style="yellow", soft_wrap=True, markup=False)
