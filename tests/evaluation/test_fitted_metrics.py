"""Fitted metrics: fitted once, to the training split only, and again if the state in the cache is damaged."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from seqforge.data import prepare
from seqforge.errors import DataError, PluginError
from seqforge.evaluation.metrics import fit_metric
from seqforge.files import cache_folder
from seqforge.interfaces import FittedMetric, Score

TEXT = "first half\n" + "x" * 50 + "second half" + "y" * 50


class Seen(FittedMetric):
    """A metric that remembers the text to which it was fitted."""

    times = 0
    text = ""

    def fit(self, documents: Iterator[str]) -> None:
        Seen.times += 1
        self.text = "".join(documents)

    def state(self) -> bytes:
        return b"seen:" + self.text.encode()

    def restore(self, state: bytes) -> None:
        if not state.startswith(b"seen:"):
            raise DataError("not what was seen")
        self.text = state.removeprefix(b"seen:").decode()

    def score(self, texts: Sequence[str]) -> Score:
        return Score({})


@pytest.fixture(autouse=True)
def _never_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Seen, "times", 0)


def taught(chosen: Any) -> Seen:
    metric = Seen()
    fit_metric(metric, chosen.metrics[0], chosen, prepare(chosen, lambda _: None))
    return metric


@pytest.fixture
def chosen(experiment: Any) -> Any:
    def make(fraction: float = 0.5, lengths: Sequence[int] = (1,)) -> Any:
        return experiment(
            corpus={"use": "inline", "text": TEXT},
            data={"validation_fraction": fraction},
            metrics=[{"use": "distinct", "lengths": list(lengths)}],
        )

    return make


def test_a_metric_is_fitted_to_the_training_text_once(chosen: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert [taught(chosen()).text for _ in range(3)] == [TEXT[: len(TEXT) // 2]] * 3
    assert Seen.times == 1
    assert (
        capsys.readouterr().err
        == "seqforge: fitting the metric essentials/distinct to the training text; the result is cached\n"
    )


def test_another_split_or_other_options_are_fitted_again(chosen: Any) -> None:
    assert taught(chosen()).text != taught(chosen(0.25)).text
    taught(chosen(0.5, [2]))
    assert Seen.times == 3


def test_a_damaged_state_in_the_cache_is_fitted_again(chosen: Any) -> None:
    taught(chosen())
    (kept,) = (path for path in (cache_folder() / "metrics").iterdir() if path.suffix != ".lock")
    for times, damaged in enumerate((b"see", b"seen:\xff"), start=2):  # the second is not UTF-8
        kept.write_bytes(damaged)
        assert taught(chosen()).text == TEXT[: len(TEXT) // 2]
        assert kept.read_bytes().startswith(b"seen:")
        assert Seen.times == times


def test_an_error_names_the_metric_that_cannot_be_fitted(chosen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Seen, "state", lambda self: "seen")
    with pytest.raises(PluginError, match="metric 'essentials/distinct': its state is a str, not bytes"):
        taught(chosen())
    monkeypatch.setattr(Seen, "fit", lambda self, documents: 1 / 0)
    with pytest.raises(PluginError, match=r"it cannot be fitted: ZeroDivisionError: .* line \d+\)"):
        taught(chosen())


def test_long_documents_come_in_pieces(chosen: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("seqforge.data.dataset.LONGEST_PIECE", 7)
    pieces = list(prepare(chosen(), lambda _: None).documents("training"))
    assert {len(piece) for piece in pieces[:-1]} == {7}
    assert "".join(pieces) == TEXT[: len(TEXT) // 2]
