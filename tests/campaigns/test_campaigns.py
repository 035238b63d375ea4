"""Small versions of the campaigns. Each exits with status 1 if docs/explanation/reliability.md promises too much."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    "arguments",
    [
        ["kills", "--trials", "8"],
        ["flips", "--bits", "20", "--large-bits", "40"],
        ["fuzz", "runs", "--seconds", "3"],
        ["fuzz", "texts", "--seconds", "3"],
        ["workers", "--trials", "1"],
    ],
)
def test_a_small_campaign_finds_no_fault(arguments: list[str]) -> None:
    campaign = subprocess.run(
        [sys.executable, "-m", "tests.campaigns", *arguments],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert campaign.returncode == 0, campaign.stdout + campaign.stderr
    assert campaign.stdout.startswith("| ")
