"""Hook specifications of pluggy: the functions that a plugin may implement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

from seqforge.registry.register import Register

if TYPE_CHECKING:
    import typer

    from seqforge.kinds.diagnosis import Diagnosis

API_VERSION = 1
"""Version of the hooks and interfaces, named in a plugin as `SEQFORGE_API`. Every incompatible change increases it."""

hookspec = pluggy.HookspecMarker("seqforge")
hookimpl = pluggy.HookimplMarker("seqforge")


class PluginHooks:
    """Hooks of a plugin. Its entry module implements the hooks that it needs as functions marked `@hookimpl`."""

    @hookspec
    def seqforge_register(self, register: Register) -> None:
        """Register the components of the plugin."""

    @hookspec
    def seqforge_add_commands(self, commands: typer.Typer) -> None:
        """Add commands to the typer application `seqforge`.

        Import large modules inside a command, so that the other commands start quickly.
        """

    @hookspec
    def seqforge_diagnose(self) -> list[Diagnosis]:
        """Diagnose this machine for `seqforge doctor`. Import large modules inside this function.

        Returns:
            One diagnosis for each subject, such as a compiler.
        """
        return []

    @hookspec
    def seqforge_callbacks(self) -> list[object]:
        """Return callbacks that observe every run: objects with some of the methods of `seqforge.Callback`."""
        return []


def new_plugin_manager() -> pluggy.PluginManager:
    """Return a pluggy manager with the hook specifications of seqforge and without plugins."""
    manager = pluggy.PluginManager("seqforge")
    manager.add_hookspecs(PluginHooks)
    return manager
