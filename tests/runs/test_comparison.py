"""Differences between experiments, names of runs, and curves."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from seqforge.api.notebook import loss_curve
from seqforge.cli.compare import draw_curves, has_colors, round_ticks
from seqforge.errors import RunError
from seqforge.runs.comparison import (
    SampledValue,
    compare_samples,
    differing_settings,
    loss_curves,
    short_names,
    summarize_all,
    tabulate_runs,
)
from seqforge.runs.directory import RunDirectory
from seqforge.runs.metrics_log import MetricsLog, interval_of, read_metrics, tabulate_losses
from seqforge.runs.summary import BestValue, RunSummary

VALUES = st.none() | st.integers(-3, 3) | st.text(max_size=2)
TABLES = st.dictionaries(st.sampled_from("abc"), VALUES | st.lists(st.dictionaries(st.just("x"), VALUES), max_size=2))


@given(TABLES, TABLES)
def test_only_differing_settings_are_listed(first: dict[str, object], second: dict[str, object]) -> None:
    assert differing_settings([first, first]) == {}
    found = differing_settings([first, second])
    assert all(one != other for one, other in found.values())
    assert differing_settings([second, first]) == {key: values[::-1] for key, values in found.items()}


def test_settings_have_the_keys_of_an_experiment_file() -> None:
    first = {"experiment": {"name": "a", "seed": 1}, "model": {"cells": [{"use": "lstm"}], "dropout": 0.0}}
    second = {"experiment": {"name": "b", "seed": 1}, "model": {"cells": [{"use": "lstm"}, {"use": "gru"}]}}
    assert differing_settings([first, second]) == {"model.cells.1.use": [None, "gru"], "model.dropout": [0.0, None]}


def test_names_have_as_many_parts_as_are_needed() -> None:
    assert short_names([Path("runs/a"), Path("runs/b")]) == ["a", "b"]
    assert short_names([Path("one/a"), Path("two/a")]) == ["one/a", "two/a"]


def test_a_comparison_needs_two_runs_that_can_be_read(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path, "a", lambda run: None).path
    with pytest.raises(RunError, match="needs two runs"):
        summarize_all([run, tmp_path])
    RunDirectory.create(tmp_path, "b", lambda run: None)
    with pytest.raises(RunError, match="cannot be read"):
        summarize_all([tmp_path])


def test_curves_are_of_the_same_quantity(tmp_path: Path) -> None:
    runs: list[RunSummary] = []
    for name, bits in (("a", 2.0), ("b", None)):
        log = MetricsLog(RunDirectory.create(tmp_path, name, lambda run: None).metrics)
        for step in (1, 2):
            log.append("step", step, {"loss": 3.0, "bits_per_character": bits, "seconds": 2.0 * step})
            log.append("evaluation", step, {"loss": 1.0 / step, "bits_per_character": bits, "seconds": 2.0 * step})
        runs.append(RunSummary(tmp_path / name, "finished"))
    assert loss_curves(runs, "seconds") == ("validation loss", [[(2.0, 1.0), (4.0, 0.5)]] * 2)
    RunDirectory.create(tmp_path, "started", lambda run: None)
    runs[1] = RunSummary(tmp_path / "started", "running")
    quantity, curves = loss_curves(runs)
    assert (quantity, [len(curve) for curve in curves]) == ("validation bits per character", [2, 0])
    lowest = draw_curves({"a": [(1.0, 3.0), (2.0, 3.5)], "started": []}, "step", width=60, colored=False).plain
    assert "0.0" not in lowest
    assert "started" in lowest


def test_values_that_cannot_be_drawn_are_left_out(tmp_path: Path) -> None:
    log = MetricsLog(RunDirectory.create(tmp_path, "a", lambda run: None).metrics)
    values: list[object] = ["high", [1], {"a": 1}, True, 1e308, -1e308, 2, 1.5]
    for step, value in enumerate(values):
        log.append("evaluation", step, {"loss": value, "seconds": value, "gates.open": value})
    log.append("evaluation", 9, {"loss": 1.0, "seconds": 1e308})
    run = RunSummary(tmp_path / "a", "finished")
    _, curves = loss_curves([run], "seconds")
    assert curves == [[(2.0, 2.0), (1.5, 1.5)]]
    assert draw_curves({"a": curves[0]}, "seconds", width=60, colored=False).plain
    rows = tabulate_losses(read_metrics(tmp_path / "a" / "metrics.jsonl"))
    assert [row["gates.open"] for row in rows[:8]] == [None, None, None, None, 1e308, -1e308, 2, 1.5]
    assert loss_curve(rows).startswith("<svg")


@pytest.mark.parametrize("interval", [["nan", "nan"], ["-inf", "inf"], [1], "ab", None, {"a": 1}])
def test_an_interval_consists_of_two_numbers(interval: object) -> None:
    assert interval_of({"intervals": {"loss": [1, 2.5]}}, "loss") == (1.0, 2.5)
    assert interval_of({"intervals": {"loss": interval}}, "loss") is None


def test_curves_have_no_colors_in_a_pipe_or_with_no_color() -> None:
    assert has_colors(Console(force_terminal=True, color_system="truecolor", no_color=False))
    assert not has_colors(Console(force_terminal=True, color_system="truecolor", no_color=True))
    assert not has_colors(Console(file=io.StringIO()))


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_few_and_inside(low: float, width: float) -> None:
    ticks = round_ticks(low, low + width)
    assert 2 <= len(ticks) <= 7
    assert all(low - 1e-6 * width <= tick <= low + width * 1.000001 for tick in ticks)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 6, [0, 1, 2, 3, 4, 5, 6]),
        (0, 12_000, [0, 2000, 4000, 6000, 8000, 10_000, 12_000]),
        (-5, 25, [-5, 0, 5, 10, 15, 20, 25]),
        (1, 37, [10, 20, 30]),
        (0, 0.7, [0, 0.2, 0.4, 0.6]),
        (7, 7, [7]),
    ],
)
def test_ticks_are_round(low: float, high: float, ticks: list[float]) -> None:
    assert round_ticks(low, high) == pytest.approx(ticks)


def test_a_table_of_runs_has_the_differing_settings_and_the_figures() -> None:
    tables = [{"experiment": {"name": name, "seed": seed}, "model": {"x": [[1], [2]]}} for name, seed in ("a1", "b2")]
    tables[1]["model"] = {"x": [[1], [3]]}
    best = [
        BestValue(1.5, "bits per character", (1.25, 1.75), per_byte=1.0),
        BestValue(2.5, "loss"),
    ]
    runs = [
        RunSummary(Path(f"runs/{number}"), "finished", parameters=9, steps=4, seconds=2.5, best=each, table=table)
        for number, (each, table) in enumerate(zip(best, tables, strict=True))
    ]
    figures = {"state": "finished", "parameters": 9, "steps": 4, "seconds": 2.5}
    settings = ({"experiment.seed": "1", "model.x.1": [2]}, {"experiment.seed": "2", "model.x.1": [3]})
    bits, loss = "validation_bits_per_character", "validation_loss"
    first = {bits: 1.5, loss: None, "validation_bits_per_byte": 1.0, "best_low": 1.25, "best_high": 1.75}
    second = {bits: None, loss: 2.5, "validation_bits_per_byte": None, "best_low": None, "best_high": None}
    assert tabulate_runs(runs) == [
        {"run": "0", **figures, **settings[0], **first},
        {"run": "1", **figures, **settings[1], **second},
    ]
    assert list(tabulate_runs(runs)[0])[:4] == ["run", "state", "experiment.seed", "model.x.1"]


def test_the_last_samples_are_compared_with_those_of_the_first_run(tmp_path: Path) -> None:
    values: list[dict[str, object]] = [
        {"a.x": 2.0, "a.x.baseline": 9.0, "intervals": {"a.x": [1.0, 3.0]}},
        {"a.x": 5.0, "b.y": 1.0, "plain": 3.0, "intervals": {"a.x": [4.0, 6.0]}},
    ]
    runs: list[RunSummary] = []
    for number, last in enumerate(values):
        log = MetricsLog(RunDirectory.create(tmp_path, f"{number}", lambda run: None).metrics)
        log.append("sample", 1, {"a.x": 7.0})
        log.append("sample", 2, last)
        log.append("step", 3, {"a.x": 8.0})
        runs.append(RunSummary(tmp_path / f"{number}", "finished"))
    found = compare_samples(runs)
    assert found["a.x"][0] == SampledValue(2.0, (1.0, 3.0))
    compared = found["a.x"][1]
    assert compared is not None
    assert (compared.value, compared.interval, compared.difference) == (5.0, (4.0, 6.0), 3.0)
    assert compared.difference_interval == pytest.approx((3 - 2**0.5, 3 + 2**0.5))
    assert found["b.y"] == [None, SampledValue(1.0, None)]
    assert found.keys() == {"a.x", "b.y"}
    assert [str(value) for value in found["a.x"]] == [
        "2.0000 [1.0000, 3.0000]",
        "5.0000 [4.0000, 6.0000]; +3.0000 [+1.5858, +4.4142]",
    ]
