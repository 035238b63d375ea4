"""Fitted metrics: fitted once, only to the training text, and again if the cached state cannot be used."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from seqforge.data.dataset import prepare
from seqforge.errors import PluginError
from seqforge.evaluation.metrics import fit_metric
from seqforge.kinds import FittedMetric, Score, WorkProgressed
from seqforge.storage.paths import cache_folder

TEXT = "first half\n" + "x" * 50 + "second half" + "y" * 50


class TextMetric(FittedMetric):
    """A metric that stores the text to which it was fitted."""

    fit_count = 0
    text = ""

    def fit(self, documents: Iterator[str], folder: Path) -> None:
        TextMetric.fit_count += 1
        (folder / "state").write_text("text:" + "".join(documents))

    def restore(self, folder: Path) -> None:
        name, _, self.text = (folder / "state").read_text().partition(":")
        if name != "text":
            raise ValueError("not a file of this metric")

    def score(self, texts: Sequence[str]) -> Score:
        return Score({})


@pytest.fixture(autouse=True)
def _reset_the_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TextMetric, "fit_count", 0)


def fit(experiment: Any) -> TextMetric:
    metric = TextMetric()
    fit_metric(metric, experiment.metrics[0], experiment, prepare(experiment, lambda _: None))
    return metric


@pytest.fixture
def make_experiment(experiment: Any) -> Any:
    def make(fraction: float = 0.5, lengths: Sequence[int] = (1,)) -> Any:
        return experiment(
            corpus={"use": "inline", "text": TEXT},
            data={"validation_fraction": fraction},
            metrics=[{"use": "distinct", "lengths": list(lengths)}],
        )

    return make


def test_a_metric_is_fitted_once_to_the_training_text(make_experiment: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert [fit(make_experiment()).text for _ in range(3)] == [TEXT[: len(TEXT) // 2]] * 3
    assert TextMetric.fit_count == 1
    assert (
        capsys.readouterr().err
        == "seqforge: fitting the metric essentials/distinct to the training text; the result is cached\n"
    )


def test_for_another_split_or_other_options_a_metric_is_fitted_again(make_experiment: Any) -> None:
    assert fit(make_experiment()).text != fit(make_experiment(0.25)).text
    fit(make_experiment(0.5, [2]))
    assert TextMetric.fit_count == 3


def test_after_an_edit_of_its_code_a_metric_is_fitted_again(
    make_experiment: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    chosen = make_experiment()
    module = sys.modules[chosen.metrics[0].component.__module__]
    copy = tmp_path / "metrics.py"
    copy.write_bytes(Path(str(module.__file__)).read_bytes())
    monkeypatch.setattr(module, "__file__", str(copy))
    for count in (1, 1):
        fit(chosen)
        assert TextMetric.fit_count == count
    copy.write_text(copy.read_text() + "# edited\n")
    fit(chosen)
    assert TextMetric.fit_count == 2


def test_with_a_damaged_cached_state_a_metric_is_fitted_again(
    make_experiment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(make_experiment())
    (entry,) = (cache_folder() / "metrics").iterdir()
    cached = entry / "state"
    whole = cached.read_bytes()
    # `restore` would accept the first.
    for fit_count, damage in enumerate(
        (
            lambda: cached.write_bytes(whole.replace(b"first", b"girst")),
            lambda: cached.write_bytes(b""),
            lambda: cached.unlink(),
            lambda: (entry / "manifest.json").unlink(),
        ),
        start=2,
    ):
        damage()
        assert fit(make_experiment()).text == TEXT[: len(TEXT) // 2]
        assert cached.read_bytes() == whole
        assert TextMetric.fit_count == fit_count


def test_a_state_that_another_version_wrote_is_replaced(make_experiment: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as other:
        other.setattr(TextMetric, "fit", lambda self, documents, folder: (folder / "state").write_bytes(b"\xff"))
        other.setattr(TextMetric, "restore", lambda self, folder: None)
        fit(make_experiment())
    assert fit(make_experiment()).text == TEXT[: len(TEXT) // 2]


def test_progress_is_reported_while_a_metric_is_fitted(make_experiment: Any) -> None:
    chosen = make_experiment()
    events: list[Any] = []
    for _ in range(2):
        metric = TextMetric()
        dataset = prepare(chosen, lambda _: None)
        fit_metric(metric, chosen.metrics[0], chosen, dataset, events.append)
        assert metric.text == TEXT[: len(TEXT) // 2]
    assert TextMetric.fit_count == 1
    assert events == [WorkProgressed("fitting metrics", 0.0)]


def test_a_fitted_metric_is_restored_without_its_lock(make_experiment: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # In a read-only cache, no lock can be taken.
    fit(make_experiment())
    monkeypatch.setattr("seqforge.storage.cache.hold_lock", None)
    fit(make_experiment())
    assert TextMetric.fit_count == 1


def test_a_metric_that_cannot_be_fitted_is_an_error_that_names_it(
    make_experiment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TextMetric, "fit", lambda self, documents, folder: 1 / 0)
    with pytest.raises(PluginError, match=r"it cannot be fitted: ZeroDivisionError: .* line \d+\)"):
        fit(make_experiment())


def test_long_documents_are_passed_in_pieces(
    make_experiment: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("seqforge.data.dataset.LONGEST_PIECE", 7)
    pieces = list(prepare(make_experiment(), lambda _: None).documents("training"))
    assert {len(piece) for piece in pieces[:-1]} == {7}
    assert "".join(pieces) == TEXT[: len(TEXT) // 2]
    events: list[Any] = []
    chosen = make_experiment()
    fit_metric(TextMetric(), chosen.metrics[0], chosen, prepare(chosen, lambda _: None), events.append)
    assert [event.fraction for event in events] == [7 * count / (len(TEXT) // 2) for count in range(len(pieces))]
