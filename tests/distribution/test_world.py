"""The collective operations of a world, in three processes."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
import torch
from hypothesis import given
from processes import run_world
from torch.distributed import TCPStore  # pyright: ignore[reportPrivateImportUsage]

from seqforge.distribution.launch import Launch
from seqforge.distribution.world import ALONE, FailedElsewhereError, World, join_world
from seqforge.errors import RunError


@given(count=st.integers(0, 50), size=st.integers(1, 9))
def test_shares_are_contiguous_complete_and_of_nearly_equal_length(count: int, size: int) -> None:
    shares = [World(rank, size).share(count) for rank in range(size)]
    assert [index for share in shares for index in share] == list(range(count))
    lengths = [len(share) for share in shares]
    assert max(lengths) - min(lengths) <= 1
    assert lengths == sorted(lengths, reverse=True)


def test_a_single_process_is_a_world_without_communication() -> None:
    with join_world() as world:
        assert world is ALONE
    rows = torch.ones(3, 2)
    assert world.sum([1.5]) == [1.5]
    assert world.gather_rows(rows) is rows
    assert world.collect(lambda: {"a": 1}) == [{"a": 1}]
    assert world.in_turn("place", lambda: "turn") == "turn"


def collectives() -> dict[str, Any]:
    found: dict[str, Any] = {}
    turns = Path(os.environ["SEQFORGE_CACHE"])

    def visit() -> bool:
        """Return whether the first process has been here before."""
        if int(os.environ["RANK"]) == 0:
            turns.write_text("visited")
        return turns.exists()

    with join_world() as world:
        rank = world.rank
        found["sum"] = world.sum([rank, 0.5])
        found["gather"] = world.gather({"rank": rank, "text": "é" * rank})
        found["broadcast"] = world.broadcast([rank, None])
        found["collect"] = world.collect(lambda: rank * 10)
        try:
            world.collect(lambda: 1 // (rank - 1))
        except (ZeroDivisionError, FailedElsewhereError) as error:
            found["failure"] = type(error).__name__
        try:
            world.collect(lambda: object() if rank == 1 else rank)
        except (TypeError, FailedElsewhereError) as error:
            found["no value"] = type(error).__name__
        rows = torch.full((2, 3), float(rank), dtype=torch.float64)
        whole = world.gather_rows(rows)
        found["rows"] = whole[:, 0].tolist()
        found["own rows"] = torch.equal(world.own_rows(whole), rows)
        found["turn"] = world.in_turn("visit", visit)
        world.seed_step(7, 3)
        found["random"] = torch.rand(1).item()
    with join_world() as world:  # A program may train several models.
        assert world.launch is not None
        found["training"] = world.launch.training
        found["again"] = world.sum([1])
    return found


def test_collective_operations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEQFORGE_CACHE", str(tmp_path / "visited"))
    results = run_world(3, collectives, tmp_path / "world")
    numbers = [result.pop("random") for result in results]
    failures = [result.pop("failure") for result in results]
    assert len(set(numbers)) == 3
    refused = [result.pop("no value") for result in results]
    assert refused == ["FailedElsewhereError", "TypeError", "FailedElsewhereError"]
    assert failures == ["FailedElsewhereError", "ZeroDivisionError", "FailedElsewhereError"]
    assert results[0] == {
        "sum": [3.0, 1.5],
        "gather": [{"rank": 0, "text": ""}, {"rank": 1, "text": "é"}, {"rank": 2, "text": "éé"}],
        "broadcast": [0, None],
        "collect": [0, 10, 20],
        "rows": [0, 0, 1, 1, 2, 2],
        "own rows": True,
        "turn": True,
        "training": 1,
        "again": [3.0],
    }
    assert results[1:] == [results[0]] * 2


def lose_a_process() -> str:
    with join_world() as world:
        if world.rank:
            os._exit(9)
        try:
            world.sum([1.0])
        except RunError as error:
            return error.message
    return "nothing was noticed"


def test_a_lost_process_is_noticed_at_once(tmp_path: Path) -> None:
    first, _ = run_world(2, lose_a_process, tmp_path / "world", seconds=30)
    assert first == "the connection to another process was lost"


def test_a_lost_store_ends_the_waiting() -> None:
    server = TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    launch = Launch(TCPStore("localhost", server.port), rank=1, attempt=0, training=0)
    launch.wait_for("start", 1, arrive=True, timeout=timedelta(seconds=5))
    del server
    with pytest.raises(TimeoutError):
        launch.wait_for("turn", 1, arrive=False, timeout=timedelta(seconds=60))


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"RANK": "2"}, "the environment describes no launch: RANK=2, WORLD_SIZE=2"),
        ({"RANK": "one"}, "must be numbers"),
    ],
)
def test_an_environment_that_describes_no_launch_is_an_error(
    variables: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500", **variables}
    for name, value in whole.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RunError, match=message), join_world():
        pass
