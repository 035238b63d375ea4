"""What `seqforge doctor` says of a machine."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing that was looked at.

    Attributes:
        subject: What it is, in a word or two.
        finding: What was found.
        advice: What to do about it; None where all is well.
    """

    subject: str
    finding: str
    advice: str | None = None
