"""The finding of `seqforge doctor` about the kernels."""

from dataclasses import replace

import pytest
import torch
from seqforge_native import library
from seqforge_native.kernel_build import NEEDS
from seqforge_native.library import Library


@pytest.mark.parametrize(
    ("processor", "finding", "advice"),
    [
        ("avx512", "in float32; sampling in int8 needs AVX-512 VNNI, which this processor does not have", None),
        ("avx512_vnni", "in float32; none for int8 were built", "Install seqforge-native again."),
    ],
)
def test_the_reason_for_missing_int8_kernels_is_stated(
    processor: str, finding: str, advice: str | None, kernels: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    functions = {key: function for key, function in kernels.functions.items() if key[1] == torch.float32}
    monkeypatch.setattr(library, "best_library", lambda: replace(kernels, functions=functions))
    monkeypatch.setattr(library, "instruction_sets", lambda: frozenset(NEEDS[processor]))
    found = library.diagnose()
    assert (found.finding, found.advice) == (f"kernels for {kernels.name}, {finding}", advice)


def test_int8_kernels_are_reported(kernels: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "best_library", lambda: kernels)
    monkeypatch.setattr(library, "instruction_sets", lambda: frozenset(NEEDS[kernels.name]))
    assert library.diagnose().finding.endswith("and in int8 for sampling") == kernels.generates(torch.int8)


@pytest.mark.parametrize(("allowed", "reason"), [(True, "were not built"), (False, "are not used: Linux does not")])
def test_the_reason_for_missing_amx_kernels_is_stated(
    allowed: bool, reason: str, kernels: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "best_library", lambda: replace(kernels, name="avx512_bf16"))
    monkeypatch.setattr(library, "instruction_sets", lambda: frozenset(NEEDS["amx"]))
    monkeypatch.setattr(library, "tiles_are_allowed", lambda: allowed)
    assert f"those for AMX {reason}" in library.diagnose().finding
