"""Reading TOML tables, overriding their values, and replacing their components."""

import copy
import json
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqforge.errors import ExperimentError
from seqforge.experiment.experiment import Experiment
from seqforge.experiment.tables import override, read_table, replace_components
from seqforge.registry.registry import Registry

TABLE = {"training": {"steps": 3}, "model": {"cells": [{"use": "lstm"}, {"use": "gru"}]}}


def assigned(*assignments: str) -> dict[str, Any]:
    before = copy.deepcopy(TABLE)
    result = override(TABLE, assignments)
    assert before == TABLE
    return result


def test_a_toml_file_is_read(tmp_path: Path):
    path = tmp_path / "experiment.toml"
    path.write_text('[corpus]\nuse = "inline"\ntext = "naïve"\n', encoding="utf-8")
    assert read_table(path) == {"corpus": {"use": "inline", "text": "naïve"}}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"# a\n\xff", "not a TOML file: line 2 is not UTF-8 text"),
        (b"a = " + b"9" * 5000, "not a TOML file: Exceeds the limit"),
        (b"a = " + b"[" * 5000, "not a TOML file: "),
        (b"b = 1\n[" + b"a." * 5000 + b"a]", "not a TOML file: a dotted key has more than 16 parts (at line 2"),
        (b"\n" + b"a." * 16 + b"a = 1", "not a TOML file: a dotted key has more than 16 parts (at line 2"),
        (b"'a'. \"b\" ." * 8 + b"a = 1", "not a TOML file: a dotted key has more than 16 parts"),
        (b"a = [" + b"{}," * 20_000 + b"]", "it has more than 20,000 keys and items of lists"),
        (b"[[a]]\n" * 1001, "it has more than 1,000 tables"),
        (b"a = [0x" + b"f" * 20_000 + b"]", "an integer has more than 100 digits"),
        (b"a = -1" + b"0" * 100, "an integer has more than 100 digits"),
        (b"#" * 1024 * 1024 + b"#", "not a TOML file: it is larger than 1,048,576 bytes"),
        (b"a = " + b"[" * 64 + b"1" + b"]" * 64, "tables and lists are nested more than 64 levels deep"),
    ],
)
def test_a_file_that_is_not_toml_is_an_error(tmp_path: Path, content: bytes, message: str):
    path = tmp_path / "experiment.toml"
    path.write_bytes(content)
    with pytest.raises(ExperimentError) as caught:
        read_table(path)
    assert caught.value.message.startswith(f"{path}: {message}")


def test_a_text_in_the_place_of_an_experiment_file_is_explained(tmp_path: Path):
    path = tmp_path / "notes.txt"
    path.write_text("It is a truth universally acknowledged")
    with pytest.raises(ExperimentError) as caught:
        read_table(path)
    assert caught.value.hint is not None
    assert 'files = ["FILE"]' in caught.value.hint


def test_a_byte_order_mark_is_ignored(tmp_path: Path):
    path = tmp_path / "experiment.toml"
    path.write_bytes(b"\xef\xbb\xbfa = 1")
    assert read_table(path) == {"a": 1}


def test_tables_may_be_nested_up_to_a_limit(tmp_path: Path):
    path = tmp_path / "experiment.toml"
    path.write_bytes(b"a = " + b"[" * 63 + b"]" * 63)
    assert list(read_table(path)) == ["a"]
    with pytest.raises(ExperimentError, match="tables and lists are nested more than 64 levels deep"):
        override({}, ["a." * 70 + "a=1"])


def test_a_path_through_a_file_is_an_error(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(ExperimentError, match=r"experiment\.toml: no such file\n.*/file is a file, not a folder"):
        read_table(tmp_path / "file" / "experiment.toml")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_read_permission_is_an_error(tmp_path: Path):
    path = tmp_path / "experiment.toml"
    path.touch(mode=0o000)
    with pytest.raises(ExperimentError, match="cannot be read: Permission denied"):
        read_table(path)


def test_a_value_is_replaced_and_the_others_remain():
    assert assigned("training.steps=4") == {**TABLE, "training": {"steps": 4}}
    assert assigned("training.steps=4", "training.steps=5") == {**TABLE, "training": {"steps": 5}}


def test_missing_tables_are_created():
    assert assigned("a.b.c=1")["a"] == {"b": {"c": 1}}
    assert override({}, ["model.cells.0.use=gru"]) == {"model": {"cells": [{"use": "gru"}]}}


def test_options_of_a_list_that_is_absent_are_those_of_its_default_components():
    cells = override({}, ["model.cells.0.hidden_size=9"])["model"]["cells"]
    assert cells == [{"use": "essentials/lstm", "hidden_size": 9}]
    samplers = override({}, ["sampler.1.use=top-k"])["sampler"]
    assert [sampler["use"] for sampler in samplers] == ["essentials/temperature", "top-k"]
    assert override({}, ["metrics.0.use=brackets"]) == {"metrics": [{"use": "brackets"}]}


def test_lists_are_indexed_and_appended_to():
    cells = assigned("model.cells.1.hidden_size=8", "model.cells.2.use=rnn", "model.cells.2.repeat=2")["model"]["cells"]
    assert cells == [{"use": "lstm"}, {"use": "gru", "hidden_size": 8}, {"use": "rnn", "repeat": 2}]
    assert assigned("model.cells.0=3")["model"]["cells"] == [3, {"use": "gru"}]
    assert assigned("model.cells.2=[]")["model"]["cells"] == [{"use": "lstm"}, {"use": "gru"}, []]


@pytest.mark.parametrize("key", ["model.cells.3", "model.cells.-1", "model.cells.3.use"])
def test_an_index_outside_a_list_is_an_error(key: str):
    with pytest.raises(ExperimentError) as caught:
        assigned(f"{key}=1")
    part = key.split(".")[2]
    assert caught.value.message == f"override {key}=1: model.cells is a list of length 2, without an item {part!r}"
    assert caught.value.hint == "Use an index from 0 to 2; 2 appends an item."


def test_a_key_of_an_item_without_an_index_is_an_error_with_an_example():
    with pytest.raises(ExperimentError, match="without an item 'use'") as caught:
        assigned("model.cells.use=gru")
    assert caught.value.hint == "For the first item: model.cells.0.use=gru"


def test_a_key_through_a_plain_value_is_an_error():
    with pytest.raises(ExperimentError, match=r"training\.steps is 3, which has no keys"):
        assigned("training.steps.first=1")


@pytest.mark.parametrize("assignment", ["", "=", "=3", "steps", "a..b=1", ".a=1", "a.=1", " = 3"])
def test_an_assignment_without_a_key_or_a_value_is_an_error(assignment: str):
    with pytest.raises(ExperimentError, match="is not of the form KEY=VALUE"):
        assigned(assignment)


def test_an_argument_that_is_not_utf8_is_an_error():
    with pytest.raises(ExperimentError, match=r"^override 'corpus\.text=\\udcff': is not valid UTF-8$"):
        assigned("corpus.text=\udcff")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("3.5", 3.5),
        ("1e-3", 0.001),
        ("true", True),
        ('"3"', "3"),
        ("'a = b'", "a = b"),
        ("[1, 2]", [1, 2]),
        ("{use = 'lstm', hidden_size = 3}", {"use": "lstm", "hidden_size": 3}),
        (" 3 ", 3),
        ("", ""),
        ("lstm", "lstm"),
        ("top-p", "top-p"),
        ("cuda:1", "cuda:1"),
        ("True", "True"),
        ("007", "007"),
        ("a=b", "a=b"),
        ("the quick brown fox", "the quick brown fox"),
        ("#include", "#include"),
        ("1\nsteps = 2", "1\nsteps = 2"),
        ("1\n[training]", "1\n[training]"),
        ("9" * 5000, "9" * 5000),
        ("naïve", "naïve"),
    ],
)
def test_a_value_that_is_not_toml_is_a_string(text: str, value: Any):
    assert override({}, [f"key={text}"]) == {"key": value}


_keys = st.lists(st.from_regex(r"[a-z_]{1,6}", fullmatch=True), min_size=1, max_size=4)
_plain = st.integers(-(10**99), 10**99) | st.booleans() | st.text(st.characters(exclude_categories=["Cs"]), max_size=10)


@given(keys=_keys, value=_plain | st.lists(_plain, max_size=3))
@settings(deadline=None)
def test_an_assigned_value_is_found_at_its_key(keys: list[str], value: Any):
    # A JSON value on one line is a TOML value too.
    text = json.dumps(value, ensure_ascii=False).replace("\x7f", r"\u007f")
    found: Any = override({}, [f"{'.'.join(keys)}={text}"])
    for key in keys:
        found = found[key]
    assert found == value


def test_a_replacement_keeps_the_options_that_both_components_have(samples: Registry):
    table = tomllib.loads(
        """
        [training]
        steps = 3
        [corpus]
        use = "inline"
        text = "hello"
        [loss]
        use = "cross-entropy"
        label_smoothing = 0.1
        [optimizer]
        use = "adam"
        learning_rate = 0.5
        decay = 0.3
        [[model.cells]]
        use = "lstm"
        hidden_size = 8
        forget_bias = 2.0
        repeat = 3
        [[model.cells]]
        use = "residual"
        inner = { use = "lstm" }
        [[sampler]]
        use = "temperature"
        temperature = 0.5
        """
    )
    before = copy.deepcopy(table)
    chosen = replace_components(
        table, samples, corpus="files", cell="extra/gru", loss="cross-entropy", optimizer="sgd", sampler=["greedy"]
    )
    assert table == before
    assert chosen == {
        "training": {"steps": 3},
        "corpus": {"use": "files"},
        "loss": {"use": "cross-entropy", "label_smoothing": 0.1},
        "optimizer": {"use": "sgd", "learning_rate": 0.5},
        "model": {"cells": [{"use": "extra/gru", "hidden_size": 8, "repeat": 3}, {"use": "extra/gru"}]},
        "sampler": [{"use": "greedy"}],
    }
    assert replace_components(table, samples) == table


def test_components_compose_an_experiment_without_a_file(samples: Registry):
    table = replace_components(
        {}, samples, corpus="inline", cell="lstm", optimizer="sgd", sampler=["temperature", "greedy"]
    )
    assert table == {
        "corpus": {"use": "inline"},
        "model": {"cells": [{"use": "lstm"}]},
        "optimizer": {"use": "sgd"},
        "sampler": [{"use": "temperature"}, {"use": "greedy"}],
    }
    experiment = Experiment.from_dict(override(table, ["corpus.text=hello"]), registry=samples)
    assert experiment.identity.name == "inline"


@pytest.mark.parametrize("wrong", [3, "lstm", [], [3], {"cells": 3}, {"cells": []}, {"cells": ["lstm"]}])
def test_a_component_may_replace_an_invalid_table(samples: Registry, wrong: Any):
    chosen = replace_components({"model": wrong, "optimizer": wrong}, samples, cell="lstm", optimizer="sgd")
    assert chosen["model"]["cells"] == [{"use": "lstm"}]
    assert chosen["optimizer"] == {"use": "sgd"}
