"""Residual blocks: the suite of cells for every part, and a nested experiment from its file to its samples."""

from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from seqforge_essentials.cells.block import Block
from seqforge_essentials.cells.gru import GRU
from seqforge_essentials.cells.lstm import LSTM

import seqforge as sf
from seqforge.errors import ExperimentError
from seqforge.registry.component import Component
from seqforge.registry.options import resolve
from seqforge.registry.registry import Registry
from seqforge.runs.backends import read_backends
from seqforge.testing.cell_suite import CellSuite


def _block(input_size: int, hidden_size: int, inner: type[Any] = LSTM, **options: Any) -> Block:
    return Block(input_size, lambda size: inner(size, hidden_size), **options)


class TestBlocks(CellSuite):
    cells: ClassVar = {
        "plain": _block,
        "griffin": partial(_block, expansion=1.5, convolution=4, gate="gelu", feed_forward="geglu"),
        "xlstm": partial(
            _block, inner=GRU, norm="layer", expansion=2.0, convolution=3, gate="silu", feed_forward="swiglu"
        ),
        "in a block": lambda size, hidden: Block(
            size, lambda inner: _block(inner, hidden, convolution=2), convolution=2
        ),
    }


def test_the_convolution_reads_the_last_steps_only() -> None:
    torch.manual_seed(0)
    block = _block(3, 4, convolution=3)
    assert block.convolution is not None
    with torch.no_grad():
        block.convolution.normal_()
    inputs = torch.randn(9, 2, 3)
    outputs, _ = block(inputs, block.initial_state(2))
    changed = inputs.clone()
    changed[5] += 1
    after, _ = block(changed, block.initial_state(2))
    assert torch.equal(outputs[:5], after[:5])
    assert not torch.allclose(outputs[5:], after[5:])


def test_stochastic_depth_leaves_out_a_part_for_a_whole_sequence() -> None:
    torch.manual_seed(0)
    block = _block(3, 4, stochastic_depth=0.25).double()
    inputs = torch.randn(9, 4000, 3, dtype=torch.float64)
    state = block.initial_state(4000)
    (found, after), (expected, same) = block(inputs, state), block.eval()(inputs, state)
    left_out = (found == inputs).all(2)
    assert torch.equal(left_out.all(0), left_out.any(0))
    assert abs(left_out[0].float().mean().item() - 0.25) < 0.04
    # The others are scaled, so that the expected output is that of evaluation. The cell reads on in any case.
    scale = torch.where(left_out, 0, 1 / 0.75)[..., None]
    torch.testing.assert_close(found - inputs, (expected - inputs) * scale, rtol=1e-4, atol=1e-6)
    assert torch.equal(after.inner_hidden, same.inner_hidden)


@pytest.mark.parametrize("norm", ["rms", "layer"])
def test_a_layer_below_may_have_outputs_in_bfloat16(norm: str) -> None:
    torch.manual_seed(0)
    block = _block(8, 4, norm=norm, convolution=2, feed_forward="swiglu")
    inputs = torch.randn(5, 2, 8).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        outputs, state = block(inputs, block.initial_state(2))
    assert outputs.dtype == torch.bfloat16
    assert {part.dtype for part in state} == {torch.float32}
    expected, _ = block(inputs.float(), block.initial_state(2))
    torch.testing.assert_close(outputs.float(), expected, rtol=0.05, atol=0.05)


EXPERIMENT: dict[str, Any] = {
    "corpus": {"use": "inline", "text": "the cat sat on the mat. " * 60},
    "model": {
        "embedding_size": 12,
        "cells": [
            {
                "use": "block",
                "cell": {"use": "block", "cell": {"use": "gru", "hidden_size": 9}, "expansion": 2},
                "convolution": 3,
                "gate": "silu",
                "feed_forward": "swiglu",
                "repeat": 2,
            }
        ],
    },
    "training": {"steps": 4, "batch_size": 3, "sequence_length": 12, "checkpoint_interval": 2},
}


def test_a_nested_experiment_trains_resumes_samples_is_reported_and_exported(tmp_path: Path) -> None:
    experiment = sf.Experiment.from_dict(EXPERIMENT)
    run = sf.train(experiment, tmp_path / "runs", progress=False)
    inner = {
        name: type(module).__name__ for name, module in run.model().named_modules() if name.endswith("inner.inner")
    }
    assert inner == {f"stack.cells.{layer}.inner.inner": "GRU" for layer in (0, 1)}
    assert run.model().get_submodule("stack.cells.0.inner.inner").input_size == 24
    longer = run.resume(training={"steps": 6})
    assert longer.evaluate().loss > 0
    assert len(longer.sample(prompt="the", length=10, seed=0)[0]) == 13
    longer.report().save(tmp_path / "report.html")
    assert "stack.cells.0–1.inner.inner: GRU on " in (tmp_path / "report.html").read_text("utf-8")
    exported = sf.export(longer, tmp_path / "exported")
    opened = sf.Run.open(tmp_path / "exported")
    assert exported is not None
    assert opened.sample(prompt="the", length=10, seed=0) == longer.sample(prompt="the", length=10, seed=0)


def test_each_inner_cell_has_a_backend_of_its_own(tmp_path: Path) -> None:
    inner = [{"use": "gru", "hidden_size": 9}, {"use": "lstm", "hidden_size": 9}]
    cells = [{"use": "block", "cell": {"use": "block", "cell": cell}} for cell in inner]
    model = {**EXPERIMENT["model"], "cells": cells}
    run = sf.train(sf.Experiment.from_dict({**EXPERIMENT, "model": model}), tmp_path, progress=False)
    assert [*read_backends(run.path).cells] == ["stack.cells.0.inner.inner", "stack.cells.1.inner.inner"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cell": {"use": "gru", "hidden_siz": 9}}, r"cell\.hidden_siz: .* Did you mean 'hidden_size'"),
        ({"cell": {"use": "gated-deltanet", "heads": 3}}, r"cell\.heads: heads = 3 does not divide hidden_size = 128"),
        (
            {"cell": {"use": "block", "cell": {"use": "slstm", "heads": 3}}},
            r"cell\.cell\.heads: heads = 3 does not divide",
        ),
        ({"cell": "lstmm"}, r"cell: no cell is called 'lstmm'\. Did you mean 'lstm'"),
        ({"cell": 3}, r"cell: must be the name of a cell .* Write \{ use = \"NAME\" \}"),
        ({"expansion": 1e300}, "expansion: "),
        ({"convolution": -1}, "convolution: should be greater than or equal to 0, not -1"),
        ({"convolution": 2.5}, "convolution: "),
    ],
)
def test_a_wrong_option_is_a_problem_at_its_key(options: dict[str, Any], message: str) -> None:
    for embedding in ({}, {"embedding_size": 12}):
        cells = [{"use": "gru", "repeat": 2}, {"use": "block", "cell": "gru", **options}]
        table = {**EXPERIMENT, "model": {"cells": cells, **embedding}}
        with pytest.raises(ExperimentError, match=rf"model\.cells\.1\.{message}"):
            sf.Experiment.from_dict(table, origin="the file")


def test_a_size_that_depends_on_the_vocabulary_is_not_checked_before_it_is_known() -> None:
    sf.Experiment.from_dict({**EXPERIMENT, "model": {"cells": [{"use": "block", "cell": {"use": "gru"}}]}})


@pytest.mark.parametrize(
    ("block", "cell"),
    [
        ("griffin-block", "parallel-cells/rg-lru"),
        ("xlstm-block", "matrix-cells/mlstm"),
        ("slstm-block", "essentials/slstm"),
        ("gated-deltanet-block", "matrix-cells/gated-deltanet"),
    ],
)
def test_the_block_of_a_paper_contains_the_cell_of_the_paper(block: str, cell: str) -> None:
    resolved = resolve(Registry.installed(), "cell", block, "key", Path())
    assert isinstance(resolved, Component)
    assert resolved.options["cell"].name == cell


def test_a_preset_sets_options_that_an_experiment_may_change() -> None:
    preset = resolve(
        Registry.installed(), "cell", {"use": "griffin-block", "cell": "lstm", "gate": "silu"}, "key", Path()
    )
    assert isinstance(preset, Component)
    assert preset.name == "essentials/block"
    assert (preset.options["gate"], preset.options["feed_forward"], preset.options["norm"]) == ("silu", "geglu", "rms")
    inner = {"use": "block", "cell": {"use": "griffin-block", "cell": "lstm"}}
    nested = resolve(Registry.installed(), "cell", inner, "key", Path())
    assert isinstance(nested, Component)
    assert nested.options["cell"].options["feed_forward"] == "geglu"
