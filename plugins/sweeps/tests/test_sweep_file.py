"""Sweep files: ranges, grids, and the errors that name the key and what to write."""

import tomllib
import warnings
from collections.abc import Mapping
from pathlib import Path

import pytest
from seqforge_sweeps.sweep_file import Values, read_sweep, validate_settings

from seqforge import Registry
from seqforge.errors import ExperimentError

BASE = """
[corpus]
use = "inline"
text = "some text"
[data]
validation_fraction = 0.2
[optimizer]
use = "adam"
[[model.cells]]
use = "gru"
"""


def parse(text: str) -> Mapping[str, Values]:
    table = tomllib.loads(f'base = "base.toml"\n[parameters]\n{text}')
    return validate_settings(table, Path("sweep.toml")).parameters


def test_parameters_are_read_from_dotted_keys() -> None:
    parsed = parse(
        "model.cells.0.hidden_size = [16, 32]\noptimizer.learning_rate = { log = [1e-4, 1e-1] }\n"
        'optimizer.use = ["adam", "sgd"]\nmodel.embedding_size = { range = [16, 64], step = 16 }\n'
        '"training.steps" = [5]'
    )
    assert parsed == {
        "model.cells.0.hidden_size": Values(choices=[16, 32]),
        "optimizer.learning_rate": Values(log=[1e-4, 1e-1]),
        "optimizer.use": Values(choices=["adam", "sgd"]),
        "model.embedding_size": Values(range=[16, 64], step=16),
        "training.steps": Values(choices=[5]),
    }
    assert [*parsed["model.embedding_size"].listed] == [16, 32, 48, 64]
    assert len(parsed["optimizer.use"].listed) == 2
    assert parsed["optimizer.learning_rate"].listed is None
    assert [*parse("experiment.seed = { range = [3, 5] }")["experiment.seed"].listed] == [3, 4, 5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "parameters: should have at least 1 item, not {}. Write a table such as [parameters]"),
        ("a = []", "parameters.a: the list of values is empty"),
        ("a = 3", "parameters.a: must be a list of values or a range, not 3. Write [3, …]."),
        ("a = [1, 1.0]", "parameters.a: the value 1.0 is repeated"),
        ("a = { log = [0, 1] }", "parameters.a: a logarithmic range begins above 0, not at 0."),
        ("a = { range = [2, 1] }", "parameters.a: the lower limit comes first: [1, 2]."),
        ("a = { range = [1, 2], stp = 1 }", "parameters.a.stp: a sweep file has no option 'stp'. Did you mean 'step'?"),
        ("a = { range = [1, 2], log = [1, 2] }", "parameters.a: must have either range or log"),
        ("a = { choices = [1], range = [0, 5] }", "parameters.a: has choices, so it cannot have range"),
        ("a = { choices = [1], step = 2 }", "parameters.a: has choices, so it cannot have range"),
        ("a = { range = [1, 2], step = 2 }", "parameters.a: the range has one value"),
        ("a = { range = [1, 2], step = 0 }", "parameters.a.step: should be greater than 0, not 0"),
        (
            "a = { log = [1, 9], step = 2 }",
            "step",
        ),
        ("a = { range = [0.0, 1.0], step = 1 }", "parameters.a: a step needs a range of integers"),
        ("a = { range = [1, 2], step = 0.5 }", "parameters.a.step: should be a valid integer"),
        ("a = { log = [1, true] }", "parameters.a.log.1: should be a valid integer or be a valid number, not true"),
        (f"a = {{ range = [1, {10**400}] }}", "parameters.a.range.1: should be less than 9223372036854775808"),
        ("a = [1979-05-27]", "parameters.a: cannot hold such a value"),
    ],
)
def test_a_wrong_range_is_an_error(text: str, message: str) -> None:
    with pytest.raises(ExperimentError) as error:
        parse(text)
    assert message in error.value.message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trals = 3", "trals: a sweep file has no option 'trals'. Did you mean 'trials'?"),
        ("trials = 0", "trials: should be greater than or equal to 1, not 0"),
        ('name = "../up"', "name: should match pattern"),
        ("[parameter]\nx = [1]", "Did you mean 'parameters'? Parameters of the experiment are in [parameters]."),
        ('pruner = "medium"', "Did you mean 'median'?"),
    ],
)
def test_a_wrong_key_of_the_sweep_is_an_error(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "sweep.toml").write_text(f'base = "base.toml"\n{text}\n[parameters]\nmodel.dropout = [0.1]\n')
    with pytest.raises(ExperimentError) as error:
        read_sweep(tmp_path / "sweep.toml")
    assert message in error.value.message


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("model.cells.0.hiden_size = [1]", "has no option 'hiden_size'. Did you mean 'hidden_size'?"),
        ("model.cells.3.hidden_size = [1]", "model.cells is a list of length 1, without an item '3'"),
        ("model.dropout = [0.1, 1.5]", "model.dropout: should be less than 1, not 1.5"),
        ("model.dropout = { range = [0.5, 3.0] }", "model.dropout: should be less than 1, not 3.0"),
        ('optimizer = [{ use = "adam" }, { use = "adan" }]', "no optimizer is called 'adan'. Did you mean 'adam"),
        ("data.validation_fraction = [0.1, 0.0]", "trials are compared on the validation split"),
        ('experiment.name = ["a", "b"]', "parameters.experiment.name: the sweep names every trial itself"),
    ],
)
def test_every_value_is_checked_before_the_first_trial(parameters: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(BASE)
    (tmp_path / "sweep.toml").write_text(f'base = "base.toml"\n[parameters]\n{parameters}\n')
    with pytest.raises(ExperimentError) as error:
        read_sweep(tmp_path / "sweep.toml").check(Registry.installed())
    assert message in error.value.message
    assert error.value.message.startswith(f"{tmp_path / 'sweep.toml'}: ")


def test_a_component_is_chosen_before_its_options(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(BASE)
    (tmp_path / "sweep.toml").write_text(
        'base = "base.toml"\n[parameters]\n"optimizer.learning_rate" = [0.5]\n"optimizer" = [{ use = "sgd" }]\n'
    )
    sweep = read_sweep(tmp_path / "sweep.toml")
    experiment = sweep.experiment(
        {"optimizer.learning_rate": 0.5, "optimizer": '{"use": "sgd"}'}, "a", Registry.installed()
    )
    assert experiment.optimizer.name == "essentials/sgd"
    assert experiment.optimizer.options["learning_rate"] == 0.5


def test_an_experiment_in_the_place_of_a_sweep_file_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(BASE)
    with pytest.raises(ExperimentError, match="is an experiment file, not a sweep file") as caught:
        read_sweep(tmp_path / "base.toml")
    assert 'base = "base.toml"' in (caught.value.hint or "")


def test_a_range_ends_with_its_last_step() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Optuna warns if the upper limit is not a value.
        parsed = parse("a = { range = [4, 9], step = 2 }")
        assert parsed["a"].distribution.to_internal_repr(8) == 8
    assert parsed["a"].values_to_check[1] == parsed["a"].listed[-1] == 8
