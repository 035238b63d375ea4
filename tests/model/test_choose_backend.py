"""Plugins that read sequences in a cell's place, where an experiment asks for it."""

from typing import Any

import pluggy
import pytest
import torch
from seqforge_essentials.cells.lstm import LSTM
from torch import nn

from seqforge.model.choose_backend import compile_cells
from seqforge.registry import Registry
from seqforge.registry.hooks import hookimpl, new_plugin_manager


class Reads:
    """A plugin whose reader gives ones, of cells of up to eight units."""

    @hookimpl
    def seqforge_sequence_reader(self, cell: LSTM) -> Any:
        if cell.hidden_size > 8:
            return None
        return lambda cell, inputs, state: (torch.ones(*inputs.shape, cell.hidden_size), state)


class Fails:
    @hookimpl
    def seqforge_sequence_reader(self, cell: LSTM) -> Any:
        raise ZeroDivisionError("not today")


class Refuses:
    """A plugin whose reader never reads."""

    @hookimpl
    def seqforge_sequence_reader(self, cell: LSTM) -> Any:
        return lambda cell, inputs, state: None


def outputs_with(plugins: list[Any], cell: LSTM, monkeypatch: pytest.MonkeyPatch) -> torch.Tensor:
    manager: pluggy.PluginManager = new_plugin_manager()
    for plugin in plugins:
        manager.register(plugin, type(plugin).__name__)
    monkeypatch.setattr(Registry, "new_hooks", lambda self: manager)
    compile_cells(nn.ModuleList([nn.Linear(2, 2), cell]))
    monkeypatch.setattr(torch, "compile", lambda function, **_: function)
    return cell(torch.randint(3, (4, 2)), cell.initial_state(2))[0]


def test_a_plugin_reads_in_the_cells_place(monkeypatch: pytest.MonkeyPatch) -> None:
    assert torch.equal(outputs_with([Reads()], LSTM(3, 8), monkeypatch), torch.ones(4, 2, 8))


@pytest.mark.parametrize("plugin", [Reads(), Refuses()], ids=["for this cell", "for these inputs"])
def test_where_no_plugin_can_the_cell_reads_itself(plugin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    found = outputs_with([plugin], LSTM(3, 9), monkeypatch)
    assert found.abs().max() < 1
    assert found.requires_grad


def test_a_plugin_that_fails_costs_a_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found = outputs_with([Fails(), Reads()], LSTM(3, 8), monkeypatch)
    assert torch.equal(found, torch.ones(4, 2, 8))
    assert capsys.readouterr().err == "seqforge: the plugin 'Fails' cannot compile LSTM: ZeroDivisionError: not today\n"
