"""Callbacks: objects and plugins that receive the events of a run. Their exceptions do not end the run."""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pluggy

from seqforge.errors import ExperimentError, did_you_mean, warn
from seqforge.events import DocumentsEncoded, Evaluated, RunFinished, RunStarted, Sampled, StepFinished, WorkProgressed

_EVENTS: dict[type[object], str] = {
    DocumentsEncoded: "documents_encoded",
    RunStarted: "run_started",
    StepFinished: "step_finished",
    WorkProgressed: "work_progressed",
    Evaluated: "evaluated",
    Sampled: "sampled",
    RunFinished: "run_finished",
}
"""The name of every event: a callback receives it in `on_NAME`, a plugin in the hook `seqforge_NAME`."""


class Callback:
    """An optional base class of callbacks, whose methods do nothing.

    A callback is any object that has some of these methods. They run inside the training loop, so they must return
    quickly. If one raises an exception, seqforge prints one line and does not call the callback again; training
    continues.
    """

    def on_documents_encoded(self, event: DocumentsEncoded) -> None:
        """Receive the progress of encoding the corpus, a few times per second."""

    def on_run_started(self, event: RunStarted) -> None:
        """Receive the start of a run that is new or resumed."""

    def on_step_finished(self, event: StepFinished) -> None:
        """Receive every optimizer step."""

    def on_work_progressed(self, event: WorkProgressed) -> None:
        """Receive the progress of work between two steps: evaluating, sampling, saving."""

    def on_evaluated(self, event: Evaluated) -> None:
        """Receive every evaluation of the validation split."""

    def on_sampled(self, event: Sampled) -> None:
        """Receive every set of samples."""

    def on_run_finished(self, event: RunFinished) -> None:
        """Receive the end of a run, which is complete, interrupted or failed."""


@dataclass(frozen=True, slots=True)
class _Listener:
    description: str
    methods: dict[type[object], Callable[[Any], object]]


class Callbacks:
    """Passes events to plugins and callbacks, and drops those that raise an exception.

    Args:
        hooks: Plugins, whose hooks are called before the callbacks.
        callbacks: Objects with some of the methods of `Callback`.

    Raises:
        ExperimentError: If an object has no such method, or a method `on_…` that no event calls.
    """

    def __init__(self, hooks: pluggy.PluginManager, callbacks: Sequence[object] = ()) -> None:
        self._listeners = [*_plugin_listeners(hooks), *map(_listener, callbacks)]

    def notify(self, event: object) -> None:
        """Pass an event to every listener."""
        for listener in list(self._listeners):
            method = listener.methods.get(type(event))
            if method is None:
                continue
            try:
                method(event)
            # rich raises SystemExit when the terminal is closed.
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a callback must not end a run
                self._listeners.remove(listener)
                warn(
                    f"{listener.description} failed in {getattr(method, '__name__', method)!s} and is not called "
                    f"again: {type(error).__name__}: {error}"
                )


def _plugin_listeners(hooks: pluggy.PluginManager) -> Iterator[_Listener]:
    for plugin_name, plugin in hooks.list_name_plugin():
        callers = hooks.get_hookcallers(plugin) or []
        methods = {
            event: implementation.function if implementation.argnames else _accept_event(implementation.function)
            for event, name in _EVENTS.items()
            for caller in callers
            if caller.name == f"seqforge_{name}"
            for implementation in caller.get_hookimpls()
            if implementation.plugin is plugin
        }
        if methods:
            yield _Listener(f"the plugin {plugin_name!r}", methods)


def _accept_event(function: Callable[[], object]) -> Callable[[object], object]:
    """Return a function that ignores its argument. A hook of pluggy may leave out arguments that it does not need."""

    @functools.wraps(function)
    def call(event: object) -> object:
        return function()

    return call


def _listener(callback: object) -> _Listener:
    if isinstance(callback, type):
        raise ExperimentError(
            f"callback {callback.__name__}: a class, not an object", hint=f"Pass an object: {callback.__name__}()."
        )
    name = type(callback).__name__
    known = {f"on_{event}" for event in _EVENTS.values()}
    own = {attribute for attribute in dir(callback) if attribute.startswith("on_")}
    for attribute in sorted(own - known):
        raise ExperimentError(f"callback {name}: no event calls {attribute}", hint=did_you_mean(attribute, known))
    if not own:
        raise ExperimentError(
            f"callback {name}: has none of the methods of a callback", hint=f"Define one of {', '.join(sorted(known))}."
        )
    methods = {event: getattr(callback, f"on_{name}") for event, name in _EVENTS.items() if f"on_{name}" in own}
    return _Listener(f"the callback {name}", methods)
