"""The hooks a plugin may implement, in pluggy's terms."""

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
"""What a plugin states as `SEQFORGE_API`; raised when a hook or an interface changes incompatibly."""

hookspec = pluggy.HookspecMarker("seqforge")
hookimpl = pluggy.HookimplMarker("seqforge")


class PluginHooks:
    """What a plugin's entry module may implement, each as a function marked `@hookimpl`."""

    @hookspec
    def seqforge_register(self, register: Register) -> None:
        """Name the plugin's components.

        Args:
            register: Takes a name and an import path for each.
        """

    @hookspec
    def seqforge_add_commands(self, commands: typer.Typer) -> None:
        """Add commands to `seqforge`.

        Args:
            commands: The application; import what is heavy inside the command.
        """

    @hookspec
    def seqforge_diagnose(self) -> list[Diagnosis]:
        """Say for `seqforge doctor` how the plugin finds this machine; import what is heavy inside.

        Returns:
            What was looked at, and what was found.
        """
        return []

    @hookspec
    def seqforge_documents_encoded(self, event: DocumentsEncoded) -> None:
        """Watch a corpus being turned into tokens; called a few times a second.

        Args:
            event: How much is done.
        """

    @hookspec
    def seqforge_run_started(self, event: RunStarted) -> None:
        """Be told that a run starts or is resumed.

        Args:
            event: Which run.
        """

    @hookspec
    def seqforge_step_finished(self, event: StepFinished) -> None:
        """Be told of every optimizer step; must be quick.

        Args:
            event: Its figures.
        """

    @hookspec
    def seqforge_work_progressed(self, event: WorkProgressed) -> None:
        """Receive the progress of work between two steps: evaluating, sampling, saving.

        Args:
            event: The work, and how much of it is finished.
        """

    @hookspec
    def seqforge_evaluated(self, event: Evaluated) -> None:
        """Be told of an evaluation.

        Args:
            event: Its figures.
        """

    @hookspec
    def seqforge_sampled(self, event: Sampled) -> None:
        """Be told of samples.

        Args:
            event: The samples and their scores.
        """

    @hookspec
    def seqforge_run_finished(self, event: RunFinished) -> None:
        """Be told that a run ends.

        Args:
            event: How it ended.
        """


def new_plugin_manager() -> pluggy.PluginManager:
    """Make a pluggy manager that knows seqforge's hooks and no plugin."""
    manager = pluggy.PluginManager("seqforge")
    manager.add_hookspecs(PluginHooks)
    return manager
