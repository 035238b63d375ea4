"""Callbacks: the events that they receive, and errors in them."""

from pathlib import Path
from typing import Any

import pluggy
import pytest

from seqforge import Callback, train
from seqforge.errors import ExperimentError
from seqforge.kinds import StepFinished
from seqforge.registry import hookimpl
from seqforge.registry.hooks import new_plugin_manager
from seqforge.training.callbacks import Callbacks


class Recorder(Callback):
    def __init__(self) -> None:
        self.events: list[object] = []

    def __getattribute__(self, name: str) -> Any:
        return self.events.append if name.startswith("on_") else super().__getattribute__(name)


def test_a_callback_receives_every_event_in_order(experiment: Any, tmp_path: Path) -> None:
    recorder = Recorder()
    train(experiment(training={"steps": 7}), tmp_path, callbacks=[recorder])
    names = [type(event).__name__ for event in recorder.events]
    first: Any = recorder.events[0]
    assert first.work == "encoded"
    in_training = names[names.index("RunStarted") + 1 :]
    assert in_training.count("StepFinished") == 7
    after_five = in_training[5:]
    assert after_five[0:2] == ["WorkProgressed", "WorkProgressed"]
    assert "Evaluated" in after_five
    assert "Sampled" in after_five
    assert names[-1] == "RunFinished"
    work = {(event.work, event.fraction) for event in recorder.events if type(event).__name__ == "WorkProgressed"}
    assert {("evaluating", None), ("evaluating", 1.0), ("sampling", None), ("saving", None)} <= work


def test_a_failing_callback_is_reported_in_one_line_and_not_called_again(
    experiment: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Failing:
        def on_step_finished(self, event: StepFinished) -> None:
            raise ZeroDivisionError("an error in a callback")

    run = train(experiment(), tmp_path, callbacks=[Failing()])
    assert run.checkpoints.steps()[-1] == 12
    assert capsys.readouterr().err == (
        "seqforge: the callback Failing failed in on_step_finished and is not called again: "
        "ZeroDivisionError: an error in a callback\n"
    )


class Watcher:
    def __init__(self) -> None:
        self.seen: list[int] = []

    def on_step_finished(self, event: StepFinished) -> None:
        self.seen.append(event.step)
        if event.step == 2:
            raise ValueError("an error in a callback")


@pytest.mark.parametrize("others", [[], [print]])
def test_callbacks_of_plugins_receive_the_same_events_until_they_fail(
    others: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    watcher = Watcher()

    class Plugin:
        @hookimpl
        def seqforge_callbacks(self) -> list[object]:
            return [watcher, *others]

    hooks: pluggy.PluginManager = new_plugin_manager()
    hooks.register(Plugin(), "watcher")
    callbacks = Callbacks(hooks)
    for step in (1, 2, 3):
        callbacks.notify(StepFinished(step, 0.0, 0.0, 1.0, None, 1.0, 0.1, 8.0, 0.0))
    assert watcher.seen == ([] if others else [1, 2])
    method = "seqforge_callbacks" if others else "on_step_finished"
    assert f"the plugin 'watcher' failed in {method}" in capsys.readouterr().err


class Misspelt:
    def on_step_finishd(self, event: StepFinished) -> None: ...


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (Misspelt(), "callback Misspelt: no event calls on_step_finishd\nDid you mean 'on_step_finished'"),
        (print, "callback builtin_function_or_method: has none of the methods of a callback"),
        (Recorder, "callback Recorder: a class, not an object\nPass an object: Recorder()."),
    ],
)
def test_an_object_that_is_not_a_callback_is_an_error(callback: object, message: str) -> None:
    with pytest.raises(ExperimentError) as caught:
        Callbacks(new_plugin_manager(), [callback])
    assert str(caught.value).startswith(message)
