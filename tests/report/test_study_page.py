"""The page of a sweep in a real browser."""

from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial
from seqforge_sweeps.results import tabulate_trials, write_page
from seqforge_sweeps.study import ERROR, PLANNED

DISTRIBUTIONS = {
    "model.cells.0.hidden_size": IntDistribution(8, 64),
    "optimizer.learning_rate": FloatDistribution(1e-4, 1e-1, log=True),
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    study = optuna.create_study(study_name="<b>sizes")
    for number, state in enumerate([TrialState.COMPLETE] * 4 + [TrialState.PRUNED]):
        attributes = {PLANNED: True, ERROR: "</td><script>document.title = 'run'</script>" if number == 4 else ""}
        study.add_trial(
            create_trial(
                state=state,
                value=3.0 - number / 4 if state == TrialState.COMPLETE else None,
                params={"model.cells.0.hidden_size": 8 + number, "optimizer.learning_rate": 0.01 / (1 + number)},
                distributions=dict(DISTRIBUTIONS),
                user_attrs=attributes,
                intermediate_values={100: 4.0, 200: 3.5},
            )
        )
    return write_page(study, tabulate_trials(study), tmp_path_factory.mktemp("study")).as_uri()


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_page_is_usable(address: str, open_page: Callable[..., Any], width: int, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    page = open_page(address, width, scheme, ready=".js-plotly-plot .main-svg")
    assert page.title() == "<b>sizes: sweep"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".js-plotly-plot").count() == 5
    lightness = page.evaluate("parseInt(getComputedStyle(document.body).backgroundColor.match(/[0-9]+/)[0])")
    assert (lightness < 60) == (scheme == "dark")
    results = axe.Axe().run(page, options={"resultTypes": ["violations"]})
    violations = [(one["id"], one["nodes"][0]["html"][:200]) for one in results.response["violations"]]
    assert not violations
