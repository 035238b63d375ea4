"""Components by name or by class, and the Python constructor of an experiment."""

import pickle
import tomllib
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
from pydantic import Field, PositiveInt

import seqforge as sf
from seqforge.errors import ExperimentError, PluginError
from seqforge.kinds import Loss, Metric, Sampler
from seqforge.registry.registry import Registry

CORPUS = sf.use("inline", text="hello")


class Cold(Sampler):
    """A sampler that no plugin registers."""

    def __init__(self, size: Annotated[PositiveInt, Field(description="Some size.")] = 3) -> None:
        self.size = size

    def sample(self, *arguments: Any) -> Any:
        raise NotImplementedError


class Chain(Sampler):
    """A sampler that wraps another one."""

    def __init__(self, inner: Sampler, path: Path = Path("here")) -> None:
        self.inner, self.path = inner, path

    def sample(self, *arguments: Any) -> Any:
        raise NotImplementedError


for sampler in (Cold, Chain):
    sampler.__abstractmethods__ = frozenset()  # pyright: ignore - the tests use only their options


class Hot(Cold):
    """A sampler with a default that its own check refuses."""

    def __init__(self, size: PositiveInt = 0) -> None:
        self.size = size


def test_the_constructor_and_its_file_give_equal_experiments(samples: Registry, tmp_path: Path) -> None:
    experiment = sf.Experiment(
        corpus=CORPUS,
        vocabulary="characters",
        loss="cross-entropy",
        optimizer=sf.use("adam", learning_rate=np.float32(0.5)),
        sampler=["greedy", sf.use("temperature", temperature=0.5)],
        metrics=[sf.use("distinct", lengths=(1, 2))],
        data={"shuffle": False},
        model={"dropout": 0.5, "cells": ["lstm", sf.use("essentials/gru", hidden_size=np.int64(7), repeat=2)]},
        training={"minutes": 3, "steps": None},
        experiment={"name": "mine", "seed": 5},
        registry=samples,
    )
    path = tmp_path / "mine.toml"
    path.write_text(experiment.to_toml())
    assert sf.Experiment.load(path, registry=samples) == experiment
    assert experiment.registry is samples
    assert [cell.options["hidden_size"] for cell in experiment.model.cells] == [128, 7, 7]
    assert experiment.optimizer.options["learning_rate"] == 0.5
    assert (experiment.identity.name, experiment.identity.seed) == ("mine", 5)
    assert (experiment.training.steps, experiment.model.dropout) == (None, 0.5)


def test_a_session_defined_class_is_a_component(samples: Registry) -> None:
    samplers = [Cold, sf.use(Chain, inner=sf.use(Cold, size=9), path=Path("there"))]
    experiment = sf.Experiment(corpus=CORPUS, sampler=samplers, registry=samples)
    assert [sampler.name for sampler in experiment.samplers] == ["session/Cold", "session/Chain"]
    assert experiment.table["sampler"][0] == {"use": "session/Cold", "size": 3}
    assert experiment.table["sampler"][1]["inner"] == {"use": "session/Cold", "size": 9}
    built = experiment.samplers[1].build()
    assert isinstance(built, Chain)
    assert isinstance(built.inner, Cold)
    assert (built.inner.size, built.path) == (9, Path("there"))
    assert list(experiment.plugins) == ["seqforge", "essentials"]
    assert not any(plugin.name == "session" for plugin in samples.plugins)  # The given registry does not change.
    again = sf.Experiment.from_dict(experiment.table, registry=experiment.registry)
    assert again == experiment
    assert pickle.loads(pickle.dumps(experiment)) == experiment


def test_a_class_that_a_plugin_registers_keeps_its_name(samples: Registry) -> None:
    lstm = samples.load(samples.find("cell", "lstm"))
    experiment = sf.Experiment(corpus=CORPUS, model={"cells": [sf.use(lstm, hidden_size=5)]}, registry=samples)
    assert experiment.model.cells[0].name == "essentials/lstm"
    assert experiment.registry is samples


def test_a_missing_session_class_is_an_error_that_names_it(samples: Registry) -> None:
    table = tomllib.loads(sf.Experiment(corpus=CORPUS, sampler=[Cold], registry=samples).to_toml())
    with pytest.raises(ExperimentError) as caught:
        sf.Experiment.from_dict(table, registry=samples)
    assert str(caught.value) == (
        "the experiment: sampler.0.use: no sampler is called 'session/Cold'. It was defined in a Python "
        "session. Pass its class: Run.open(path, components=[Cold])."
    )
    experiment = sf.Experiment.from_dict(table, registry=samples.with_components([Cold]))
    assert experiment.samplers[0].component is Cold


def test_a_later_class_of_the_same_name_replaces_the_earlier(samples: Registry) -> None:
    def define(default: int) -> type[Sampler]:
        class Same(Cold):
            def __init__(self, size: int = default) -> None:
                self.size = size

        return Same

    first, second = define(1), define(2)
    registry = samples.with_components([first, Cold]).with_components([second])
    assert registry.load(registry.find("sampler", "session/Same")) is second
    assert registry.load(registry.find("sampler", "session/Cold")) is Cold
    with pytest.raises(PluginError, match="two sampler classes are called 'Same'"):
        samples.with_components([first, second])


class Plain:
    """A class that is not a component."""


class Untyped(Cold):
    """A sampler with an option that has no type."""

    def __init__(self, size) -> None:
        self.size = size


class Unfinished(Metric):
    """A metric without its method."""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sampler": [sf.use(Cold, size=0)]}, "sampler.0.size: should be greater than 0, not 0"),
        ({"sampler": [sf.use(Cold, sice=2)]}, "session/Cold has no option 'sice'. Did you mean 'size'?"),
        ({"sampler": [sf.use(Cold, size=None)]}, "sampler.0.size: should be a valid integer, not None"),
        (
            {"sampler": [Chain]},
            'session/Chain needs this option. Write inner = { use = "SAMPLER" }, or use("SAMPLER") in Python.',
        ),
        ({"sampler": [sf.use(Chain, inner="gready")]}, "no sampler is called 'gready'. Did you mean 'greedy'?"),
        (
            {"sampler": [Untyped]},
            "argument 'size' has no type annotation, such as 'size: int'. Correct the class Untyped.",
        ),
        ({"sampler": [Hot]}, "size: the default should be greater than 0, not 0. Correct the class Hot."),
        ({"sampler": [sf.use(Hot, size=-1)]}, "size: should be greater than 0, not -1"),
        ({"metrics": [Unfinished]}, "does not implement score. Correct the class Unfinished."),
        ({"model": {"cells": [Cold]}}, "no cell is called 'session/Cold'. 'session/Cold' is a sampler."),
        (
            {"model": {"model": {"cells": [sf.use("lstm", hidden_size=print)]}}},
            "hidden_size: an experiment cannot hold the value <built-in function print>",
        ),
        ({"training": {"steps": Cold}}, "training.steps: should be a valid integer, not {'use': 'session/Cold'}"),
        ({"training": {3: 4}}, "training.3: [training] has no option '3'"),
        ({"model": 5}, "model: must be a table, not 5"),
        (
            {"sampler": "greedy"},
            "sampler: should be a list, not 'greedy'. Write [[sampler]] above each table",
        ),
        ({"vocabulary": 5}, "vocabulary: must be the name of a vocabulary or a table with it, not 5"),
        ({"optimizer": Plain()}, "optimizer: an experiment cannot hold the value <"),
        ({"experiment": {"name": "\ud800"}}, "experiment.name: '\\ud800' is not valid UTF-8"),
        ({"data": {"\udc80": 1}}, "data: '\\udc80' is not valid UTF-8"),
        ({"corpus": sf.use("inline", text=Path("\udc80"))}, "corpus.text: '\\udc80' is not valid UTF-8"),
        (
            {"model": {"cells": [sf.use("lstm", hidden_size=2**63)]}},
            "model.cells.0.hidden_size: should have at most 64 bits",
        ),
        ({"loss": Plain}, "Plain is not a component: it does not derive from an interface"),
    ],
)
def test_a_wrong_component_or_option_is_an_error(samples: Registry, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((ExperimentError, PluginError)) as caught:
        sf.Experiment(**{"corpus": CORPUS, "registry": samples, **arguments})
    assert message in str(caught.value).replace("\n", ". ")


def test_use_accepts_no_object() -> None:
    with pytest.raises(PluginError, match="takes the name or the class of a component"):
        sf.use(Cold())  # pyright: ignore


def test_an_interface_is_not_a_component(samples: Registry) -> None:
    with pytest.raises(ExperimentError, match="is unfinished"):
        sf.Experiment(corpus=CORPUS, loss=Loss, registry=samples)


HINTS: dict[str, tuple[dict[str, Any], str]] = {
    "a name in the place of cells": (
        {"model": {"cells": "lstm"}},
        "model.cells: should be a list, not 'lstm'. "
        'Write [[model.cells]] above each table, or a list such as [use("NAME")] in Python.',
    ),
    "a number in the place of settings": (
        {"training": 5},
        "training: must be a table, not 5. Write [training] above its keys, or a dict in Python.",
    ),
    "a number in the place of a component": (
        {"loss": 5},
        'loss: must be the name of a loss or a table with it, not 5. Write { use = "NAME" }, or use("NAME") in Python.',
    ),
    "no nested component": (
        {"sampler": [sf.use(Chain)]},
        "sampler.0.inner: session/Chain needs this option. "
        'Write inner = { use = "SAMPLER" }, or use("SAMPLER") in Python.',
    ),
    "a setting as an option": (
        {"corpus": sf.use("inline", text="hello", steps=3)},
        "corpus.steps: essentials/inline has no option 'steps'. Move it to [training].",
    ),
    "an option of another component": (
        {"corpus": sf.use("inline", text="hello", hidden_size=3)},
        "corpus.hidden_size: essentials/inline has no option 'hidden_size'. Move it to [[model.cells]].",
    ),
}


@pytest.mark.parametrize("mistake", HINTS)
def test_hints_for_an_experiment_show_toml_and_python(mistake: str, samples: Registry) -> None:
    arguments, message = HINTS[mistake]
    with pytest.raises(ExperimentError) as caught:
        sf.Experiment(**{"corpus": CORPUS, **arguments}, registry=samples)
    assert str(caught.value) == f"the experiment: {message}"


def test_an_experiment_without_a_corpus_is_an_error(samples: Registry) -> None:
    with pytest.raises(ExperimentError, match=r'Add \[corpus\] .*, or corpus=use\("NAME"\) in Python\. Known: '):
        sf.Experiment.from_dict({}, registry=samples)
