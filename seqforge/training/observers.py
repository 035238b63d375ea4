"""Telling plugins what happens, without letting them break the run."""

import sys
from typing import Any

import pluggy


class Observers:
    """Calls the hooks that watch a run. A plugin that raises costs one line on stderr, and is not called again.

    Args:
        manager: The plugins of this run.
    """

    def __init__(self, manager: pluggy.PluginManager) -> None:
        self._manager = manager

    def notify(self, hook: str, event: Any) -> None:
        """Tell every plugin that implements a hook.

        Args:
            hook: Its name.
            event: What is told.
        """
        caller: pluggy.HookCaller = getattr(self._manager.hook, hook)
        for implementation in reversed(caller.get_hookimpls()):
            try:
                implementation.function(event)
            except Exception as error:  # noqa: BLE001 - whatever a watcher does wrong, the run goes on
                self._manager.unregister(implementation.plugin)
                print(  # noqa: T201
                    f"seqforge: the plugin {implementation.plugin_name!r} failed in {hook} and is left out from here "
                    f"on: {type(error).__name__}: {error}",
                    file=sys.stderr,
                )
