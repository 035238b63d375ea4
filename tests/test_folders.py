"""The user's folders."""

from pathlib import Path

import pytest

from seqforge.errors import RunError
from seqforge.folders import CACHE_VARIABLE, cache_folder, expanded


def test_a_home_directory_is_put_in(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/home/someone")
    assert expanded("~/a") == Path("/home/someone/a")
    assert expanded("a/~") == Path("a/~")


def test_the_home_directory_of_nobody_is_told(monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ValueError, match="~nobody-of-this-name/a: there is no user of that name"):
        expanded("~nobody-of-this-name/a")
    monkeypatch.setenv(CACHE_VARIABLE, "~nobody-of-this-name/a")
    with pytest.raises(RunError, match=f"{CACHE_VARIABLE}: ~nobody-of-this-name/a: there is no user"):
        cache_folder()
