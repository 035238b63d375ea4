"""The findings that `seqforge doctor` prints."""

from dataclasses import dataclass

__all__ = ["Diagnosis"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A finding about the machine or an installed component.

    Attributes:
        subject: What the finding is about, in one or two words.
        finding: What was found, in one sentence.
        advice: What the user should do, or None if nothing is wrong.
    """

    subject: str
    finding: str
    advice: str | None = None
