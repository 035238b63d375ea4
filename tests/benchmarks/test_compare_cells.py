"""The comparison of cells: what is trained next, and what its tables say."""

import math
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.compare_cells.models import Experiments, Model, list_models
from benchmarks.compare_cells.results import (
    CHOICE_SEED,
    RATES,
    SEEDS,
    Result,
    Trial,
    best_rate,
    next_rate,
    next_trial,
    read_results,
)
from benchmarks.compare_cells.tables import draw, new_table, summarize
from benchmarks.compare_cells.training import measure_step, train

MODELS = [Model(text, cell, form) for cell in ("a", "b") for form in ("bare", "block") for text in ("shakespeare", "c")]
FINITE = st.floats(0.5, 8)


def result_of(trial: Trial, bits: float) -> Result:
    return Result(trial, steps=10, hidden_size=4, parameters=100, bits_per_character=bits, seconds=0.1)


@given(st.lists(FINITE, min_size=len(RATES), max_size=len(RATES)))
def test_the_chosen_rate_lies_between_two_that_are_worse(losses: list[float]) -> None:
    tried: dict[float, float] = {}
    while (rate := next_rate(tried)) is not None:
        assert rate not in tried
        tried[rate] = losses[RATES.index(rate)]
    place = RATES.index(best_rate(tried))
    assert {*RATES[max(0, place - 1) : place + 2]} <= tried.keys()


def test_every_model_is_trained_with_every_seed_and_its_best_rate_in_balanced_order() -> None:
    best = {"a": 0.003, "b": 0.03}
    results: list[Result] = []
    while (trial := next_trial(MODELS, "characters", results)) is not None:
        results.append(result_of(trial, 2 + abs(math.log(trial.learning_rate / best[trial.model.cell]))))
    reported = [result.trial for result in results if result.trial.seed != CHOICE_SEED]
    assert reported == [Trial(model, "characters", best[model.cell], seed) for seed in SEEDS for model in MODELS]
    # The table of equal time has its own runs, with the rates that were chosen.
    following = next_trial(MODELS, "time", results)
    assert following == replace(reported[0], table="time")


def test_a_rate_that_diverges_is_not_chosen(tmp_path: Path) -> None:
    results = [
        result_of(Trial(MODELS[0], "characters", rate, CHOICE_SEED), bits)
        for rate, bits in [(0.003, 2.5), (0.01, math.inf), (0.001, 2.6)]
    ]
    file = tmp_path / "results.jsonl"
    file.write_text("".join(result.to_json() + "\n" for result in results), "utf-8")
    assert read_results(file) == results
    assert next_trial(MODELS[:1], "characters", read_results(file)) == Trial(MODELS[0], "characters", 0.003, SEEDS[0])


def test_the_interval_is_that_of_students_t() -> None:
    bits = [2.0, 2.1, 2.2, 2.3, 2.4]
    chosen = result_of(Trial(MODELS[0], "characters", 0.01, CHOICE_SEED), 9.0)
    results = [result_of(Trial(MODELS[0], "characters", 0.01, seed), loss) for seed, loss in enumerate(bits, start=1)]
    summary = summarize([chosen, *results], "characters")[MODELS[0]]
    assert math.isclose(summary.mean, fmean(bits))
    assert math.isclose(summary.half, 2.776 * math.sqrt(0.025) / math.sqrt(5))
    assert "2.200 ± 0.196" in new_table(results, "characters", "shakespeare").markdown()


def test_a_table_has_the_better_form_of_a_cell_first_and_a_chart_names_every_cell(tmp_path: Path) -> None:
    losses = {("a", "bare"): 2.4, ("a", "block"): 2.3, ("b", "bare"): 2.2, ("b", "block"): 9.5}
    results = [
        result_of(Trial(model, "characters", 0.01, seed), losses[model.cell, model.form] + 0.01 * seed)
        for model in MODELS
        for seed in (1, 2)
    ]
    rows = new_table(results, "characters", "c").rows
    assert [row[0] for row in rows] == ["`b`", "`a`"]
    assert rows[1][1:] == ["4", "0.01", "2.415 ± 0.064", "4", "0.01", "2.315 ± 0.064"]
    assert new_table(results, "time", "c").rows == []
    in_time = [replace(result, trial=replace(result.trial, table="time")) for result in results]
    assert new_table(in_time, "time", "c").rows[1][1:4] == ["4", "0.01", "10"]
    draw(results, tmp_path / "chart.svg")
    texts = [text for text in ElementTree.parse(tmp_path / "chart.svg").getroot().itertext() if text.strip()]
    assert texts.count("a") == texts.count("b") == 2
    assert texts.count("block: 9.5 →") == 2  # beyond the edge


def test_every_installed_cell_is_compared_in_each_form_with_equal_parameters() -> None:
    cells = {model.cell for model in list_models()}
    assert {"lstm", "cifg", "mgu", "qrnn", "gated-deltanet, negative"} <= cells
    assert not {"block", "griffin-block", "zoneout"} & cells
    assert len(list_models()) == 4 * len(cells)


def test_a_model_is_trained_and_timed(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("the cat sat on the mat, " * 400, "utf-8")
    experiments = Experiments(text)
    model = Model("shakespeare", "gru", "block")
    result = train(experiments, Trial(model, "characters", 0.01, 1), 20, "eager")
    assert abs(result.parameters - 180_000) < 9_000
    assert 0 < result.bits_per_character < 5
    assert measure_step(experiments, model, "eager") > 0
    assert Result.from_json(result.to_json()) == result
