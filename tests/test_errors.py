"""Errors with a message and a hint, and suggestions of names."""

import io
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from seqforge.errors import (
    MAXIMUM_NAMES,
    DataError,
    ExperimentError,
    PluginError,
    RunError,
    SeqforgeError,
    describe_type,
    did_you_mean,
    nearest,
    quote_path,
    warn,
)


@pytest.mark.parametrize("kind", [DataError, ExperimentError, PluginError, RunError])
def test_an_error_is_its_message_and_its_hint(kind: type[SeqforgeError]):
    error = kind("what is wrong", hint="What to do.")
    assert (error.message, error.hint, str(error)) == ("what is wrong", "What to do.", "what is wrong\nWhat to do.")
    assert str(kind("what is wrong")) == "what is wrong"
    assert isinstance(error, SeqforgeError)
    # An error can be passed between processes.
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (kind, str(error))


@pytest.mark.parametrize("is_closed", [True, False])
def test_a_warning_is_dropped_if_there_is_no_stream_for_it(
    is_closed: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    stream = io.StringIO()
    stream.close()
    monkeypatch.setattr(sys, "stderr", stream if is_closed else None)
    warn("something is odd")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("lstm", "lstm"),
        ("lstn", "lstm"),
        ("LSTM", "lstm"),
        ("top_p", "top-p"),
        ("croos-entropy", "cross-entropy"),
        ("quaternion", None),
        ("", None),
    ],
)
def test_the_nearest_name_is_found_or_none_is_near(name: str, found: str | None):
    assert nearest(name, ["lstm", "gru", "top-p", "top-k", "cross-entropy"]) == found


def test_the_nearest_name_keeps_its_case():
    assert nearest("readme", ["Makefile", "README"]) == "README"


@pytest.mark.parametrize(("name", "found"), [("lr", "learning_rate"), ("LR", "learning_rate"), ("b", None)])
def test_initials_stand_for_a_name_of_several_words(name: str, found: str | None):
    assert nearest(name, ["beta1", "learning_rate", "brackets"]) == found


def test_a_suggestion_is_the_nearest_name_or_all_names():
    assert did_you_mean("lstn", ["gru", "lstm"]) == "Did you mean 'lstm'?"
    assert did_you_mean("quaternion", ["lstm", "gru"]) == "Known: gru, lstm."
    assert did_you_mean("lstm", []) == "None is installed."


def test_of_many_names_a_suggestion_lists_the_nearest_and_says_where_all_are():
    names = [3 * letter for letter in "abcdefghijklmnop"]
    hint = did_you_mean("oppp--------", names, "`show` shows all.")
    assert hint == f"Known: {', '.join([*names[:10], 'ooo', 'ppp'])}, and 4 more. `show` shows all."
    assert did_you_mean("oppp--------", names[:MAXIMUM_NAMES]) == f"Known: {', '.join(names[:MAXIMUM_NAMES])}."


def test_a_path_with_spaces_is_in_quotes_in_a_command():
    assert quote_path(Path("runs/my run")) == "'runs/my run'"
    assert quote_path("linux-small") == "linux-small"


class Unit:
    """A class whose name begins with a vowel that is not spoken as one."""


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1, "an int"),
        (1.0, "a float"),
        ([], "a list"),
        (np.zeros(1), "an ndarray"),
        (UnicodeError(), "a UnicodeError"),
        (Unit(), "a Unit"),
        (None, "None"),
        (b"", "bytes"),
    ],
)
def test_a_type_has_its_article(value: object, shown: str):
    assert describe_type(value) == shown
