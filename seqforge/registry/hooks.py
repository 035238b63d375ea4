"""Hook specifications of pluggy: the functions that a plugin may implement."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

from seqforge.registry.register import Register

if TYPE_CHECKING:
    import typer

    from seqforge.events import (
        DocumentsEncoded,
        Evaluated,
        RunFinished,
        RunStarted,
        Sampled,
        StepFinished,
        WorkProgressed,
    )
    from seqforge.interfaces.diagnosis import Diagnosis

API_VERSION = 1
"""Version that a plugin states as `SEQFORGE_API`. It rises when a hook or an interface changes incompatibly."""

hookspec = pluggy.HookspecMarker("seqforge")
hookimpl = pluggy.HookimplMarker("seqforge")


class PluginHooks:
    """Hooks of a plugin. The entry module implements those it needs as functions marked `@hookimpl`."""

    @hookspec
    def seqforge_register(self, register: Register) -> None:
        """Register the components of the plugin."""

    @hookspec
    def seqforge_add_commands(self, commands: typer.Typer) -> None:
        """Add commands to the typer application `seqforge`. Import large modules inside a command."""

    @hookspec
    def seqforge_diagnose(self) -> list[Diagnosis]:
        """Return what the plugin finds on this machine, for `seqforge doctor`. Import large modules inside.

        Returns:
            One diagnosis for each thing examined.
        """
        return []

    @hookspec
    def seqforge_documents_encoded(self, event: DocumentsEncoded) -> None:
        """Receive the progress of encoding a corpus, a few times a second."""

    @hookspec
    def seqforge_run_started(self, event: RunStarted) -> None:
        """Receive the start of a run, new or resumed."""

    @hookspec
    def seqforge_step_finished(self, event: StepFinished) -> None:
        """Receive an optimizer step. It must return quickly."""

    @hookspec
    def seqforge_work_progressed(self, event: WorkProgressed) -> None:
        """Receive the progress of work between two steps: evaluating, sampling, saving."""

    @hookspec
    def seqforge_evaluated(self, event: Evaluated) -> None:
        """Receive an evaluation of the validation split."""

    @hookspec
    def seqforge_sampled(self, event: Sampled) -> None:
        """Receive samples."""

    @hookspec
    def seqforge_run_finished(self, event: RunFinished) -> None:
        """Receive the end of a run."""


def new_plugin_manager() -> pluggy.PluginManager:
    """Return a pluggy manager with the hook specifications of seqforge and without plugins."""
    manager = pluggy.PluginManager("seqforge")
    manager.add_hookspecs(PluginHooks)
    return manager
