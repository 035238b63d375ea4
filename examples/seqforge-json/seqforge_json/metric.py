"""A metric of generated JSON Lines."""

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

from seqforge.kinds import Finding, Metric, Quantity, Score


class ValidJson(Metric):
    """The share of lines that are valid JSON.

    The first and the last line of a sample do not count, because they may be cut off.
    """

    quantities: ClassVar[Mapping[str, Quantity]] = {
        "valid": Quantity("lines that are valid JSON", "share", "more", "{} of the lines are valid JSON"),
    }

    def score(self, texts: Sequence[str]) -> Score:
        """Return the share, and a finding at the first error of each line that is not JSON."""
        count = 0
        findings: list[Finding] = []
        for index, text in enumerate(texts):
            start = 0
            for line in text.split("\n")[:-1]:
                if start and line.strip():
                    count += 1
                    try:
                        json.loads(line)
                    except json.JSONDecodeError as error:
                        position = start + min(error.pos, len(line) - 1)
                        findings.append(Finding(index, position, position + 1, error.msg))
                    except (ValueError, RecursionError) as error:
                        findings.append(Finding(index, start, start + len(line), type(error).__name__))
                start += len(line) + 1
        valid = 1 - len(findings) / count if count else 0.0
        return Score({"valid": valid}, tuple(findings), weights={"valid": count})
