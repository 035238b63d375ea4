"""Telling plugins what happens, without letting them break the run."""

from typing import Any

import pluggy

from seqforge.errors import warn


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
            # SystemExit too: rich raises it where the terminal is gone.
            except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a watcher does wrong, the run goes on
                self._manager.unregister(implementation.plugin)
                warn(
                    f"the plugin {implementation.plugin_name!r} failed in {hook} and is left out from here on: "
                    f"{type(error).__name__}: {error}"
                )
