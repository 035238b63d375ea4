"""The sampler `balanced`."""

from __future__ import annotations

from typing import Any

from seqforge_code_structure.units import split_units

from seqforge_c_samplers.brackets import count_bracket_faults
from seqforge_c_samplers.checked import CheckedSampler


class Balanced(CheckedSampler):
    """Balanced brackets, comments, literals and directives in generated C.

    The sampler checks the brackets at the end of each line, and has the text drawn again if one closes nothing or the
    wrong one. Each branch of an `#if` and each macro must balance by itself. A sample ends with a line after which
    everything open can be closed, and closes it. Errors in the prompt remain.
    """

    def count_faults(self, text: str, closing: str, units: Any) -> int:
        """Return the number of brackets, comments and literals that are wrong."""
        whole = text + closing
        return count_bracket_faults(whole, split_units(whole))
