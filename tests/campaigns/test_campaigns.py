"""Small versions of the campaigns. Each exits with status 1 if docs/explanation/reliability.md promises too much."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fork_server import run_to_the_end


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
    root, module = Path(__file__).parents[2], "tests.campaigns"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)}
    if arguments[:2] == ["fuzz", "texts"]:  # One process is fresh, as they are when the campaigns are started by hand.
        command = [sys.executable, "-m", module, *arguments]
        campaign = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, timeout=600, check=False
        )
    else:
        campaign = run_to_the_end(arguments, root, environment, module, timeout=600)
    assert campaign.returncode == 0, campaign.stdout + campaign.stderr
    assert campaign.stdout.startswith("| ")
