"""What an example is made of: what goes in, what comes out, and when."""

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True)
class Text:
    """Text, in the symbols of the experiment's vocabulary; a value is a `str`."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """Real numbers; a value is an array `[size]`, or `[steps, size]` where there is one on every step.

    Attributes:
        size: How many there are, at one time.
    """

    size: int


@dataclass(frozen=True, slots=True)
class Classes:
    """One of some classes; a value is the index of one, or an array `[steps]` of them.

    Attributes:
        names: What they are called, in order; each once, and none is empty.
    """

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Form:
    """What every example of a labelled corpus is made of.

    Attributes:
        reads: What is read.
        read: One vector, or a sequence. Text is a sequence.
        writes: What is to be written.
        written: Once, on every step that is read, or as a new sequence. Text is a sequence.
    """

    reads: Text | Numbers
    read: Literal["vector", "sequence"]
    writes: Text | Numbers | Classes
    written: Literal["once", "every step", "sequence"]

    def __post_init__(self) -> None:
        self._refuse_other_words()
        if isinstance(self.reads, Text) and self.read != "sequence":
            raise ValueError("text is read as a sequence")
        if isinstance(self.writes, Text) and self.written != "sequence":
            raise ValueError("text is written as a sequence")
        if isinstance(self.writes, Numbers) and self.written == "sequence":
            raise ValueError("a new sequence is written in text or in classes, since numbers cannot say where it ends")
        if self.read == "vector" and self.written == "every step":
            raise ValueError("one vector has no steps to write on")
        if isinstance(self.writes, Classes) and (
            len(set(self.writes.names)) < max(len(self.writes.names), 1) or not all(self.writes.names)
        ):
            raise ValueError("the classes need names, each once, and none of them empty")
        for part in (self.reads, self.writes):
            if isinstance(part, Numbers) and part.size < 1:
                raise ValueError("there must be at least one number")

    def _refuse_other_words(self) -> None:
        """Refuse what a type checker would have found."""
        for name, kinds in (("reads", (Text, Numbers)), ("writes", (Text, Numbers, Classes))):
            part = getattr(self, name)
            if not isinstance(part, kinds):
                known = ", ".join(f"{kind.__name__}(…)" for kind in kinds)
                raise ValueError(f"{name} is {part!r}, and must be one of {known}")
        for name, words in (("read", ("vector", "sequence")), ("written", ("once", "every step", "sequence"))):
            if getattr(self, name) not in words:
                raise ValueError(f"{name} is {getattr(self, name)!r}, and must be one of {', '.join(words)}")
        for part in (self.reads, self.writes):
            if isinstance(part, Numbers) and type(part.size) is not int:
                raise ValueError(f"the size {part.size!r} is no whole number")
            names: Any = part.names if isinstance(part, Classes) else ()
            if not isinstance(names, tuple):
                raise ValueError(f"the names of the classes are a {type(names).__name__}, not a tuple")

    @property
    def text(self) -> bool:
        """Whether there is text, so that a vocabulary is of use."""
        return isinstance(self.reads, Text) or isinstance(self.writes, Text)

    def outputs(self, symbols: int) -> int:
        """Count what a model writes at one time: numbers, or a logit for each class or symbol.

        Args:
            symbols: Size of the vocabulary.
        """
        match self.writes:
            case Text():
                return symbols
            case Numbers(size):
                return size
            case Classes(names):
                return len(names)
