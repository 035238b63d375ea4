"""Another system, as the modules of seqforge and its plugins see it. Other libraries still see Linux."""

import builtins
import re
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any


class FakeModule(ModuleType):
    """A module that has what another one has, except what a system lacks. Assignments reach the other one."""

    def __init__(self, real: Any, system: str, missing: re.Pattern[str] | None = None, /, **changes: Any) -> None:
        super().__init__(real.__name__)
        self.__dict__.update(changes, _real=real, _system=system, _missing=missing)

    def __getattr__(self, name: str) -> Any:
        if self._missing and self._missing.fullmatch(name):
            raise AttributeError(f"{self._system} has no {self.__name__}.{name}")
        return getattr(self._real, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._real, name, value)

    def __dir__(self) -> list[str]:
        return [name for name in dir(self._real) if not (self._missing and self._missing.fullmatch(name))]


def simulate(system: str, fakes: Mapping[str, Any], absent: Sequence[str]) -> None:
    """Give seqforge and its plugins other modules, and no module that the system lacks."""
    real_import = builtins.__import__

    def import_there(name: str, globals: Any = None, *others: Any, **options: Any) -> Any:  # noqa: A002
        if str((globals or {}).get("__name__")).startswith("seqforge"):
            if name.partition(".")[0] in absent:
                raise ModuleNotFoundError(f"{system} has no module {name}", name=name)
            if name in fakes:
                return fakes[name]
        return real_import(name, globals, *others, **options)

    assert not any(name.startswith("seqforge") for name in sys.modules), "it must be loaded before seqforge"
    builtins.__import__ = import_there
