"""Handling of Ctrl-C and other requests to stop."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

# Ctrl-C, `kill`, and a closed terminal, which is the last signal on Windows.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
STOP_SIGNALS = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
_NOTICE = (
    b"\nStopping after this step, and its evaluation or sample if one is due. "
    b"Ctrl-C again stops at once and loses every step after the last checkpoint.\n"
)

Hook = Callable[[Any], object]


class Interrupted(KeyboardInterrupt):
    """A request to stop, by the number of a signal, with advice about what is saved and how to go on.

    Attributes:
        exit_status: Exit status of a program that ends because of the signal: 130 after SIGINT, 143 after SIGTERM.
    """

    def __init__(self, number: int, advice: str = "") -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name}{advice}")
        self.exit_status = 128 + number


def keep_interrupts() -> Hook:
    """Deliver an interrupt again that arrives within a finalizer, where Python prints it and goes on.

    Returns:
        The value of `sys.unraisablehook` before.
    """
    previous = sys.unraisablehook

    def handle(unraisable: "sys.UnraisableHookArgs") -> None:
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            error = unraisable.exc_value
            number = error.exit_status - 128 if isinstance(error, Interrupted) else signal.SIGINT
            if sys.platform == "win32":
                deliver = partial(signal.raise_signal, number)
            else:
                deliver = partial(signal.pthread_kill, threading.get_ident(), number)
            # Not at once, since Python would drop an interrupt within this function too.
            threading.Timer(0.2, deliver).start()
        else:
            previous(unraisable)

    sys.unraisablehook = handle
    return previous


class InterruptGuard:
    """A context that handles the signals to stop, so that no file is left half-written.

    Before training, a signal raises `Interrupted` at once. After a call of `wait_for_steps`, the first signal is only
    noted, and the training loop ends after its step; a second SIGINT raises `Interrupted`.

    Python allows signal handlers in the main thread only, so the context has no effect in another thread.

    Args:
        announce: Whether to print a notice when the first signal is noted.

    Attributes:
        received: The first signal after the call of `wait_for_steps`, or None.
    """

    def __init__(self, *, announce: bool = True) -> None:
        self.received: int | None = None
        self._announce = announce
        self._waits = False
        self._previous: dict[signal.Signals, Any] = {}
        self._previous_hook: Hook | None = None

    def wait_for_steps(self) -> None:
        """End the training loop after its step if a signal arrives after this call."""
        self._waits = True

    def __enter__(self) -> "InterruptGuard":
        if threading.current_thread() is threading.main_thread():
            for number in STOP_SIGNALS:
                previous = signal.getsignal(number)
                # A shell makes background jobs ignore Ctrl-C. None stands for a handler that Python did not install.
                if previous not in (None, signal.SIG_IGN):
                    self._previous[number] = previous
                    signal.signal(number, self._note)
            self._previous_hook = keep_interrupts()
        return self

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        if self._previous_hook is not None:
            sys.unraisablehook = self._previous_hook

    def _note(self, number: int, frame: FrameType | None) -> None:
        if not self._waits or (self.received is not None and number == signal.SIGINT):
            raise Interrupted(number)
        if self.received is None:
            self.received = number
            if self._announce:
                with contextlib.suppress(OSError):
                    os.write(2, _NOTICE)
