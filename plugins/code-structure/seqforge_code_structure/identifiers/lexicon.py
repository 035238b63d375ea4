"""The lexicon: for each name of a training text, in how many files it is free, and in how many bound."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

GREATEST_FREE_SHARE = 0.1
"""Of the files with a name, the share in which it may be free while it counts as one that functions declare."""

LEAST_IDLE_SHARE = 0.05
"""Of the files that bind a name, the share in which it goes unused from which on macros are taken to use it unseen."""

LEAST_IDLE = 2
"""Files in which it must go unused at least: one alone may be a mistake."""

_CONSTANT = re.compile(r"[A-Z_][A-Z0-9_]*")


class Count(NamedTuple):
    """Files of the training text that know a name.

    Attributes:
        free: In which a function uses it, other than as what it calls, and does not declare it.
        bound: In which a function declares it.
        idle: In which a function declares it as a local variable, and does not use it.
    """

    free: int = 0
    bound: int = 0
    idle: int = 0


_UNSEEN = Count()


@dataclass(frozen=True, slots=True)
class Lexicon:
    """What a training text tells of names.

    Attributes:
        files: How many files it was made from.
        counts: By name.
    """

    files: int
    counts: Mapping[str, Count]

    def must_be_declared(self, name: str) -> bool:
        """Tell whether a name is one that functions declare, so that an undeclared use is surely a fault.

        Args:
            name: The name.
        """
        free, bound, _ = self.counts.get(name, _UNSEEN)
        return bound > 0 and free < GREATEST_FREE_SHARE * (free + bound) and not is_constant(name)

    def may_be_local(self, name: str) -> bool:
        """Tell whether some function declares a name, or none has it: all but what is known as a global alone.

        Args:
            name: The name.
        """
        free, bound, _ = self.counts.get(name, _UNSEEN)
        return (bound > 0 or free == 0) and not is_constant(name)

    def is_novel(self, name: str) -> bool:
        """Tell whether no function of the training text uses or declares a name.

        Args:
            name: The name.
        """
        return name not in self.counts and not is_constant(name)

    def may_be_used_unseen(self, name: str) -> bool:
        """Tell whether macros use a name that they are not given, as some drivers' `REG_WR(register)` uses `bp`.

        Args:
            name: The name.
        """
        _, bound, idle = self.counts.get(name, _UNSEEN)
        return idle >= LEAST_IDLE and idle >= LEAST_IDLE_SHARE * bound


def is_constant(name: str) -> bool:
    """Tell whether a name is in capitals, as macros are.

    Args:
        name: The name.
    """
    return _CONSTANT.fullmatch(name) is not None
