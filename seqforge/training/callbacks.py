"""Callbacks: objects and plugins that receive the events of a run. Their exceptions do not end the run."""

import re
from collections.abc import Iterator, Sequence
from typing import cast

import pluggy

from seqforge.errors import ExperimentError, did_you_mean, warn
from seqforge.events import Evaluated, RunFinished, RunStarted, Sampled, StepFinished, WorkProgressed


class Callback:
    """An optional base class of callbacks, whose methods do nothing.

    A callback is any object that has some of these methods. They run inside the training loop, so they must return
    quickly. If one raises an exception, seqforge prints one line and does not call the callback again; training
    continues.
    """

    def on_run_started(self, event: RunStarted) -> None:
        """Receive the start of a run that is new or resumed."""

    def on_step_finished(self, event: StepFinished) -> None:
        """Receive every optimizer step."""

    def on_work_progressed(self, event: WorkProgressed) -> None:
        """Receive the progress of work before and between the steps: encoding, evaluating, sampling, saving."""

    def on_evaluated(self, event: Evaluated) -> None:
        """Receive every evaluation of the validation split."""

    def on_sampled(self, event: Sampled) -> None:
        """Receive every set of samples."""

    def on_run_finished(self, event: RunFinished) -> None:
        """Receive the end of a run, which is complete, interrupted or failed."""


Listener = tuple[str, object]
"""Description of a callback for messages, and the callback."""


class Callbacks:
    """Passes events to the callbacks of plugins and of the user, and drops those that raise an exception.

    Args:
        hooks: Plugins, whose callbacks are called before the others.
        callbacks: Objects with some of the methods of `Callback`.

    Raises:
        ExperimentError: If an object has no such method, or a method `on_…` that no event calls.
    """

    def __init__(self, hooks: pluggy.PluginManager, callbacks: Sequence[object] = ()) -> None:
        own = [_listener(callback, f"the callback {type(callback).__name__}") for callback in callbacks]
        self._listeners = [*_plugin_listeners(hooks), *own]

    def notify(self, event: object) -> None:
        """Pass an event to every listener that has its method: `on_step_finished` for `StepFinished`."""
        name = f"on{re.sub('(?=[A-Z])', '_', type(event).__name__)}".lower()
        for listener in list(self._listeners):
            description, callback = listener
            try:
                if (method := getattr(callback, name, None)) is not None:
                    method(event)
            # rich raises SystemExit when the terminal is closed.
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a callback must not end a run
                self._listeners.remove(listener)
                _warn(description, name, error)


def _warn(description: str, method: str, error: BaseException) -> None:
    warn(f"{description} failed in {method} and is not called again: {type(error).__name__}: {error}")


def _plugin_listeners(hooks: pluggy.PluginManager) -> Iterator[Listener]:
    for implementation in hooks.hook.seqforge_callbacks.get_hookimpls():
        description = f"the plugin {implementation.plugin_name!r}"
        try:
            callbacks = cast("list[object]", implementation.function())
            listeners = [_listener(callback, description) for callback in callbacks]
        except Exception as error:  # noqa: BLE001 - a plugin must not prevent a run
            _warn(description, "seqforge_callbacks", error)
        else:
            yield from listeners


def _listener(callback: object, description: str) -> Listener:
    if isinstance(callback, type):
        raise ExperimentError(
            f"callback {callback.__name__}: a class, not an object", hint=f"Pass an object: {callback.__name__}()."
        )
    name = type(callback).__name__
    known = {attribute for attribute in vars(Callback) if attribute.startswith("on_")}
    own = {attribute for attribute in dir(callback) if attribute.startswith("on_")}
    for attribute in sorted(own - known):
        raise ExperimentError(f"callback {name}: no event calls {attribute}", hint=did_you_mean(attribute, known))
    if not own:
        raise ExperimentError(
            f"callback {name}: has none of the methods of a callback", hint=f"Define one of {', '.join(sorted(known))}."
        )
    return description, callback
