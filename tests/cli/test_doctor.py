"""`seqforge doctor`."""

import json
import re
from dataclasses import replace
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from seqforge import hardware
from seqforge.cli.app import build_app
from seqforge.hardware import describe_processor, instruction_sets
from seqforge.kinds import Diagnosis
from seqforge.registry import hookimpl
from seqforge.registry.registry import Registry


def findings(*arguments: str) -> dict[str, dict[str, Any]]:
    result = CliRunner().invoke(build_app(Registry.installed()), ["doctor", "--json", *arguments])
    assert result.exit_code == 0, result.output
    return {found["subject"]: found for found in json.loads(result.stdout)}


def test_the_machine_and_the_plugins_are_diagnosed() -> None:
    found = findings()
    assert list(found)[:6] == ["processor", "torch", "threads", "precision", "GPU", "compiler"]
    assert torch.__version__ in found["torch"]["finding"]
    assert "native kernels" in found


def test_advice_is_printed_below_its_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")  # without a compiler
    result = CliRunner().invoke(build_app(Registry.installed()), ["doctor"])
    lines = result.stdout.splitlines()
    place = next(index for index, line in enumerate(lines) if line.startswith("! compiler"))
    assert lines[place + 1].strip() == "On Debian and Ubuntu: sudo apt install g++"


def test_findings_are_aligned(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Diagnosis("processor", "[b]fast[/b] " * 20), Diagnosis("GPU", "none", advice="Buy [one]. " * 20)]
    monkeypatch.setattr("seqforge.hardware.diagnose_machine", lambda: found)
    assert CliRunner().invoke(build_app(Registry([])), ["doctor"]).stdout.splitlines() == [
        "✓ processor  " + "[b]fast[/b] " * 20,
        "! GPU        none",
        "             " + "Buy [one]. " * 20,
    ]


@pytest.mark.parametrize(
    ("threads", "cores", "busy", "finding", "advice"),
    [
        (1, 1, 0.1, "1 thread on 1 core, load average 0.1", None),
        (2, 2, 0.1, "2 threads on 2 cores, load average 0.1", None),
        (8, 4, 0.0, "8 threads on 4 cores, load average 0.0", "OMP_NUM_THREADS=4"),
        (4, 4, 3.1, "4 threads on 4 cores, load average 3.1", "try OMP_NUM_THREADS=1"),
    ],
)
def test_too_many_threads_or_a_busy_machine_give_advice(
    threads: int, cores: int, busy: float, finding: str, advice: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(hardware, "own_cores", lambda: cores)
    monkeypatch.setattr(hardware.os, "getloadavg", lambda: (busy, 0.0, 0.0))
    found = {diagnosis.subject: diagnosis for diagnosis in hardware.diagnose_machine()}["threads"]
    assert found.finding == finding
    assert (found.advice is None) == (advice is None)
    assert advice is None or advice in str(found.advice)


class Broken:
    @hookimpl
    def seqforge_diagnose(self) -> list[Diagnosis]:
        raise ValueError("no device")


class ReturnsText:
    @hookimpl
    def seqforge_diagnose(self) -> list[Any]:
        return ["fine"]


@pytest.mark.parametrize(
    ("plugin", "message"),
    [(Broken(), "ValueError: no device"), (ReturnsText(), "TypeError: it returns something other than a Diagnosis")],
)
def test_a_plugin_whose_diagnosis_fails_is_reported_in_one_line(
    plugin: object, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = Registry.installed()
    hooks = registry.new_hooks()
    hooks.register(plugin, "sample")
    monkeypatch.setattr(Registry, "new_hooks", lambda self: hooks)
    result = CliRunner().invoke(build_app(registry), ["doctor"])
    assert result.exit_code == 0
    assert f"the diagnosis of the plugin 'sample' failed: {message}" in result.output
    assert "native kernels" in result.stdout


def test_with_an_experiment_the_backends_are_measured(experiment: Any, tmp_path: Any) -> None:
    path = tmp_path / "small.toml"
    layers = [{"use": "lstm", "hidden_size": 4}, {"use": "reset-before-gru", "hidden_size": 3}]
    path.write_text(experiment(model={"cells": layers}, training={"device": "cpu"}).to_toml())
    names, compilers = {"onednn", "cudnn"}, {"native", "inductor"}
    registry = Registry.installed()
    chosen = [
        replace(plugin, registrations=tuple(one for one in plugin.registrations if one.name not in compilers))
        for plugin in registry.plugins
    ]
    app = build_app(Registry(chosen))
    result = CliRunner().invoke(app, ["doctor", str(path), "--json"])
    assert result.exit_code == 0, result.output
    lstm, gru = json.loads(result.stdout)
    assert (lstm["module"], lstm["cell"], lstm["steps"], lstm["rows"]) == ("stack.cells.0", "LSTM", 16, 4)
    assert {"eager", "onednn"} <= lstm["seconds"].keys()
    assert gru["seconds"].keys() == {"eager"}
    assert gru["refused"].keys() == names
    table = CliRunner().invoke(app, ["doctor", str(path)], env={"COLUMNS": "200"})
    assert "stack.cells.1: ResetBeforeGRU, batch of 4 × 16" in table.stdout
    assert "torch has no fused layer" in table.stdout
    notes = re.findall(r"│ \w+ +│ +[\d.,]+ +│ +[\d,]+ +│ +(\w*) *│", table.stdout)
    assert notes[0] == notes[-1] == "fastest"  # The first of the LSTM, and the only one of the GRU.
    assert notes.count("fastest") == 2
    milliseconds, speed = re.findall(r"│ eager +│ +([\d.]+) +│ +([\d,]+) +│", table.stdout)[0]
    assert float(milliseconds) * int(speed.replace(",", "")) == pytest.approx(1000 * 16 * 4, rel=0.1)


def test_instruction_sets_are_read_from_cpuinfo(tmp_path: Any) -> None:
    information = tmp_path / "cpuinfo"
    information.write_text("processor\t: 0\nflags\t\t: fpu avx2 avx512_bf16\n\nprocessor\t: 1\nflags\t\t: fpu\n")
    assert instruction_sets(information) == {"fpu", "avx2", "avx512_bf16"}
    assert instruction_sets(tmp_path / "none") == frozenset()


def test_an_arm_processor_is_described_by_its_numbers_and_features(tmp_path: Any) -> None:
    information = tmp_path / "cpuinfo"
    numbers = "CPU implementer\t: 0x41\nCPU architecture: 8\nCPU variant\t: 0x1\nCPU part\t: 0xd40\n"
    information.write_text(f"processor\t: 0\nFeatures\t: fp asimd sve bf16\n{numbers}")
    assert instruction_sets(information) == {"fp", "asimd", "sve", "bf16"}
    assert describe_processor(information) == "0x41 0xd40 0x1"
