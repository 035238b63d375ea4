import importlib
import sys

import pytest


@pytest.mark.parametrize("missing", ["hypothesis", "pytest"])
def test_a_missing_package_of_the_extra_is_an_error_that_names_the_extra(monkeypatch, missing):
    for name in [name for name in sys.modules if name.partition(".")[0] == "seqforge" and ".testing" in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=rf"needs {missing}, .* pip install 'seqforge-core\[testing\]'"):
        importlib.import_module("seqforge.testing")


def test_another_missing_module_is_not_blamed_on_the_extra(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "seqforge" and ".testing" in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    with pytest.raises(ModuleNotFoundError, match="safetensors"):
        importlib.import_module("seqforge.testing")
